"""What can go wrong with the completeness map."""

from provenance.core.errors import Conflict, Invalid, NotFound


class MapBehind(NotFound):
    """The completeness map does not cover what is asked for yet; ask again after ``Retry-After`` seconds."""

    code = "map_behind"

    def __init__(self) -> None:
        super().__init__(
            "The completeness map does not cover this yet. Ask again in a second.", headers={"Retry-After": "1"}
        )


class TooManyIndices(Invalid):
    """More interactions name the id than one answer lists; their count and head are proven without the list."""

    code = "too_many_indices"


class MapDiffers(Conflict):
    """What is stored of the map or of the rows is not what was signed: the database was tampered with."""

    code = "map_differs"


class RowsMissing(Exception):
    """Rows that the log's signed head covers are not there; the message says which."""
