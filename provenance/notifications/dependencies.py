"""What the routes of notifications are handed besides the actor and the transaction."""

from typing import Annotated

from fastapi import Depends, Request

from provenance.notifications.slack import Way


async def slack_way_of(request: Request) -> Way:
    """Return the way to Slack, which is the connections'."""
    found: Way = request.app.state.slack_way
    return found


SlackWay = Annotated[Way, Depends(slack_way_of)]
