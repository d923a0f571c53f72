"""Spans as a tree: who caused whom, and what ran at the same time.

Every row appears exactly once. Loops over explicit stacks stand in for recursion, because spans may nest deeper than
the interpreter's own stack.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_DEPTH = 100
"""Levels of children in one root: JSON nested deeper breaks readers. Below, a new root continues."""


class Span(NamedTuple):
    """One row of a trace, oldest first: its ids, its time in nanoseconds and its JSON."""

    interaction_id: str
    span_id: str | None
    parent_id: str | None
    occurred_at: int
    json: bytes


@dataclass(slots=True)
class Forest:
    """Rows by their place in the trace: the roots, the children of each, and why a root that has a parent is one."""

    spans: Sequence[Span]
    roots: list[int] = field(default_factory=list)
    children: dict[int, list[int]] = field(default_factory=dict)
    notes: dict[int, bytes] = field(default_factory=dict)

    def below(self, root: int) -> Iterator[int]:
        """Yield a row and all below it, parents before their children."""
        waiting = [root]
        while waiting:
            place = waiting.pop()
            yield place
            waiting += reversed(self.children.get(place, ()))


def missing_parents(spans: Sequence[Span]) -> list[str]:
    """Return the parents named by rows of a trace that are none of its rows."""
    known = {span.span_id for span in spans}
    return sorted({span.parent_id for span in spans if span.parent_id and span.parent_id not in known})


def plant(spans: Sequence[Span], recorded: Callable[[str], bool]) -> Forest:
    """Nest rows by their parent spans. ``recorded`` tells whether the ledger holds a span that is not here.

    A root that names a parent carries a note: ``parentMissing``, with ``parentRecorded`` when the parent is recorded
    outside of these rows; ``parentCycle`` where spans name each other in a circle; ``continues`` where a branch was too
    deep.
    """
    forest = Forest(spans)
    first_of: dict[str, int] = {}
    for place, span in enumerate(spans):
        if span.span_id is not None:
            first_of.setdefault(span.span_id, place)
    for place, span in enumerate(spans):
        parent = None if span.parent_id is None else first_of.get(span.parent_id)
        if parent is not None:
            forest.children.setdefault(parent, []).append(place)
            continue
        forest.roots.append(place)
        if span.parent_id is not None:
            known = b"true" if recorded(span.parent_id) else b"false"
            forest.notes[place] = b',"parentMissing":true,"parentRecorded":' + known
    _cut_circles(forest, first_of)
    _cut_depth(forest)
    forest.roots.sort()
    return forest


def _cut_circles(forest: Forest, first_of: dict[str, int]) -> None:
    """Make a root of the oldest row of each circle of parents: no root leads there."""
    reached = {place for root in forest.roots for place in forest.below(root)}
    for place in range(len(forest.spans)):
        if place not in reached:
            top = min(_circle_above(forest.spans, first_of, place))
            forest.children[_parent(forest.spans, first_of, top)].remove(top)
            forest.roots.append(top)
            forest.notes[top] = b',"parentCycle":true'
            reached.update(forest.below(top))


def _circle_above(spans: Sequence[Span], first_of: dict[str, int], place: int) -> list[int]:
    """Return the circle that the parents of a row lead into."""
    path: dict[int, None] = {}
    while place not in path:
        path[place] = None
        place = _parent(spans, first_of, place)
    walked = list(path)
    return walked[walked.index(place) :]


def _parent(spans: Sequence[Span], first_of: dict[str, int], place: int) -> int:
    parent_id = spans[place].parent_id
    assert parent_id is not None, "a row without a parent is a root"
    return first_of[parent_id]


def _cut_depth(forest: Forest) -> None:
    waiting = [(root, 1) for root in forest.roots]
    while waiting:
        place, depth = waiting.pop()
        children = forest.children.get(place, [])
        if depth == MAX_DEPTH and children:
            for child in children:
                forest.notes[child] = b',"continues":"%b"' % forest.spans[place].interaction_id.encode()
            forest.notes[place] = forest.notes.get(place, b"") + b',"childrenContinued":true'
            forest.roots += children
            del forest.children[place]
            depth = 0
        waiting += [(child, depth + 1) for child in children]


def render(forest: Forest) -> bytes:
    """Render the roots as a JSON array: each row with its notes and its ``children``."""
    parts: list[bytes] = [b"["]
    waiting: list[int | bytes] = _row_of(forest.roots)
    while waiting:
        item = waiting.pop()
        if isinstance(item, bytes):
            parts.append(item)
            continue
        parts += (forest.spans[item].json[:-1], forest.notes.get(item, b""), b',"children":[')
        waiting.append(b"]}")
        waiting += _row_of(forest.children.get(item, []))
    parts.append(b"]")
    return b"".join(parts)


def _row_of(places: Sequence[int]) -> list[int | bytes]:
    """Return places with commas between them, the first one last, as a stack wants them."""
    stacked: list[int | bytes] = []
    for place in reversed(places):
        stacked += (place, b",")
    return stacked[:-1]
