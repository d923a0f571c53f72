"""Of the notifications' tests: a mail server with bad days, an admin of a workspace, the worker's side by hand."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy

import pytest
from pydantic import SecretStr

from provenance.ledger.feed import Feed, registered
from provenance.notifications import tasks
from provenance.notifications.mailing import Courier
from provenance.notifications.schemas import NotifiableEvent
from tests.conftest import Running
from tests.streams.conftest import admin, happen, id_of, near, place, reader

__all__ = ["admin", "happen", "id_of", "near", "place", "reader"]


class Post:
    """A mail server that keeps what it took. ``fault(word)`` answers a command instead of it; ``silent`` hangs up
    after it took a mail, without having said so; ``stuck`` keeps it from saying so."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[list[str]] = []
        self.fault: Callable[[str], bytes | None] = lambda word: None
        self.silent = False
        self.stuck: asyncio.Event | None = None
        self.before_data: asyncio.Event | None = None
        self.reached = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**25)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"smtp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def courier(self) -> Courier:
        return Courier(SecretStr(self.url), "Provenance <audit@example.com>", timeout=5)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(b"220 post\r\n")
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to: list[str] = []
        while line := await reader.readline():
            word = line[:4].decode().upper().strip()
            if word == "RCPT":
                to.append(line.decode().partition("<")[2].partition(">")[0])
                if self.before_data is not None:
                    self.reached.set()
                    await self.before_data.wait()
            answer = self.fault(word) or (b"354 go on\r\n" if word == "DATA" else b"250 ok\r\n")
            if word == "DATA" and answer.startswith(b"354"):
                writer.write(answer)
                self._keep(await reader.readuntil(b"\r\n.\r\n"), to)
                if self.silent:
                    return
                if self.stuck is not None:
                    self.reached.set()
                    await self.stuck.wait()
                answer = self.fault("TEXT") or b"250 taken\r\n"
            writer.write(answer)
            await writer.drain()
            if word == "QUIT":
                return

    def _keep(self, raw: bytes, to: list[str]) -> None:
        found = message_from_bytes(raw[:-5].replace(b"\r\n..", b"\r\n."), policy=default_policy)
        assert isinstance(found, EmailMessage)
        self.mails.append(found)
        self.envelopes.append(to)


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    """A mail server."""
    made = Post()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(autouse=True)
async def no_leftovers(near: Running) -> AsyncIterator[None]:
    """Let what one test left due not be another's."""
    yield
    async with near.ledger.db.housekeeping() as tx:
        for table in ("notification_deliveries", "notification_settings", "audit_digests"):
            await tx.driver_sql(f"DELETE FROM {table}")


@pytest.fixture
async def feeding(near: Running) -> AsyncIterator[None]:
    """The worker's feed of the notifications' handlers, once all of them have their beginning."""
    stop = asyncio.Event()
    handlers = [handler for handler in registered if handler.name.startswith(tasks.__name__)]
    assert len(handlers) == len(NotifiableEvent)
    feed = asyncio.create_task(Feed(near.ledger.db, near.ledger.catalogues, near.ledger.hints, handlers).run(stop))
    async with asyncio.timeout(30):
        while await _begun(near) < len(handlers):
            await asyncio.sleep(0.02)
    yield
    stop.set()
    await feed


async def _begun(near: Running) -> int:
    sql = "SELECT count(*) FROM feed_cursors WHERE workspace_id = $1 AND starts_with(handler, $2)"
    async with near.ledger.db.housekeeping() as tx:
        return int((await tx.driver_sql(sql, (uuid.UUID(int=0), tasks.__name__))).scalar_one())
