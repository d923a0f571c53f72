"""What goes in and out of bridges, and what is stored of them."""

import ssl
import uuid
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from provenance.bus.bridges import mapping
from provenance.bus.messages.schemas import MOST_TTL_SECONDS, TEXT, Wire
from provenance.bus.subscriptions.schemas import Filter, Strict
from provenance.bus.topics import PATTERN_RULE, is_pattern

KIND = "bus_bridge"
"""What secrets know bridges by."""
PREFIX = "brg"
DEAD_PREFIX = "bdl"
NUMBER = Annotated[int, Field(ge=1, le=2**53 - 1)]
_NAME = r"^[A-Za-z0-9_-]{1,255}$"

Direction = Literal["consume", "publish"]


class Credentials(Strict):
    """What a bridge signs in with; the secret part is a secret of the workspace, never written here."""

    kind: Literal["token", "password", "nkey", "creds"]
    user: str | None = Field(default=None, max_length=TEXT, description="Of the kind password.")
    secret_id: str = Field(
        min_length=1,
        max_length=128,
        description="Id or name of the secret: the token, the password, the nkey seed, or the text of a .creds file.",
    )

    @model_validator(mode="after")
    def _whole(self) -> "Credentials":
        if (self.kind == "password") != (self.user is not None):
            raise ValueError("user belongs to the kind password, and is needed there")
        return self


class Server(Strict):
    """Where the servers are, and how they are spoken to."""

    urls: list[Annotated[str, Field(max_length=300)]] = Field(
        min_length=1, max_length=8, examples=[["tls://nats.example.com:4222"]]
    )
    plaintext: bool = Field(default=False, description="Allow nats:// without TLS: everything is readable on the way.")
    ca_certificate: str | None = Field(default=None, max_length=65_536, description="PEM; null: the system's.")
    tls_first: bool = Field(default=False, description="The servers begin with TLS (handshake_first), not with INFO.")
    credentials: Credentials | None = None

    @field_validator("urls")
    @classmethod
    def _urls(cls, value: list[str]) -> list[str]:
        for url in value:
            read = urlsplit(url)
            if read.scheme not in ("nats", "tls") or not read.hostname or read.path or read.query or read.fragment:
                raise ValueError("must be nats://host:port or tls://host:port")
            if read.username is not None or read.password is not None:
                raise ValueError("hold no user name or password: these are credentials")
            _ = read.port  # raises ValueError for what is no port
        return value

    @field_validator("ca_certificate")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ssl.create_default_context(cadata=value)
            except (ssl.SSLError, ValueError):
                raise ValueError("is no certificate in PEM form") from None
        return value

    @model_validator(mode="after")
    def _encrypted(self) -> "Server":
        if not self.plaintext and any(not url.startswith("tls://") for url in self.urls):
            raise ValueError("urls must begin with tls://, or plaintext must be true")
        return self


class Consume(Strict):
    """Which messages of a stream are published to which topic."""

    subjects: list[Annotated[str, Field(max_length=mapping.SUBJECT_BYTES)]] = Field(
        min_length=1, max_length=16, examples=[["orders.>"]]
    )
    topic: str = Field(default=mapping.WHOLE, max_length=TEXT, examples=["shop/{1..}"])
    topic_key_path: str | None = Field(
        default=None, max_length=TEXT, description="Where the payload has the key of its order, such as order.id."
    )
    ttl_seconds: int | None = Field(default=None, ge=1, le=MOST_TTL_SECONDS, description="7 days by default.")
    begin: Literal["all", "new"] = Field(default="all", description="With the stream's oldest message, or from now on.")
    max_in_flight: int = Field(default=1_000, ge=1, le=10_000, description="Messages taken and not yet acknowledged.")

    @field_validator("subjects")
    @classmethod
    def _subjects(cls, value: list[str]) -> list[str]:
        if not all(mapping.is_subject_filter(each) for each in value):
            raise ValueError(mapping.FILTER_RULE)
        return value

    @field_validator("topic")
    @classmethod
    def _topic(cls, value: str) -> str:
        if not mapping.is_topic_template(value):
            raise ValueError(f"must be a topic; it {mapping.TEMPLATE_RULE}")
        return value


class Publish(Strict):
    """Which messages of the bus go to which subject."""

    topic_pattern: str = Field(examples=["orders/#"])
    filter: Filter | None = Field(
        default=None, description="A CEL condition over topic, payload and message, or rules over fields."
    )
    subject: str = Field(default=mapping.WHOLE, max_length=mapping.SUBJECT_BYTES, examples=["bus.{1..}"])
    from_number: NUMBER | None = Field(
        default=None, description="The interactionNumber to begin with; without it, what is published from now on."
    )

    @field_validator("topic_pattern")
    @classmethod
    def _pattern(cls, value: str) -> str:
        if not is_pattern(value):
            raise ValueError(PATTERN_RULE)
        return value

    @field_validator("subject")
    @classmethod
    def _subject(cls, value: str) -> str:
        if not mapping.is_subject_template(value):
            raise ValueError(f"{mapping.SUBJECT_RULE}; it {mapping.TEMPLATE_RULE}")
        return value


class BridgeInput(Strict):
    """A bridge: where the servers are, which stream, and what goes over in one direction."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    direction: Direction
    server: Server
    stream: str | None = Field(default=None, pattern=_NAME, description="Needed to consume; else any that takes it.")
    consume: Consume | None = None
    publish: Publish | None = None
    status: Literal["active", "paused"] = "active"

    @model_validator(mode="after")
    def _one_direction(self) -> "BridgeInput":
        if self.direction == "consume" and (self.consume is None or self.publish is not None or self.stream is None):
            raise ValueError("a bridge that consumes has stream and consume, and no publish")
        if self.direction == "publish" and (self.publish is None or self.consume is not None):
            raise ValueError("a bridge that publishes has publish, and no consume")
        return self


class Standing(Wire):
    """How a bridge is doing, since it was made. Times are ISO 8601."""

    connected: bool
    lag: int = Field(description="Messages still to go, when a worker last looked; of those to publish up to 10,000.")
    passed: int = Field(description="Messages that went over.")
    repeated: int = Field(description="Messages that came again and were told by their id.")
    expired: int = Field(description="Messages whose time was over before they could go.")
    dead_lettered: int
    number: int | None = Field(description="The interactionNumber up to which everything went over; of publish.")
    failures_in_a_row: int
    said: str | None = Field(description="Why it failed the last time.")
    failed_at: str | None
    passed_at: str | None
    next_attempt_at: str | None


class Bridge(Wire):
    """A bridge as it is shown: of its credentials only which secret they are."""

    bridge_id: str
    name: str
    direction: Direction
    server: Server
    stream: str | None
    consume: Consume | None
    publish: Publish | None
    status: Literal["active", "paused", "error"]
    standing: Standing
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str


class Bridges(Wire):
    """The bridges of a workspace, newest first; there are never more than one page."""

    items: list[Bridge]
    next_cursor: None


class BridgeDeleted(Wire):
    """A bridge that is gone."""

    deleted: Literal[True]


class BridgeReplay(Strict):
    """From where messages are sent again, or up to where they are passed by."""

    from_number: NUMBER


class BridgeDeadLetter(Wire):
    """A message that can't go over as it is: what it was, and why."""

    dead_letter_id: str
    subject: str
    headers: dict[str, str]
    payload_bytes: int
    payload_base64: str | None = Field(description="null when it is larger than a message may be.")
    msg_id: str | None = Field(description="The message of the bus that could not be sent.")
    code: str
    said: str
    at: str


class BridgeDeadLetters(Wire):
    """A page of a bridge's dead letters, newest first."""

    items: list[BridgeDeadLetter]
    next_cursor: str | None


class BridgeRedriven(Wire):
    """The message that was made of a dead letter."""

    msg_id: str


class Row(NamedTuple):
    """A bridge as stored; ``rule`` is its input without name, direction and status."""

    id: uuid.UUID
    name: str
    revision: int
    direction: str
    rule: dict[str, Any]
    status: str
    created_at: int
    created_by: str
    updated_at: int
    updated_by: str

    @property
    def input(self) -> BridgeInput:
        """What it was made of."""
        rest = {"name": self.name, "direction": self.direction, "status": self.status}
        return BridgeInput.model_validate({**self.rule, **rest})


class State(NamedTuple):
    """How far a bridge is: numbers, counts, nanoseconds, and why it failed the last time."""

    number: int
    ahead: list[int]
    due_at: int
    lease: uuid.UUID | None
    leased_until: int
    connected: bool
    lag: int
    passed: int
    repeated: int
    expired: int
    dead: int
    failures: int
    said: str | None
    failed_at: int | None
    passed_at: int | None


class Claim(NamedTuple):
    """A bridge that a worker has in hand, until its lease runs out unrenewed."""

    workspace_id: uuid.UUID
    bridge_id: uuid.UUID
    lease: uuid.UUID


class DeadLetter(NamedTuple):
    """A message that can't go over, as stored."""

    id: uuid.UUID
    subject: str
    headers: dict[str, str]
    payload_bytes: int
    payload: bytes | None
    message_id: uuid.UUID | None
    code: str
    said: str
    at: int
