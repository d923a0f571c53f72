"""What the guides on webhooks, schedules and events show is tried: their definitions, their filters, their signing."""

import hmac
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from provenance.core.yaml_text import read
from provenance.workflows.compiling import check
from tests.runs.webhooks.conftest import MakeHook, make_hook, sender

__all__ = ["make_hook", "sender"]

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(guide: str, language: str) -> list[str]:
    return [text for kind, text in FENCED.findall((GUIDES / guide).read_text("utf-8")) if kind == language]


def problems(definition: dict[str, Any]) -> list[str]:
    return [f"{each.path}: {each.issue}" for each in check(definition).problems]


class TestDefinitions:
    def test_the_webhook_of_github(self) -> None:
        [text] = blocks("webhook-from-github.md", "yaml")
        assert problems(read(text)) == []

    @pytest.mark.parametrize("place", [0, 1])
    def test_triggers_of_schedules_and_events(self, place: int) -> None:
        [trigger] = read(blocks("schedules-and-events.md", "yaml")[place])
        assert problems({"schemaVersion": 1, "steps": [trigger], "edges": []}) == []

    def test_a_filter_of_what_may_be_missing(self) -> None:
        [trigger] = read(blocks("schedules-and-events.md", "yaml")[1])
        trigger["config"]["event"]["filter"] = "payload.?total.orValue(0.0) > 1000.0"
        assert "payload.?total.orValue(0.0)" in (GUIDES / "schedules-and-events.md").read_text("utf-8")
        assert problems({"schemaVersion": 1, "steps": [trigger], "edges": []}) == []


class TestSigning:
    async def test_in_python(self, make_hook: MakeHook) -> None:
        hook, namespace = await make_hook(), dict[str, Any]()
        [source] = blocks("webhook-from-github.md", "python")
        exec(source, namespace)
        body, headers = namespace["signed"](hook.secret, {"orderId": "ORD-9921", "amount": 750.0})
        assert (await hook.post(body, headers=headers)).status_code == 201

    @pytest.mark.skipif(shutil.which("openssl") is None, reason="the guide signs with openssl")
    async def test_in_shell(self, client: httpx.AsyncClient, make_hook: MakeHook) -> None:
        hook = await make_hook()
        [script] = [text for text in blocks("webhook-from-github.md", "sh") if "openssl" in text]
        asked = script.partition("curl")[0] + 'printf %s "$signature"'
        known = {"body": '{"n": 1}', "secret": hook.secret, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(["sh", "-c", asked], env=known, capture_output=True, text=True, check=True)
        answer = await hook.post(b'{"n": 1}', headers={"X-ProvenanceOne-Signature": done.stdout})
        assert answer.status_code == 201


class TestGitHub:
    async def test_a_push_goes_through_and_a_ping_does_not(
        self, client: httpx.AsyncClient, sender: httpx.AsyncClient, make_hook: MakeHook
    ) -> None:
        [text] = blocks("webhook-from-github.md", "yaml")
        made = await client.post("/workflows", json={"name": "On push", "definition": read(text)})
        path = f"/workflows/{made.json()['workflowId']}"
        assert (await client.post(f"{path}/publish", json={})).status_code == 200
        secret = (await client.post(f"{path}/webhook-secret/rotate")).json()["secret"]
        body = b'{"after": "6113728f", "repository": {"full_name": "octocat/hello"}}'
        outputs = []
        for event in ("ping", "push"):
            headers = {
                "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, "sha256").hexdigest(),
                "X-GitHub-Event": event,
                "Content-Type": "application/json",
            }
            begun = await sender.post(f"/webhooks/{made.json()['workflowId']}", content=body, headers=headers)
            run = (await client.get(f"/runs/{begun.json()['runId']}")).json()
            assert run["status"] == "completed", run
            outputs.append(run["output"])
        assert outputs[1] == "octocat/hello is at 6113728f"
        assert outputs[0] is None or "octocat" not in str(outputs[0])
