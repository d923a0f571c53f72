"""Two servers over one database, one with a folder and one with a real S3 server: every test runs against both."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from provenance.core.ids import decode
from provenance.core.objects import Objects
from provenance.core.settings import Settings
from provenance.datastores.running import Running as Datastores
from provenance.ledger.service import Ledger
from tests.conftest import Running, Tenant, make_tenant_of, running
from tests.datastores.buckets import Bucket, bucket
from tests.identity.people import rows

MIB = 1024 * 1024


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """One S3 server for the run."""
    with bucket(tmp_path_factory.mktemp("s3")) as found:
        yield found


@dataclass(frozen=True)
class Place:
    """A running server, and where its bytes are."""

    app: Running
    kind: str
    folder: Path

    @property
    def ledger(self) -> Ledger:
        return self.app.ledger

    @property
    def running(self) -> Datastores:
        found: Datastores = self.app.door.framework.state.datastores
        return found

    @property
    def objects(self) -> Objects:
        return self.running.objects

    def blobs(self, workspace: Tenant) -> list[str]:
        """The files of a workspace that are in the store, whoever knows of them."""
        root = self.folder / str(decode("ws", workspace.id))
        return sorted(str(each.relative_to(root)) for each in root.rglob("*") if each.is_file())


@pytest.fixture(scope="session")
async def places(
    settings: Settings, app: Running, s3: Bucket, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Place]]:
    """The run's server, with its folder, and others of the same installation with a bucket."""
    found = {"folder": Place(app, "folder", settings.data_dir / "objects")}
    async with AsyncExitStack() as stack:
        for kind, presigned in (("s3", True), ("s3-behind-us", False)):
            with_bucket = settings.model_copy(
                update={
                    "objects_url": s3.url,
                    "objects_options": Settings(objects_options=s3.options).objects_options,
                    "objects_presigned": presigned,
                }
            )
            found[kind] = Place(await stack.enter_async_context(running(with_bucket)), kind, s3.folder / "below")
        yield found


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, places: dict[str, Place]) -> Place:
    """Each kind of store, in turn."""
    return places[request.param]


class Api:
    """A caller of the datastores of one workspace."""

    def __init__(self, client: httpx.AsyncClient, workspace: Tenant, place: Place) -> None:
        self.client, self.workspace, self.place = client, workspace, place
        self.id = ""

    @property
    def workspace_id(self) -> uuid.UUID:
        found = decode("ws", self.workspace.id)
        assert found is not None
        return found

    @property
    def url(self) -> str:
        return f"/datastores/{self.id}"

    def at(self, key: str) -> str:
        return f"{self.url}/objects/{quote(key, safe='')}"

    async def create(self, name: str = "reports", **body: Any) -> dict[str, Any]:
        answer = await self.client.post("/datastores", json={"name": name, **body})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        self.id = found["datastoreId"]
        return found

    async def ask(self, key: str, content: bytes, **body: Any) -> httpx.Response:
        asked = {"key": key, "contentType": "text/plain", "sizeBytes": len(content), **body}
        return await self.client.post(f"{self.url}/upload-url", json=asked)

    async def send(self, asked: httpx.Response, content: Any, **headers: str) -> httpx.Response:
        """Put a content where an answer says, as a stranger with nothing but the address."""
        assert asked.status_code == 200, asked.text
        found = asked.json()
        async with httpx.AsyncClient(timeout=30) as stranger:
            return await stranger.put(found["uploadUrl"], content=content, headers={**found["headers"], **headers})

    async def put(self, key: str, content: bytes, **body: Any) -> httpx.Response:
        asked = await self.ask(key, content, **body)
        if asked.status_code != 200:
            return asked
        return await self.send(asked, content)

    async def get(self, key: str, **headers: str) -> httpx.Response:
        return await self.client.get(self.at(key), headers=headers)

    async def keys(self, **params: Any) -> list[str]:
        answer = await self.client.get(f"{self.url}/objects", params=params)
        assert answer.status_code == 200, answer.text
        return [each["key"] for each in answer.json()["items"]]

    async def described(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(self.url)).json()
        return found

    async def events(self, *types: str) -> list[tuple[str, str, dict[str, Any]]]:
        """What the ledger holds of these resource types, oldest first: event, subject, entry."""
        return await rows(self.place.app, self.workspace.id, *types)


@pytest.fixture
async def api(place: Place) -> AsyncIterator[Api]:
    """A caller in a fresh workspace that has one datastore."""
    workspace = await make_tenant_of(place.ledger)
    headers = {"x-api-key": workspace.key}
    async with httpx.AsyncClient(base_url=place.app.url, headers=headers, timeout=30) as client:
        found = Api(client, workspace, place)
        await found.create()
        yield found


def hexed(content: bytes) -> str:
    return sha256(content).hexdigest()
