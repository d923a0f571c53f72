"""The permission table: what each kind of caller is answered, read off a route's declaration alone.

`door.admit` decides at run time; this says the same in the words of the documentation. The table in
docs/reference/permissions.md is written from here, and a test sends a real request for every cell of it.
"""

from enum import StrEnum
from typing import NamedTuple

from provenance.core.actor import Role, Scope
from provenance.core.door import Access


class Verdict(StrEnum):
    """What becomes of a call: it may pass (and then meet any other answer), or is refused with this status."""

    PASS = "pass"  # noqa: S105  (a verdict)
    UNKNOWN = "401"
    DENIED = "403"


class Caller(NamedTuple):
    """A kind of caller: a person of a role, a key with scopes, or nobody whose credential is any good."""

    name: str
    role: Role | None = None
    scopes: frozenset[Scope] | None = None


NOBODY = Caller("nobody")
PEOPLE = tuple(Caller(role.name.lower(), role=role) for role in Role)
ONE_SCOPE_KEYS = tuple(Caller(f"key with {scope.value}", scopes=frozenset({scope})) for scope in Scope)
ALL_SCOPES_KEY = Caller("key with every scope", scopes=frozenset(Scope))
NO_SCOPE_KEY = Caller("key without a scope", scopes=frozenset())
CALLERS = (NOBODY, *PEOPLE, *ONE_SCOPE_KEYS, ALL_SCOPES_KEY, NO_SCOPE_KEY)


def verdict(access: Access | None, caller: Caller) -> Verdict:
    """Say what a caller is answered on a route with this declaration; None is a route that is open to all."""
    if access is None:
        return Verdict.PASS
    if caller.role is not None:
        return Verdict.PASS if caller.role >= access.role else Verdict.DENIED
    if caller.scopes is not None:
        return Verdict.PASS if access.any_key or access.scope in caller.scopes else Verdict.DENIED
    return Verdict.UNKNOWN
