"""What a letter says: enough to know what is asked, nothing of the payload, and the way to decide."""

from typing import Any, NamedTuple

from sqlalchemy import Row

from provenance.approvals.letters.schemas import Occasion
from provenance.approvals.settling import wire_id
from provenance.core.clock import iso_millis
from provenance.core.ids import encode

_SUBJECTS = {
    Occasion.REQUESTED: "Approval asked",
    Occasion.OVERDUE: "Approval overdue",
    Occasion.ESCALATED: "Approval escalated to you",
    Occasion.CHANGED: "Approval changed",
}
_OPENINGS = {
    Occasion.REQUESTED: "Somebody has to approve this before a run goes on, and you may.",
    Occasion.OVERDUE: "This is overdue: a run still waits for somebody to decide, and you may.",
    Occasion.ESCALATED: "Nobody decided on this in time, so it is asked of you now.",
    Occasion.CHANGED: "What you were asked to approve was changed. Links of earlier mails decide nothing any more.",
}
_BY_LINK = """Read it and approve or reject it here:

  {link}

The link is yours alone and decides once; please don't pass this mail on. To see everything, sign in:

  {console}
"""
_BY_SIGN_IN = """It is decided by who is signed in:

  {console}
"""


class Ways(NamedTuple):
    """Where a letter leads: to the page of its link, where it may have one, and to the console."""

    link: str | None
    console: str


def subject(row: Row[Any], occasion: Occasion) -> str:
    """Write a letter's subject."""
    return f"[Provenance] {_SUBJECTS[occasion]} ({row.risk}): {row.title}"


def text(row: Row[Any], occasion: Occasion, ways: Ways) -> str:
    """Write a letter."""
    facts = {
        "Asked": _line(row.title),
        "Action": _line(row.action),
        "Summary": _line(row.summary),
        "Risk": row.risk,
        "Workflow": f"{_line(row.workflow_name)}, step {row.step_key} ({row.environment})",
        "Run": encode("run", row.run_id),
        "Due": iso_millis(row.due_at),
        "Approval": wire_id(row.id),
    }
    told = "".join(f"{name}: {value}\n" for name, value in facts.items() if value)
    way = _BY_SIGN_IN if ways.link is None else _BY_LINK
    return f"{_OPENINGS[occasion]}\n\n{told}\n{way.format(link=ways.link, console=ways.console)}"


def _line(text: str | None) -> str | None:
    """Return a text on one line: nothing that a run says may look like a line of ours."""
    if text is None:
        return None
    shown = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return shown if len(shown) <= 1_000 else shown[:1_000] + " …"
