"""What goes in and out of a change of workspace."""

from provenance.identity.members.schemas import RoleWord
from provenance.identity.schemas import Wire


class Switch(Wire):
    """The workspace to enter."""

    workspace_id: str


class Switched(Wire):
    """The workspace entered, and the access token for it. The refresh token stays the one in hand."""

    workspace_id: str
    role: RoleWord
    access_token: str
    expires_in: int
