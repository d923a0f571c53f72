"""Posts over kept connections: what goes out, which answers are read, when a connection is used again."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from provenance.core.addresses import AddressRefused
from provenance.core.egress import AnswerTooLarge, Egress, Reply, TargetAway
from provenance.core.posting import Destination, Posts, written

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server that reads requests of a known length and answers with bytes, one after the other."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.closes = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            self.requests.append(head + await reader.readexactly(size))
            writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
            if self.closes:
                break
        writer.close()


@asynccontextmanager
async def serving(speak: Speak) -> AsyncIterator[str]:
    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=1"
    finally:
        server.close()


@asynccontextmanager
async def posting(allowed: tuple[str, ...] = ("127.0.0.1",)) -> AsyncIterator[Posts]:
    egress = Egress(allowed)
    posts = Posts(egress)
    try:
        yield posts
    finally:
        await posts.close()
        await egress.close()


async def post(posts: Posts, url: str, body: bytes = b"{}", *, seconds: float = 20, limit: int = 1000) -> Reply:
    return await posts.post(Destination(url, {"X-Room": "7"}), {"x-own": "1"}, body, seconds=seconds, limit=limit)


async def answered(answer: bytes, *, closes: bool = False) -> Reply:
    server = Server(answer)
    server.closes = closes
    async with serving(server) as url, posting() as posts:
        return await post(posts, url)


class TestWhatGoesOut:
    async def test_one_request_as_it_was_meant(self) -> None:
        server = Server(OK)
        async with serving(server) as url, posting() as posts:
            reply = await post(posts, url, '{"a":"é"}'.encode())
        assert (reply.status, reply.headers, reply.body) == (200, {"content-length": "2"}, b"ok")
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[0] == "POST /hook?a=1 HTTP/1.1"
        assert {"X-Room: 7", "x-own: 1", "content-length: 10"} <= set(lines)
        assert f"host: {url.split('/')[2]}" in lines
        assert body == '{"a":"é"}'.encode()

    @pytest.mark.parametrize(
        ("url", "host"),
        [
            ("http://a.example/x", "a.example"),
            ("https://a.example:8443", "a.example:8443"),
            ("http://[2001::1]", "[2001::1]"),
        ],
        ids=["plain", "port", "six"],
    )
    def test_the_host_as_the_url_has_it(self, url: str, host: str) -> None:
        assert f"\r\nhost: {host}\r\n".encode() in Destination(url, {}).head

    @given(st.text(min_size=1, max_size=20), st.sampled_from(["\r", "\n", "\0", "\r\nx: y"]))
    def test_no_value_ends_its_line(self, text: str, end: str) -> None:
        with pytest.raises(ValueError, match="no header"):
            written({"a": text + end})


class TestConnections:
    async def test_one_is_used_again(self) -> None:
        server = Server(OK)
        async with serving(server) as url, posting() as posts:
            for _ in range(5):
                assert (await post(posts, url)).body == b"ok"
        assert server.connections == 1

    async def test_many_at_once_have_one_each(self) -> None:
        server = Server(OK)
        async with serving(server) as url, posting() as posts:
            await asyncio.gather(*[post(posts, url) for _ in range(8)])
            await asyncio.gather(*[post(posts, url) for _ in range(8)])
        assert server.connections == 8

    async def test_one_that_was_closed_meanwhile_is_replaced(self) -> None:
        server = Server(OK)
        server.closes = True
        async with serving(server) as url, posting() as posts:
            for _ in range(3):
                assert (await post(posts, url)).status == 200
        assert server.connections == 3

    async def test_who_gives_up_leaves_nothing_behind(self) -> None:
        begun, server = asyncio.Event(), Server(OK)

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if begun.is_set():
                await server(reader, writer)
                return
            begun.set()
            await reader.read()
            writer.close()

        async with serving(slow) as url, posting() as posts:
            first = asyncio.create_task(post(posts, url))
            await begun.wait()
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            assert (await post(posts, url)).body == b"ok"


class TestAnswers:
    async def test_in_chunks(self) -> None:
        reply = await answered(b"HTTP/1.1 201 Made\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
        assert (reply.status, reply.body) == (201, b"ok")

    async def test_until_the_end_of_the_connection(self) -> None:
        reply = await answered(b"HTTP/1.1 503 Later\r\nRetry-After: 7\r\nretry-after: 9\r\n\r\nlater", closes=True)
        assert (reply.status, reply.headers["retry-after"], reply.body) == (503, "7", b"later")

    async def test_after_one_that_only_announces_it(self) -> None:
        assert (await answered(b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + OK)).headers == {"content-length": "2"}

    async def test_a_change_of_protocol_is_an_answer(self) -> None:
        upgraded = b"HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n"
        assert (await answered(upgraded)).status == 101

    @pytest.mark.parametrize(
        "answer",
        [b"", b"SMTP ready\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"],
        ids=["none", "other", "half"],
    )
    async def test_none_that_is_whole(self, answer: bytes) -> None:
        with pytest.raises(TargetAway):
            await answered(answer, closes=True)

    @pytest.mark.parametrize("head", [b"content-length: 1001\r\n", b""], ids=["told", "open"])
    async def test_none_larger_than_the_limit(self, head: bytes) -> None:
        with pytest.raises(AnswerTooLarge):
            await answered(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + bytes(1001), closes=True)

    async def test_none_within_the_time(self) -> None:
        async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        async with serving(never) as url, posting() as posts:
            with pytest.raises(TargetAway, match=r"did not answer within 0\.05 seconds"):
                await post(posts, url, seconds=0.05)


class TestTheGuard:
    @pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://10.0.0.1/", "http://localhost:9/"], ids=str)
    async def test_no_address_of_the_own_network(self, url: str) -> None:
        async with posting(()) as posts:
            with pytest.raises(AddressRefused):
                await post(posts, url)

    async def test_nobody_listens(self) -> None:
        async with serving(Server(OK)) as url, posting() as posts:
            pass
        async with posting() as posts:
            with pytest.raises(TargetAway, match="refused"):
                await post(posts, url)

    async def test_a_certificate_of_nobody_known(self) -> None:
        async with serving(Server(OK)) as url, posting() as posts:
            with pytest.raises((TargetAway, ssl.SSLError)) as caught:
                await post(posts, url.replace("http://", "https://"), seconds=5)
        assert isinstance(caught.value, TargetAway)


def test_on_the_loop_of_the_worker() -> None:
    """Its transports are no subclasses of asyncio's."""

    async def some() -> int:
        server = Server(OK)
        async with serving(server) as url, posting() as posts:
            for _ in range(3):
                await post(posts, url)
        return server.connections

    assert uvloop.run(some()) == 1
