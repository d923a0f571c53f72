"""What can go wrong with the log."""

from provenance.core.errors import Conflict, Invalid, NotFound


class NotIntegrated(NotFound):
    """The log has no signed head that covers this yet; ask again after ``Retry-After`` seconds."""

    code = "not_integrated"

    def __init__(self) -> None:
        super().__init__("No signed checkpoint covers this yet. Ask again in a second.", headers={"Retry-After": "1"})


class NoSuchTile(NotFound):
    """The path names no tile of the log as it is signed."""

    code = "no_such_tile"


class NoSuchLog(NotFound):
    """No log of this origin is published here."""

    code = "no_such_log"


class BeyondTheLog(Invalid):
    """A size is larger than the signed log."""

    code = "beyond_the_log"


class LogHalted(Conflict):
    """The log signs nothing since something in it was not as it should be."""

    code = "log_halted"


class LogNotHalted(Conflict):
    """A log that signs is not reopened."""

    code = "log_not_halted"


class RefusedToSign(Exception):
    """A head that would not extend the last one, or rows that are not what was signed; the message says which."""


class RowDiffers(Conflict):
    """What is stored of an interaction is not what was recorded and signed: the database was tampered with."""

    code = "row_differs"

    def __init__(self, number: int) -> None:
        super().__init__(f"Interaction number {number} is not stored as it was recorded. No proof is given for it.")
