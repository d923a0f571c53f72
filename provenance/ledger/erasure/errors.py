"""What can go wrong when content is to be destroyed."""

from provenance.core.errors import Conflict, Invalid, NotFound


class UnknownErasure(NotFound):
    """No erasure of this workspace has the id."""

    code = "erasure_not_found"


class NotCertified(NotFound):
    """The erasure is not finished yet, so it has no certificate; ask again after ``Retry-After`` seconds."""

    code = "not_certified"

    def __init__(self) -> None:
        super().__init__("The erasure is not finished yet.", headers={"Retry-After": "2"})


class OneSelector(Invalid):
    """An erasure names exactly one of userId, resourceId and filter."""

    code = "one_selector"


class LegalHold(Conflict):
    """A legal hold covers rows that this would erase."""

    code = "legal_hold"

    def __init__(self, held: int, holds: list[str]) -> None:
        rows = "1 row" if held == 1 else f"{held} rows"
        super().__init__(f"A legal hold covers {rows} of these. Nothing was erased. Holds: {', '.join(holds)}.")
