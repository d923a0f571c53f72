"""Where a connection's calls go: its base URL, the hosts its credential may be sent to, its authorisation server."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from yarl import URL

from provenance.connections.credentials import filled
from provenance.connections.errors import BadConfig, HostNotAllowed, OAuthClientMissing
from provenance.connections.integrations import INTEGRATIONS, AuthType, Integration, OAuth
from provenance.core.addresses import EgressError
from provenance.core.egress import target
from provenance.core.settings import IntegrationSettings

_HOST = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")


@dataclass(frozen=True, slots=True)
class Target:
    """Where calls go. ``hosts`` are names, or ``*.`` and a name; no call leaves for another one."""

    base_url: str
    hosts: tuple[str, ...]

    def url(self, path: str) -> str:
        """Return the URL of a path below the base, or of a whole URL. Raises HostNotAllowed."""
        whole = path if re.match(r"[a-z]+://", path) else self.base_url.rstrip("/") + "/" + path.lstrip("/")
        try:
            url, base = target(whole), URL(self.base_url)
        except EgressError as error:
            raise HostNotAllowed.at("url", str(error)) from None
        same = (url.host, url.port) == (base.host, base.port)
        listed = url.is_default_port() and any(_covers(each, url.host) for each in self.hosts)
        if url.scheme not in ("https", base.scheme) or not (same or listed):
            raise HostNotAllowed.at("url", "goes to a host that this connection's credential is not sent to")
        return str(url)


def _covers(pattern: str, host: str | None) -> bool:
    name = (host or "").lower()
    return name.endswith(pattern[1:].lower()) if pattern.startswith("*.") else name == pattern.lower()


@dataclass(frozen=True, slots=True)
class Client:
    """Our client at an authorisation server."""

    server: OAuth
    id: str
    secret: str | None = field(repr=False)


def checked(name: str, auth_type: AuthType, config: Mapping[str, Any]) -> None:
    """Refuse a config by which this integration can't be called. Raises BadConfig."""
    integration = INTEGRATIONS[name]
    for each, pattern in integration.config.items():
        value = config.get(each)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise BadConfig.at(f"config.{each}", "is needed, in the form that the service knows")
    if integration is INTEGRATIONS["http"]:
        _ensure_urls(config, auth_type)
    hosts, scopes = config.get("allowedHosts", []), config.get("scopes", [])
    if not isinstance(hosts, list) or not all(isinstance(each, str) and _HOST.fullmatch(each) for each in hosts):
        raise BadConfig.at("config.allowedHosts", "must be a list of host names, such as *.example.com")
    if not isinstance(scopes, list) or not all(isinstance(each, str) and _SCOPE.fullmatch(each) for each in scopes):
        raise BadConfig.at("config.scopes", "must be a list of scopes")
    if not isinstance(config.get("clientId", ""), str):
        raise BadConfig.at("config.clientId", "must be a text")


def _ensure_urls(config: Mapping[str, Any], auth_type: AuthType) -> None:
    needed = {"oauth2": ("authorizationUrl", "tokenUrl"), "service_account": ("tokenUrl",), "api_key": ()}[auth_type]
    for each in ("baseUrl", *needed, *({"revokeUrl"} & config.keys())):
        try:
            target(str(config.get(each)))
        except EgressError as error:
            raise BadConfig.at(f"config.{each}", str(error)) from None
    if auth_type != "api_key" and not config.get("clientId"):
        raise BadConfig.at("config.clientId", "is needed: our client at the authorisation server")
    if not isinstance(config.get("testPath", ""), str):
        raise BadConfig.at("config.testPath", "must be a path")


def target_of(
    integration: Integration, config: Mapping[str, Any], operator: IntegrationSettings | None, instance_url: str | None
) -> Target:
    """Return where the calls of a connection go; a provider may have named the instance of its account."""
    base = filled(integration.base_url, config) or integration.base_url
    if operator is not None and operator.api_url:
        return Target(operator.api_url, ())
    hosts = (*integration.hosts, *config.get("allowedHosts", ()))
    found = Target(base, hosts)
    if instance_url is not None and instance_url.startswith("https://") and integration.hosts:
        found.url(instance_url)
        return Target(instance_url, hosts)
    return found


def client_of(
    name: str, config: Mapping[str, Any], credential: Mapping[str, Any], operator: IntegrationSettings | None
) -> Client:
    """Return our client at the provider: the connection's own, else the operator's. Raises OAuthClientMissing."""
    server = _server(name, config, operator)
    if config.get("clientId"):
        return Client(server, str(config["clientId"]), credential.get("clientSecret"))
    if operator is None or operator.client_id is None:
        raise OAuthClientMissing(f"No OAuth client is set for {name}: by PROVENANCE_INTEGRATIONS or config.clientId.")
    secret = operator.client_secret
    return Client(server, operator.client_id, None if secret is None else secret.get_secret_value())


def _server(name: str, config: Mapping[str, Any], operator: IntegrationSettings | None) -> OAuth:
    known = INTEGRATIONS[name].oauth
    if known is None:
        return OAuth(
            str(config.get("authorizationUrl", "")),
            str(config["tokenUrl"]),
            config.get("revokeUrl"),
            client_auth="basic" if config.get("clientAuth") == "basic" else "body",
        )
    if operator is None:
        return known
    return OAuth(
        operator.authorization_url or known.authorization_url,
        operator.token_url or known.token_url,
        operator.revoke_url or (None if operator.token_url else known.revoke_url),
        known.scopes,
        known.separator,
        known.extra,
        known.client_auth,
        known.body,
    )


def decides_where(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the part of a config that decides to whom the credential is shown."""
    fields = {*INTEGRATIONS[name].config, "allowedHosts", "tokenUrl", "revokeUrl", "clientId", "authorizationUrl"}
    return {each: config[each] for each in sorted(fields & config.keys())}
