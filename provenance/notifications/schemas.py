"""Notification settings on the wire (spec/automation.md, 5.13), and what is stored and sent of them."""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic.alias_generators import to_camel

from provenance.audit.schemas import Risk
from provenance.core.addresses import EgressError
from provenance.core.egress import target
from provenance.notifications.recipients import Recipients
from provenance.workspace.schemas import Approver

RISKS = tuple(Risk)


class NotifiableEvent(StrEnum):
    """The events that rules may name; whatever records one of them has people told."""

    RUN_FAILED = "run.failed"
    RUN_COMPLETED = "run.completed"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_SLA_BREACH = "approval.sla_breach"
    CONNECTION_ERROR = "connection.error"
    POLICY_VIOLATION = "policy.violation"
    BUS_DEAD_LETTERED = "bus.dead_lettered"
    SECRET_ROTATION_DUE = "secret.rotation_due"  # noqa: S105 — the name of an event
    MCP_SERVER_ERROR = "mcp.server_error"
    LEDGER_INCIDENT = "ledger.incident"
    AUDIT_STREAM_FAILING = "audit_stream.failing"
    AUTHZ_DENIED = "authz.denied"
    ALERT_FIRING = "alert.firing"
    ALERT_RECOVERED = "alert.recovered"


class SettingsEvent(StrEnum):
    """What can happen to notifications themselves."""

    UPDATED = "notifications.updated"
    UNDELIVERED = "notifications.undelivered"


class ChannelKind(StrEnum):
    """Ways to tell people."""

    EMAIL = "email"
    SLACK = "slack"
    WEBHOOK = "webhook"
    IN_APP = "inApp"


@cache
def _zones() -> frozenset[str]:
    """Return all names; asking the machine for them reads six hundred files, for 5 ms."""
    return frozenset(available_timezones())


def _known_zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("is no time zone such as Europe/Berlin or UTC")
    return name


Zone = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["22:00"])]


class Wire(BaseModel):
    """A body of notifications: snake_case here, camelCase on the wire, nothing unknown."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class EmailChannel(Wire):
    """Mail, to addresses or to members by their ``user_…`` id."""

    enabled: bool = False
    recipients: Recipients = Field(default_factory=list)


class SlackChannel(Wire):
    """A channel of Slack, through a connection."""

    connection_id: Annotated[str, Field(max_length=64)]
    channel: Annotated[str, Field(min_length=1, max_length=200)]


class WebhookChannel(Wire):
    """An address that gets each event as signed JSON."""

    url: Annotated[str, Field(max_length=2000)]
    plaintext: Annotated[bool, Field(description="Allow http://: events are readable on the way.")] = False

    @property
    def place(self) -> str:
        """The URL's origin, where the secret goes to."""
        return str(target(self.url).origin())

    @model_validator(mode="after")
    def _callable(self) -> Self:
        try:
            read = target(self.url)
        except EgressError as error:
            raise ValueError(str(error)) from None
        if read.scheme != "https" and not self.plaintext:
            raise ValueError("the URL must begin with https://, or plaintext must be true")
        if read.query_string:
            raise ValueError("the URL holds no query: it would show what belongs into the secret")
        return self


class WebhookChannelAsked(WebhookChannel):
    """The webhook with its secret; left out, the one that is kept stays as long as the place is the same."""

    secret: Annotated[SecretStr | None, Field(min_length=16, max_length=2000)] = None


class WebhookChannelShown(WebhookChannel):
    """The webhook as it is shown."""

    has_secret: bool


class InAppChannel(Wire):
    """The inbox of members: who, by id, by role (and every higher one) or by group."""

    enabled: bool = False
    to: Annotated[list[Approver], Field(min_length=1, max_length=50)] = [Approver(kind="role", id="editor")]


class QuietHours(Wire):
    """Hours in which nothing is sent; what falls into them goes out at their end."""

    start: Annotated[Clock, Field(alias="from")]
    end: Annotated[Clock, Field(alias="to")]
    timezone: Zone = "UTC"

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.start == self.end:
            raise ValueError("from and to must differ")
        return self


class Rule(Wire):
    """Which event is told on which channels; narrowed by risk and environment, put off by quiet hours."""

    event: NotifiableEvent
    min_risk: Risk | None = None
    channels: Annotated[list[ChannelKind], Field(min_length=1, max_length=4)]
    environments: Annotated[list[Annotated[str, Field(max_length=64)]] | None, Field(max_length=50)] = None
    quiet_hours: QuietHours | None = None


Rules = Annotated[list[Rule], Field(max_length=100)]


class ChannelsAsked(Wire):
    """The channels as a request brings them."""

    email: EmailChannel = EmailChannel()
    slack: SlackChannel | None = None
    webhook: WebhookChannelAsked | None = None
    in_app: InAppChannel = InAppChannel()


class ChannelsShown(Wire):
    """The channels as they are shown."""

    email: EmailChannel
    slack: SlackChannel | None
    webhook: WebhookChannelShown | None
    in_app: InAppChannel


class SettingsAsked(Wire):
    """Notification settings, whole: what is left out is off."""

    channels: ChannelsAsked = ChannelsAsked()
    rules: Rules = Field(default_factory=list)


class SettingsShown(Wire):
    """Notification settings as they are shown: no secret is in them."""

    channels: ChannelsShown
    rules: Rules


@dataclass(frozen=True, slots=True)
class Stored:
    """Settings as their row has them; recipients and the webhook's secret are sealed."""

    channels: dict[str, Any]
    rules: list[Rule]
    recipients: bytes
    secret: bytes | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event that is to be told on one channel, in a worker's hand."""

    workspace_id: uuid.UUID
    number: int
    channel: ChannelKind
    failures: int
    created_at: int
    lease: uuid.UUID
