"""What goes in and out of sign-on through a provider."""

from pydantic import Field, SecretStr

from provenance.identity.schemas import Wire
from provenance.identity.sessions.schemas import Mode


class OidcStart(Wire):
    """How the sign-on is to end."""

    mode: Mode = Mode.TOKEN


class OidcRedirect(Wire):
    """Where to send the person, and the state that comes back with them."""

    authorization_url: str
    state: str


class OidcAnswer(Wire):
    """What the provider sent back with the person."""

    code: SecretStr = Field(min_length=1, max_length=4096)
    state: SecretStr = Field(min_length=1, max_length=256)
