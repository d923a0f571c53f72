"""Objects over HTTP: written, listed, read and deleted, over a folder and over S3."""

import asyncio
import random
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from provenance.datastores.errors import RangeOutside
from provenance.datastores.objects.ranges import asked_range
from provenance.datastores.signing import download_address
from tests.conftest import make_tenant_of
from tests.datastores.conftest import MIB, Api, hexed

CONTENT = b"month,total\n5,750\n"


class TestRoundTrip:
    async def test_what_was_sent_is_read(self, api: Api) -> None:
        sent = await api.put("reports/2026-05.csv", CONTENT, contentType="text/csv", sha256=hexed(CONTENT))
        assert sent.status_code == 200, sent.text
        got = await api.get("reports/2026-05.csv")
        assert (got.status_code, got.content) == (200, CONTENT)
        assert got.headers["content-type"] == "text/csv"
        assert got.headers["etag"] == f'"{hexed(CONTENT)}"'
        assert got.headers["content-length"] == str(len(CONTENT))
        assert got.headers["accept-ranges"] == "bytes"
        assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''2026-05.csv"
        assert got.headers["content-security-policy"].startswith("sandbox")
        assert got.headers["cache-control"] == "private, no-cache"

    async def test_an_object_is_seen_as_soon_as_its_upload_is_answered(self, api: Api) -> None:
        for number in range(3):
            assert (await api.put("same", b"%d" % number)).status_code == 200
            assert (await api.get("same")).content == b"%d" % number
        found = await api.described()
        assert (found["objectCount"], found["totalBytes"]) == (1, 1)

    async def test_nothing_is_an_object_too(self, api: Api) -> None:
        assert (await api.put("empty", b"", sha256=hexed(b""))).status_code == 200
        got = await api.get("empty")
        assert (got.status_code, got.content) == (200, b"")

    async def test_keys_are_no_paths(self, api: Api) -> None:
        for key in ("a b", "ä/ö ü", "a//b", "a/./b", "trailing/", "%2F", "?q#f", "..a/b..", "💾", "k" * 1024):
            assert (await api.put(key, key.encode())).status_code == 200
            assert (await api.get(key)).content == key.encode()
            assert await api.keys() == [key]
            assert (await api.client.delete(api.at(key))).json() == {"key": key, "deleted": True}

    async def test_compressed_answers_are_left_to_others(self, api: Api) -> None:
        await api.put("long", b"a" * 100_000)
        got = await api.get("long", **{"accept-encoding": "gzip"})
        assert "content-encoding" not in got.headers
        assert got.headers["content-length"] == "100000"

    async def test_large_ones_pass_in_pieces(self, api: Api) -> None:
        content = random.Random(5).randbytes(12 * MIB + 5)
        assert (await api.put("large", content, sha256=hexed(content))).status_code == 200
        async with api.client.stream("GET", api.at("large")) as got:
            received = b"".join([piece async for piece in got.aiter_bytes()])
        assert received == content


class TestPartly:
    async def test_a_range_is_a_slice(self, api: Api) -> None:
        await api.put("it", CONTENT)
        for header, there in {
            "bytes=0-4": CONTENT[:5],
            "bytes=6-": CONTENT[6:],
            "bytes=-3": CONTENT[-3:],
            "bytes=-300": CONTENT,
            "bytes=2-999": CONTENT[2:],
        }.items():
            got = await api.get("it", range=header)
            assert (got.status_code, got.content) == (206, there), header
            assert got.headers["content-range"].endswith(f"/{len(CONTENT)}")

    async def test_a_range_behind_the_end(self, api: Api) -> None:
        await api.put("it", CONTENT)
        got = await api.get("it", range="bytes=18-")
        assert (got.status_code, got.json()["code"]) == (400, "range_not_satisfiable")
        assert got.headers["content-range"] == "bytes */18"

    async def test_what_is_known_is_not_sent_again(self, api: Api) -> None:
        await api.put("it", CONTENT)
        etag = (await api.get("it")).headers["etag"]
        for header in (etag, f'"other", W/{etag}', "*"):
            got = await api.get("it", **{"if-none-match": header})
            assert (got.status_code, got.content, got.headers["etag"]) == (304, b"", etag)
        assert (await api.get("it", **{"if-none-match": '"other"'})).status_code == 200

    async def test_a_range_of_what_it_was_before_is_the_whole(self, api: Api) -> None:
        await api.put("it", CONTENT)
        etag = (await api.get("it")).headers["etag"]
        await api.put("it", b"another")
        got = await api.get("it", range="bytes=0-1", **{"if-range": etag})
        assert (got.status_code, got.content) == (200, b"another")

    @examples(max_examples=300, deadline=None)
    @given(
        st.binary(max_size=64),
        st.none() | st.integers(0, 80),
        st.none() | st.integers(0, 80),
        st.sampled_from(["", " "]),
    )
    def test_ranges_against_slices(self, content: bytes, first: int | None, last: int | None, blank: str) -> None:
        header = f"bytes={blank}{'' if first is None else first}-{'' if last is None else last}"
        if first is None:
            wanted = content[-last:] if last else None
        elif last is not None and last < first:
            wanted = content
        else:
            wanted = content[first : None if last is None else last + 1]
        whole = (first is None and last is None) or (first is not None and last is not None and last < first)
        if whole:
            assert asked_range(header, len(content)) is None
        elif not wanted:
            with pytest.raises(RangeOutside):
                asked_range(header, len(content))
        else:
            found = asked_range(header, len(content))
            assert found is not None
            assert content[slice(*found)] == wanted

    @pytest.mark.parametrize("header", ["", "lines=1-2", "bytes", "bytes=a-b", "bytes=0-1,4-5", "bytes=-", "bytes=5-1"])
    def test_what_is_no_single_range_is_the_whole(self, header: str) -> None:
        assert asked_range(header, 10) is None


class TestList:
    async def test_in_byte_order_with_a_prefix_page_by_page(self, api: Api) -> None:
        keys = ["a", "a/1", "a/10", "a/2", "a0", "b", "ä", "a/\U0001f4be", "a/ﬀ", "Z"]
        for key in keys:
            await api.put(key, b"x")
        model = sorted(keys, key=lambda key: key.encode())
        assert await api.keys() == model
        for prefix in ("a", "a/", "a/1", "ä", "zz"):
            assert await api.keys(prefix=prefix) == [key for key in model if key.startswith(prefix)]
        found, cursor = [], None
        while True:
            params = {"limit": 3, "prefix": "a/"} | ({"cursor": cursor} if cursor else {})
            page = (await api.client.get(f"{api.url}/objects", params=params)).json()
            found += [each["key"] for each in page["items"]]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        assert found == [key for key in model if key.startswith("a/")]

    async def test_what_is_listed(self, api: Api) -> None:
        await api.put("it", CONTENT, contentType="text/csv")
        [found] = (await api.client.get(f"{api.url}/objects")).json()["items"]
        updated = datetime.fromisoformat(found.pop("updatedAt"))
        assert abs((datetime.now(UTC) - updated).total_seconds()) < 60
        assert found.pop("objectId").startswith("obj_")
        assert found == {
            "key": "it",
            "sizeBytes": 18,
            "contentType": "text/csv",
            "etag": f'"{hexed(CONTENT)}"',
            "sha256": hexed(CONTENT),
            "runId": None,
        }

    async def test_a_cursor_of_another_list(self, api: Api) -> None:
        for key in ("a/1", "a/2"):
            await api.put(key, b"x")
        page = (await api.client.get(f"{api.url}/objects", params={"limit": 1, "prefix": "a/"})).json()
        params = {"limit": 1, "prefix": "a", "cursor": page["nextCursor"]}
        again = await api.client.get(f"{api.url}/objects", params=params)
        assert (again.status_code, again.json()["code"]) == (400, "bad_cursor")

    async def test_the_longest_key_in_a_cursor(self, api: Api) -> None:
        for end in "ab":
            await api.put('"' * 1023 + end, b"x")
        page = (await api.client.get(f"{api.url}/objects", params={"limit": 1})).json()
        assert await api.keys(cursor=page["nextCursor"]) == ['"' * 1023 + "b"]


class TestDownloadUrl:
    async def test_an_address_for_strangers(self, api: Api) -> None:
        await api.put("a/ä.txt", CONTENT)
        answer = await api.client.get(api.at("a/ä.txt"), params={"download": "url"})
        found = answer.json()
        left = (datetime.fromisoformat(found["expiresAt"]) - datetime.now(UTC)).total_seconds()
        assert 890 < left <= 901
        async with httpx.AsyncClient() as stranger:
            got = await stranger.get(found["downloadUrl"], headers={"range": "bytes=0-4"})
            assert (got.status_code, got.content) == (206, CONTENT[:5])
        assert api.workspace.key not in found["downloadUrl"]

    async def test_one_that_was_changed(self, api: Api) -> None:
        await api.put("it", CONTENT)
        await api.put("other", b"secret")
        url = (await api.client.get(api.at("it"), params={"download": "url"})).json()["downloadUrl"]
        changed = [url.replace("ignature=", "ignature=A"), url + "0"]
        query = parse_qs(urlsplit(url).query)
        if "expires" in query:
            changed.append(url.replace("/it?", "/other?"))
            changed.append(url.replace(query["expires"][0], str(int(query["expires"][0]) + 1)))
        async with httpx.AsyncClient() as stranger:
            for each in changed:
                assert (await stranger.get(each)).status_code == 403, each

    async def test_one_that_has_run_out(self, api: Api) -> None:
        await api.put("it", CONTENT)
        keys = await api.place.ledger.keyring.of(api.workspace_id)
        url = download_address(keys, api.place.app.url, api.workspace_id, api.id, "it", 1_700_000_000)
        async with httpx.AsyncClient() as stranger:
            got = await stranger.get(url)
        assert (got.status_code, got.json()["code"]) == (403, "download_refused")

    async def test_of_nothing(self, api: Api) -> None:
        answer = await api.client.get(api.at("it"), params={"download": "url"})
        assert (answer.status_code, answer.json()["code"]) == (404, "object_not_found")


class TestDelete:
    async def test_it_is_gone(self, api: Api) -> None:
        await api.put("it", CONTENT)
        assert (await api.client.delete(api.at("it"))).json() == {"key": "it", "deleted": True}
        assert (await api.get("it")).json()["code"] == "object_not_found"
        assert (await api.client.delete(api.at("it"))).status_code == 404
        found = await api.described()
        assert (found["objectCount"], found["totalBytes"]) == (0, 0)

    async def test_of_another_workspace(self, api: Api) -> None:
        await api.put("it", CONTENT)
        other = await make_tenant_of(api.place.ledger)
        for method in ("GET", "DELETE"):
            answer = await api.client.request(method, api.at("it"), headers={"x-api-key": other.key})
            assert (answer.status_code, answer.json()["code"]) == (404, "datastore_not_found")


class TestRecord:
    async def test_what_the_ledger_holds(self, api: Api) -> None:
        await api.put("it", CONTENT)
        await api.put("it", b"again")
        await api.client.delete(api.at("it"))
        events = await api.events("OBJECT")
        assert [event for event, _, _ in events] == ["object.written", "object.written", "object.deleted"]
        assert len({subject for _, subject, _ in events}) == 1
        assert events[0][2] == {
            "datastoreId": api.id,
            "key": "it",
            "sizeBytes": 18,
            "sha256": hexed(CONTENT),
            "contentType": "text/plain",
            "replaced": False,
        }
        assert "750" not in str(events)

    async def test_many_at_once_are_counted_right(self, api: Api) -> None:
        sent = await asyncio.gather(*(api.put(f"n/{number % 4}", b"x" * number) for number in range(8)))
        assert {each.status_code for each in sent} == {200}
        assert await api.keys() == ["n/0", "n/1", "n/2", "n/3"]
        listed = (await api.client.get(f"{api.url}/objects")).json()["items"]
        found = await api.described()
        assert (found["objectCount"], found["totalBytes"]) == (4, sum(each["sizeBytes"] for each in listed))
