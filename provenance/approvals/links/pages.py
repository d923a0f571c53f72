"""The pages of a link: what is asked, with a form; what changed; how it ended. No scripts, nothing from elsewhere."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from typing import Any

import msgspec
from fastapi.responses import HTMLResponse

from provenance.approvals.schemas import Approval, Approved, Change, Rejected, StillPending
from provenance.core.errors import Problem

MOST_PAYLOAD = 8_000
MOST_VALUE = 500
_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}"
    "dt{font-weight:600}dd{margin:0 0 .6rem}pre{overflow:auto;padding:.8rem;border:1px solid #999}"
    "textarea,input{width:100%;box-sizing:border-box}textarea,input,button{font:inherit}"
    "button{padding:.6rem 1.2rem;margin-right:.6rem}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#eee}}"
)
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
}
_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C], "�")
"""Signs that turn the direction of writing: with them a text can read as another one than it is."""


def ask(approval: Approval, token: str, *, only_reject: str | None = None) -> HTMLResponse:
    """Show an approval with the form that decides it; ``only_reject`` says why its reader may not approve."""
    approve = "" if only_reject else '<button name="decision" value="approve">Approve</button>'
    form = (
        f'<form method="post" action="decide"><input type="hidden" name="token" value="{escape(token)}">'
        '<p><label for="comment">Comment (needed to reject)</label><br>'
        '<textarea id="comment" name="comment" rows="3" maxlength="4000"></textarea></p>'
        '<p><label for="password">Your password</label><br><input id="password" name="password" type="password" '
        'autocomplete="current-password" maxlength="1024" required></p>'
        '<p><label for="otp">One-time code, if your account asks for one</label><br>'
        '<input id="otp" name="otp" inputmode="numeric" autocomplete="one-time-code" maxlength="64"></p>'
        f'<p>{approve}<button name="decision" value="reject">Reject</button></p></form>'
    )
    note = f"<p><strong>{_shown(only_reject)}</strong></p>" if only_reject else ""
    return _page(approval.title, f"{_facts(approval)}{note}{form}<p>The link decides once, and for you alone.</p>")


def changed(approval: Approval, changes: Sequence[Change]) -> HTMLResponse:
    """Say that an approval is not any more what the mail told of, and how it differs."""
    rows = "".join(f"<dt>{_shown(each.path or 'payload')}</dt><dd>{_change(each)}</dd>" for each in changes)
    told = f"<dl>{rows}</dl>" if rows else "<p>Others are asked by now; the payload is the same.</p>"
    return _page(
        "This approval was changed",
        f"<p>It is not any more what your mail told of, so the mail's link decides nothing. "
        f"A newer mail has a link to it as it stands now.</p><h2>What changed</h2>{told}"
        f"<h2>As it stands now</h2>{_facts(approval)}",
        status=409,
    )


def done(answer: Approved | Rejected | StillPending) -> HTMLResponse:
    """Say what became of a decision."""
    said = {
        "approved": "You approved it. The run goes on.",
        "rejected": "You rejected it.",
        "pending": "You approved it. Others have to approve it, too.",
    }
    return _page("Thank you", f"<p>{said[answer.status]} You can close this window.</p>")


def refused(problem: Problem, sign_in: str) -> HTMLResponse:
    """Say why a link does not do what it was opened for."""
    rows = "".join(f"<dt>{_shown(each['path'])}</dt><dd>{_shown(each['issue'])}</dd>" for each in problem.details)
    body = f'<p>{_shown(problem.detail)}</p><dl>{rows}</dl><p><a href="{escape(sign_in)}">Sign in</a></p>'
    page = _page("This link does not decide", body, status=problem.status)
    page.headers.update(problem.headers)
    return page


def _facts(approval: Approval) -> str:
    facts: dict[str, str | None] = {
        "Action": approval.action,
        "Summary": approval.summary,
        "Risk": approval.risk.value,
        "Workflow": f"{approval.workflow_name}, version {approval.workflow_version}, step {approval.step_key}",
        "Environment": approval.environment,
        "Run": approval.run_id,
        "Started by": approval.started_by,
        "Due": approval.due_at,
        "Expires": approval.expires_at,
        "Approvals needed": str(approval.required_approvals) if approval.required_approvals > 1 else None,
    }
    rows = "".join(f"<dt>{name}</dt><dd>{_shown(value)}</dd>" for name, value in facts.items() if value)
    evidence = _list("Evidence", ((each.label, _value(each.value)) for each in approval.evidence))
    payload = msgspec.json.format(msgspec.json.encode(approval.payload), indent=2).decode()
    return f"<dl>{rows}</dl>{evidence}<h2>Payload</h2><pre>{_shown(payload, MOST_PAYLOAD)}</pre>"


def _list(title: str, items: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{_shown(name)}</dt><dd>{_shown(value, MOST_VALUE)}</dd>" for name, value in items)
    return f"<h2>{title}</h2><dl>{rows}</dl>" if rows else ""


def _change(found: Change) -> str:
    sides = found.model_fields_set
    before = _shown(_value(found.before), MOST_VALUE) if "before" in sides else "nothing"
    after = _shown(_value(found.after), MOST_VALUE) if "after" in sides else "nothing"
    return f"{before} → {after}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _shown(text: str, most: int = 10_000) -> str:
    """Return a text as HTML that reads as what it is: escaped, cut, and without signs that turn its direction."""
    cut = text if len(text) <= most else text[:most] + " … (cut: sign in to see all of it)"
    return escape(cut.translate(_TURNING))


def _page(title: str, body: str, *, status: int = 200) -> HTMLResponse:
    shown = _shown(title, MOST_VALUE)
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{shown}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>{shown}</h1>{body}</body></html>"
    )
    return HTMLResponse(text, status, headers=_HEADERS)
