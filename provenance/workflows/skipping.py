"""Which steps have certainly given an output where an expression is read, and which may have been skipped.

A step that certainly ran is followed along the edges that are certainly taken; where a logic step has a default, what
every one of its cases leads to is certain too. What can't be shown counts as perhaps skipped.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from provenance.workflows import graph
from provenance.workflows.checking_graph import Drawn, case_names, on_of
from provenance.workflows.kinds import Kinds

_CASES_AT_MOST: Final = 64
_Choice = tuple[str, str]
"""A logic step and the case it chose."""


class Skipping:
    """Answers for one definition."""

    def __init__(self, drawn: Drawn, kinds: Kinds) -> None:
        """Take the graph; of edges that dangle nothing is asked."""
        self._drawn = drawn
        self._edges = [
            edge.document for edge in drawn.edges if {edge.document["from"], edge.document["to"]} <= drawn.by_key.keys()
        ]
        self._triggers = [key for key in drawn.by_key if self._kind_is(key, kinds, "is_trigger")]
        self._gates = {key for key in drawn.by_key if self._kind_is(key, kinds, "is_gate")}
        self._choices = {key: case_names(drawn.config(key)) for key in drawn.by_key if "default" in drawn.config(key)}
        if sum(map(len, self._choices.values())) > _CASES_AT_MOST:
            self._choices = {}
        self._everywhere = (
            frozenset.intersection(*(self._follow({key}, set()) for key in self._triggers))
            if (self._triggers)
            else frozenset()
        )

    def _kind_is(self, key: str, kinds: Kinds, what: str) -> bool:
        return bool(getattr(kinds.get(self._drawn.by_key[key].document["kind"]), what, False))

    def certain(self, source: str, at: str | None) -> bool:
        """Tell whether ``source`` has an output wherever the step ``at`` is carried out; None: where a run ends."""
        if source in self._everywhere or source == at:
            return True
        if at is None:
            return False
        before = self._drawn.ancestors.get(at, frozenset())
        gave = {key for key in before if self._needed(at, key, None)}
        chose = {(key, name) for key in before for name in self._choices.get(key, ()) if self._needed(at, key, name)}
        return source in self._follow(gave | self._everywhere, chose)

    def _needed(self, goal: str, key: str, case: str | None) -> bool:
        """Tell whether no way leads to the goal but by an output of the step, or by one of its cases."""
        left = [edge for edge in self._edges if not (edge["from"] == key and self._by(edge, case))]
        forward = graph.arcs(list(self._drawn.by_key), ((edge["from"], edge["to"]) for edge in left))
        return goal not in graph.reached(forward, [each for each in self._triggers if each != goal])

    def _by(self, edge: Mapping[str, Any], case: str | None) -> bool:
        on = on_of(edge)
        if case is not None:
            return on == f"case:{case}"
        return on == "success" or on.startswith("case:") or (on == "rejected" and edge["from"] in self._gates)

    def _follow(self, gave: Iterable[str], chose: set[_Choice]) -> frozenset[str]:
        """Return the steps that certainly give an output when these did, and these cases were chosen."""
        found = self._along(set(gave), chose)
        while True:
            more = set(found)
            for key, names in self._choices.items():
                if key in found and len(names) > 1:
                    more |= set.intersection(*(self._along(set(found), chose | {(key, name)}) for name in names))
            if more == found:
                return frozenset(found)
            found = self._along(more, chose)

    def _along(self, gave: set[str], chose: set[_Choice]) -> set[str]:
        waiting = list(gave)
        leaving: dict[str, list[Mapping[str, Any]]] = {}
        for edge in self._edges:
            leaving.setdefault(edge["from"], []).append(edge)
        while waiting:
            for edge in leaving.get(waiting.pop(), ()):
                if edge["to"] not in gave and self._taken(edge, chose) and self._gives(edge["to"]):
                    gave.add(edge["to"])
                    waiting.append(edge["to"])
        return gave

    def _taken(self, edge: Mapping[str, Any], chose: set[_Choice]) -> bool:
        on = on_of(edge)
        if "when" in edge or on in ("error", "rejected"):
            return False
        return not on.startswith("case:") or (edge["from"], on.removeprefix("case:")) in chose

    def _gives(self, key: str) -> bool:
        """A step that is carried out gives an output, unless its failure is handled: an unhandled one ends the run."""
        handled = self._drawn.by_key[key].document.get("onError") == "continue" or "error" in self._drawn.leaving(key)
        return not handled and not (key in self._gates and "rejected" in self._drawn.leaving(key))
