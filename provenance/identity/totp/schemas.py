"""What goes in and out when people set up one-time codes."""

from pydantic import Field, SecretStr

from provenance.identity.schemas import Wire


class Enrolment(Wire):
    """A shared secret that waits for its first code. Shown once."""

    secret: str = Field(description="Base32, for typing by hand.")
    otpauth_uri: str = Field(description="What a QR code for an authenticator app holds.")


class Code(Wire):
    """A one-time code, or a recovery code where one may stand instead."""

    otp: SecretStr = Field(min_length=1, max_length=64)


class RecoveryCodes(Wire):
    """Codes that each work once in place of a one-time code. Shown once."""

    recovery_codes: list[str]


class Disabled(Wire):
    """The answer to switching one-time codes off."""

    enabled: bool
