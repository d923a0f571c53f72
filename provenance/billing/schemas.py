"""Billing on the wire (spec/automation.md, 5.14)."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class BillingEvent(StrEnum):
    """What billing records."""

    PORTAL_OPENED = "billing.portal_opened"


class Period(_Wire):
    """A calendar month in UTC, or the subscription's own; the end is not included."""

    start: str
    end: str


class Seats(_Wire):
    """Members of the workspace; ``limit`` is null where there is none."""

    used: int
    limit: int | None


class Usage(_Wire):
    """What was used in the period; ``storageBytes`` is what is stored now."""

    runs: int
    steps: int
    tokens_in: int
    tokens_out: int
    model_cost_usd: float
    storage_bytes: int
    bus_messages: int
    mcp_calls: int
    audit_events: int


class BillingSummary(_Wire):
    """The workspace's plan, and what it used this month."""

    plan: str
    status: Literal["active", "trialing", "past_due", "self_hosted"]
    current_period: Period
    seats: Seats
    usage: Usage
    limits: dict[str, int]
    overage: dict[str, int | float]
    invoices: list[dict[str, Any]]
    portal_available: bool


class PortalAsked(_Wire):
    """Where the payment portal is to lead back to."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    return_url: Annotated[AnyHttpUrl | None, Field(max_length=2048)] = None


class Portal(_Wire):
    """The address of a payment portal, and until when it opens."""

    url: str
    expires_at: str
