"""What a link decides, and who by."""

import uuid
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, SecretStr

from provenance.approvals.schemas import Given
from provenance.core.actor import Actor

LONGEST_DAYS = 14
"""A link of an approval that never expires is good for so long."""
LONGEST_TOKEN = 200


class LinkDecision(Given):
    """What the page's form sends; a decision against needs a comment.

    Who is not signed in yet sends their password, and a one-time code where the account asks for one.
    """

    token: Annotated[str, Field(max_length=LONGEST_TOKEN)]
    decision: Literal["approve", "reject"]
    comment: Annotated[str, Field(max_length=4_000)] = ""
    password: Annotated[SecretStr, Field(max_length=1_024)] = SecretStr("")
    otp: Annotated[SecretStr, Field(max_length=64)] = SecretStr("")


class Link(NamedTuple):
    """A link as it is stored, without its token. Moments are nanoseconds since the epoch."""

    id: uuid.UUID
    approval_id: uuid.UUID
    person_id: uuid.UUID
    revision: int
    statement_digest: bytes
    good_until: int
    used_at: int | None


class Opened(NamedTuple):
    """A link that works, and the member of its workspace who alone decides by it."""

    link: Link
    actor: Actor
