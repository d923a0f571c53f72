"""WebAuthn itself: what the browser is asked, and whether its answer proves anything. Pure, without storage.

The library takes a quarter of a second to import: `service` imports this module when somebody has a passkey.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from provenance.identity.passkeys.schemas import Site
from provenance.identity.schemas import Person

_BAD = (WebAuthnException, ValueError, KeyError, TypeError)


class Asked(NamedTuple):
    """What the browser is asked, and the challenge in it, in base64url."""

    public_key: dict[str, Any]
    challenge: str


@dataclass(frozen=True, slots=True)
class Made:
    """A credential that was made."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


def ask_to_make(person: Person, site: Site, known: list[bytes]) -> Asked:
    """Return what makes a discoverable credential on an authenticator that has none of the known ones."""
    options = generate_registration_options(
        rp_id=site.rp_id,
        rp_name="Provenance",
        user_name=person.email or person.wire_id,
        user_display_name=person.name or person.email or person.wire_id,
        user_id=person.id.bytes,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
    )
    return Asked(msgspec.json.decode(options_to_json(options)), bytes_to_base64url(options.challenge))


def ask_to_use(site: Site) -> Asked:
    """Return what uses whatever credential of this site its owner chooses."""
    options = generate_authentication_options(rp_id=site.rp_id, user_verification=UserVerificationRequirement.REQUIRED)
    return Asked(msgspec.json.decode(options_to_json(options)), bytes_to_base64url(options.challenge))


def ask_to_sign(site: Site, challenge: bytes, known: list[bytes]) -> dict[str, Any]:
    """Return what uses one of the known credentials over a challenge that says what is signed."""
    options = generate_authentication_options(
        rp_id=site.rp_id,
        challenge=challenge,
        allow_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    found: dict[str, Any] = msgspec.json.decode(options_to_json(options))
    return found


def made(credential: dict[str, Any], site: Site, challenge: str) -> Made | None:
    """Return the credential that answers a challenge; None when the answer does not fit it, or this site."""
    try:
        found = verify_registration_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except _BAD:
        return None
    return Made(found.credential_id, found.credential_public_key, found.sign_count)


def used(credential: dict[str, Any], site: Site, challenge: str, public_key: bytes, sign_count: int) -> int | None:
    """Return the authenticator's new count when its answer proves that the key was used now; else None."""
    try:
        found = verify_authentication_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    except _BAD:
        return None
    return found.new_sign_count


def challenge_of(message: bytes) -> str:
    """Return a challenge as a credential's answer names it."""
    return bytes_to_base64url(message)


def credential_id(credential: dict[str, Any]) -> bytes | None:
    """Return the id of a credential as a browser names it; None when it is none."""
    try:
        return base64url_to_bytes(str(credential["rawId"]))
    except _BAD:
        return None
