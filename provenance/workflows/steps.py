"""Compiling the steps, edges and triggers of a definition whose graph is drawn."""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

import msgspec

from provenance.expressions import Expression, InvalidExpression
from provenance.proof.canonical import canonical
from provenance.workflows import advising, graph
from provenance.workflows.checking_graph import Drawn, on_of
from provenance.workflows.checking_shape import Placed
from provenance.workflows.configs import Configured, faults_of_schema
from provenance.workflows.definition import NAME, shapes_of
from provenance.workflows.kinds import Kinds, Retry, StepKind
from provenance.workflows.mapping import Node, all_bounded, compile_mapping
from provenance.workflows.plan import Edge, ForEach, On, Plan, Schedule, Step, Trigger, TriggerType
from provenance.workflows.problems import Problem, of_expression
from provenance.workflows.scoping import Place, Scoping
from provenance.workflows.skipping import Skipping

_LAYOUT = ("position", "name")


class Compiler:
    """Compiles one definition; what is wrong with its parts gathers in ``problems``, advice in ``warnings``."""

    def __init__(self, document: Mapping[str, Any], drawn: Drawn, kinds: Kinds) -> None:
        """Take the document, its graph and the kinds."""
        self._document = document
        self._drawn = drawn
        self._kinds = kinds
        self._order = graph.ordered(drawn.forward)
        self._scoping = Scoping(document, drawn, kinds)
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def plan(self, *, whole: bool) -> Plan | None:
        """Compile everything; None when anything is wrong. Not ``whole``: only look for what is wrong."""
        if "inputSchema" in self._document:
            self.problems += faults_of_schema(self._document["inputSchema"], "inputSchema")
        edges = [self._edge(each) for each in self._drawn.edges if each.sound]
        compiled = [self._step(each) for each in self._drawn.steps if each.document["kind"] in self._kinds]
        output = None
        if "output" in self._document:
            output = self._mapping(self._document["output"], "output", Place(None))
        steps = [step for step in compiled if step is not None]
        self.warnings += self._advice(steps, edges, output)
        if not whole or self.problems or len(steps) < len(compiled):
            return None
        return self._assembled(steps, edges, output)

    def _advice(self, steps: list[Step], edges: list[Edge], output: Node | None) -> Iterator[Problem]:
        skipping, by_key = Skipping(self._drawn, self._kinds), {step.key: step for step in steps}
        for step in steps:
            found = list(advising.placed_in_step(step))
            yield from advising.of_kinds(found)
            yield from advising.of_skipped(found, step.key, skipping)
            yield from advising.of_edited(step, by_key)
        for edge in edges:
            if edge.when is not None:
                yield from advising.of_kinds([(f"edges[{edge.index}].when", edge.when)])
        ending = list(advising.placed(output, "output"))
        yield from advising.of_kinds(ending)
        yield from advising.of_skipped(ending, None, skipping)

    def _assembled(self, steps: list[Step], edges: list[Edge], output: Node | None) -> Plan:
        into: dict[str, list[Edge]] = {step.key: [] for step in steps}
        out_of: dict[str, list[Edge]] = {step.key: [] for step in steps}
        for edge in edges:
            into[edge.target].append(edge)
            out_of[edge.source].append(edge)
        return Plan(
            checksum="",
            input_schema=self._document.get("inputSchema"),
            variables=self._document.get("vars", {}),
            steps=tuple(steps),
            edges=tuple(edges),
            order=tuple(self._order),
            triggers=tuple(_trigger(step) for step in steps if self._kinds[step.kind].is_trigger),
            output=output,
            by_key={step.key: step for step in steps},
            into={key: tuple(found) for key, found in into.items()},
            out_of={key: tuple(found) for key, found in out_of.items()},
        )

    def _edge(self, placed: Placed) -> Edge:
        document, at = placed.document, f"edges[{placed.index}]"
        on, _, case = on_of(document).partition(":")
        when = None
        if "when" in document:
            when = self._condition(document["when"], f"{at}.when", Place(document["from"], after=True))
        return Edge(placed.index, document["from"], document["to"], On(on), case or None, when)

    def _condition(self, source: str, at: str, place: Place) -> Expression | None:
        try:
            return self._scoping.compile(source, at, place, condition=True)
        except InvalidExpression as error:
            self.problems.append(of_expression(at, error))
            return None

    def _mapping(self, value: Any, at: str, place: Place) -> Node:
        node, wrong = compile_mapping(value, lambda source: self._scoping.compile(source, at, place), at)
        self.problems += [of_expression(each.path, each.error) for each in wrong]
        return node

    def _step(self, placed: Placed) -> Step | None:
        """Compile a step; of one that is not sound only the expressions are looked at, and None is returned."""
        document, at = placed.document, f"steps[{placed.index}]"
        kind, key = self._kinds[document["kind"]], document["key"]
        config = document.get("config", {})
        sound = self._config_is_sound(kind, config, f"{at}.config") and placed.sound
        loops = document.get("forEach")
        for_each = self._for_each(loops, f"{at}.forEach", key) if isinstance(loops, Mapping) else None
        place = Place(key, event=kind.is_trigger)
        if for_each is not None:
            place = Place(key, item=for_each.name, items=self._scoping.items(for_each.items), event=kind.is_trigger)
        configured = Configured(self._scoping.compiler(place), f"{at}.config")
        mapping = configured.mapping(config, kind.config_schema)
        self.problems += configured.problems
        own_input = self._mapping(document["input"], f"{at}.input", place) if "input" in document else None
        if isinstance(config, Mapping):
            self.problems += self._gate(kind, key, config, f"{at}.config")
        if not sound:
            return None
        nodes = [node for node in (mapping, own_input, for_each.items if for_each else None) if node is not None]
        return Step(
            key=key,
            name=document.get("name", key),
            kind=kind.name,
            index=placed.index,
            config=mapping,
            conditions=configured.conditions,
            input=own_input,
            for_each=for_each,
            seconds=float(document.get("timeoutSeconds", kind.timeout_seconds)),
            retry=_retry(kind.retry, document.get("retry")),
            on_error=document.get("onError", "fail"),
            on_unknown=document.get("onUnknown", kind.on_unknown(config)),
            effect=kind.is_effect(config),
            risk=kind.risk(config),
            inline=kind.inline,
            gates=self._gates(key),
            ancestors=self._drawn.ancestors[key],
            bounded=all_bounded(nodes) and all(each.bounded for each in configured.conditions.values()),
            digest=self._digest(document),
            written=document,
        )

    def _config_is_sound(self, kind: StepKind, config: Mapping[str, Any], at: str) -> bool:
        faults = shapes_of(self._kinds).configs[kind.name].faults(config, at)
        found = [Problem(fault["path"], "shape", fault["issue"]) for fault in faults]
        found = found or list(kind.problems(config, at))
        self.problems += found
        return not found

    def _for_each(self, loops: Mapping[str, Any], at: str, key: str) -> ForEach:
        items = self._mapping(loops.get("items"), f"{at}.items", Place(key))
        name = loops.get("as", "item")
        name = name if isinstance(name, str) and re.fullmatch(NAME["pattern"], name) else "item"
        self.problems += self._scoping.problems_of_name(name, f"{at}.as")
        return ForEach(
            items, name, loops.get("concurrency", 1), loops.get("maxItems", 1000), loops.get("onItemError", "fail")
        )

    def _gate(self, kind: StepKind, key: str, config: Mapping[str, Any], at: str) -> list[Problem]:
        if kind.is_gate and config.get("rejectBehaviour") == "branch" and "rejected" not in self._drawn.leaving(key):
            return [Problem(f"{at}.rejectBehaviour", "missing", "branch needs an edge that follows rejected")]
        return []

    def _gates(self, key: str) -> tuple[str, ...]:
        """Return the gates before a step, the nearest first."""
        before = self._drawn.ancestors[key]
        return tuple(each for each in reversed(self._order) if each in before and self._is_gate(each))

    def _is_gate(self, key: str) -> bool:
        kind = self._kinds.get(self._drawn.by_key[key].document["kind"])
        return kind is not None and kind.is_gate

    def _digest(self, document: Mapping[str, Any]) -> str:
        rules = {name: value for name, value in document.items() if name not in _LAYOUT}
        edges = [each.document for each in self._drawn.edges if each.document["to"] == document["key"]]
        entering = [[edge["from"], on_of(edge), edge.get("when")] for edge in edges]
        return sha256(canonical([rules, entering])).hexdigest()


def _retry(default: Retry, given: Mapping[str, Any] | None) -> Retry:
    if given is None:
        return default
    return msgspec.convert(msgspec.to_builtins(default) | dict(given), Retry)


def _trigger(step: Step) -> Trigger:
    config: Mapping[str, Any] = step.config.source()
    schedule, event = config.get("schedule"), config.get("event", {})
    return Trigger(
        key=step.key,
        type=TriggerType(config["type"]),
        input_schema=config.get("inputSchema"),
        schedule=_schedule(schedule) if schedule else None,
        topic_pattern=event.get("topicPattern"),
        filter=step.conditions.get("event.filter"),
        webhook=config.get("webhook", {}),
    )


def _schedule(written: Mapping[str, Any]) -> Schedule:
    return Schedule(
        written["cron"],
        written.get("timezone", "UTC"),
        written.get("overlap", "skip"),
        written.get("catchUp", "last"),
    )
