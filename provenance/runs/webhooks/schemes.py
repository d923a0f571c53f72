"""How senders sign: our own scheme, and those of GitHub, Stripe and Standard Webhooks (spec/automation.md, 12).

Each scheme is a pure function of a request and one secret. The key of an HMAC-SHA256 is the secret's text as bytes;
Standard Webhooks alone decodes it. Comparing takes the same time whatever differs.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

TOLERANCE_SECONDS = 300
"""How far a signed time may be from ours, either way."""
_NOBODYS = b"a secret that no workflow has, so that a stranger waits as long as a known sender"


class Signed(NamedTuple):
    """A request as its signature sees it: headers by lower-case names, the raw body, our time in seconds."""

    headers: Mapping[bytes, bytes]
    body: bytes
    now: float

    def text(self, name: bytes) -> str:
        """Return a header as ASCII text; empty when it is absent, or other than ASCII and so never right."""
        value = self.headers.get(name, b"")
        return value.decode() if value.isascii() else ""

    def recent(self, seconds: str) -> bool:
        """Tell whether a text is a time in seconds since the epoch, at most five minutes from ours."""
        return seconds.isdecimal() and len(seconds) <= 12 and abs(self.now - int(seconds)) <= TOLERANCE_SECONDS


class Scheme(Protocol):
    """One way to sign."""

    def signs(self, request: Signed, secret: bytes, *, timestamped: bool) -> bool:
        """Tell whether the request is signed with this secret; ``timestamped`` insists on a signed time."""
        ...

    def delivery(self, request: Signed) -> str:
        """Return what the headers name the delivery by, the same for a repeat; empty when they don't."""
        ...


def _hex(secret: bytes, *parts: bytes) -> str:
    return hmac.digest(secret, b".".join(parts), "sha256").hex()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


class Own:
    """``X-ProvenanceOne-Signature: <hex>`` over the body, or over ``timestamp.body`` where a timestamp is sent."""

    def signs(self, request: Signed, secret: bytes, *, timestamped: bool) -> bool:
        """Tell whether the request is signed with this secret. A timestamp that is sent is part of what is signed."""
        given = request.text(b"x-provenanceone-signature").removeprefix("sha256=")
        if b"x-provenanceone-timestamp" not in request.headers:
            return _same(given, _hex(secret, request.body)) and not timestamped
        at = request.text(b"x-provenanceone-timestamp")
        return _same(given, _hex(secret, at.encode(), request.body)) and request.recent(at)

    def delivery(self, request: Signed) -> str:
        """Return ``X-ProvenanceOne-Delivery``."""
        return request.text(b"x-provenanceone-delivery")


class GitHub:
    """``X-Hub-Signature-256: sha256=<hex>`` over the body; there is no signed time."""

    def signs(self, request: Signed, secret: bytes, *, timestamped: bool) -> bool:
        """Tell whether the request is signed with this secret; never where a signed time is insisted on."""
        given = request.text(b"x-hub-signature-256")
        return _same(given, "sha256=" + _hex(secret, request.body)) and not timestamped

    def delivery(self, request: Signed) -> str:
        """Return ``X-GitHub-Delivery``."""
        return request.text(b"x-github-delivery")


class Stripe:
    """``Stripe-Signature: t=<seconds>,v1=<hex>,…`` over ``t.body``; several ``v1`` while a secret is rolled."""

    def signs(self, request: Signed, secret: bytes, *, timestamped: bool) -> bool:
        """Tell whether the request is signed with this secret, lately."""
        fields = [part.strip().partition("=") for part in request.text(b"stripe-signature").split(",")]
        at = next((value for name, _, value in fields if name == "t"), "")
        expected = _hex(secret, at.encode(), request.body)
        right = [_same(value, expected) for name, _, value in fields if name == "v1"]
        return any(right) and request.recent(at)

    def delivery(self, request: Signed) -> str:
        """Return nothing: an event's id stands in the body."""
        return ""


class Standard:
    """Standard Webhooks: ``webhook-signature: v1,<base64> …`` over ``id.timestamp.body``.

    Senders that are older than the standard's name write ``svix-`` before the same three headers.
    """

    def signs(self, request: Signed, secret: bytes, *, timestamped: bool) -> bool:
        """Tell whether the request is signed with this secret, lately. The key is the base64 after ``whsec_``."""
        key = standard_key(secret)
        delivery, at = self._text(request, b"id"), self._text(request, b"timestamp")
        message = b".".join((delivery.encode(), at.encode(), request.body))
        expected = "v1," + base64.b64encode(hmac.digest(key or _NOBODYS, message, "sha256")).decode()
        right = [_same(given, expected) for given in self._text(request, b"signature").split(" ")]
        return any(right) and key is not None and bool(delivery) and request.recent(at)

    def delivery(self, request: Signed) -> str:
        """Return ``webhook-id``."""
        return self._text(request, b"id")

    @staticmethod
    def _text(request: Signed, name: bytes) -> str:
        family = b"webhook-" if b"webhook-id" in request.headers else b"svix-"
        return request.text(family + name)


def standard_key(secret: bytes) -> bytes | None:
    """Return the key that a ``whsec_…`` stands for, in either base64 alphabet; None when it is no base64."""
    text = secret.removeprefix(b"whsec_").rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True) or None
    except binascii.Error:
        return None


PRESETS: dict[str, Scheme] = {"provenance": Own(), "github": GitHub(), "stripe": Stripe(), "standard": Standard()}
"""Schemes by the ``preset`` of a webhook trigger."""


def genuine(scheme: Scheme, request: Signed, secrets: Sequence[bytes], *, timestamped: bool) -> bool:
    """Tell whether one of the secrets signed the request; without any it takes as long, and none did."""
    right = [scheme.signs(request, secret, timestamped=timestamped) for secret in secrets or (_NOBODYS,)]
    return any(right) and bool(secrets)
