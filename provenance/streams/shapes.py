"""What a target is configured with: by kind what is shown, what is asked for, and which of it is secret.

The plain shape is what is stored and built from; ``…Asked`` adds the secrets a request brings, ``…Shown`` says of
each whether there is one.
"""

import ssl
from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic.alias_generators import to_camel

from provenance.core.addresses import EgressError
from provenance.core.egress import target

PRINTABLE = r"^[!-~]+$"
_HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"
_OWN_HEADERS = frozenset({"content-length", "content-type", "host", "transfer-encoding", "connection"})


def _printable(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text.isascii() and text.isprintable()):
        raise ValueError("holds characters that no header can carry")
    return value


Url = Annotated[str, Field(min_length=8, max_length=2000)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Token = Annotated[SecretStr, Field(min_length=1, max_length=2000), AfterValidator(_printable)]


class Shape(BaseModel):
    """What every kind of target has: where it is, and whether it may be spoken to without TLS."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    SECRETS: ClassVar[tuple[str, ...]] = ()
    """Fields of the asked form that are sealed, never shown."""

    plaintext: Annotated[bool, Field(description="Allow a target without TLS: everything is readable on the way.")] = (
        False
    )

    @property
    @abstractmethod
    def place(self) -> str:
        """Where secrets go to; one that was given for another place is not sent here."""

    @property
    def linger_seconds(self) -> int:
        """How long a batch that is not full waits for more."""
        return 0


class HttpShape(Shape):
    """A target behind a URL."""

    url: Url

    @property
    def place(self) -> str:
        """The URL's origin."""
        return str(target(self.url).origin())

    @model_validator(mode="after")
    def _callable(self) -> Self:
        _ensure_callable(self.url, plaintext=self.plaintext)
        return self


class SplunkHec(HttpShape):
    """Splunk's HTTP Event Collector: ``url`` is its address without a path, such as https://splunk:8088."""

    SECRETS = ("token",)

    kind: Literal["splunk_hec"]
    ack: Annotated[bool, Field(description="Wait for the indexer's acknowledgement, not for receipt alone.")] = True
    index: Name | None = None
    source: Name | None = "provenance"
    sourcetype: Name = "provenance:audit"
    host: Name | None = None


class Syslog(Shape):
    """A syslog receiver over TLS (RFC 5425); RFC 5424 messages with structured data."""

    kind: Literal["syslog"]
    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._:-]+$")]
    port: Annotated[int, Field(ge=1, le=65535)] = 6514
    ca_certificate: Annotated[str | None, Field(max_length=65_536, description="PEM; null: the system's.")] = None
    hostname: Annotated[str, Field(max_length=255, pattern=PRINTABLE)] = "provenance"
    app_name: Annotated[str, Field(max_length=48, pattern=PRINTABLE)] = "provenance"
    facility: Annotated[int, Field(ge=0, le=23, description="13 is log audit.")] = 13
    enterprise_id: Annotated[int, Field(ge=1, le=2**32 - 1, description="Names the structured data.")] = 32473
    max_bytes: Annotated[int, Field(ge=2048, le=1_048_576, description="Longest message.")] = 65_536

    @property
    def place(self) -> str:
        """The receiver's host and port."""
        return f"{self.host}:{self.port}"

    @model_validator(mode="after")
    def _readable_certificate(self) -> Self:
        if self.ca_certificate is not None:
            try:
                ssl.create_default_context(cadata=self.ca_certificate)
            except (ssl.SSLError, ValueError):
                raise ValueError("caCertificate is no certificate in PEM form") from None
        return self


class Otlp(HttpShape):
    """An OpenTelemetry collector over OTLP/HTTP; ``/v1/logs`` is added to a URL that lacks it."""

    SECRETS = ("headers",)

    kind: Literal["otlp"]
    service_name: Name = "provenance"


class ObjectStore(Shape):
    """An object store: ``s3://bucket/prefix``, or ``local://name``, a folder inside the installation's data folder."""

    SECRETS = ("secret_access_key",)

    kind: Literal["object_store"]
    url: Annotated[
        str,
        Field(
            max_length=1000,
            pattern=r"^(local://[a-z0-9][a-z0-9-]{0,62}|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?)$",
        ),
    ]
    region: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9-]+$")] = "us-east-1"
    endpoint: Annotated[Url | None, Field(description="Of a store that is not Amazon's; the bucket is its path.")] = (
        None
    )
    access_key_id: Annotated[str | None, Field(max_length=128, pattern=PRINTABLE)] = None
    every_seconds: Annotated[int, Field(ge=0, le=3600, description="How long an object waits to be full.")] = 60

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this installation."""
        return self.url.startswith("local://")

    @property
    def place(self) -> str:
        """The bucket and where it is."""
        return f"{urlsplit(self.url).netloc} {self.endpoint or self.region}"

    @property
    def linger_seconds(self) -> int:
        """How long a batch that is not full waits for more: an object for each event would be many."""
        return self.every_seconds

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if any(part in (".", "..") for part in self.url.split("/")):
            raise ValueError("the prefix holds no . and no .. as a part")
        if self.endpoint is not None:
            _ensure_callable(self.endpoint, plaintext=self.plaintext)
        if not self.is_local and self.access_key_id is None:
            raise ValueError("accessKeyId is needed: keys of the machine itself are never used")
        return self


class Webhook(HttpShape):
    """An address that takes signed JSON lines."""

    SECRETS = ("secret",)

    kind: Literal["webhook"]


class SplunkHecAsked(SplunkHec):
    """Splunk's collector with its token."""

    token: Token | None = None


class OtlpAsked(Otlp):
    """A collector with the headers it wants, such as ``authorization``; all of their values are secret."""

    headers: Annotated[dict[Annotated[str, Field(pattern=_HEADER_NAME)], Token] | None, Field(max_length=20)] = None

    @model_validator(mode="after")
    def _free_headers(self) -> Self:
        for name in self.headers or {}:
            if name.lower() in _OWN_HEADERS:
                raise ValueError(f"the header {name} is set by the sender")
        return self


class ObjectStoreAsked(ObjectStore):
    """An object store with the secret part of its key."""

    secret_access_key: Token | None = None


class WebhookAsked(Webhook):
    """A webhook with the secret it is signed with."""

    secret: Annotated[SecretStr | None, Field(min_length=16, max_length=2000)] = None


class SplunkHecShown(SplunkHec):
    """Splunk's collector as it is shown."""

    has_token: bool


class OtlpShown(Otlp):
    """A collector as it is shown."""

    has_headers: bool


class ObjectStoreShown(ObjectStore):
    """An object store as it is shown."""

    has_secret_access_key: bool


class WebhookShown(Webhook):
    """A webhook as it is shown."""

    has_secret: bool


Asked = Annotated[SplunkHecAsked | Syslog | OtlpAsked | ObjectStoreAsked | WebhookAsked, Field(discriminator="kind")]
Shown = Annotated[SplunkHecShown | Syslog | OtlpShown | ObjectStoreShown | WebhookShown, Field(discriminator="kind")]
KINDS: dict[str, type[Shape]] = {
    "splunk_hec": SplunkHec,
    "syslog": Syslog,
    "otlp": Otlp,
    "object_store": ObjectStore,
    "webhook": Webhook,
}
"""Each kind, and the form in which it is stored."""

REQUIRED = {"splunk_hec": "token", "webhook": "secret", "object_store": "secret_access_key"}
"""The secret that a kind can't do without; a local object store can."""


def parted(asked: Any) -> tuple[dict[str, Any], dict[str, str] | None]:
    """Part what was asked for into what is stored plainly and what is sealed; None where no secret was given."""
    config = asked.model_dump(by_alias=True, mode="json", exclude=set(asked.SECRETS))
    found: dict[str, str] | None = None
    for name in asked.SECRETS:
        value = getattr(asked, name)
        if isinstance(value, dict):
            found = {each: secret.get_secret_value() for each, secret in value.items()}
        elif value is not None:
            found = {to_camel(name): value.get_secret_value()}
    return config, found


def stored(config: dict[str, Any]) -> Shape:
    """Read a stored form."""
    return KINDS[config["kind"]].model_validate(config)


def shown(config: dict[str, Any], *, has_secret: bool) -> dict[str, Any]:
    """Return what is shown of a stored form."""
    names = KINDS[config["kind"]].SECRETS
    return {**config, **{to_camel(f"has_{name}"): has_secret for name in names}}


def _ensure_callable(url: str, *, plaintext: bool) -> None:
    """Refuse what can't be called. Raises ValueError, as validators do."""
    try:
        read = target(url)
    except EgressError as error:
        raise ValueError(str(error)) from None
    if read.scheme != "https" and not plaintext:
        raise ValueError("the URL must begin with https://, or plaintext must be true")
    if read.query_string:
        raise ValueError("the URL holds no query: it would show what belongs among the secrets")
