"""What goes in and out when people care for their password."""

from pydantic import Field, SecretStr

from provenance.identity.schemas import Wire


class PasswordChange(Wire):
    """The password in use and the one to come."""

    current_password: SecretStr | None = Field(default=None, description="Left out by who has none yet.")
    new_password: SecretStr


class Forgotten(Wire):
    """The address of an account whose password is forgotten."""

    email: str = Field(min_length=1, max_length=320)


class PasswordReset(Wire):
    """The token of the mail and the password to come."""

    token: SecretStr
    password: SecretStr


class Done(Wire):
    """The answer to what only succeeds."""

    done: bool
