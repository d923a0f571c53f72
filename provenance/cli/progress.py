"""A progress bar on a terminal's stderr; elsewhere only what a person must know."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

import typer

if TYPE_CHECKING:
    from rich.progress import Progress


class Bar:
    """Shows how much of a long work is done. `total` may be unknown; `done` is where it starts."""

    def __init__(self, title: str, total: int | None, done: int = 0) -> None:
        self.title = title
        self.total = total
        self.done = done
        self._shown: Progress | None = None
        self._said: str | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            from provenance.cli.terminal import console

            columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
            self._shown = Progress(*columns, TimeRemainingColumn(), console=console(err=True), transient=True)
            self._task = self._shown.add_task(self.title, total=self.total, completed=self.done)
            self._shown.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._shown.stop()

    def expect(self, total: int | None) -> None:
        """Show how much there is, once that is known."""
        self.total = total
        if self._shown:
            self._shown.update(self._task, total=total)

    def advance_to(self, done: int) -> None:
        """Show that this much is done."""
        if self._shown:
            self._shown.update(self._task, completed=done)

    def say(self, message: str | None) -> None:
        """Show why the work waits, once per reason; None when it goes on."""
        if message == self._said:
            return
        self._said = message
        if self._shown:
            self._shown.update(self._task, description=f"{self.title}: waiting" if message else self.title)
        elif message:
            typer.echo(f"Waiting: {message}", err=True)
