"""What goes in and out of members."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from provenance.core.actor import Role
from provenance.identity.schemas import Status, Wire

RoleWord = Literal["viewer", "editor", "admin"]
Group = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Groups = Annotated[
    list[Group],
    Field(max_length=32, description="`approvers` may approve whatever their role; others are yours.", examples=[[]]),
]


def _address(text: str) -> str:
    name, _, domain = text.rpartition("@")
    if not name or not domain or "@" in name or not text.isprintable() or " " in text:
        raise ValueError("is no e-mail address")
    return text


class MemberInvite(Wire):
    """Whom to invite, and as what."""

    email: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=3, max_length=320), AfterValidator(_address)
    ]
    role: RoleWord
    groups: Groups = Field(default_factory=list)


class MemberUpdate(Wire):
    """A member's role and groups as they shall be."""

    role: RoleWord
    groups: Groups

    @property
    def chosen(self) -> Role:
        """The role."""
        return Role[self.role.upper()]


class MemberErase(Wire):
    """The words that erase a person: ``confirm`` repeats their id."""

    confirm: str = Field(max_length=64)
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Member(Wire):
    """One member. Of an erased one neither ``email`` nor ``name`` is left."""

    user_id: str
    email: str | None
    name: str | None
    role: RoleWord
    groups: list[str]
    status: Status
    joined_at: str | None
    last_seen_at: str | None
    mfa: bool


class MemberInvited(Member):
    """A member who was just invited. ``acceptUrl`` is for you to pass on where no mail server is set up."""

    accept_url: str | None


class Members(Wire):
    """A page of members, the newest person first."""

    items: list[Member]
    next_cursor: str | None


class MemberRemoved(Wire):
    """Who is no member any more."""

    user_id: str
    removed: Literal[True]


class MemberErased(Wire):
    """What an erasure did: so many platform rows name a person whom nothing leads to now."""

    erasure_id: str
    status: Literal["completed", "running"]
    events_tombstoned: int
    tombstone: str
