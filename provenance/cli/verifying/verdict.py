"""What was found out about one thing, and how it is told: a line a check, one verdict, an exit code."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from provenance.cli import terminal


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what of, whether it passed, a sentence, and where it failed."""

    subject: str
    passed: bool
    sentence: str
    where: str | None = None

    def shown(self) -> dict[str, Any]:
        """The check as JSON."""
        return {"subject": self.subject, "passed": self.passed, "sentence": self.sentence, "where": self.where}


@dataclass(slots=True)
class Verdict:
    """The checks of one file, pack or log. ``name`` is what was checked."""

    name: str
    checks: list[Check] = field(default_factory=list)
    trusted: bool = False

    def add(self, subject: str, passed: bool, sentence: str, where: str | None = None) -> None:
        """Add the outcome of a check."""
        self.checks.append(Check(subject, passed, sentence, where))

    @property
    def proven(self) -> bool:
        """Whether everything that could be checked without knowing the key fits together."""
        return bool(self.checks) and all(check.passed for check in self.checks if check.subject != "trust")

    @property
    def accepted(self) -> bool:
        """Whether all is proven, and by keys that the person named."""
        return self.proven and self.trusted and all(check.passed for check in self.checks)

    def shown(self) -> dict[str, Any]:
        """The verdict as JSON."""
        checks = [check.shown() for check in self.checks]
        return {"name": self.name, "proven": self.proven, "trusted": self.trusted, "checks": checks}


def tell(verdicts: Sequence[Verdict], *, as_json: bool) -> None:
    """Print verdicts: for a person, or as one JSON document."""
    if as_json:
        accepted = all(verdict.accepted for verdict in verdicts)
        terminal.print_json({"accepted": accepted, "verdicts": [verdict.shown() for verdict in verdicts]})
        return
    from rich.text import Text

    out = terminal.console()
    for verdict in verdicts:
        out.print(Text(terminal.plain(verdict.name), "bold"), soft_wrap=True)
        for check in verdict.checks:
            out.print(_line(check), soft_wrap=True)
        out.print(_conclusion(verdict), soft_wrap=True)


def _line(check: Check) -> Any:
    from rich.text import Text

    waiting = check.subject == "trust"
    mark, style = ("✓", "green") if check.passed else ("?", "yellow") if waiting else ("✗", "bold red")
    line = Text(f"  {mark} ", style)
    if check.where:
        line.append(f"{terminal.plain(check.where)}: ", "bold")
    return line.append(terminal.plain(check.sentence), "" if check.passed else style)


def _conclusion(verdict: Verdict) -> Any:
    from rich.text import Text

    if verdict.accepted:
        return Text("  PROVEN", "bold green").append(", under a key that you trust.", "default not bold")
    if not verdict.proven:
        return Text("  NOT PROVEN", "bold red").append(": see what failed above.", "default not bold")
    return Text("  NOT TRUSTED", "bold yellow").append(": all fits together, but see ? above.", "default not bold")
