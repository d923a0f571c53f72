"""Objects of datastores from and to files: in parts, going on where a connection broke, checked at the end.

    with Client() as api:
        send(api, "ds_…", Path("report.csv"), "reports/2026-05.csv")
        fetch(api, "ds_…", "reports/2026-05.csv", Path("copy.csv"))

Neither holds more than one part in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import httpx

from provenance_client.api.client import Client
from provenance_client.api.transport import successful
from provenance_client.errors import ProvenanceError, Unreachable

PART_BYTES = 8 * 1024 * 1024
"""What is sent, and sent again after a break, at once. A file of one part goes in one request."""
TRIES, PAUSE_SECONDS = 6, 0.5
READ_BYTES = 256 * 1024

Progress = Callable[[int], None]
"""Told how many bytes are done."""


def _silent(done: int) -> None:
    return None


def send(
    client: Client,
    datastore_id: str,
    path: Path,
    key: str,
    *,
    content_type: str | None = None,
    only_new: bool = False,
    progress: Progress = _silent,
) -> str:
    """Upload a file under a key and return its SHA-256 in hex. Raises a `ProvenanceError` for every refusal."""
    size, digest = path.stat().st_size, _digest(path)
    kind = content_type or guess_type(path.name)[0] or "application/octet-stream"
    asked: dict[str, Any] = {"key": key, "contentType": kind, "sizeBytes": size, "sha256": digest}
    if only_new:
        asked["ifNoneMatch"] = "*"
    if size > PART_BYTES:
        asked["resumable"] = True
    upload = client.call("POST", f"/datastores/{datastore_id}/upload-url", json=asked, at_root=True)
    with httpx.Client(timeout=120) as outside, path.open("rb") as file:
        if size <= PART_BYTES:
            _again(lambda: outside.put(upload["uploadUrl"], content=file.read(), headers=upload["headers"]), file)
        else:
            _in_parts(outside, upload, file, size, progress)
    progress(size)
    return digest


def fetch(client: Client, datastore_id: str, key: str, path: Path, *, progress: Progress = _silent) -> dict[str, Any]:
    """Download an object into a file, which is there only when it is whole; return what is known of the object.

    Raises a `ProvenanceError` for every refusal, and when what arrived is not what the datastore holds.
    """
    known = described(client, datastore_id, key)
    draft = path.with_name(path.name + ".part")
    try:
        with draft.open("wb") as file:
            for piece in content(client, datastore_id, known):
                file.write(piece)
                progress(file.tell())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return known


def described(client: Client, datastore_id: str, key: str) -> dict[str, Any]:
    """Return what is known of an object: size, type, SHA-256. Raises a `ProvenanceError` when there is none."""
    params = {"prefix": key, "limit": 1}  # in byte order, a key comes before all that it begins
    page = client.call("GET", f"/datastores/{datastore_id}/objects", params=params, at_root=True)
    found: list[dict[str, Any]] = [each for each in page["items"] if each["key"] == key]
    if not found:
        raise ProvenanceError("The datastore holds nothing under this key.", code="object_not_found", status=404)
    return found[0]


def content(client: Client, datastore_id: str, known: dict[str, Any]) -> Iterator[bytes]:
    """Yield the bytes of an object, going on where a connection broke. Raises a `ProvenanceError` if they differ."""
    digest, done, failures = sha256(), 0, 0
    with httpx.Client(timeout=120) as outside:
        while done < known["sizeBytes"]:
            try:
                for piece in _rest(client, outside, datastore_id, known["key"], done):
                    digest.update(piece)
                    done, failures = done + len(piece), 0
                    yield piece
            except httpx.TransportError as error:
                failures = _pause(failures, error)
    if digest.hexdigest() != known["sha256"]:
        raise ProvenanceError("What arrived is not what the datastore held; fetch it again.", code="object_differs")


def _rest(client: Client, outside: httpx.Client, datastore_id: str, key: str, start: int) -> Iterator[bytes]:
    path = f"/datastores/{datastore_id}/objects/{quote(key, safe='')}"
    url = client.call("GET", path, params={"download": "url"}, at_root=True)["downloadUrl"]
    headers = {"accept-encoding": "identity"} | ({"range": f"bytes={start}-"} if start else {})
    with outside.stream("GET", url, headers=headers) as answer:
        if not answer.is_success:
            answer.read()
        yield from successful(answer).iter_bytes(READ_BYTES)


def _in_parts(outside: httpx.Client, upload: dict[str, Any], file: IO[bytes], size: int, progress: Progress) -> None:
    url, done, failures = upload["uploadUrl"], 0, 0
    while True:
        file.seek(done)
        part = file.read(PART_BYTES)
        place = f"bytes {done}-{done + len(part) - 1}/{size}" if part else f"bytes */{size}"
        try:
            state = successful(outside.put(url, content=part, headers={**upload["headers"], "Content-Range": place}))
        except (httpx.TransportError, ProvenanceError) as error:
            if isinstance(error, ProvenanceError) and error.code not in ("upload_out_of_step", "upload_used"):
                _unless_passing(error)
            failures = _pause(failures, error)
            state = _state(outside, url)
        else:
            failures = 0
        if state.json()["complete"]:
            return
        done = state.json()["receivedBytes"]
        progress(done)


def _state(outside: httpx.Client, url: str) -> httpx.Response:
    """Return how far an upload is, however often that has to be asked."""
    failures = 0
    while True:
        try:
            return successful(outside.get(url))
        except (httpx.TransportError, ProvenanceError) as error:
            if isinstance(error, ProvenanceError):
                _unless_passing(error)
            failures = _pause(failures, error)


def _again(put: Callable[[], httpx.Response], file: IO[bytes]) -> None:
    failures = 0
    while True:
        file.seek(0)
        try:
            successful(put())
        except httpx.TransportError as error:
            failures = _pause(failures, error)
        except ProvenanceError as error:
            if failures and error.code == "upload_used":
                return  # the answer to an attempt before was lost
            _unless_passing(error)
            failures = _pause(failures, error)
        else:
            return


def _unless_passing(error: ProvenanceError) -> None:
    """Raise an error that sending again does not cure."""
    if error.status != 503:
        raise error


def _pause(failures: int, error: Exception) -> int:
    """Wait before the next attempt; raise when there were enough."""
    if failures + 1 >= TRIES:
        if isinstance(error, ProvenanceError):
            raise error
        raise Unreachable(f"The connection broke: {type(error).__name__}.") from error
    time.sleep(PAUSE_SECONDS * 2**failures)
    return failures + 1


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()
