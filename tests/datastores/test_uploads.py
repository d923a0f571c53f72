"""Uploads: what is announced is what is taken, once, whole or in parts."""

import asyncio
import random
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from provenance.core.objects import Objects
from provenance.core.settings import Settings
from tests.datastores.buckets import Bucket
from tests.datastores.conftest import MIB, Api, Place, hexed

CONTENT = b"month,total\n5,750\n"


@pytest.fixture(params=["folder", "s3-behind-us"])
def place(request: pytest.FixtureRequest, places: dict[str, Place]) -> Place:
    """Where the addresses are ours."""
    return places[request.param]


class TestAsked:
    async def test_bad_keys(self, api: Api) -> None:
        for key in ("", "/a", "a/../b", "..", "a\nb", "a\x7f", "ä" * 513):
            answer = await api.ask(key, b"x")
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_object_key")

    async def test_too_big(self, api: Api) -> None:
        await api.client.patch(api.url, json={"maxObjectBytes": 10})
        answer = await api.ask("it", b"x" * 11)
        assert (answer.status_code, answer.json()["code"]) == (400, "object_over_limit")
        assert (await api.put("it", b"x" * 10)).status_code == 200

    async def test_what_is_none(self, api: Api) -> None:
        for body in ({"contentType": "text"}, {"contentType": "a/b\r\nx: y"}, {"sizeBytes": -1}, {"sha256": "zz"}):
            assert (await api.ask("it", b"x", **body)).status_code == 400

    async def test_only_a_new_one(self, api: Api) -> None:
        first, twin = await api.ask("it", b"x", ifNoneMatch="*"), await api.ask("it", b"y", ifNoneMatch="*")
        assert (await api.send(first, b"x")).status_code == 200
        late = await api.send(twin, b"y")
        assert (late.status_code, late.json()["code"]) == (409, "object_exists")
        answer = await api.ask("it", b"x", ifNoneMatch="*")
        assert (answer.status_code, answer.json()["code"]) == (409, "object_exists")
        assert (await api.get("it")).content == b"x"

    async def test_a_quota(self, api: Api) -> None:
        await api.client.patch(api.url, json={"quotaBytes": 10})
        assert (await api.put("a", b"x" * 6)).status_code == 200
        answer = await api.put("b", b"x" * 5)
        assert (answer.status_code, answer.json()["code"]) == (409, "datastore_full")
        assert (await api.put("a", b"x" * 10)).status_code == 200
        assert await api.keys() == ["a"]


class TestTaken:
    async def test_once(self, api: Api) -> None:
        asked = await api.ask("it", CONTENT)
        sent = await api.send(asked, CONTENT)
        assert sent.json() | {"object": None} == {
            "uploadId": asked.json()["uploadId"],
            "sizeBytes": 18,
            "receivedBytes": 18,
            "complete": True,
            "object": None,
        }
        assert sent.json()["object"]["key"] == "it"
        again = await api.send(asked, b"x" * 18)
        assert (again.status_code, again.json()["code"]) == (409, "upload_used")
        assert (await api.get("it")).content == CONTENT

    async def test_two_at_once_are_one(self, api: Api) -> None:
        asked = await api.ask("it", CONTENT)
        sent = await asyncio.gather(*(api.send(asked, CONTENT) for _ in range(4)))
        assert sorted(each.status_code for each in sent) == [200, 409, 409, 409]
        assert len(api.place.blobs(api.workspace)) == 1

    @pytest.mark.parametrize("content", [CONTENT + b"x", CONTENT[1:], b""], ids=["more", "less", "none"])
    async def test_another_size(self, api: Api, content: bytes) -> None:
        async def stream():
            yield content

        asked = await api.ask("it", CONTENT)
        known = await api.send(asked, content)
        assert (known.status_code, known.json()["code"]) == (400, "object_differs")
        unknown = await api.send(asked, stream())
        assert unknown.status_code in (400, 413)
        assert unknown.json()["code"] in ("object_differs", "object_too_large")
        assert (await api.get("it")).status_code == 404
        assert api.place.blobs(api.workspace) == []
        assert (await api.send(asked, CONTENT)).status_code == 200

    async def test_another_content(self, api: Api) -> None:
        answer = await api.put("it", CONTENT, sha256=hexed(b"another"))
        assert (answer.status_code, answer.json()["code"]) == (400, "object_differs")
        assert (await api.get("it")).status_code == 404
        assert api.place.blobs(api.workspace) == []

    async def test_an_address_that_was_changed(self, api: Api) -> None:
        asked = await api.ask("it", CONTENT)
        url = asked.json()["uploadUrl"]
        other = (await api.ask("other", CONTENT)).json()["uploadId"]
        async with httpx.AsyncClient() as stranger:
            for changed in (
                url[:-1] + ("a" if url[-1] != "a" else "b"),
                url.replace(asked.json()["uploadId"], other),
                url.replace(asked.json()["uploadId"], "upl_01HX0000000000000000000000"),
                url.replace(api.workspace.id, "ws_01HX0000000000000000000000"),
                url.replace(api.workspace.id, "ws_none"),
            ):
                answer = await stranger.put(changed, content=CONTENT)
                assert (answer.status_code, answer.json()["code"]) == (404, "upload_not_found"), changed

    async def test_the_record_names_who_asked(self, api: Api) -> None:
        await api.put("it", CONTENT)
        events = (await api.client.get("/audit")).json()["items"]
        actors = {each["eventType"]: each["actorId"] for each in events}
        assert actors["object.written"] == actors["datastore.created"]

    async def test_a_client_that_goes_away_leaves_nothing(self, api: Api) -> None:
        asked = (await api.ask("it", b"x" * MIB)).json()
        url = urlsplit(asked["uploadUrl"])
        with socket.create_connection((url.hostname or "", url.port or 0)) as gone:
            gone.sendall(
                f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: a\r\nContent-Length: {MIB}\r\n\r\n".encode()
                + b"x" * (MIB // 2)
            )
            await asyncio.sleep(0.05)
        async with asyncio.timeout(30):
            while any("#" not in each for each in api.place.blobs(api.workspace)):
                await asyncio.sleep(0.02)
        assert (await api.get("it")).status_code == 404
        assert (await api.put("it", b"x")).status_code == 200


class TestParts:
    async def part(self, url: str, content: bytes, start: int, whole: int) -> httpx.Response:
        async with httpx.AsyncClient() as stranger:
            place = f"bytes {start}-{start + len(content) - 1}/{whole}"
            return await stranger.put(url, content=content, headers={"content-range": place})

    async def test_one_after_the_other(self, api: Api) -> None:
        content = random.Random(7).randbytes(3 * MIB + 11)
        asked = (await api.ask("it", content, sha256=hexed(content))).json()
        url = asked["uploadUrl"]
        first = await self.part(url, content[:MIB], 0, len(content))
        assert (first.status_code, first.json()["receivedBytes"], first.json()["complete"]) == (200, MIB, False)
        assert (await api.get("it")).status_code == 404
        for wrong in (0, 2 * MIB):
            refused = await self.part(url, content[wrong : wrong + MIB], wrong, len(content))
            assert (refused.status_code, refused.json()["code"]) == (409, "upload_out_of_step")
        async with httpx.AsyncClient() as stranger:
            assert (await stranger.get(url)).json()["receivedBytes"] == MIB
        last = await self.part(url, content[MIB:], MIB, len(content))
        assert last.json()["complete"]
        assert last.json()["object"]["sha256"] == hexed(content)
        assert (await api.get("it")).content == content
        assert len(api.place.blobs(api.workspace)) == 1
        async with httpx.AsyncClient() as stranger:
            assert (await stranger.get(url)).json()["complete"]

    async def test_a_part_that_breaks_off_is_sent_again(self, api: Api) -> None:
        content = random.Random(8).randbytes(2 * MIB)
        url = (await api.ask("it", content)).json()["uploadUrl"]

        async def broken():
            yield content[:1000]
            raise ConnectionError

        async with httpx.AsyncClient() as stranger:
            place = {"content-range": f"bytes 0-{MIB - 1}/{2 * MIB}", "content-length": str(MIB)}
            with pytest.raises(ConnectionError):
                await stranger.put(url, content=broken(), headers=place)
            assert (await stranger.get(url)).json()["receivedBytes"] == 0
        for start in (0, MIB):
            assert (await self.part(url, content[start : start + MIB], start, 2 * MIB)).status_code == 200
        assert (await api.get("it")).content == content

    async def test_the_same_part_twice_at_once(self, api: Api) -> None:
        url = (await api.ask("it", b"ab" * 1000)).json()["uploadUrl"]
        sent = await asyncio.gather(*(self.part(url, b"ab" * 500, 0, 2000) for _ in range(4)))
        assert sorted(each.status_code for each in sent) == [200, 409, 409, 409]
        assert (await self.part(url, b"ab" * 500, 1000, 2000)).json()["complete"]
        assert (await api.get("it")).content == b"ab" * 1000

    async def test_another_content(self, api: Api) -> None:
        url = (await api.ask("it", b"abcd", sha256=hexed(b"abcd"))).json()["uploadUrl"]
        assert (await self.part(url, b"ab", 0, 4)).status_code == 200
        assert (await self.part(url, b"xx", 2, 4)).json()["code"] == "object_differs"
        assert (await api.get("it")).status_code == 404

    async def test_the_end_is_asked_for_again(self, api: Api) -> None:
        """As after an answer that got lost, or a server that died while it put the parts together."""
        url = (await api.ask("it", b"abcd")).json()["uploadUrl"]
        async with httpx.AsyncClient() as stranger:
            asked = await stranger.put(url, headers={"content-range": "bytes */4"})
            assert asked.json()["receivedBytes"] == 0
            assert (await self.part(url, b"abcd", 0, 4)).json()["complete"]
            assert (await stranger.put(url, headers={"content-range": "bytes */4"})).json()["code"] == "upload_used"

    async def test_what_is_no_place(self, api: Api) -> None:
        url = (await api.ask("it", b"abcd")).json()["uploadUrl"]
        async with httpx.AsyncClient() as stranger:
            for header in ("", "bytes", "bytes 0-1", "bytes 0-1/5", "bytes 1-0/4", "bytes 0-4/4", "0-1/4"):
                answer = await stranger.put(url, content=b"ab", headers={"content-range": header})
                assert (answer.status_code, answer.json()["code"]) == (400, "bad_content_range"), header


class TestDirect:
    """Addresses of the object store itself."""

    @pytest.fixture
    def place(self, places: dict[str, Place]) -> Place:
        return places["s3"]

    async def test_the_bytes_do_not_come_by_us(self, api: Api, s3: Bucket) -> None:
        asked = await api.ask("it", CONTENT)
        assert asked.json()["uploadUrl"].startswith(s3.endpoint)
        got = await api.client.get(api.at("it"), params={"download": "url"})
        assert got.status_code == 404
        await api.send(asked, CONTENT)
        got = await api.client.get(api.at("it"), params={"download": "url"})
        assert got.json()["downloadUrl"].startswith(s3.endpoint)

    @pytest.mark.parametrize("look", ["get", "list", "delete", "only_new"])
    async def test_whoever_looks_sees_it(self, api: Api, look: str) -> None:
        assert (await api.put("it", CONTENT)).status_code == 200
        if look == "get":
            assert (await api.get("it")).content == CONTENT
        elif look == "list":
            assert await api.keys() == ["it"]
        elif look == "delete":
            assert (await api.client.delete(api.at("it"))).status_code == 200
        else:
            assert (await api.ask("it", CONTENT, ifNoneMatch="*")).json()["code"] == "object_exists"

    async def test_what_is_written_there_again_changes_nothing(self, api: Api) -> None:
        asked = await api.ask("it", CONTENT)
        await api.send(asked, CONTENT)
        assert (await api.get("it")).content == CONTENT
        await api.send(asked, b"x" * len(CONTENT))
        assert (await api.get("it")).content == CONTENT

    async def test_another_content_is_not_seen(self, api: Api) -> None:
        await api.put("size", b"x", sizeBytes=2)
        assert (await api.get("size")).status_code == 404
        await api.put("hash", b"x", sha256=hexed(b"y"))
        assert (await api.get("hash")).status_code == 404
        assert await api.keys() == []

    async def test_in_parts_it_comes_by_us(self, api: Api) -> None:
        asked = await api.ask("it", CONTENT, resumable=True)
        assert asked.json()["uploadUrl"].startswith(api.place.app.url)
        assert (await api.send(asked, CONTENT)).json()["complete"]

    async def test_a_store_that_is_away(self, api: Api, s3: Bucket) -> None:
        await api.put("it", CONTENT)
        s3.handler.away = True
        try:
            got = await api.get("it")
        finally:
            s3.handler.away = False
        assert (got.status_code, got.json()["code"]) == (503, "object_store_unavailable")
        assert (await api.get("it")).content == CONTENT


_WRITER = """
import asyncio, sys, uuid
from pathlib import Path
from provenance.core.objects import Objects
from provenance.core.settings import Settings

async def endless():
    while True:
        yield bytes(1 << 20)
        print("more", flush=True)
        await asyncio.sleep(0.01)

objects = Objects.of(Settings(data_dir=Path(sys.argv[1]), min_free_bytes=0))
asyncio.run(objects.put(uuid.UUID(int=1), "area", "half", endless()))
"""


async def test_a_process_that_is_killed_leaves_no_half_object(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    for _ in range(5):
        assert writer.stdout.readline() == b"more\n"
    writer.send_signal(signal.SIGKILL)
    writer.stdout.close()
    writer.wait()
    objects = Objects.of(Settings(data_dir=tmp_path, min_free_bytes=0))
    assert [each async for each in objects.listed(uuid.UUID(int=1), "area")] == []
    assert await objects.size(uuid.UUID(int=1), "area", "half") is None
