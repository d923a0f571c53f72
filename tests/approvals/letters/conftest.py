"""Of the letters' tests: a mail server, the worker's feed of their handlers, a postman to call by hand."""

import asyncio
import re
from collections.abc import AsyncIterator
from email.message import EmailMessage
from urllib.parse import urlsplit

import httpx
import pytest

from provenance.approvals.letters import tasks
from provenance.approvals.letters.sending import Postman
from provenance.core import ids
from provenance.ledger.feed import Feed, registered
from tests.conftest import Running, Tenant
from tests.identity.conftest import Someone, some_address
from tests.identity.people import As
from tests.notifications.conftest import Post, post

__all__ = ["post"]

PATIENCE = 20


@pytest.fixture
async def feeding(app: Running) -> AsyncIterator[None]:
    """The worker's feed of the letters' handlers, once all of them have their beginning."""
    stop = asyncio.Event()
    handlers = [handler for handler in registered if handler.name.startswith(tasks.__name__)]
    assert len(handlers) == 10
    async with app.ledger.db.housekeeping() as tx:  # begins now, again: what other tests did is not told here
        await tx.driver_sql("DELETE FROM feed_cursors WHERE starts_with(handler, $1)", (tasks.__name__,))
    feed = asyncio.create_task(Feed(app.ledger.db, app.ledger.catalogues, app.ledger.hints, handlers).run(stop))
    begun = "SELECT count(*) FROM feed_cursors WHERE workspace_id = $1 AND starts_with(handler, $2)"
    nowhere = "00000000-0000-0000-0000-000000000000"
    async with asyncio.timeout(PATIENCE):
        while await scalar(app, begun, nowhere, tasks.__name__) < len(handlers):
            await asyncio.sleep(0.02)
    yield
    stop.set()
    await feed
    async with app.ledger.db.housekeeping() as tx:
        await tx.driver_sql("DELETE FROM approval_letters")


async def scalar(app: Running, sql: str, *values: object) -> int:
    async with app.ledger.db.housekeeping() as tx:
        return int((await tx.driver_sql(sql, values)).scalar() or 0)


class Mailbox:
    """What came by mail to people of one workspace, sent by a worker's hand."""

    def __init__(self, app: Running, workspace: Tenant, post: Post) -> None:
        self.app, self.workspace, self.post = app, workspace, post
        self.postman = Postman(app.ledger, post.courier)

    async def waiting(self, count: int = 1) -> None:
        """Wait until so many letters of the workspace are to be sent, now or later."""
        sql = "SELECT count(*) FROM approval_letters WHERE workspace_id = $1"
        async with asyncio.timeout(PATIENCE):
            while await scalar(self.app, sql, ids.decode("ws", self.workspace.id)) < count:
                await asyncio.sleep(0.02)

    async def collect(self, count: int = 1) -> list[EmailMessage]:
        """Wait for so many letters, send everything that is due, and return what went out."""
        await self.waiting(count)
        before = len(self.post.mails)
        async with self.app.ledger.db.housekeeping() as tx:  # the feed brings what other tests left, in its own time
            mine = (ids.decode("ws", self.workspace.id),)
            await tx.driver_sql("DELETE FROM approval_letters WHERE workspace_id <> $1", mine)
        while await self.postman.deliver():
            pass
        return self.post.mails[before:]

    async def read_by(self, person: As) -> list[tuple[str, bool]]:
        """Wait until somebody's inbox is read, and return its events, the oldest first."""
        async with asyncio.timeout(PATIENCE):
            while (found := (await person.get("/api/notifications/inbox")).json())["unread"]:
                await asyncio.sleep(0.02)
        return [(each["eventType"], each["readAt"] is not None) for each in reversed(found["items"])]

    def to(self, person: As | Someone) -> EmailMessage:
        """Return the newest mail to somebody."""
        found = [mail for mail, to in zip(self.post.mails, self.post.envelopes, strict=True) if to == [person.email]]
        return found[-1]

    def link(self, person: As | Someone) -> str:
        """Return path and query of the link in the newest mail to somebody."""
        [url] = re.findall(r"http\S+/decide\?token=\S+", self.to(person).get_content())
        parts = urlsplit(url)
        return f"{parts.path}?{parts.query}"


@pytest.fixture
def mailbox(app: Running, workspace: Tenant, post: Post, feeding: None) -> Mailbox:
    """The mail of the test's workspace."""
    return Mailbox(app, workspace, post)


@pytest.fixture
async def browser(app: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that nobody is signed in with, at an address of its own."""
    headers = {"accept": "text/html,application/xhtml+xml", "x-forwarded-for": some_address()}
    async with httpx.AsyncClient(base_url=app.url, headers=headers, timeout=30, verify=False) as web:
        yield web
