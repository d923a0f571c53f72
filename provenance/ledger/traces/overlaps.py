"""What ran at the same time: the rows of a trace in groups (spec/ledger.md, 4).

An interaction lasts from its own time to the last of what it caused, below it in the tree. Where such stretches of
siblings overlap, they and all below them form one group that ran in parallel; every other row is a group of its own.
"""

from typing import NamedTuple

from provenance.ledger.traces.tree import Forest


class Group(NamedTuple):
    """Rows by their places in the trace, oldest first, and whether they ran side by side."""

    places: list[int]
    parallel: bool


class _Stretch(NamedTuple):
    start: int
    end: int
    place: int


def groups(forest: Forest) -> list[Group]:
    """Group the rows of a forest, in the order of the first row of each group."""
    stretches = _stretches(forest)
    found: list[Group] = []
    waiting = [forest.roots]
    while waiting:
        for cluster in _clusters([stretches[place] for place in waiting.pop()]):
            if len(cluster) > 1:
                below = sorted(place for each in cluster for place in forest.below(each.place))
                found.append(Group(below, parallel=True))
            else:
                place = cluster[0].place
                found.append(Group([place], parallel=False))
                waiting.append(forest.children.get(place, []))
    return sorted(found)


def _stretches(forest: Forest) -> dict[int, _Stretch]:
    """Return how long each row lasted, what it caused included."""
    found: dict[int, _Stretch] = {}
    for root in forest.roots:
        for place in reversed(list(forest.below(root))):
            moment = forest.spans[place].occurred_at
            caused = [found[child] for child in forest.children.get(place, ())]
            start = min([moment, *[each.start for each in caused]])
            found[place] = _Stretch(start, max([moment, *[each.end for each in caused]]), place)
    return found


def _clusters(stretches: list[_Stretch]) -> list[list[_Stretch]]:
    clusters: list[list[_Stretch]] = []
    end = -1
    for each in sorted(stretches):
        if clusters and each.start <= end:
            clusters[-1].append(each)
        else:
            clusters.append([each])
        end = max(end, each.end)
    return clusters
