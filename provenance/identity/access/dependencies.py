"""What stands in a route's signature when it needs a person: ``Annotated[Actor, person(Role.ADMIN, fresh=True)]``."""

from fastapi import Depends, Request
from fastapi.params import Depends as DependsMarker

from provenance.core.actor import Actor, Role
from provenance.core.clock import NANOS, now_ns
from provenance.core.door import Access
from provenance.core.routing import Require
from provenance.identity.errors import FreshLoginRequired


class RequirePerson(Require):
    """A person of at least a role who is signed in, and recently where the act is a sensitive one."""

    def __init__(self, role: Role, *, fresh: bool) -> None:
        """Take the least role and whether the sign-in must be fresh."""
        super().__init__(Access(None, role))
        self.fresh = fresh

    async def __call__(self, request: Request) -> Actor:
        """Return the person. Raises FreshLoginRequired when the sign-in is older than workspace or server allow."""
        actor = await super().__call__(request)
        if self.fresh:
            ensure_fresh(actor, actor.fresh_login_minutes or request.app.state.settings.fresh_login_minutes)
        return actor


def person(role: Role = Role.VIEWER, *, fresh: bool = False) -> DependsMarker:
    """Declare that a route needs a signed-in person; ``fresh`` for what must not happen on a forgotten screen."""
    return Depends(RequirePerson(role, fresh=fresh))  # type: ignore[no-any-return]


def ensure_fresh(actor: Actor, minutes: int) -> None:
    """Let through who signed in within so many minutes. Raises FreshLoginRequired."""
    if now_ns() - actor.signed_in_at > minutes * 60 * NANOS:
        raise FreshLoginRequired(f"This needs a sign-in within the last {minutes} minutes. Sign in again.")
