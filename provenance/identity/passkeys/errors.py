"""What can go wrong with passkeys."""

from provenance.core.errors import Conflict, Invalid, NotAuthenticated, NotFound


class PasskeyRefused(NotAuthenticated):
    """The passkey is unknown here, or its answer does not prove that it was used now, on this site."""

    code = "passkey_refused"


class PasskeyUnusable(Invalid):
    """What the authenticator answered does not register a passkey for this challenge and this site."""

    code = "passkey_unusable"


class PasskeyKnown(Conflict):
    """The authenticator's credential is registered already."""

    code = "passkey_known"


class TooManyPasskeys(Conflict):
    """The person has fifty passkeys already; remove one first."""

    code = "too_many_passkeys"


class UnknownPasskey(NotFound):
    """The person has no passkey with this id."""

    code = "unknown_passkey"
