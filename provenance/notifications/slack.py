"""A channel of Slack: one message an event, through a connection of the workspace.

The connection's own feature stands above this one, so it is handed in as a `Way`. Slack says no with a good status and
a word; some words mean that the credential is not taken, some that no repeat will help.
"""

import re
import time
import uuid
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from provenance.core.db import ReadTx
from provenance.core.egress import Reply
from provenance.streams.targets.contract import NotDelivered

INTEGRATION: Final = "slack"
POST_MESSAGE: Final = "chat.postMessage"
LONGEST_TEXT = 3_000
LONGEST_WAIT_SECONDS = 3_600.0
_USUAL_WAIT_SECONDS = 30.0
_WORD = re.compile(r"[a-z_]{1,64}", re.ASCII)
_CREDENTIAL = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "missing_scope",
        "no_permission",
    }
)
_FOR_GOOD = frozenset(
    {
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "restricted_action",
        "msg_too_long",
        "no_text",
        "invalid_blocks",
    }
)


class Way(Protocol):
    """How Slack is reached: through the connections of a workspace."""

    async def integration_of(self, tx: ReadTx, connection_id: str) -> str | None:
        """Return what a connection of the workspace leads to; None when there is no such connection."""
        ...

    async def post(self, workspace_id: uuid.UUID, connection_id: str, path: str, body: bytes) -> Reply:
        """Post JSON; return the answer, whatever its status. Raises EgressError and the problems of connections."""
        ...

    async def doubt(self, workspace_id: uuid.UUID, connection_id: str) -> None:
        """Try the connection: one whose credential is not taken any more shows an error from then on."""
        ...


class SlackRefused(NotDelivered):
    """Slack does not take the message; ``code`` is its word for why, ``for_good`` where no repeat will help."""

    def __init__(self, code: str, *, for_good: bool) -> None:
        super().__init__(f"Slack refused the message: {code}.")
        self.code, self.for_good = code, for_good


class SlackBusy(NotDelivered):
    """Slack takes no message for so many seconds."""

    code = "slack_busy"

    def __init__(self, seconds: float) -> None:
        super().__init__("Slack takes no message right now.", retry_after=seconds)


class Place(NamedTuple):
    """A channel behind a connection."""

    workspace_id: uuid.UUID
    connection_id: str
    channel: str


class Slack:
    """Posts messages for one process; who was told to wait is not called before that time."""

    def __init__(self, way: Way) -> None:
        """Take the way."""
        self._way = way
        self._busy: dict[Place, float] = {}

    async def post(self, place: Place, title: str, text: str) -> None:
        """Post a message. Raises SlackBusy, SlackRefused, NotDelivered, EgressError and the problems of connections."""
        left = self._busy.pop(place, 0.0) - time.monotonic()
        if left > 0:
            self._busy[place] = time.monotonic() + left
            raise SlackBusy(left)
        body = msgspec.json.encode(message(place.channel, title, text))
        reply = await self._way.post(place.workspace_id, place.connection_id, POST_MESSAGE, body)
        try:
            ensure_taken(reply)
        except SlackBusy as busy:
            self._busy[place] = time.monotonic() + (busy.retry_after or _USUAL_WAIT_SECONDS)
            raise
        except SlackRefused as refused:
            if refused.code in _CREDENTIAL:
                await self._way.doubt(place.workspace_id, place.connection_id)
            raise


def message(channel: str, title: str, text: str) -> dict[str, Any]:
    """Return what Slack is sent; nothing in it calls people, or looks like a link that it is not."""
    said = f"*{escaped(title)}*\n{escaped(text)}" if text else f"*{escaped(title)}*"
    return {"channel": channel, "text": said[:LONGEST_TEXT], "unfurl_links": False, "unfurl_media": False}


def escaped(text: str) -> str:
    """Return a text that Slack shows as it is: ``<!channel>`` and ``<https://…|…>`` mean nothing in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def ensure_taken(reply: Reply) -> None:
    """Let an answer pass that says so. Raises SlackBusy, SlackRefused and NotDelivered."""
    found = _json(reply.body)
    said = found.get("error") if isinstance(found, dict) else None
    word = said if isinstance(said, str) and _WORD.fullmatch(said) else "unknown_error"
    if reply.status == 429 or word in ("ratelimited", "rate_limited"):
        raise SlackBusy(_seconds(reply.headers.get("retry-after")))
    if reply.status >= 500:
        raise NotDelivered(f"Slack answers with status {reply.status}.")
    if not (isinstance(found, dict) and found.get("ok") is True):
        raise SlackRefused(word, for_good=word in _FOR_GOOD)


def _seconds(given: str | None) -> float:
    if given is None or not given.isascii() or not given.isdigit():
        return _USUAL_WAIT_SECONDS
    return min(max(float(given), 1.0), LONGEST_WAIT_SECONDS)


def _json(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return None
