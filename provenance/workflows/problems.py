"""Problems of a definition: each with its place, a stable code and a sentence (spec/automation.md, 6.3)."""

from collections.abc import Sequence

import msgspec

from provenance.expressions import InvalidExpression


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong: ``path`` into the definition (``steps[2].config.url``), ``code``, ``issue``."""

    path: str
    code: str
    issue: str


class InvalidDefinition(ValueError):
    """A definition that cannot run; ``problems`` names every reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{each.path}: {each.issue}" for each in problems[:5]))
        self.problems = list(problems)


def of_expression(path: str, error: InvalidExpression) -> Problem:
    """Name an expression that does not compile; the offset of the fault stands in the sentence."""
    where = "" if error.position is None else f" (at character {error.position + 1})"
    return Problem(path, error.code, error.issue + where)
