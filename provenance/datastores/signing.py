"""Addresses of this server that are credentials themselves: signed by a key of the workspace, good for a while."""

import hmac
import uuid
from base64 import urlsafe_b64encode
from urllib.parse import quote, urlencode

import msgspec

from provenance.core.ids import encode
from provenance.core.keyring import WorkspaceKeys

_UPLOAD, _DOWNLOAD = "datastores.upload", "datastores.download"


def upload_address(keys: WorkspaceKeys, base_url: str, workspace_id: uuid.UUID, upload_id: str) -> str:
    """Return the address that takes the bytes of an upload. How long it is good stands in the upload's row."""
    query = {"workspace": encode("ws", workspace_id), "signature": _upload_signature(keys, upload_id)}
    return f"{base_url}/uploads/{upload_id}?{urlencode(query)}"


def signed_upload(keys: WorkspaceKeys, upload_id: str, signature: str) -> bool:
    """Tell whether an upload's address is one that we gave out."""
    return _same(signature, _upload_signature(keys, upload_id))


def download_address(
    keys: WorkspaceKeys, base_url: str, workspace_id: uuid.UUID, datastore_id: str, key: str, expires: int
) -> str:
    """Return the address that gives the bytes under a key until a moment (seconds since the epoch)."""
    signature = _download_signature(keys, datastore_id, key, expires)
    query = {"workspace": encode("ws", workspace_id), "expires": expires, "signature": signature}
    return f"{base_url}/downloads/{datastore_id}/{quote(key, safe='')}?{urlencode(query)}"


def signed_download(keys: WorkspaceKeys, datastore_id: str, key: str, expires: int, signature: str) -> bool:
    """Tell whether a download's address is one that we gave out."""
    return _same(signature, _download_signature(keys, datastore_id, key, expires))


def _upload_signature(keys: WorkspaceKeys, upload_id: str) -> str:
    return _text(keys.mac(_UPLOAD, upload_id.encode()))


def _download_signature(keys: WorkspaceKeys, datastore_id: str, key: str, expires: int) -> str:
    return _text(keys.mac(_DOWNLOAD, msgspec.json.encode([datastore_id, key, expires])))


def _text(mac: bytes) -> str:
    return urlsafe_b64encode(mac).rstrip(b"=").decode()


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())
