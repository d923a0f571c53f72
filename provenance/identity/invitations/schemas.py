"""What goes in and out of an invitation."""

import uuid
from dataclasses import dataclass, field

from pydantic import Field, SecretStr

from provenance.core.ids import encode
from provenance.identity.schemas import Wire
from provenance.identity.sessions.schemas import Mode


class Acceptance(Wire):
    """What the invited sends: the token of the link, and a password that becomes theirs, or is theirs already."""

    token: SecretStr
    password: SecretStr = Field(min_length=1, max_length=1024)
    name: str | None = Field(default=None, min_length=1, max_length=200)
    otp: SecretStr | None = Field(default=None, description="For who has an account with one-time codes already.")
    mode: Mode = Mode.TOKEN


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation that was made. ``accept_url`` holds the token: show it once, to who may pass it on."""

    person_id: uuid.UUID
    accept_url: str = field(repr=False)
    mailed: bool

    @property
    def user_id(self) -> str:
        """The id of the invited, ``user_…``."""
        return encode("user", self.person_id)
