"""A server in a process of its own, beside what is measured."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def serving(serve: Callable[..., None], *arguments: Any) -> Iterator[tuple[int, int]]:
    """Serve for as long as the block lasts; yields the port and the number of the process.

    ``serve`` is a function of a module. It takes a pipe, over which it says its port, and the arguments.
    """
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there, *arguments), daemon=True)
    process.start()
    try:
        assert process.pid is not None
        yield here.recv(), process.pid
    finally:
        process.terminate()
        process.join()
