"""Retention policies: what is sent, stored and shown."""

import uuid
from typing import Annotated, NamedTuple

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from provenance.ledger.erasure.schemas import Camel

Mnemonic = Annotated[str, Field(min_length=1, max_length=64)]
Days = Annotated[int, Field(ge=1, le=36_500, description="Age at which content goes, in days since it was recorded.")]


class Policy(NamedTuple):
    """A policy as stored: words by id (None: any), the age in days (None: never), how far it was applied."""

    id: uuid.UUID
    resource_type_id: uuid.UUID | None
    action_id: uuid.UUID | None
    days: int | None
    swept: int
    checked_at: int

    @property
    def precedence(self) -> tuple[bool, bool]:
        """How particular the policy is: of two that fit a row the greater one counts."""
        return (self.resource_type_id is not None, self.action_id is not None)

    def within(self, other: "Policy") -> bool:
        """Tell whether a row may fit this policy and the other, and this one counts."""
        types = None in (self.resource_type_id, other.resource_type_id) or (
            self.resource_type_id == other.resource_type_id
        )
        actions = None in (self.action_id, other.action_id) or self.action_id == other.action_id
        return types and actions and self.precedence > other.precedence


class RetentionPolicy(Camel):
    """How long content of rows of a type and an action stays; without either, of all. ``days`` null: for ever.

    Of several that fit a row the most particular counts: type and action, then type, then action.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    resource_type: Mnemonic | None = None
    action: Mnemonic | None = None
    days: Days | None


class RetentionPolicies(Camel):
    """Every retention policy of the workspace."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    policies: Annotated[list[RetentionPolicy], Field(max_length=200)]
