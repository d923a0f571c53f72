"""The graph of a definition: order, cycles, what is reached, what lies before what. Pure functions over names."""

from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush

Arcs = Mapping[str, Sequence[str]]
"""Where the edges of each node lead, every node present."""


def arcs(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the arcs of known nodes; edges that dangle are left out."""
    found: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in edges:
        if source in found and target in found:
            found[source].append(target)
    return found


def reversed_arcs(forward: Arcs) -> dict[str, list[str]]:
    """Return the same edges the other way."""
    back: dict[str, list[str]] = {node: [] for node in forward}
    for source, targets in forward.items():
        for target in targets:
            back[target].append(source)
    return back


def ordered(forward: Arcs) -> list[str]:
    """Return the nodes so that each stands behind all before it, else as given; none on or behind a cycle."""
    place = {node: number for number, node in enumerate(forward)}
    names = list(forward)
    waiting = {node: len(sources) for node, sources in reversed_arcs(forward).items()}
    ready = [place[node] for node, count in waiting.items() if count == 0]
    heapify(ready)
    found = []
    while ready:
        node = names[heappop(ready)]
        found.append(node)
        for target in forward[node]:
            waiting[target] -= 1
            if waiting[target] == 0:
                heappush(ready, place[target])
    return found


def cycles(forward: Arcs) -> dict[str, list[str]]:
    """Return a shortest way back to itself for each node that lies on a cycle, from it on, without it at the end."""
    left = set(forward) - set(ordered(forward))
    found = {node: path(forward, forward[node], node) for node in forward if node in left}
    return {node: [node, *way[:-1]] for node, way in found.items() if way}


def reached(forward: Arcs, starts: Iterable[str]) -> set[str]:
    """Return what can be reached from the starts, they included."""
    found = set(starts)
    waiting = list(found)
    while waiting:
        for target in forward[waiting.pop()]:
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found


def ancestors(forward: Arcs) -> dict[str, frozenset[str]]:
    """Return what lies before each node, itself not included."""
    back = reversed_arcs(forward)
    order = ordered(forward)
    found: dict[str, frozenset[str]] = {}
    if len(order) < len(forward):
        return {node: frozenset(reached(back, back[node])) - {node} for node in forward}
    for node in order:
        found[node] = frozenset(back[node]).union(*(found[source] for source in back[node]))
    return found


def path(forward: Arcs, starts: Sequence[str], goal: str, *, avoiding: frozenset[str] = frozenset()) -> list[str]:
    """Return a shortest path from a start to the goal that passes no avoided node, or nothing."""
    came: dict[str, str | None] = {start: None for start in starts if start not in avoiding}
    waiting = list(came)
    for node in waiting:
        if node == goal:
            return _traced(came, node)
        for target in forward[node]:
            if target not in came and target not in avoiding:
                came[target] = node
                waiting.append(target)
    return []


def _traced(came: Mapping[str, str | None], node: str) -> list[str]:
    found = [node]
    while (before := came[found[-1]]) is not None:
        found.append(before)
    return found[::-1]
