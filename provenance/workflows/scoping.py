"""What an expression may read at its place: the run, and the steps before it (spec/automation.md, 6.4).

Every step of the definition is declared to the compiler, so that a step that does not lie before is told from one that
does not exist; which of them lie before is asked afterwards, of the names that the compiler resolved.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from provenance.expressions import Expression, InvalidExpression, Kind, Shape, Type, compile_expression
from provenance.workflows import graph, knowing
from provenance.workflows.checking_graph import RESERVED, Drawn
from provenance.workflows.configs import Compile
from provenance.workflows.kinds import Kinds
from provenance.workflows.mapping import Exactly, Node, compile_mapping
from provenance.workflows.plan import EVENT_SCOPE, GATE_MEMBERS, SCOPE
from provenance.workflows.problems import Problem

_STEP_MEMBERS: Final = {"output": Type.ANY, "status": Type.STRING, "error": Type.ANY}
_GATE_TYPES: Final = {"payload": Type.ANY, "edited": Type.BOOL}
_OF_STEP = re.compile(r"^(steps|approval)\.([a-z0-9_]+)\.")
_WRITTEN = re.compile(r"\b(steps|approval)\s*\.\s*(\w+)(?:\s*\.\s*(\w+))?")
_TAKEN: Final = frozenset(name.partition(".")[0] for name in SCOPE) | {"steps", "approval"}


class Place(msgspec.Struct, frozen=True):
    """Where an expression stands: in a step, or in the output (None), which may read every step.

    ``after``: on an edge, where the step it leaves has ended. ``item``: the variable of the step's forEach, ``items``
    what is known of it. ``event``: in a trigger, where there is no run yet.
    """

    key: str | None
    after: bool = False
    item: str | None = None
    items: Kind = Type.ANY
    event: bool = False


class Scoping:
    """Compiles the expressions of one definition over what each may read."""

    def __init__(self, document: Mapping[str, Any], drawn: Drawn, kinds: Kinds) -> None:
        """Take the document, its graph and the kinds."""
        self._drawn = drawn
        self._declared: dict[str, Kind] = {**SCOPE, **_steps(drawn)}
        steps = [step.document for step in drawn.steps]
        self._know("input", knowing.input_schema(document, knowing.triggers_of(steps, kinds)))
        if isinstance(document.get("vars"), Mapping):
            self._know("vars", knowing.schema_of_value(document["vars"]))
        for key in graph.ordered(drawn.forward):
            if key not in RESERVED:
                self._know_step(key, drawn.by_key[key].document, kinds)

    def _know(self, name: str, schema: Any) -> None:
        shape = knowing.shape_of(schema)
        if shape is not None:
            self._declared[name] = shape

    def _know_step(self, key: str, document: Mapping[str, Any], kinds: Kinds) -> None:
        """Declare what is known of a step's output; those before it are known by now."""
        kind, config = kinds.get(document["kind"]), self._drawn.config(key)
        if kind is None or not isinstance(document.get("forEach", {}), Mapping):
            return
        schema = knowing.output_schema(kind, document, config)
        if kind.is_trigger:
            schema = config.get("inputSchema", self._schema_of_input)
        elif config.get("mode") == "transform" and kind.name == "logic" and "forEach" not in document:
            node, wrong = compile_mapping(config.get("transform"), self.compiler(Place(key)))
            schema = None if wrong else knowing.schema_of_mapping(node)
        self._know(f"steps.{key}.output", schema)
        if kind.is_gate:
            self._know(f"approval.{key}.payload", config.get("payloadSchema"))

    @property
    def _schema_of_input(self) -> Any:
        found = self._declared["input"]
        return found.schema if isinstance(found, Shape) else None

    def items(self, node: Node) -> Kind:
        """Return what is known of each item of the list that a mapping gives."""
        if not isinstance(node, Exactly) or node.expression.study.result.shape is None:
            return Type.ANY
        shape = node.expression.study.result.shape
        return knowing.shape_of(shape.item().schema) or Type.ANY

    def compiler(self, place: Place) -> Compile:
        """Return how the expressions of one place are compiled."""
        return partial(self._compile, place)

    def compile(self, source: str, at: str, place: Place, *, condition: bool = False) -> Expression:
        """Compile one expression. Raises InvalidExpression, also for a step that does not lie before."""
        return self._compile(place, source, condition=condition)

    def _compile(self, place: Place, source: str, *, condition: bool = False) -> Expression:
        try:
            compiled = compile_expression(source, self._variables(place), condition=condition)
        except InvalidExpression as error:
            raise self._explained(source, error) from None
        for name in sorted(compiled.reads):
            self._allow(name, place)
        return compiled

    def _variables(self, place: Place) -> Mapping[str, Kind]:
        if place.event:
            return EVENT_SCOPE
        if place.item is None:
            return self._declared
        return self._declared | {place.item: place.items, f"{place.item}_index": Type.INT}

    def _allow(self, name: str, place: Place) -> None:
        found = _OF_STEP.match(name)
        if found is None or place.key is None or place.event:
            return
        key = found[2]
        if key in self._drawn.ancestors.get(place.key, frozenset()) or (place.after and key == place.key):
            return
        raise InvalidExpression("not_before", f"the step {key} does not lie before {place.key}")

    def _explained(self, source: str, error: InvalidExpression) -> InvalidExpression:
        """Say which step or member is unknown where the compiler only says that some name is."""
        if error.code != "unknown_name":
            return error
        for found in _WRITTEN.finditer(source):
            issue = self._unknown(found[1], found[2], found[3])
            if issue is not None:
                return InvalidExpression("unknown_name", issue, found.start())
        return error

    def _unknown(self, word: str, key: str, member: str | None) -> str | None:
        if key not in self._drawn.by_key:
            return f"there is no step {key}"
        known = sorted(name.rpartition(".")[2] for name in self._declared if name.startswith(f"{word}.{key}."))
        if not known:
            return f"{key} is no approval"
        if member not in known:
            return f"{word}.{key} has {', '.join(known)}, not {member or 'a value of its own'}"
        return None

    def problems_of_name(self, name: str, at: str) -> Iterator[Problem]:
        """A name that is brought into scope must not hide another, nor be a word of the language."""
        if name in _TAKEN or name in RESERVED:
            yield Problem(at, "reserved", f"the name {name} has a meaning of its own in expressions")


def _steps(drawn: Drawn) -> dict[str, Type]:
    found: dict[str, Type] = {}
    for key, step in drawn.by_key.items():
        if key in RESERVED:
            continue
        found |= {f"steps.{key}.{member}": kind for member, kind in _STEP_MEMBERS.items()}
        if step.document["kind"] == "approval":
            types = {} if "forEach" in step.document else _GATE_TYPES
            found |= {f"approval.{key}.{each}": types.get(each, Type.ANY) for each in GATE_MEMBERS}
    return found
