"""Every setting of the server, read once and handed in.

Environment variables carry the prefix ``PROVENANCE_`` and the field's name in capitals; ``DATABASE_URL`` and
``PUBLIC_URL`` are also read without a prefix because platforms set them so.
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, IPvAnyNetwork, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from provenance.core.plans import PlanLimits


def default_data_dir() -> Path:
    """Return the data folder of an installation that names none: the XDG one, or /var/lib as root."""
    if os.geteuid() == 0:
        return Path("/var/lib/provenance")
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "provenance"


class IntegrationSettings(BaseModel):
    """Our OAuth client at one outside service, and its addresses where they are not the usual ones."""

    model_config = ConfigDict(extra="forbid")

    client_id: str | None = None
    client_secret: SecretStr | None = None
    authorization_url: str | None = None
    token_url: str | None = None
    revoke_url: str | None = None
    api_url: str | None = None


class Settings(BaseSettings):
    """The settings of one process. ``docs/reference/settings.md`` lists them, and a test compares."""

    model_config = SettingsConfigDict(env_prefix="PROVENANCE_", extra="ignore", populate_by_name=True)

    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder of the embedded database, the master key and the first credentials.",
    )
    database_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("DATABASE_URL", "PROVENANCE_DATABASE_URL"),
        description="PostgreSQL 15 or newer of your own. Unset: an embedded server in the data folder.",
    )
    public_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("PUBLIC_URL", "PROVENANCE_PUBLIC_URL"),
        description="Address under which clients reach this server, when it is not the request's own.",
    )
    host: str = Field(default="127.0.0.1", description="Address that the server listens on.")
    port: int = Field(default=7300, ge=0, le=65535, description="Port that the server listens on.")
    tls_cert: Path | None = Field(
        default=None,
        description="Certificate chain (PEM) to serve HTTPS with, TLS 1.2 or newer. Read at the start.",
    )
    tls_key: Path | None = Field(default=None, description="Private key (PEM, no password) of the certificate.")
    trusted_proxies: list[IPvAnyNetwork] = Field(
        default_factory=list,
        description="Networks of the proxies before this server whose X-Forwarded-For, -Proto and -Host are "
        'believed (JSON array, such as ["10.1.0.0/16"]). None by default.',
    )
    allow_plain_http: bool = Field(
        default=False,
        description="Listen in the clear on an address that other machines reach, though neither TLS nor a proxy is "
        "set: for a container whose port is published on the loopback alone.",
    )
    instance_name: str = Field(
        default="provenance.local",
        pattern=r"^[a-z0-9]([a-z0-9.:/-]*[a-z0-9])?$",
        description="Name of this installation in proofs, such as audit.example.com; a log keeps its first one.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Least severity that is logged. Answered requests are logged at debug, refusals at info.",
    )
    log_format: Literal["json", "console"] = Field(default="json", description="Form of the log lines.")
    bootstrap_api_key: SecretStr | None = Field(
        default=None, description="API key of the first start, pv_<id>_<secret>, instead of a random one."
    )
    bootstrap_admin_email: str | None = Field(
        default=None, description="E-mail of the first administrator, instead of admin@localhost."
    )
    bootstrap_admin_password: SecretStr | None = Field(
        default=None,
        description="Password of the first administrator, 12 characters or more, instead of a random one.",
    )
    cors_origins: list[str] = Field(
        default_factory=list,
        description="Origins of browsers that may call the API (JSON array). None by default.",
    )
    hot_dispatch: bool = Field(
        default=True,
        description="Take the busiest posts before the framework. Off only to compare both paths.",
    )
    servers: int = Field(
        default=1,
        ge=1,
        le=16,
        description="Server processes that share the one address; `provenance up` runs as many. Each takes a core at "
        "most.",
    )
    pool_size: int = Field(default=8, ge=2, le=100, description="Most database connections for requests, a process.")
    lane_max_entries: int = Field(
        default=10_000, ge=1, description="Entries that may wait for a commit before posts are answered 503."
    )
    lane_max_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1,
        description="Bytes that may wait for a commit before posts are answered 503.",
    )
    self_audit_rows_per_second: int = Field(
        default=2_000,
        ge=0,
        description="Pace at which the worker re-reads the ledgers against what was signed. 0: never.",
    )
    self_audit_pause_minutes: int = Field(
        default=60, ge=0, description="Pause between two rounds of the self-audit over all ledgers."
    )
    master_key: Literal["file", "vault", "aws-kms"] = Field(
        default="file",
        description="Where the key is that wraps all others: in the file master.key of the data folder, with Vault, "
        "or with AWS KMS. After a change run `provenance master-key rewrap`.",
    )
    vault_url: str | None = Field(
        default=None, description="Address of HashiCorp Vault or OpenBao, such as https://vault.example.com:8200."
    )
    vault_mount: str = Field(default="transit", description="Where Vault's transit engine is mounted.")
    vault_key: str = Field(default="provenance", description="Name of the key in the transit engine.")
    vault_namespace: str | None = Field(default=None, description="Namespace of Vault. Unset: the root's.")
    vault_token: SecretStr | None = Field(
        default=None, description="Token for Vault: it needs update on encrypt/, decrypt/ and rewrap/ of the key."
    )
    vault_token_file: Path | None = Field(
        default=None, description="File with the token for Vault, read at each call: an agent may renew it."
    )
    aws_kms_key: str | None = Field(
        default=None, description="Id or ARN of a symmetric key of AWS KMS. An alias is refused: it may move."
    )
    aws_kms_region: str | None = Field(
        default=None, description="Region of that key. Unset: the ARN's, else AWS_REGION or AWS_DEFAULT_REGION."
    )
    aws_kms_endpoint: str | None = Field(
        default=None, description="Address of KMS where it is not the region's public one, such as a VPC endpoint."
    )
    aws_access_key_id: SecretStr | None = Field(
        default=None,
        description="Access key for AWS KMS. Unset with the next two: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
        "AWS_SESSION_TOKEN.",
    )
    aws_secret_access_key: SecretStr | None = Field(default=None, description="Secret of the access key for AWS KMS.")
    aws_session_token: SecretStr | None = Field(
        default=None, description="Session token of a temporary access key for AWS KMS; its end is not renewed here."
    )
    egress_allow: list[str] = Field(
        default_factory=list,
        description="Networks, addresses and host names that calls leaving the platform may reach though they are "
        "not public (JSON array), such as a witness in your own network.",
    )
    integrations: dict[str, IntegrationSettings] = Field(
        default_factory=dict,
        description="OAuth clients of the integrations that connections use (JSON object by integration): "
        "client_id and client_secret; authorization_url, token_url, revoke_url and api_url for a service of your own.",
    )
    rate_limit_per_minute: int = Field(
        default=6_000,
        ge=0,
        description="Requests a minute for one API key or person; what services record is not counted. 0: no limit.",
    )
    rate_limit_burst: int = Field(default=1_000, ge=1, description="Requests that may come at once after a pause.")
    live_connections: int = Field(
        default=100,
        ge=0,
        description="Live connections (WebSocket and events) of one API key or person to one server. 0: no limit.",
    )
    min_free_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=0,
        description="Free space of the data folder's disk under which writes are answered 503.",
    )
    objects_url: str | None = Field(
        default=None,
        description="Where objects are kept: s3://bucket/folder, gs://bucket/folder, az://container/folder or "
        "file:///folder. Unset: the folder objects of the data folder.",
    )
    objects_options: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="What the object store is spoken to with (JSON object): aws_endpoint_url, aws_region, "
        "aws_access_key_id and aws_secret_access_key; google_service_account_key (the JSON of a key) or "
        "google_service_account (its file); azure_storage_account_name with azure_storage_account_key or "
        "azure_storage_sas_key. The rest is read from the usual variables (AWS_REGION …).",
    )
    objects_presigned: bool = Field(
        default=True,
        description="Send clients to an S3, Google or Azure store itself, by addresses it takes for 15 minutes. Off "
        "where clients can't reach the store: then every byte goes through this server.",
    )
    max_object_bytes: int = Field(
        default=100 * 1024 * 1024,
        ge=1,
        description="Largest object that a datastore takes; each one may set less for itself.",
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description="Mail server, smtp://user:password@host:587 (STARTTLS where offered) or smtps://. "
        "Unset: no mail is sent.",
    )
    mail_from: str = Field(default="provenance@localhost", description="Sender address of mails.")
    plan_limits: PlanLimits = Field(
        default_factory=dict,
        description='Limits of a workspace by its plan (JSON object), such as {"self_hosted": {"runs": 10000, '
        '"members": 25}}. Of a calendar month (UTC): runs, steps, busMessages; of what is there now: storageBytes, '
        "members with those invited. tokensIn, tokensOut, modelCostUsd, mcpCalls and auditEvents are shown with what "
        "goes beyond, and refuse nothing. None by default.",
    )
    stripe_secret_key: SecretStr | None = Field(
        default=None,
        description="Secret key of a Stripe account. Set: workspaces pay through Stripe's customer portal, and a "
        "workspace's plan is that of its subscription. Needs the package `stripe` (requirements/billing.txt).",
    )
    stripe_url: str | None = Field(
        default=None, description="Address of the payment provider, where it is not Stripe's own."
    )
    fresh_login_minutes: int = Field(
        default=15, ge=1, le=1440, description="How recent a sign-in must be for sensitive acts, in minutes."
    )
    oidc_issuer: str | None = Field(
        default=None, description="OpenID Connect provider that people may sign in with. Unset: none."
    )
    oidc_client_id: str | None = Field(default=None, description="Our client id at the OpenID Connect provider.")
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="Our client secret at the OpenID Connect provider; unset for a public client."
    )
    erasure_rewrite_bytes: int = Field(
        default=512 * 1024 * 1024,
        ge=0,
        description="Size up to which an erasure rewrites a table of the ledger whole; posts wait meanwhile, "
        "some 10 seconds. A larger one is vacuumed, and the certificate says so.",
    )
    serve_slots: int = Field(
        default=64,
        ge=0,
        description="Runs that one server begins to interpret at once. 0: workers carry each run from its start.",
    )
    run_slots: int = Field(default=512, ge=1, description="Runs that one worker holds in memory at once.")
    run_lease_seconds: float = Field(
        default=12.0,
        ge=0.5,
        description="How long a worker that is not heard of keeps its runs, before others go on with them.",
    )
    worker_listen: str | None = Field(
        default="127.0.0.1:0",
        pattern=r"^\S+:\d{1,5}$",
        description="host:port at which a worker tells servers what steps write while they run; port 0: any free one. "
        "Servers on other machines need an address of this one that they reach. Every message is sealed.",
    )
    skill_slots: int = Field(
        default=4, ge=1, description="Skills that one process runs at once; further calls wait their turn."
    )
    skills_unconfined: bool = Field(
        default=False,
        description="Run skills though the kernel can't confine them: their code then does what this process may do. "
        "Each call's record says sandbox: none.",
    )

    @property
    def base_url(self) -> str:
        """The address that links in mails begin with, without a slash at its end."""
        return (self.public_url or f"{self.scheme}://localhost:{self.port}").rstrip("/")

    @property
    def scheme(self) -> str:
        """How this server itself is spoken to: ``https`` with a certificate, else ``http``."""
        return "http" if self.tls_cert is None else "https"
