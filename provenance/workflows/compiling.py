"""From a document to a plan: shape, graph, configurations, expressions; every problem is named at its place.

checked = check(document)       # problems and warnings, the plan when there are no problems
plan = compile_definition(document)                     # or InvalidDefinition
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from provenance.proof.canonical import BadJson, canonical
from provenance.workflows import plan as plans
from provenance.workflows.checking_graph import Drawn, problems_of_graph, sorted_problems
from provenance.workflows.checking_shape import shape_of
from provenance.workflows.kinds import KINDS, Kinds
from provenance.workflows.plan import Plan
from provenance.workflows.problems import InvalidDefinition, Problem
from provenance.workflows.steps import Compiler


class Checked(msgspec.Struct, frozen=True):
    """What checking a definition found: errors, advice, and the plan when there is no error."""

    problems: list[Problem]
    warnings: list[Problem]
    plan: Plan | None


def check(document: Any, kinds: Kinds = KINDS) -> Checked:
    """Check a definition and compile it; never raises, whatever the document is (JSON as Python reads it)."""
    try:
        size = len(canonical(document))
    except BadJson as error:
        return Checked([Problem(error.path or "$", error.code, error.issue)], [], None)
    shape = shape_of(document, size, kinds)
    if shape.unreadable:
        return Checked(sorted_problems(shape.problems), [], None)
    drawn = Drawn(shape.steps, shape.edges, whole=shape.all_edges)
    problems = shape.problems + list(problems_of_graph(drawn, kinds))
    compiler = Compiler(document, drawn, kinds)
    plan = compiler.plan(whole=not problems)
    problems += compiler.problems
    warnings = sorted_problems(compiler.warnings)
    if problems or plan is None:
        return Checked(sorted_problems(problems), warnings, None)
    return Checked([], warnings, _sealed(plan))


def compile_definition(document: Mapping[str, Any], kinds: Kinds = KINDS) -> Plan:
    """Compile a definition. Raises InvalidDefinition with every problem."""
    checked = check(document, kinds)
    if checked.plan is None:
        raise InvalidDefinition(checked.problems)
    return checked.plan


def _sealed(plan: Plan) -> Plan:
    return msgspec.structs.replace(plan, checksum=checksum_of(plans.decompile(plan)))


def checksum_of(document: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hex, of a published definition in canonical form (RFC 8785)."""
    return sha256(canonical(document)).hexdigest()
