"""Speaking to an OpenID Connect provider: discovery, the code exchange, and checking what it signed."""

import base64
import time
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from provenance.core.addresses import AddressRefused, EgressError
from provenance.core.egress import Egress
from provenance.core.settings import Settings
from provenance.identity.oidc.errors import OidcNotConfigured, OidcRefused, OidcUnavailable

TIMEOUT_SECONDS = 10
FRESH_SECONDS = 600
CLOCK_SKEW = 60
ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "RS384", "RS512", "Ed25519")
"""Asymmetric ones only: nobody who knows the client secret can sign as the provider."""


class Provider:
    """The one provider of an installation; what it published is asked for anew after ten minutes."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings; nothing is asked before somebody signs on.

        The issuer's own host may be called wherever it is: the operator named it, and it often stands in his network.
        """
        self._settings = settings
        own = urlsplit(settings.oidc_issuer or "").hostname
        self._egress = Egress([*settings.egress_allow, *([own] if own else [])])
        self._metadata: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._asked = float("-inf")

    @property
    def issuer(self) -> str:
        """The provider's name of itself. Raises OidcNotConfigured."""
        if self._settings.oidc_issuer is None or self._settings.oidc_client_id is None:
            raise OidcNotConfigured("No OpenID Connect provider is configured.")
        return self._settings.oidc_issuer

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self._egress.close()

    async def authorization_url(self, *, state: str, nonce: str, challenge: str, redirect_uri: str) -> str:
        """Return the address that the person is sent to."""
        asked = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid email profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = str((await self._discovered())["authorization_endpoint"])
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    async def claims(self, *, code: str, verifier: str, nonce: str, redirect_uri: str) -> dict[str, Any]:
        """Exchange a code and return the claims of the ID token. Raises OidcRefused and OidcUnavailable."""
        endpoint = str((await self._discovered())["token_endpoint"])
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_id": str(self._settings.oidc_client_id),
        }
        answer = await self._ask("POST", endpoint, form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise OidcRefused("The provider sent no ID token.")
        return self._checked(await self._verified(token), nonce)

    async def _verified(self, token: str) -> dict[str, Any]:
        for attempt in (1, 2):
            await self._discovered()
            assert self._keys is not None, "discovery brings the keys"
            try:
                return jwt.decode(token, self._keys, registry=JWSRegistry(algorithms=ALGORITHMS)).claims
            except (JoseError, ValueError, KeyError):
                if attempt == 2 or time.monotonic() - self._asked < 1:
                    break
                self._asked = float("-inf")  # signed with a key that was published since
        raise OidcRefused("The ID token is not signed by the provider.")

    def _checked(self, claims: dict[str, Any], nonce: str) -> dict[str, Any]:
        """Check who the token is from, for whom, for which sign-on and for how long (OpenID Connect Core 3.1.3.7)."""
        mine, now = self._settings.oidc_client_id, time.time()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        expires = claims.get("exp")
        good = (
            claims.get("iss") == self.issuer
            and mine in audiences
            and (len(audiences) == 1 or claims.get("azp") == mine)
            and claims.get("nonce") == nonce
            and isinstance(expires, int | float)
            and now < expires + CLOCK_SKEW
            and isinstance(claims.get("sub"), str)
        )
        if not good:
            raise OidcRefused("The ID token is not for this sign-on.")
        return claims

    async def _discovered(self) -> dict[str, Any]:
        if time.monotonic() - self._asked > FRESH_SECONDS:
            asked = time.monotonic()
            metadata = await self._ask("GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if metadata.get("issuer") != self.issuer:
                raise OidcUnavailable("The provider names itself otherwise than the setting does.")
            keys = await self._ask("GET", str(metadata.get("jwks_uri")))
            try:
                self._keys = KeySet.import_key_set(keys)  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError):
                raise OidcUnavailable("The provider publishes no usable keys.") from None
            self._metadata, self._asked = metadata, asked
        return self._metadata

    async def _ask(self, method: str, url: str, form: dict[str, str] | None = None) -> dict[str, Any]:
        headers, body = {"accept": "application/json"}, None
        if form is not None:
            body = urlencode(form).encode()
            headers["content-type"] = "application/x-www-form-urlencoded"
            if self._settings.oidc_client_secret is not None:
                headers["authorization"] = self._basic(self._settings.oidc_client_secret.get_secret_value())
        try:
            answer = await self._egress.request(method, url, headers=headers, body=body, seconds=TIMEOUT_SECONDS)
            found = msgspec.json.decode(answer.body)
        except AddressRefused as refused:
            raise OidcUnavailable(f"The OpenID Connect provider is out of bounds: {refused}") from None
        except (EgressError, ValueError):
            raise OidcUnavailable("The OpenID Connect provider does not answer.") from None
        if form is not None and 400 <= answer.status < 500:
            raise OidcRefused("The provider does not take the code.")
        if answer.status >= 300 or not isinstance(found, dict):
            raise OidcUnavailable("The OpenID Connect provider answers something else than asked for.")
        return found

    def _basic(self, secret: str) -> str:
        """Return the client's credentials as RFC 6749, 2.3.1 wants them: each part encoded as in a form first."""
        pair = f"{quote_plus(str(self._settings.oidc_client_id))}:{quote_plus(secret)}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
