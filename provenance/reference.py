"""Write docs/reference/ and the error codes of the API's page from the code.

``python -m provenance.reference`` writes; `documents` returns every generated text, and a test compares them with
what is committed. What no docstring says stands in `SAID` and `LEDGER_EVENTS`.
"""

import ast
import json
import pkgutil
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from provenance.audit.service import words_of
from provenance.core.errors import Problem
from provenance.core.permissions import NOBODY, ONE_SCOPE_KEYS, PEOPLE, Verdict, verdict
from provenance.core.routing import access_of
from provenance.core.settings import Settings
from provenance.main import create_app
from provenance.openapi import declared_routes

PACKAGE = Path(__file__).resolve().parent
REFERENCE = PACKAGE.parent / "docs" / "reference"
PAGE = PACKAGE / "docs.html"
_NOTE = "<!-- Written by `make docs` from the code. -->\n"
_ERRORS_BLOCK = re.compile(r'(<script type="application/json" id="errors">).*?(</script>)', re.DOTALL)

SAID = {
    "address_not_allowed": "The API key is valid but may not be used from this address.",
    "bad_gzip": "The body is no complete gzip stream.",
    "definition_too_large": "A definition is over 1 MiB in canonical form.",
    "duplicate_key": "An object of the body holds the same key twice.",
    "internal_error": "The server failed. The request id finds the cause in its log.",
    "invalid_json": "The body is no JSON text. `details` name the place.",
    "invalid_utf8": "The body is not UTF-8.",
    "item_too_large": "An item of a batch is over 256 KiB.",
    "lone_surrogate": "A text holds half a surrogate pair, which is no character.",
    "master_key_away": "Vault or AWS KMS does not answer, which holds the key to this workspace's keys.",
    "missing_field": "A required field is not there. Of `action` and `actionId` and their like one is enough.",
    "missing_role": "The person is signed in, but their role here is lower than the one this operation needs.",
    "missing_scope": "The API key is valid but lacks the scope that this operation needs.",
    "mnemonic_mismatch": "A mnemonic and an id were given for the same field and name different words.",
    "nul_character": "A text holds U+0000, which can't be stored.",
    "number_out_of_range": "A number is larger than JSON's numbers can hold.",
    "people_only": "Only a person who is signed in may do this, an API key never.",
    "reserved_origin": "The origin `PLATFORM` belongs to the platform's own events.",
    "too_deep": "The body is nested more than 64 levels deep.",
    "unknown_id": "An id given for a resource type, action or origin is none of this workspace's.",
    "unknown_interaction": "`corrects` names no interaction of this workspace.",
    "unsafe_integer": "A number is beyond ±(2^53−1), where readers of JSON disagree. Send it as a text.",
    "unstorable": "The database can't store a value of this request.",
    "unsupported_content_type": "The body is not announced as JSON; send `Content-Type: application/json`.",
    "unsupported_encoding": "The body's `Content-Encoding` is neither gzip nor identity.",
}
"""What a code means where no class of its own says so in its docstring."""

LEDGER_EVENTS = (
    *(f"{kind}.{verb}" for kind in ("resource_type", "action", "origin") for verb in ("created", "updated", "deleted")),
    "queue.rotated",
    "ledger.exported",
    "ledger.erased",
    "ledger.erasure_requested",
    "ledger.hold_lifted",
    "ledger.hold_set",
    "ledger.incident",
    "ledger.log_published",
    "ledger.map_signed",
    "ledger.key_rotated",
    "ledger.reopened",
    "witness.added",
    "witness.removed",
    "witness.log_trusted",
    "witness.log_distrusted",
    "ledger.retention_changed",
)
"""Events of the ledger itself, which stands below the features that declare theirs as enumerations."""

CLIENT_VARIABLES = {
    "PROVENANCE_API_URL": "Address of the API. Default `http://127.0.0.1:7300/api`.",
    "PROVENANCE_API_KEY": "API key. Without it the command line reads `credentials.json` of the data folder.",
    "PROVENANCE_ORIGIN": "Origin of what is recorded. Default `CLI` on the command line.",
}

COMMAND_VARIABLES = {
    "PROVENANCE_ROOT_MODE": "As root: who runs the embedded PostgreSQL: `auto`, `namespace`, `account`.",
}


class Code(NamedTuple):
    """One error code: the word, its HTTP status, and what it means in a sentence or two."""

    code: str
    status: int
    meaning: str


def documents() -> dict[Path, str]:
    """Return every generated text by its path. Raises LookupError for a code that nothing explains."""
    codes = error_codes()
    return {
        REFERENCE / "settings.md": settings_document(),
        REFERENCE / "errors.md": errors_document(codes),
        REFERENCE / "permissions.md": permissions_document(),
        REFERENCE / "events.md": events_document(),
        PAGE: page_with(codes),
    }


def settings_document() -> str:
    """Describe every setting, by its environment variable."""
    server = [
        (f"`{_variable(name, field)}`", _default(name, field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return _page(
        "Settings",
        "The server reads its settings once, from the environment. The options of its commands "
        "(`provenance up --help`) set the same ones.",
        _table(("Variable", "Default", "What it does"), server),
        "## Commands\n",
        _table(("Variable", "What it does"), [(f"`{name}`", text) for name, text in COMMAND_VARIABLES.items()]),
        "## Command line and SDK\n",
        "An option goes before the variable, the variable before `provenance config`.\n",
        _table(("Variable", "What it does"), [(f"`{name}`", text) for name, text in CLIENT_VARIABLES.items()]),
    )


def errors_document(codes: Iterable[Code]) -> str:
    """Describe every error code."""
    return _page(
        "Error codes",
        "Every error is an `application/problem+json` document with a stable `code`; its `type` points to "
        "`/docs/errors#<code>` of the server. Nothing of a refused request was stored.",
        _table(
            ("Code", "Status", "What it means"),
            [(f"`{code}`", str(status), text) for code, status, text in codes],
        ),
    )


def permissions_document() -> str:
    """List every route with what each kind of caller is answered: the columns are nobody, the roles, the keys."""
    app = create_app(Settings(database_url="postgresql://nobody@localhost/nothing")).framework
    rows = []
    for route in declared_routes(app):
        access = access_of(route.dependant)
        people = [verdict(access, caller).value for caller in (NOBODY, *PEOPLE)]
        keys = [caller for caller in ONE_SCOPE_KEYS if verdict(access, caller) is Verdict.PASS]
        key = " ".join(f"`{scope.value}`" for key in keys for scope in key.scopes or ())
        if access is None or access.any_key:
            key = "pass"
        for method in sorted(route.methods or ()):
            rows.append((f"`{method} {route.path_format}`", f"`{route.operation_id}`", *people, key or "403"))
    return _page(
        "Permissions",
        "What a call is answered, before anything else of it is looked at: 401 without a valid credential, 403 when "
        "the person's role or the key's scope is not enough, else it may pass. The last column names the scope that "
        "a key needs, 403 where no key passes, pass where any does. A credential that is unknown, revoked or has run "
        "out, or whose session has ended, is nobody's. The group `approvers` opens no route: it counts where an "
        "approval is decided. A credential of another workspace acts in its own, where the ids of this one are 404. "
        "Routes that pass nobody take a credential of their own: a token or signature, or a password or passkey in "
        "the body.",
        _table(("Route", "Operation", "Nobody", "Viewer", "Editor", "Admin", "Key"), rows),
    )


def events_document() -> str:
    """List the events that the platform records about itself."""
    rows = []
    for event in sorted({*LEDGER_EVENTS, *_declared_events()}):
        resource_type, action = words_of(event)
        rows.append((f"`{event}`", f"`{resource_type}`", f"`{action}`"))
    return _page(
        "Platform events",
        "What the platform does itself is an interaction in the same ledger, in the same transaction as the "
        "change, with the origin `PLATFORM` and `platform: true`. Events of the whole installation (workspaces, "
        "the first person and key) stand in a workspace of their own.",
        _table(("Event", "Resource type", "Action"), rows),
    )


def page_with(codes: Iterable[Code]) -> str:
    """Return the API's page with these codes in it."""
    data = json.dumps([code._asdict() for code in codes], ensure_ascii=False, separators=(",", ":"))
    safe = data.replace("<", "\\u003c")
    return _ERRORS_BLOCK.sub(lambda found: found[1] + safe + found[2], PAGE.read_text("utf-8"))


def error_codes() -> list[Code]:
    """Find every code: those of the error classes, and those given where an error is raised."""
    _import_everything()
    kinds = [kind for kind in _subclasses(Problem) if kind.__module__.startswith(f"{PACKAGE.name}.")]
    found: dict[str, Code] = {}
    for kind in kinds:
        if "code" in vars(kind):
            found.setdefault(kind.code, Code(kind.code, kind.status, SAID.get(kind.code) or _sentence(kind)))
    statuses = {kind.__name__: kind.status for kind in kinds}
    for code, raised in _raised_codes():
        if code not in found:
            if code not in SAID:
                raise LookupError(f"say in {Path(__file__).name} what the error code {code} means")
            found[code] = Code(code, statuses.get(raised, 400), SAID[code])
    return [found[code] for code in sorted(found)]


def _raised_codes() -> Iterator[tuple[str, str]]:
    """Yield the codes that stand in calls, with the name of the class that is called."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.is_relative_to(PACKAGE / "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call):
                kind, method = _called(node.func)
                code = _code_of(node, is_json="BadJson" in (kind, method) or method == "_bad")
                if code is not None:
                    yield code, kind


def _code_of(call: ast.Call, *, is_json: bool) -> str | None:
    """Return the literal code of a call: its keyword ``code``, or the first argument of a JSON refusal."""
    named = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    for value in (*named, *(call.args[:1] if is_json else [])):
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value
    return None


def _called(function: ast.expr) -> tuple[str, str]:
    """Return what is called: the name before the dot and the one after it (``Invalid``, ``at``)."""
    if isinstance(function, ast.Attribute):
        return (function.value.id if isinstance(function.value, ast.Name) else ""), function.attr
    return (function.id if isinstance(function, ast.Name) else ""), ""


def _import_everything() -> None:
    """Import every module of the server, so that all subclasses are known; the commands have none."""
    for module in pkgutil.walk_packages([str(PACKAGE)], f"{PACKAGE.name}."):
        if module.name.split(".")[1] not in ("cli", "up", "__main__"):
            import_module(module.name)


def _subclasses(kind: type[Problem]) -> Iterator[type[Problem]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from _subclasses(inner)


def _declared_events() -> Iterator[str]:
    """Yield the values of every enumeration of events."""
    _import_everything()
    for kind in StrEnum.__subclasses__():
        if kind.__module__.startswith(f"{PACKAGE.name}.") and kind.__name__.endswith("Event"):
            yield from (member.value for member in kind)


def _sentence(kind: type) -> str:
    """Return the first paragraph of a class's docstring on one line, without the status."""
    text = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    return re.sub(r" \(\d{3}[^)]*\)", "", re.sub(r"\(\d{3}; ", "(", text))


def _variable(name: str, field: FieldInfo) -> str:
    """Return the environment variable of a setting; the shorter one where there are two."""
    alias = field.validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"PROVENANCE_{name.upper()}"


def _default(name: str, field: FieldInfo) -> str:
    """Return how a default reads; the data folder's depends on who asks."""
    if name == "data_dir":
        return "`$XDG_DATA_HOME/provenance`, as root `/var/lib/provenance`"
    value = field.get_default(call_default_factory=True, validated_data={})
    return "" if value is None else f"`{json.dumps(value, default=str)}`".replace('"', "")


def _page(title: str, about: str, *parts: str) -> str:
    return _NOTE + f"# {title}\n\n" + about + "\n\n" + "\n".join(parts)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    cells = [tuple(_cell(cell) for cell in row) for row in rows]
    lines = [heads, tuple("---" for _ in heads), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """Escape what a cell of a table would take for its own: bars, and angle brackets outside of code."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(part if at % 2 else part.replace("<", "&lt;") for at, part in enumerate(parts))


def main() -> None:
    """Write every generated file that differs, and say which."""
    for path, text in documents().items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            print(path.relative_to(PACKAGE.parent))


if __name__ == "__main__":
    main()
