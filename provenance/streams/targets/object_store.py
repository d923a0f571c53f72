"""Objects of JSON lines, one for each batch, named by the numbers of its first and last event.

The same batch always has the same name, so what is written twice is there once. S3 requests are signed by ``obstore``
and sent through the guarded way out; a local store is a folder inside the installation's own data folder.
"""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from provenance.audit.reading import as_ndjson
from provenance.core.egress import Egress
from provenance.streams.shapes import ObjectStore
from provenance.streams.targets.contract import Batch, NotDelivered, Receipt, Secrets
from provenance.streams.targets.posting import post

SIGNED_FOR = timedelta(minutes=5)
FOLDER = "streams"


class LocalTarget:
    """A folder ``streams/<workspace>/<name>`` of the installation's data folder."""

    def __init__(self, shape: ObjectStore, data_dir: Path) -> None:
        """Take what was configured, and the installation's data folder."""
        self._name = urlsplit(shape.url).netloc
        self._folder = data_dir / FOLDER

    async def deliver(self, batch: Batch) -> Receipt:
        """Write a batch; it is on the disk, and so is its name, when this returns. Raises NotDelivered."""
        folder = self._folder / batch.workspace / self._name
        name = f"{batch.name}.ndjson"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            await obstore.put_async(LocalStore(folder), name, as_ndjson(batch.events))
            await asyncio.to_thread(_synced, folder / name, folder)
        except (OSError, BaseError) as error:
            raise NotDelivered(f"The folder can't be written: {type(error).__name__}.") from None
        return Receipt(f"Written as {name}.")


class S3Target:
    """A bucket of S3 or of a store that speaks like it."""

    def __init__(self, shape: ObjectStore, secrets: Secrets, egress: Egress) -> None:
        """Take what was configured, and the way out."""
        place = urlsplit(shape.url)
        self._egress = egress
        self._store = S3Store(
            place.netloc,
            prefix=place.path.strip("/") or None,
            region=shape.region,
            endpoint=shape.endpoint,
            access_key_id=shape.access_key_id,
            secret_access_key=secrets["secretAccessKey"],
            virtual_hosted_style_request=shape.endpoint is None,
            client_options={"allow_http": shape.plaintext},
        )

    async def deliver(self, batch: Batch) -> Receipt:
        """Put a batch; the store's answer acknowledges it."""
        path = f"{batch.workspace}/{batch.name}.ndjson"
        url = await obstore.sign_async(self._store, "PUT", path, SIGNED_FOR)
        body = as_ndjson(batch.events)
        await post(self._egress, url, {"content-type": "application/x-ndjson"}, body, method="PUT", quoted=False)
        return Receipt(f"Stored as {path}.")


def _synced(*paths: Path) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
