"""What the parts of the scenario `runs` share: a caller with a connection, definitions, and waiting for calm."""

import http.client
import json
import time
from typing import Any

from bench import cpu
from bench.stack import Stack


class Caller:
    """One connection to the server, as a key or as a person."""

    def __init__(self, stack: Stack, key: str) -> None:
        self._stack = stack
        self._headers = {"x-api-key": key, "content-type": "application/json"}
        self._connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer of a request that succeeds."""
        sent = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, sent, self._headers)
            answer = self._connection.getresponse()
        except (BrokenPipeError, http.client.RemoteDisconnected):  # closed, because nothing was heard for a while
            self._connection.close()
            self._connection.request(method, path, sent, self._headers)
            answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text)

    def repeat(self, path: str, body: Any, times: int) -> None:
        """Post the same so many times."""
        for _ in range(times):
            self.ask("POST", path, body)

    def twin(self) -> "Caller":
        """Return a caller with the same credential and a connection of its own."""
        other = Caller(self._stack, "")
        other._headers = self._headers
        return other

    def publish(self, name: str, document: dict[str, Any]) -> str:
        """Publish a workflow; return its id."""
        workflow_id: str = self.ask("POST", "/workflows", {"name": name, "definition": document})["workflowId"]
        self.ask("POST", f"/workflows/{workflow_id}/publish", {})
        return workflow_id

    def signed_in(self) -> "Caller":
        """Return a caller who is the first administrator, in the installation's first workspace."""
        first = json.loads((self._stack.data / "credentials.json").read_text())
        body = {"email": first["adminEmail"], "password": first["adminPassword"]}
        person = Caller(self._stack, "")
        person._headers = {"content-type": "application/json"}
        token = person.ask("POST", "/auth/login", body)["accessToken"]
        person._headers["authorization"] = f"Bearer {token}"
        return person


def chain(steps: int, *, gate: bool = False) -> dict[str, Any]:
    """Write a workflow of a trigger and so many steps less one that hand a value on; a gate before them if wanted."""
    kinds: list[dict[str, Any]] = [{"key": "start", "kind": "trigger", "config": {"type": "manual"}}]
    if gate:
        kinds.append({"key": "gate", "kind": "approval", "config": {"title": "Go on?", "risk": "medium"}})
    for number in range(1, steps):
        config = {"mode": "transform", "transform": {"n": "{{ input.n }}"}}
        kinds.append({"key": f"s{number}", "kind": "logic", "config": config})
    keys = [kind["key"] for kind in kinds]
    edges = [{"from": keys[at], "to": keys[at + 1]} for at in range(len(keys) - 1)]
    return {"schemaVersion": 1, "steps": kinds, "edges": edges}


CALM_SECONDS = 4
"""Longer than any loop of the worker rests between two rounds."""


def calm(pid: int) -> None:
    """Wait until a worker has read what was recorded before it was there; a minute at most."""
    quiet = 0
    for _ in range(60):
        before = cpu.of_process(pid)
        time.sleep(1)
        quiet = quiet + 1 if cpu.of_process(pid) - before < 0.04 else 0
        if quiet == CALM_SECONDS:
            return
