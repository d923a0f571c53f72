"""What can go wrong when something is recorded."""

from collections.abc import Iterable

from provenance.core.errors import Conflict, Detail, Invalid


class IdempotencyConflict(Conflict):
    """The idempotency key, or the span id, was used before with other content."""

    code = "idempotency_conflict"

    def __init__(self, fields: Iterable[str], *, prefix: str = "") -> None:
        details: list[Detail] = [
            {"path": prefix + field, "issue": "differs from what was recorded under this key"} for field in fields
        ]
        named = ", ".join(detail["path"] for detail in details)
        super().__init__(f"This key was used before with other content: {named}.", details=details)


class CatalogueFull(Invalid):
    """The workspace holds as many words of this kind as it may."""

    code = "catalogue_full"


class UnknownMnemonic(Invalid):
    """The workspace takes only words of its catalogue, and this is none."""

    code = "unknown_mnemonic"
