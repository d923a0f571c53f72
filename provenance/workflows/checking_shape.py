"""The shape of a definition: what its JSON Schema says, and what of it can be checked further all the same."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from provenance.workflows.definition import MAX_BYTES, MAX_EDGES, MAX_STEPS, shapes_of
from provenance.workflows.kinds import Kinds
from provenance.workflows.problems import Problem

_STEP = re.compile(r"^(steps|edges)\[(\d+)\]")
_AT_MOST = 100
_MOST = {"steps": MAX_STEPS, "edges": MAX_EDGES}


class Placed(msgspec.Struct, frozen=True):
    """A step or an edge with its place in the document. ``sound`` when its own shape is right."""

    index: int
    document: Mapping[str, Any]
    sound: bool


class Shape(msgspec.Struct):
    """What was found, and the parts that go on to be checked; not ``all_edges`` when some are missing from them."""

    problems: list[Problem]
    steps: list[Placed]
    edges: list[Placed]
    unreadable: bool
    all_edges: bool = True


def shape_of(document: Any, size: int, kinds: Kinds) -> Shape:
    """Hold a document to the schema of definitions."""
    if size > MAX_BYTES:
        return _unreadable(Problem("$", "too_large", f"a definition has at most {MAX_BYTES} bytes, not {size}"))
    faults = shapes_of(kinds).definition.faults(document, most=_AT_MOST)
    problems = [Problem(fault["path"], "shape", fault["issue"]) for fault in faults]
    if not isinstance(document, Mapping):
        return Shape(problems, [], [], True)
    wrong = {found[0] for problem in problems if (found := _STEP.match(problem.path))}
    steps, edges = (_placed(document, name, wrong) for name in ("steps", "edges"))
    # Too many of them is told by the schema; the rest of the checks are not for such.
    too_many = any(isinstance(document.get(name), list) and len(document[name]) > most for name, most in _MOST.items())
    unreadable = too_many or not isinstance(document.get("steps"), list)
    return Shape(problems, steps, edges, unreadable, len(edges) == _count(document.get("edges", [])))


def _count(edges: Any) -> int:
    """How many edges are meant; one at least where they can't be read."""
    return len(edges) if isinstance(edges, list) else 1


def _unreadable(problem: Problem) -> Shape:
    return Shape([problem], [], [], True)


def _placed(document: Mapping[str, Any], name: str, wrong: set[str]) -> list[Placed]:
    """Return the members of a list that are objects with the texts that the graph is made of."""
    needed = ("key", "kind") if name == "steps" else ("from", "to")
    listed = document.get(name, [])
    return [
        Placed(index, each, f"{name}[{index}]" not in wrong)
        for index, each in enumerate(listed if isinstance(listed, list) else [])
        if isinstance(each, Mapping) and all(isinstance(each.get(word), str) for word in needed)
    ]
