"""Credentials: what is taken as one, and the headers that are made of it at the moment of a call."""

import base64
import re
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from joserfc import jwt
from joserfc.jwk import RSAKey

from provenance.connections.errors import BadConfig, BadCredential
from provenance.connections.integrations import INTEGRATIONS, AuthType, Integration

MAX_FIELD = 16 * 1024
JWT_SECONDS = 3_000
_BRACED = re.compile(r"\{(\w+)\}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TELLING = re.compile(r"secret|password|passphrase|token$|api_?key|private_?key|credential", re.IGNORECASE)
_MULTILINE = frozenset({"privateKey"})
_CLIENT_SECRET = (("clientSecret",),)


def expected(integration: Integration, auth_type: AuthType) -> tuple[tuple[str, ...], ...]:
    """Return the sets of fields of which a credential has to be one; none where a provider gives it out."""
    if auth_type == "oauth2":
        return (*_CLIENT_SECRET, ())
    by_client = integration is INTEGRATIONS["http"] and auth_type == "service_account"
    return _CLIENT_SECRET if by_client else integration.credential


def checked(integration: Integration, auth_type: AuthType, sent: str | dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a credential that may be kept; a text stands for the only field. Raises BadCredential."""
    sets = expected(integration, auth_type)
    if sent is None:
        if () in sets:
            return None
        raise BadCredential.at("credential", f"is needed: {_named(sets)}")
    credential = {sets[0][0]: sent} if isinstance(sent, str) and len(sets[0]) == 1 else sent
    if not isinstance(credential, dict) or tuple(sorted(credential)) not in {tuple(sorted(each)) for each in sets}:
        raise BadCredential.at("credential", f"must hold {_named(sets)}")
    for name, value in credential.items():
        _ensure_sendable(name, value)
    return credential or None


def _named(sets: tuple[tuple[str, ...], ...]) -> str:
    return ", or ".join(" and ".join(each) or "nothing" for each in sets)


def _ensure_sendable(name: str, value: Any) -> None:
    """Refuse what can't stand in a header, without repeating it."""
    if name == "headers":
        if not isinstance(value, dict) or not value or not all(map(_HEADER_NAME.fullmatch, value)):
            raise BadCredential.at("credential.headers", "must be an object of header names and values")
        for each in value.values():
            _ensure_sendable("headers.*", each)
    elif not isinstance(value, str) or not value or len(value) > MAX_FIELD:
        raise BadCredential.at(f"credential.{name}", f"must be a text of 1 to {MAX_FIELD:,} characters")
    elif name not in _MULTILINE and _CONTROL.search(value):
        raise BadCredential.at(f"credential.{name}", "holds a line break or another control character")


def ensure_open(config: Mapping[str, Any]) -> None:
    """Refuse a config with a field that sounds like a credential: it would be shown in every list. Raises BadConfig."""
    for name in config:
        if _TELLING.search(name):
            raise BadConfig.at(f"config.{name}", "belongs in the credential, which is never shown")


def filled(template: str, values: Mapping[str, Any]) -> str | None:
    """Fill in the names in braces; None when one has no value."""
    if any(not isinstance(values.get(name), str) for name in _BRACED.findall(template)):
        return None
    return _BRACED.sub(lambda found: str(values[found[1]]), template)


def headers_of(
    integration: Integration,
    auth_type: AuthType,
    config: Mapping[str, Any],
    credential: Mapping[str, Any],
    access_token: str | None,
) -> dict[str, str]:
    """Return the headers that a call carries. Raises BadCredential for a key that can't be used."""
    if integration is INTEGRATIONS["http"]:
        return _plain_headers(config, credential, access_token)
    if integration is INTEGRATIONS["snowflake"]:
        access_token = key_pair_token(config, credential)
    values = {**credential, **({} if access_token is None else {"accessToken": access_token})}
    made = {name: filled(template, values) for name, template in integration.headers.items()}
    headers = {name: value for name, value in made.items() if value is not None}
    if integration.basic is not None:
        parts = [filled(template, values) for template in integration.basic]
        if None not in parts:
            headers["Authorization"] = basic(str(parts[0]), str(parts[1]))
    return headers


def _plain_headers(config: Mapping[str, Any], credential: Mapping[str, Any], token: str | None) -> dict[str, str]:
    """Return the headers of the generic integration, which config may name."""
    if token is not None:
        return {"Authorization": f"Bearer {token}"}
    if "headers" in credential:
        return dict(credential["headers"])
    if "username" in credential:
        return {"Authorization": basic(credential["username"], credential["password"])}
    if "token" in credential:
        return {"Authorization": f"Bearer {credential['token']}"}
    name = config.get("header", "Authorization")
    prefix = config.get("prefix", "Bearer " if name.lower() == "authorization" else "")
    return {name: f"{prefix}{credential['apiKey']}"}


def ensure_header(config: Mapping[str, Any]) -> None:
    """Refuse a header's name or prefix that can't be sent. Raises BadConfig."""
    name, prefix = config.get("header", "Authorization"), config.get("prefix", "")
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        raise BadConfig.at("config.header", "is no name of a header")
    if not isinstance(prefix, str) or _CONTROL.search(prefix):
        raise BadConfig.at("config.prefix", "can't stand in a header")


def basic(user: str, password: str) -> str:
    """Return the value of the header for HTTP's basic authentication."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def key_pair_token(config: Mapping[str, Any], credential: Mapping[str, Any]) -> str:
    """Return the token by which a service account proves that it has its private key (Snowflake's key pairs)."""
    key = _private_key(credential)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    print_ = base64.b64encode(sha256(public).digest()).decode()
    account = str(config["account"]).split(".")[0].upper()
    subject = f"{account}.{str(config['user']).upper()}"
    now = int(time.time())
    claims = {"iss": f"{subject}.SHA256:{print_}", "sub": subject, "iat": now, "exp": now + JWT_SECONDS}
    return jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(key))


def _private_key(credential: Mapping[str, Any]) -> RSAPrivateKey:
    passphrase = credential.get("passphrase")
    try:
        key = load_pem_private_key(
            str(credential["privateKey"]).encode(), None if passphrase is None else str(passphrase).encode()
        )
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise BadCredential.at("credential.privateKey", "is no RSA private key in PEM that the passphrase opens")
    return key
