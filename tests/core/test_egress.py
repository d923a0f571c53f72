"""Calls that leave the platform, over real connections of the loopback: what passes, what does not, within limits."""

import asyncio
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from provenance.core.addresses import AddressRefused, Allowance, is_public, refuse_host
from provenance.core.egress import AnswerTooLarge, Egress, Reply, TargetAway, target

LOOPBACK = ["127.0.0.1"]


class Names(AbstractResolver):
    """A name server that gives each answer once, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        kinds = [socket.AF_INET6 if ":" in each else socket.AF_INET for each in found]
        return [
            ResolveResult(hostname=host, host=each, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for each, kind in zip(found, kinds, strict=True)
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    made = Egress(LOOPBACK)
    yield made
    await made.close()


async def echo(request: web.Request) -> web.Response:
    kept = {name.lower(): value for name, value in request.headers.items()}
    body = {"method": request.method, "headers": kept, "body": (await request.read()).decode()}
    return web.json_response(body, headers={"connection": "close"})


async def moved(request: web.Request) -> web.Response:
    return web.Response(status=int(request.query["status"]), headers={"location": request.query["to"]})


async def plenty(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    if request.query.get("packed"):
        answer.enable_compression(web.ContentCoding.gzip)
    await answer.prepare(request)
    for _ in range(64):
        await answer.write(bytes(64 * 1024))
    return answer


async def slow(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A server on 127.0.0.1 and 127.0.0.2."""
    app = web.Application()
    app.add_routes([web.route("*", "/echo", echo), web.route("*", "/moved", moved)])
    app.add_routes([web.get("/plenty", plenty), web.get("/slow", slow)])
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    sites = [web.TCPSite(runner, "127.0.0.1", 0)]
    await sites[0].start()
    port = runner.addresses[0][1]
    sites.append(web.TCPSite(runner, "127.0.0.2", port))
    await sites[1].start()
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


def port_of(url: str) -> str:
    return url.rpartition(":")[2]


class TestAddresses:
    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
            "100.64.0.1", "100.100.100.200", "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.0.192",
            "198.18.0.1", "168.63.129.16",
            "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:8.8.8.8", "fe80::1", "fc00::1",
            "fd00:ec2::254", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "2002:7f00:1::",
            "2001::1", "2001:db8::1", "fec0::1", "100::1",
        ],
    )  # fmt: skip
    def test_what_is_not_public_is_refused(self, host: str) -> None:
        assert not Allowance().permits(ip_address(host))
        with pytest.raises(AddressRefused):
            refuse_host(host, Allowance())

    @pytest.mark.parametrize("host", ["8.8.8.8", "172.15.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::1"])
    def test_what_is_public_passes(self, host: str) -> None:
        refuse_host(host, Allowance())

    @pytest.mark.parametrize(
        "host",
        [
            "2130706433", "017700000001", "0x7f000001", "0x7f.1", "127.1", "127.0.1", "0177.0.0.1", "127.0.0.01",
            "127.0.0.1.", "1.2.3.4.5", "999.1.1.1", "0x7f.0x0.0x0.0x1", "fe80::1%25eth0", "a%2eb",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("allowed", [[], ["127.0.0.0/8", "0.0.0.0/0", "::/0"]])
    def test_numbers_in_old_forms_are_refused_whatever_they_mean(self, host: str, allowed: list[str]) -> None:
        with pytest.raises(AddressRefused):
            refuse_host(host, Allowance(allowed))

    def test_what_is_listed_passes_in_each_of_its_forms(self) -> None:
        allowance = Allowance(["127.0.0.0/8", "fd00::/8", "Inside.Example"])
        for host in ("127.0.0.1", "::ffff:127.0.0.1", "fd12::1"):
            refuse_host(host, allowance)
        assert not allowance.permits(ip_address("10.0.0.1"))
        assert allowance.names("inside.example.")
        assert not allowance.names("not.inside.example")

    def test_behind_a_gateway_the_address_inside_counts_too(self) -> None:
        allowance = Allowance(["64:ff9b::/96"])
        assert allowance.permits(ip_address("64:ff9b::8.8.8.8"))
        assert not allowance.permits(ip_address("64:ff9b::10.0.0.1"))

    @pytest.mark.parametrize("entry", ["10.0.0.0/33", "10.0.0.1/8", "http://x", "a b", "", "*.example", "0x7f.1"])
    def test_a_listed_entry_is_a_network_or_a_name(self, entry: str) -> None:
        with pytest.raises(ValueError, match="is neither"):
            Allowance([entry])

    @given(st.ip_addresses())
    def test_the_library_knows_no_private_address_that_passes(self, address: object) -> None:
        found = ip_address(str(address))
        if is_public(found):
            assert found.is_global
            assert not any((found.is_multicast, found.is_reserved, found.is_loopback, found.is_link_local))


class TestTarget:
    @pytest.mark.parametrize(
        "url",
        ["ftp://example.com/", "file:///etc/passwd", "gopher://x:70/", "http://", "//x", "", "http://u:p@example.com/",
         "http://u@example.com/", "http://[::1", "http://x:99999/", "http://x:0/", "unix:///run/x", "http:\\\\x"],
    )  # fmt: skip
    def test_only_http_without_passwords(self, url: str) -> None:
        with pytest.raises(AddressRefused):
            target(url)

    @given(st.text(max_size=60))
    def test_no_text_is_a_surprise(self, text: str) -> None:
        for url in (text, f"http://{text}/"):
            try:
                host = target(url).host
                refuse_host(host or "", Allowance())
            except AddressRefused:
                continue


class TestRequest:
    async def test_an_answer_comes_whole(self, egress: Egress, url: str) -> None:
        reply = await egress.request("POST", f"{url}/echo", headers={"x-mine": "1"}, body=b"hello")
        assert (reply.status, reply.headers["content-type"]) == (200, "application/json; charset=utf-8")
        assert b'"body": "hello"' in reply.body
        assert (await egress.request("GET", f"{url}/nothing")).status == 404

    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1", "localhost", "localhost.", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "0x7f.1",
         "127.1", "0177.0.0.1", "[::]", "0.0.0.0", "①②⑦.⓪.⓪.①", "127。0。0。1"],
    )  # fmt: skip
    async def test_no_spelling_reaches_the_loopback(self, url: str, host: str) -> None:
        egress = Egress()
        with pytest.raises((AddressRefused, TargetAway)) as refused:
            await egress.request("GET", f"http://{host}:{port_of(url)}/echo")
        await egress.close()
        assert refused.type is AddressRefused or "name is not known" in str(refused.value)

    async def test_a_name_is_resolved_once_and_its_address_kept(self, url: str) -> None:
        names = Names(["127.0.0.1"], ["127.0.0.2"])
        egress = Egress(LOOPBACK, resolver=names)
        try:
            where = f"http://rebinding.example:{port_of(url)}/echo"
            assert (await egress.request("GET", where)).status == 200
            assert names.asked == 1
            with pytest.raises(AddressRefused):  # a new connection asks again, and judges again
                await egress.request("GET", where)
        finally:
            await egress.close()

    async def test_one_bad_address_among_good_ones_is_enough(self, url: str) -> None:
        egress = Egress(LOOPBACK, resolver=Names(["127.0.0.1", "169.254.169.254"]))
        with pytest.raises(AddressRefused):
            await egress.request("GET", f"http://mixed.example:{port_of(url)}/echo")
        await egress.close()

    async def test_a_listed_name_may_lead_inside(self, url: str) -> None:
        egress = Egress(["inside.example"], resolver=Names(["127.0.0.2"]))
        assert (await egress.request("GET", f"http://inside.example:{port_of(url)}/echo")).status == 200
        with pytest.raises(AddressRefused):
            await egress.request("GET", f"http://127.0.0.2:{port_of(url)}/echo")
        await egress.close()

    async def test_a_target_that_is_away(self, egress: Egress) -> None:
        with pytest.raises(TargetAway, match="connection is refused"):
            await egress.request("GET", "http://127.0.0.1:1/")

    async def test_time_is_bounded(self, egress: Egress, url: str) -> None:
        with pytest.raises(TargetAway, match="did not answer within"):
            await egress.request("GET", f"{url}/slow", seconds=0.2)

    @pytest.mark.parametrize("query", ["", "?packed=1"])
    async def test_size_is_bounded_also_of_what_arrives_packed(self, egress: Egress, url: str, query: str) -> None:
        with pytest.raises(AnswerTooLarge):
            await egress.request("GET", f"{url}/plenty{query}", limit=100_000)


class TestRedirects:
    async def follow(self, egress: Egress, url: str, to: str, status: int = 302, redirects: int = 3) -> Reply:
        secret = {"authorization": "Bearer x", "x-mine": "1", "content-type": "text/plain"}
        query = str(aiohttp.client.URL(f"{url}/moved").with_query(status=status, to=to))
        return await egress.request("POST", query, headers=secret, body=b"hello", redirects=redirects)

    async def test_none_is_followed_unasked(self, egress: Egress, url: str) -> None:
        assert (await self.follow(egress, url, "/echo", redirects=0)).status == 302

    async def test_a_hop_within_the_origin_keeps_its_headers(self, egress: Egress, url: str) -> None:
        seen = (await self.follow(egress, url, "/echo", 307)).body.decode()
        assert '"POST"' in seen
        assert '"hello"' in seen
        assert "Bearer x" in seen
        turned = (await self.follow(egress, url, "/echo", 303)).body.decode()
        assert '"GET"' in turned
        assert '"body": ""' in turned

    async def test_another_origin_gets_no_credentials(self, url: str) -> None:
        egress = Egress([*LOOPBACK, "127.0.0.2"])
        seen = (await self.follow(egress, url, f"http://127.0.0.2:{port_of(url)}/echo", 307)).body.decode()
        assert '"x-mine": "1"' in seen
        assert "Bearer" not in seen
        await egress.close()

    @pytest.mark.parametrize("to", ["http://127.0.0.2:{}/echo", "http://169.254.169.254/", "file:///etc/passwd"])
    async def test_each_hop_is_judged(self, egress: Egress, url: str, to: str) -> None:
        with pytest.raises(AddressRefused):
            await self.follow(egress, url, to.format(port_of(url)))

    async def test_the_last_one_is_handed_back(self, egress: Egress, url: str) -> None:
        around = f"{url}/moved?status=302&to=/moved%3Fstatus=302%26to=/moved"
        assert (await self.follow(egress, url, around, redirects=1)).status == 302

    async def test_the_open_session_judges_each_hop_too(self, egress: Egress, url: str) -> None:
        inside = f"http://127.0.0.2:{port_of(url)}/echo"
        with pytest.raises(AddressRefused):
            await egress.session.get(f"{url}/moved", params={"status": "302", "to": inside})


class TestConnect:
    async def test_one_look_up_and_the_first_address_that_answers(self) -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        names = Names(["127.0.0.3", "127.0.0.1"], ["127.0.0.9"])
        egress = Egress(["127.0.0.0/8"], resolver=names)
        reader, writer = await egress.connect("somewhere.test", server.sockets[0].getsockname()[1], tls=None)
        assert await reader.read() == b""
        assert names.asked == 1
        writer.close()
        server.close()

    @pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "inside.test"])
    async def test_the_inside_is_refused(self, host: str) -> None:
        egress = Egress(resolver=Names(["8.8.8.8", "127.0.0.1"]))
        with pytest.raises(AddressRefused):
            await egress.connect(host, 1, tls=None)

    async def test_nobody_there(self) -> None:
        with pytest.raises(TargetAway, match="connection is refused"):
            await Egress(LOOPBACK).connect("127.0.0.1", 1, tls=None)
