"""The object store, over a folder and over a real S3 server that checks signatures."""

import asyncio
import json
import uuid
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from provenance.core.disk import DiskFull
from provenance.core.objects import ObjectDiffers, ObjectGone, Objects, ObjectStoreAway, ObjectTooLarge
from provenance.core.settings import Settings
from tests.datastores.buckets import Bucket, bucket

HERE, ELSEWHERE = uuid.uuid4(), uuid.uuid4()
MIB = 1024 * 1024


def opened(folder: Path, found: Bucket | None = None, **further: object) -> Objects:
    where = {} if found is None else {"objects_url": found.url, "objects_options": found.options}
    return Objects.of(Settings(data_dir=folder, **{"min_free_bytes": 0, **where, **further}))


@pytest.fixture(scope="module")
def a_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with bucket(tmp_path_factory.mktemp("bucket")) as found:
        yield found


@pytest.fixture(scope="module", params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, a_bucket: Bucket) -> Objects:
    return opened(tmp_path_factory.mktemp("data"), a_bucket if request.param == "s3" else None)


async def pieces(size: int, *, fails: bool = False) -> AsyncIterator[bytes]:
    """A content that no memory holds: the number of each 64 KiB, over and over."""
    for number in range(0, size, 65_536):
        yield (number.to_bytes(8, "big") * 8_192)[: min(65_536, size - number)]
    if fails:
        raise ConnectionError("the client went away")


async def read(found: AsyncIterator[bytes]) -> bytes:
    return b"".join([each async for each in found])


async def names(objects: Objects, area: str) -> list[str]:
    return sorted([each.key async for each in objects.listed(HERE, area)])


class TestPut:
    @pytest.mark.parametrize("size", [0, 1, 65_536, MIB, 7 * MIB])
    async def test_what_is_put_is_read(self, objects: Objects, size: int) -> None:
        stored = await objects.put(HERE, "put", f"of-{size}", pieces(size))
        content = await read(objects.open(HERE, "put", f"of-{size}"))
        assert (stored.size, stored.sha256) == (size, sha256(content).digest()) == (len(content), stored.sha256)
        assert content == await read(pieces(size))

    async def test_bytes_too(self, objects: Objects) -> None:
        assert (await objects.put(HERE, "put", "bytes", b"abc")).size == 3
        assert await objects.read(HERE, "put", "bytes") == b"abc"

    @pytest.mark.parametrize("size", [10, 7 * MIB])
    async def test_too_much_is_not_stored(self, objects: Objects, size: int) -> None:
        with pytest.raises(ObjectTooLarge):
            await objects.put(HERE, "much", "more", pieces(size), limit=size - 1)
        assert await objects.size(HERE, "much", "more") is None

    @pytest.mark.parametrize("size", [10, 7 * MIB])
    @pytest.mark.parametrize("announced", [{"size": 11}, {"sha256": b"\0" * 32}], ids=["size", "sha256"])
    async def test_what_differs_is_not_stored(self, objects: Objects, size: int, announced: dict) -> None:
        if "size" in announced:
            announced = {"size": size + 1}
        with pytest.raises(ObjectDiffers):
            await objects.put(HERE, "differs", "it", pieces(size), **announced)
        assert await names(objects, "differs") == []

    @pytest.mark.parametrize("size", [10, 7 * MIB])
    async def test_a_stream_that_breaks_leaves_nothing(self, objects: Objects, size: int) -> None:
        with pytest.raises(ConnectionError):
            await objects.put(HERE, "broken", "it", pieces(size, fails=True))
        assert await names(objects, "broken") == []

    async def test_a_put_that_is_cancelled_leaves_nothing(self, objects: Objects) -> None:
        begun = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield bytes(MIB * 6)
                begun.set()
                await asyncio.sleep(3600)

        putting = asyncio.create_task(objects.put(HERE, "cancelled", "it", endless()))
        await begun.wait()
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        assert await names(objects, "cancelled") == []

    async def test_a_full_disk_takes_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(DiskFull):
            await opened(tmp_path, min_free_bytes=1 << 62).put(HERE, "full", "it", b"abc")


class TestOpen:
    async def test_ranges_are_slices(self, objects: Objects) -> None:
        size = 3 * MIB + 17
        await objects.put(HERE, "ranges", "it", pieces(size))
        whole = await read(pieces(size))

        @examples(max_examples=25, deadline=None)
        @given(st.integers(0, size - 1), st.none() | st.integers(0, size + 10))
        def check(start: int, end: int | None) -> None:
            found = asyncio.run_coroutine_threadsafe(read(objects.open(HERE, "ranges", "it", start, end)), loop)
            assert found.result() == whole[start:end]

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(check)

    async def test_nothing_there(self, objects: Objects) -> None:
        with pytest.raises(ObjectGone):
            await read(objects.open(HERE, "nothing", "there"))
        assert await objects.size(HERE, "nothing", "there") is None

    async def test_workspaces_and_areas_are_apart(self, objects: Objects) -> None:
        await objects.put(HERE, "mine", "it", b"abc")
        assert await objects.size(ELSEWHERE, "mine", "it") is None
        assert await objects.size(HERE, "yours", "it") is None

    @pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a b", "a\0", "é", "a" * 300])
    async def test_keys_are_made_by_us(self, objects: Objects, key: str) -> None:
        with pytest.raises(ValueError, match="no place"):
            await objects.put(HERE, "keys", key, b"")
        with pytest.raises(ValueError, match="no place"):
            await objects.put(HERE, "no/area", "key", b"")


class TestDelete:
    async def test_what_is_deleted_is_gone(self, objects: Objects) -> None:
        for key in ("one", "two/three"):
            await objects.put(HERE, "delete", key, b"abc")
        await objects.copy(HERE, "delete", "one", "four")
        assert await names(objects, "delete") == ["four", "one", "two/three"]
        assert [each.key async for each in objects.listed(HERE, "delete", "two")] == ["two/three"]
        await objects.delete(HERE, "delete", ["one", "two/three", "never/there"])
        assert await objects.read(HERE, "delete", "four") == b"abc"
        await objects.delete(HERE, "delete", "four")
        assert await names(objects, "delete") == []
        with pytest.raises(ObjectGone):
            await objects.copy(HERE, "delete", "one", "five")


class TestSign:
    async def test_a_store_of_its_own_takes_its_addresses(self, objects: Objects) -> None:
        url = await objects.sign("PUT", HERE, "signed", "it", 60)
        assert (url is not None) == objects.signs
        if url is None:
            return
        async with httpx.AsyncClient() as client:
            assert (await client.put(url, content=b"abc")).status_code == 200
            assert (await client.put(url + "0", content=b"abc")).status_code == 403
            fetch = await objects.sign("GET", HERE, "signed", "it", 60)
            assert (await client.get(fetch or "")).content == b"abc"

    async def test_a_store_that_does_not_let_us_in(self, tmp_path: Path, a_bucket: Bucket) -> None:
        refused = Settings(
            data_dir=tmp_path,
            objects_url=a_bucket.url,
            objects_options={**a_bucket.options, "aws_secret_access_key": "another"},
        )
        with pytest.raises(ObjectStoreAway) as error:
            await Objects.of(refused).put(HERE, "refused", "it", b"abc")
        assert "another" not in str(error.value)

    def test_an_address_of_nothing_we_know(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="PROVENANCE_OBJECTS_URL"):
            Objects.of(Settings(data_dir=tmp_path, objects_url="nowhere://at/all"))


class TestAddresses:
    """Stores of Google and Azure, as far as it goes without them."""

    KEY = b64encode(b"k" * 64).decode()

    def of(self, folder: Path, url: str, **options: str) -> Objects:
        return Objects.of(Settings(data_dir=folder, objects_url=url, objects_options=options))

    def google_key(self) -> str:
        pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        names = {"client_email": "we@example.iam.gserviceaccount.com", "private_key_id": "1"}
        return json.dumps({"type": "service_account", "private_key": pem.decode(), **names})

    async def test_google_signs_addresses(self, tmp_path: Path) -> None:
        objects = self.of(tmp_path, "gs://kept/below", google_service_account_key=self.google_key())
        address = await objects.sign("GET", HERE, "area", "key", 60)
        assert objects.signs
        assert objects.put_headers == {}
        assert str(address).startswith(f"https://storage.googleapis.com/kept/below/{HERE}/area/key?")
        assert "X-Goog-Signature=" in str(address)

    @pytest.mark.parametrize(
        ("url", "named"),
        [
            ("az://kept/below", {"azure_storage_account_name": "ours"}),
            ("abfss://kept@ours.dfs.core.windows.net/below", {}),
        ],
        ids=["az", "abfss"],
    )
    async def test_azure_signs_addresses(self, tmp_path: Path, url: str, named: dict[str, str]) -> None:
        objects = self.of(tmp_path, url, azure_storage_account_key=self.KEY, **named)
        address = await objects.sign("PUT", HERE, "area", "key", 60)
        assert str(address).startswith(f"https://ours.blob.core.windows.net/kept/below/{HERE}/area/key?")
        assert objects.put_headers == {"x-ms-blob-type": "BlockBlob"}

    @pytest.mark.parametrize(
        ("url", "options", "words"),
        [
            ("gs://kept", {"google_service_account_key": "CANARY {"}, "service account"),
            ("gs://kept", {"google_service_account": "/no/such/file"}, "/no/such/file"),
            ("az://kept", {"azure_storage_account_key": KEY}, "Account must be specified"),
            (
                "az://kept",
                {"azure_storage_account_name": "ours", "azure_storage_account_key": "CANARY no key"},
                "Invalid Access Key",
            ),
        ],
        ids=["google key", "google file", "azure account", "azure key"],
    )
    def test_what_does_not_fit_is_told_in_one_line(
        self, tmp_path: Path, url: str, options: dict[str, str], words: str
    ) -> None:
        with pytest.raises(ValueError, match=words) as told:
            self.of(tmp_path, url, **options)
        said = str(told.value)
        assert "PROVENANCE_OBJECTS_OPTIONS" in said
        assert "\n" not in said
        assert "CANARY" not in said


async def test_half_written_files_go_after_a_day(tmp_path: Path) -> None:
    import os

    objects = opened(tmp_path)
    await objects.put(HERE, "left", "whole", b"abc")
    folder = tmp_path / "objects" / str(HERE) / "left"
    for name in ("old#1", "new#2"):
        (folder / name).write_bytes(b"half")
    os.utime(folder / "old#1", (1, 1))
    assert await objects.sweep() == 1
    assert sorted(each.name for each in folder.iterdir()) == ["new#2", "whole"]
