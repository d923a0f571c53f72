"""What goes in and out of subscriptions (spec/automation.md, 8.3)."""

from typing import Annotated, Any, Literal

import msgspec
from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from provenance.bus.filters import OPS, RULES
from provenance.bus.messages.schemas import TEXT, Envelope, Wire
from provenance.bus.topics import PATTERN_RULE, TOPIC_RULE, is_pattern, is_topic
from provenance.core.addresses import AddressRefused
from provenance.core.egress import target as call_target

PREFIX = "sub"
LEASE_SECONDS = 30
MASK = "********"
_HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"
_OURS = ("x-provenanceone-", "webhook-", "content-", "host", "ce-", "transfer-", "connection")

Kind = Literal["queue", "workflow", "webhook"]
Chosen = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Strict(Wire):
    """A part of a body that has no other members than these."""

    model_config = ConfigDict(extra="forbid")


class Rule(Strict):
    """One field and what it must be; a path without topic, payload or message before it is the payload's."""

    path: str = Field(min_length=1, max_length=TEXT, examples=["payload.total"])
    op: Literal["eq", "ne", "gt", "lt", "in", "exists", "prefix"]
    value: Any = None


assert set(OPS) == set(Rule.model_fields["op"].annotation.__args__)  # type: ignore[union-attr]

Filter = Annotated[str, Field(max_length=4096)] | Annotated[list[Rule], Field(max_length=RULES)]


class Target(Strict):
    """Where messages go: a queue that is pulled from, a run of a workflow, or a webhook."""

    kind: Kind
    workflow_id: str | None = Field(default=None, max_length=64, description="Of the kind workflow.")
    input_mapping: dict[str, Any] | None = Field(
        default=None, description="The run's input, with {{ expressions }} over topic, payload, message; the payload."
    )
    url: str | None = Field(default=None, max_length=2048, description="Of the kind webhook.")
    headers: dict[Annotated[str, Field(pattern=_HEADER)], Annotated[str, Field(max_length=4096)]] = Field(
        default={}, max_length=32, description="Sent along with each delivery; shown masked."
    )
    secret_id: str | None = Field(
        default=None, max_length=128, description="The secret that deliveries are signed with, instead of a new one."
    )
    format: Literal["envelope", "cloudevents", "cloudevents-binary"] = Field(
        default="envelope", description="How a webhook's request carries the message."
    )

    @field_validator("headers")
    @classmethod
    def _free(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if name.lower().startswith(_OURS):
                raise ValueError(f"{name} is set by the delivery itself")
            if not text.isprintable():
                raise ValueError(f"{name} has characters that no header can hold")
        return value

    @model_validator(mode="after")
    def _whole(self) -> "Target":
        if self.kind == "webhook" and self.url is None:
            raise ValueError("a webhook needs its url")
        if self.kind == "workflow" and self.workflow_id is None:
            raise ValueError("a workflow target needs its workflowId")
        if self.kind != "webhook" and (self.url or self.headers or self.secret_id):
            raise ValueError("url, headers and secretId belong to a webhook")
        if self.url is not None:
            try:
                call_target(self.url)
            except AddressRefused as error:
                raise ValueError(f"url: {error}") from None
        return self


class Inbound(Strict):
    """Where messages come from that an outside system posts to /bus/inbound/{subscriptionId}."""

    topic: str = Field(examples=["tickets/created"])
    topic_key_path: str | None = Field(
        default=None, max_length=TEXT, description="Where the body has the key of its order, such as ticket.id."
    )
    schema_id: str | None = Field(default=None, max_length=64)
    signing_secret_id: str | None = Field(
        default=None, max_length=128, description="The secret that senders sign with, instead of a new one."
    )
    signature: Literal["provenanceone", "github", "standard"] = Field(
        default="provenanceone", description="How senders sign: our header, GitHub's, or Standard Webhooks."
    )
    require_timestamp: bool = Field(
        default=False, description="Only requests signed over timestamp and body, at most 5 minutes old."
    )
    dedupe_by_body: bool = Field(default=False, description="The same body within 24 hours is one message.")

    @field_validator("topic")
    @classmethod
    def _topic(cls, value: str) -> str:
        if not is_topic(value):
            raise ValueError(TOPIC_RULE)
        return value


class Backoff(Strict):
    """How long a failed delivery waits: some time, the same or twice as long each time, half of it by chance."""

    kind: Literal["exponential", "fixed"] = "exponential"
    initial_seconds: float = Field(default=5.0, ge=0.05, le=3600)
    max_seconds: float = Field(default=3600.0, ge=0.05, le=86_400)


class DeliveryRules(Strict):
    """How hard a delivery is tried."""

    max_attempts: int = Field(default=8, ge=1, le=30)
    backoff: Backoff = Backoff()
    timeout_seconds: float = Field(default=15.0, ge=0.1, le=60)
    ordered: bool = Field(default=True, description="Messages of one topic and topicKey go one after the other.")
    max_in_flight: int = Field(default=32, ge=1, le=1000, description="Deliveries at once; of a queue, in lease.")
    lease_seconds: int = Field(
        default=LEASE_SECONDS, ge=1, le=3600, description="How long who pulls a message has to acknowledge it."
    )


class DeadLetter(Strict):
    """What becomes of a message that was given up: kept to be redriven, and published to a topic if one is named."""

    enabled: bool = True
    topic: str | None = None

    @field_validator("topic")
    @classmethod
    def _topic(cls, value: str | None) -> str | None:
        if value is not None and not is_topic(value):
            raise ValueError(TOPIC_RULE)
        return value


class SubscriptionInput(Strict):
    """A subscription: which messages, and where they go; or, inbound, what outside systems may post."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    direction: Literal["outbound", "inbound"] = "outbound"
    topic_pattern: str | None = Field(default=None, examples=["orders/+/created"])
    filter: Filter | None = Field(
        default=None, description="A CEL condition over topic, payload and message, or rules over fields."
    )
    target: Target | None = None
    inbound: Inbound | None = None
    delivery: DeliveryRules = DeliveryRules()
    dead_letter: DeadLetter = DeadLetter()
    status: Literal["active", "paused"] = "active"

    @field_validator("topic_pattern")
    @classmethod
    def _pattern(cls, value: str | None) -> str | None:
        if value is not None and not is_pattern(value):
            raise ValueError(PATTERN_RULE)
        return value

    @model_validator(mode="after")
    def _one_direction(self) -> "SubscriptionInput":
        if self.direction == "outbound":
            if self.topic_pattern is None or self.target is None or self.inbound is not None:
                raise ValueError("an outbound subscription has topicPattern and target, and no inbound")
        elif self.inbound is None or self.target is not None or self.topic_pattern or self.filter is not None:
            raise ValueError("an inbound subscription has inbound, and no topicPattern, filter or target")
        return self


class Row(msgspec.Struct, frozen=True):
    """A subscription as stored."""

    id: str
    name: str
    revision: int
    direction: str
    topic_pattern: str | None
    filter: Any
    kind: str
    target: dict[str, Any]
    sealed: bytes | None
    delivery: dict[str, Any]
    dead_letter: dict[str, Any]
    status: str
    created_at: int
    created_by: str
    updated_at: int
    updated_by: str


class Stats(Wire):
    """How a subscription is doing, since it was made."""

    open: int = Field(description="Messages to go, up to 10,000.")
    delivered: int
    retried: int
    dead_lettered: int
    failures_in_a_row: int
    said: str | None
    failed_at: str | None
    delivered_at: str | None
    resumes_at: str | None = Field(description="When a target is called again that failed too often in a row.")


class Subscription(Wire):
    """A subscription without its secrets."""

    subscription_id: str
    workspace_id: str
    name: str
    direction: Literal["outbound", "inbound"]
    topic_pattern: str | None
    filter: Filter | None
    target: Target | None
    inbound: Inbound | None
    delivery: DeliveryRules
    dead_letter: DeadLetter
    status: Literal["active", "paused", "error"]
    stats: Stats | None
    signing_public_key: str | None = Field(description="Standard Webhooks' asymmetric key (whpk_…) of a webhook.")
    inbound_path: str | None
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str


class SubscriptionMade(Subscription):
    """A subscription that was just made; its signing secret is shown this once."""

    signing_secret: str | None


class Subscriptions(Wire):
    """A page of subscriptions, in the order of their ids."""

    items: list[Subscription]
    next_cursor: str | None


class Deleted(Wire):
    """A subscription that is gone."""

    deleted: Literal[True]


class SecretRotated(Wire):
    """The new signing secret, shown in this answer alone."""

    secret: str
    created_at: str
    previous_valid_until: str | None


class Pull(Strict):
    """How much to take from a queue, and how long to wait for the first of it."""

    max: int = Field(default=10, ge=1, le=100)
    wait_seconds: float = Field(default=0, ge=0, le=20)


class Leased(Wire):
    """A message in hand until its lease runs out; the receipt acknowledges it."""

    receipt: str
    attempt: int
    leased_until: str
    message: Envelope


class Pulled(Wire):
    """What was taken from a queue."""

    items: list[Leased]


class Ack(Strict):
    """Receipts of messages that are done, and of those that somebody else shall have at once."""

    receipts: list[Annotated[str, Field(max_length=256)]] = Field(default=[], max_length=1000)
    release: list[Annotated[str, Field(max_length=256)]] = Field(default=[], max_length=1000)


class Acked(Wire):
    """What became of receipts; a lost one's lease ran out, and the message may be in another hand."""

    acknowledged: int
    released: int
    lost: list[str]
