"""Kind `storage`, and `data` from a datastore: the objects of datastores, small enough for a step (6.1).

What a run writes it writes once: the same content under the same key, carried out again, is found as it is. What it
deletes it may find deleted. Both carry the run's id, and are recorded in its trace.
"""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from provenance.core.actor import Actor, Kind
from provenance.core.errors import Problem
from provenance.datastores import storing
from provenance.datastores.objects.schemas import ByRun, ObjectRow, shown
from provenance.datastores.running import Running
from provenance.datastores.storing import Content
from provenance.runs.doers.contract import Call, Chosen, Outside
from provenance.runs.doers.http import settled_numbers
from provenance.runs.events import SYSTEM, step_span
from provenance.runs.interpreting.results import Done, Failed, Park, Result

MOST_READ = 1024 * 1024
"""A step reads a text or a JSON of this size at most; larger ones pass by address, not through a run."""

_Op = Callable[[Call, Actor, str], Awaitable[Any]]


class Storage:
    """Reads, writes, lists and deletes objects of a datastore."""

    def __init__(self, running: Running) -> None:
        """Take the running datastores."""
        self._running = running
        self._ops: dict[str, _Op] = {
            "read": self._read,
            "write": self._write,
            "list": self._list,
            "delete": self._delete,
        }

    def waits(self, call: Call) -> Park | None:
        """It is waited for on the spot."""
        return None

    def resume(self, call: Call, outcome: Any) -> Result:
        """No wait of it is ever opened."""
        raise AssertionError("a storage step never parks")

    async def perform(self, call: Call) -> Result:
        """Carry out what the configuration names; of the kind `data`: read one object, or list those below a prefix."""
        op = call.config.get("op") or ("read" if "key" in call.config else "list")
        actor = Actor(Kind(SYSTEM[1]), SYSTEM[0], call.workspace_id)
        try:
            named = str(call.config["datastoreId"])
            datastore_id = await storing.wire_id(self._running, actor, named, make=op == "write")
            return Done(await self._ops[op](call, actor, datastore_id))
        except Problem as error:
            return Failed("unavailable" if error.status == 503 else error.code, error.detail)

    async def _read(self, call: Call, actor: Actor, datastore_id: str) -> dict[str, Any]:
        row, body = await storing.read(self._running, actor, datastore_id, _key(call), MOST_READ)
        return {**_described(row), "value": value_of(row.content_type, body)}

    async def _write(self, call: Call, actor: Actor, datastore_id: str) -> dict[str, Any]:
        content = content_of(_key(call), call.config.get("value"), call.config.get("contentType"))
        row = await storing.write(self._running, actor, datastore_id, content, _by(call))
        return _described(row)

    async def _list(self, call: Call, actor: Actor, datastore_id: str) -> dict[str, Any]:
        prefix = str(call.config.get("prefix") or "")
        found = await storing.listed(self._running, actor, datastore_id, prefix)
        return {"items": [_described(row) for row in found.rows], "more": found.more}

    async def _delete(self, call: Call, actor: Actor, datastore_id: str) -> dict[str, Any]:
        deleted = await storing.delete(self._running, actor, datastore_id, _key(call), _by(call))
        return {"key": _key(call), "deleted": deleted}


class Data(Chosen):
    """Kind `data`: from a datastore, or over HTTP."""

    def __init__(self, http: Outside, storage: Outside) -> None:
        """Take what reads from either."""
        self._http, self._storage = http, storage

    def _of(self, call: Call) -> Outside:
        return self._storage if call.config["source"] == "datastore" else self._http


def content_of(key: str, value: Any, content_type: str | None) -> Content:
    """Return what a value is as an object: a text as it is, anything else as JSON."""
    if isinstance(value, str):
        return Content(key, value.encode("utf-8", "replace"), content_type or "text/plain; charset=utf-8")
    return Content(key, msgspec.json.encode(value), content_type or "application/json")


def value_of(content_type: str, body: bytes) -> Any:
    """Return what an object is as a value: JSON, a text, or its bytes in base64."""
    if "json" in content_type:
        try:
            return settled_numbers(msgspec.json.decode(body))
        except msgspec.DecodeError:
            pass
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": b64encode(body).decode()}


def _key(call: Call) -> str:
    return str(call.config["key"])


def _by(call: Call) -> ByRun:
    return ByRun(call.run_id, step_span(call.run_id, call.step.key, call.iteration))


def _described(row: ObjectRow) -> dict[str, Any]:
    return shown(row).model_dump(by_alias=True)
