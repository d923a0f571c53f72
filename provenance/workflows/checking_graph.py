"""The graph of a definition: keys, edges, triggers, cycles, what nothing leads to."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from provenance.workflows import graph
from provenance.workflows.checking_shape import Placed
from provenance.workflows.kinds import Config, Kinds, StepKind
from provenance.workflows.problems import Problem

_NUMBERS: Final = re.compile(r"(\d+)", re.ASCII)
_ON_DEFAULT: Final = "success"
# What the language keeps for itself (its grammar's reserved words); such a name parses as something else.
RESERVED: Final = frozenset(
    [
        *["as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let"],
        *["loop", "namespace", "null", "package", "return", "true", "var", "void", "while"],
    ]
)


class Drawn:
    """The steps and edges of a definition as a graph; of steps with the same key the first counts."""

    def __init__(self, steps: list[Placed], edges: list[Placed], *, whole: bool = True) -> None:
        """Take the readable steps and edges; not ``whole`` when there are edges that can't be read."""
        self.whole = whole
        self.steps = steps
        self.edges = edges
        self.by_key: dict[str, Placed] = {}
        for step in steps:
            self.by_key.setdefault(step.document["key"], step)
        self.forward = graph.arcs(list(self.by_key), ((e.document["from"], e.document["to"]) for e in edges))
        self.ancestors = graph.ancestors(self.forward)

    def config(self, key: str) -> Config:
        """Return a step's configuration as written; an empty one where it is none."""
        found = self.by_key[key].document.get("config", {})
        return found if isinstance(found, Mapping) else {}

    def leaving(self, key: str) -> list[str]:
        """Return the ``on`` of every edge that leaves a step."""
        return [on_of(edge.document) for edge in self.edges if edge.document["from"] == key]


def on_of(edge: Mapping[str, Any]) -> str:
    """Return what an edge follows."""
    found = edge.get("on", _ON_DEFAULT)
    return found if isinstance(found, str) else _ON_DEFAULT


def sorted_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems once each, in the order of their places: steps[2] before steps[10]."""
    return sorted(set(problems), key=lambda each: (_place(each.path), each))


def _place(path: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _NUMBERS.split(path)]


def problems_of_graph(drawn: Drawn, kinds: Kinds) -> Iterator[Problem]:
    """Name what is wrong with the graph."""
    yield from _doubled(drawn)
    yield from _reserved(drawn)
    for edge in drawn.edges:
        yield from _edge(edge, drawn, kinds)
    triggers = [key for key, step in drawn.by_key.items() if _is_trigger(step, kinds)]
    if not triggers:
        yield Problem("steps", "no_trigger", "a workflow begins with at least one step of the kind trigger")
    yield from _cycle(drawn)
    if triggers and drawn.whole:
        reached = graph.reached(drawn.forward, triggers)
        for key, step in drawn.by_key.items():
            if key not in reached:
                yield Problem(_at(step), "unreachable", f"no trigger leads to {key}")


def _at(step: Placed) -> str:
    return f"steps[{step.index}]"


def _kind(step: Placed, kinds: Kinds) -> StepKind | None:
    return kinds.get(step.document["kind"])


def _is_trigger(step: Placed, kinds: Kinds) -> bool:
    kind = _kind(step, kinds)
    return kind is not None and kind.is_trigger


def _doubled(drawn: Drawn) -> Iterator[Problem]:
    for step in drawn.steps:
        key = step.document["key"]
        if drawn.by_key[key] is not step:
            issue = f"the key {key} is that of steps[{drawn.by_key[key].index}] already"
            yield Problem(f"{_at(step)}.key", "duplicate_key", issue)


def _reserved(drawn: Drawn) -> Iterator[Problem]:
    for step in drawn.steps:
        names = {".key": step.document["key"]}
        names |= {f".config.cases[{n}].name": name for n, name in enumerate(case_names(step.document.get("config")))}
        for where, name in names.items():
            if name in RESERVED:
                yield Problem(_at(step) + where, "reserved", f"{name} is a word of the expression language")


def _cycle(drawn: Drawn) -> Iterator[Problem]:
    for key, way in graph.cycles(drawn.forward).items():
        yield Problem(_at(drawn.by_key[key]), "cycle", f"lies on a cycle: {' → '.join([*way, key])}")


def _edge(edge: Placed, drawn: Drawn, kinds: Kinds) -> Iterator[Problem]:
    at, document = f"edges[{edge.index}]", edge.document
    for end in ("from", "to"):
        if document[end] not in drawn.by_key:
            yield Problem(f"{at}.{end}", "dangling", f"there is no step {document[end]}")
    twin = next(each for each in drawn.edges if _same(each.document, document))
    if twin is not edge:
        yield Problem(at, "duplicate_edge", f"is the same as edges[{twin.index}]")
    target = drawn.by_key.get(document["to"])
    if target is not None and _is_trigger(target, kinds):
        yield Problem(f"{at}.to", "into_trigger", "a trigger is where a run begins; nothing leads to it")
    source = drawn.by_key.get(document["from"])
    if source is not None and source.sound:
        yield from _on(edge, source, at, kinds)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[end] == other[end] for end in ("from", "to")) and on_of(one) == on_of(other)


def _on(edge: Placed, source: Placed, at: str, kinds: Kinds) -> Iterator[Problem]:
    on, kind = on_of(edge.document), _kind(source, kinds)
    if kind is None:
        return
    if on == "rejected" and not kind.is_gate:
        yield Problem(f"{at}.on", "no_rejection", f"{source.document['key']} asks nobody, so nothing is rejected")
    if on.startswith("case:"):
        names = case_names(source.document.get("config", {}))
        if on.removeprefix("case:") not in names:
            has = f"the cases {', '.join(names)}" if names else "no cases"
            yield Problem(f"{at}.on", "unknown_case", f"{source.document['key']} has {has}")


def case_names(config: Any) -> list[str]:
    """Return the names of the cases of a configuration, the default included, however wrong the rest of it is."""
    if not isinstance(config, Mapping):
        return []
    cases = config.get("cases", [])
    names = [each.get("name") for each in cases if isinstance(each, Mapping)] if isinstance(cases, list) else []
    return [name for name in [*names, config.get("default")] if isinstance(name, str)]
