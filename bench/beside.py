"""Work in a process of its own, beside what is measured."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Elsewhere:
    """A function in a process of its own, which takes a pipe and its arguments, and says over it what it found."""

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        """Take a function of a module."""
        self._here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=work, args=(there, *arguments), daemon=True)

    def __enter__(self) -> "Elsewhere":
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    @property
    def pid(self) -> int:
        """Process number."""
        assert self._process.pid is not None
        return self._process.pid

    def wait(self) -> Any:
        """Return what it says next."""
        return self._here.recv()


@contextmanager
def serving(serve: Callable[..., None], *arguments: Any) -> Iterator[tuple[int, int]]:
    """Serve for as long as the block lasts; yields the port, which is what ``serve`` says first, and the process."""
    with Elsewhere(serve, *arguments) as server:
        yield server.wait(), server.pid
