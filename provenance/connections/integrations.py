"""The outside services, as data: how each is authorised at, called and tried (spec/automation.md, 5.7).

A name in braces is filled in from the connection's config, in `headers` and `basic` from its credential too. What an
integration lists as ``hosts`` is where its credential may go besides the host of its base URL.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

AuthType = Literal["oauth2", "api_key", "service_account"]
Path = tuple[str | int, ...]

LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
"""One part of a host name: what a config field puts in front of a provider's domain must not leave that domain."""


@dataclass(frozen=True, slots=True)
class OAuth:
    """An authorisation server: its addresses, and where it does otherwise than most."""

    authorization_url: str
    token_url: str
    revoke_url: str | None = None
    scopes: tuple[str, ...] = ()
    separator: str = " "
    extra: Mapping[str, str] = field(default_factory=dict)
    client_auth: Literal["body", "basic"] = "body"
    body: Literal["form", "json"] = "form"


@dataclass(frozen=True, slots=True)
class Probe:
    """The call by which a connection is tried, and where its answer names the account.

    ``ok`` is a member that must be true, for services that refuse with a good status.
    """

    method: str
    path: str
    account: Path = ()
    label: Path = ()
    ok: Path = ()
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Integration:
    """One outside service. ``credential`` lists the sets of fields of which one has to be sent."""

    auth: tuple[AuthType, ...]
    base_url: str
    probe: Probe
    oauth: OAuth | None = None
    hosts: tuple[str, ...] = ()
    config: Mapping[str, str] = field(default_factory=dict)
    credential: tuple[tuple[str, ...], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    basic: tuple[str, str] | None = None


BEARER = {"Authorization": "Bearer {accessToken}"}

INTEGRATIONS: dict[str, Integration] = {
    "slack": Integration(
        auth=("oauth2",),
        base_url="https://slack.com/api",
        probe=Probe("POST", "/auth.test", ("team_id",), ("team",), ("ok",)),
        oauth=OAuth(
            "https://slack.com/oauth/v2/authorize",
            "https://slack.com/api/oauth.v2.access",
            scopes=("chat:write", "channels:read"),
            separator=",",
        ),
        headers=BEARER,
    ),
    "github": Integration(
        auth=("oauth2",),
        base_url="https://api.github.com",
        probe=Probe("GET", "/user", ("id",), ("login",)),
        oauth=OAuth(
            "https://github.com/login/oauth/authorize",
            "https://github.com/login/oauth/access_token",
            scopes=("repo", "read:user"),
        ),
        headers={**BEARER, "Accept": "application/vnd.github+json"},
    ),
    "jira": Integration(
        auth=("oauth2",),
        base_url="https://api.atlassian.com",
        probe=Probe("GET", "/oauth/token/accessible-resources", (0, "id"), (0, "name")),
        oauth=OAuth(
            "https://auth.atlassian.com/authorize",
            "https://auth.atlassian.com/oauth/token",
            scopes=("read:jira-work", "write:jira-work", "read:jira-user", "offline_access"),
            extra={"audience": "api.atlassian.com", "prompt": "consent"},
            body="json",
        ),
        headers=BEARER,
    ),
    "google-workspace": Integration(
        auth=("oauth2",),
        base_url="https://www.googleapis.com",
        hosts=("*.googleapis.com",),
        probe=Probe("GET", "/oauth2/v3/userinfo", ("sub",), ("email",)),
        oauth=OAuth(
            "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token",
            "https://oauth2.googleapis.com/revoke",
            scopes=("openid", "email"),
            extra={"access_type": "offline", "prompt": "consent"},
        ),
        headers=BEARER,
    ),
    "salesforce": Integration(
        auth=("oauth2",),
        base_url="https://login.salesforce.com",
        hosts=("*.salesforce.com", "*.force.com"),
        probe=Probe("GET", "/services/oauth2/userinfo", ("organization_id",), ("preferred_username",)),
        oauth=OAuth(
            "https://login.salesforce.com/services/oauth2/authorize",
            "https://login.salesforce.com/services/oauth2/token",
            "https://login.salesforce.com/services/oauth2/revoke",
            scopes=("api", "refresh_token"),
        ),
        headers=BEARER,
    ),
    "hubspot": Integration(
        auth=("oauth2",),
        base_url="https://api.hubapi.com",
        probe=Probe("GET", "/account-info/v3/details", ("portalId",), ("uiDomain",)),
        oauth=OAuth(
            "https://app.hubspot.com/oauth/authorize",
            "https://api.hubapi.com/oauth/v1/token",
            scopes=("oauth", "crm.objects.contacts.read"),
        ),
        headers=BEARER,
    ),
    "notion": Integration(
        auth=("oauth2",),
        base_url="https://api.notion.com/v1",
        probe=Probe("GET", "/users/me", ("id",), ("name",)),
        oauth=OAuth(
            "https://api.notion.com/v1/oauth/authorize",
            "https://api.notion.com/v1/oauth/token",
            extra={"owner": "user"},
            client_auth="basic",
            body="json",
        ),
        headers={**BEARER, "Notion-Version": "2022-06-28"},
    ),
    "zendesk": Integration(
        auth=("api_key",),
        base_url="https://{subdomain}.zendesk.com/api/v2",
        probe=Probe("GET", "/users/me.json", ("user", "id"), ("user", "name"), ("user", "id")),
        config={"subdomain": LABEL},
        credential=(("email", "apiToken"),),
        basic=("{email}/token", "{apiToken}"),
    ),
    "datadog": Integration(
        auth=("api_key",),
        base_url="https://api.{site}",
        probe=Probe("GET", "/api/v1/validate", ok=("valid",)),
        config={"site": rf"({LABEL}\.)?(datadoghq\.com|datadoghq\.eu|ddog-gov\.com)"},
        credential=(("apiKey", "appKey"), ("apiKey",)),
        headers={"DD-API-KEY": "{apiKey}", "DD-APPLICATION-KEY": "{appKey}"},
    ),
    "pagerduty": Integration(
        auth=("api_key",),
        base_url="https://api.pagerduty.com",
        probe=Probe("GET", "/abilities"),
        credential=(("apiKey",),),
        headers={"Authorization": "Token token={apiKey}", "Accept": "application/vnd.pagerduty+json;version=2"},
    ),
    "snowflake": Integration(
        auth=("service_account",),
        base_url="https://{account}.snowflakecomputing.com",
        probe=Probe("POST", "/api/v2/statements", ("data", 0, 0), body='{"statement":"select current_user()"}'),
        config={"account": rf"{LABEL}(\.{LABEL}){{0,3}}", "user": r"[A-Za-z0-9_.@-]{1,255}"},
        credential=(("privateKey", "passphrase"), ("privateKey",)),
        headers={**BEARER, "X-Snowflake-Authorization-Token-Type": "KEYPAIR_JWT"},
    ),
    "servicenow": Integration(
        auth=("api_key",),
        base_url="https://{instance}.service-now.com/api/now",
        probe=Probe("GET", "/table/sys_user?sysparm_limit=1"),
        config={"instance": LABEL},
        credential=(("apiKey",), ("username", "password")),
        headers={"x-sn-apikey": "{apiKey}"},
        basic=("{username}", "{password}"),
    ),
    "http": Integration(
        auth=("api_key", "oauth2", "service_account"),
        base_url="{baseUrl}",
        probe=Probe("GET", "{testPath}"),
        config={"baseUrl": r"https?://[^\s{}]{1,1024}"},
        credential=(("apiKey",), ("token",), ("username", "password"), ("headers",)),
    ),
}
"""Every integration by its name. Self-hosters reach anything else over ``http``."""
