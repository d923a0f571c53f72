"""`POST /expressions/evaluate`: for editors."""

from typing import Any

import httpx
import pytest

SCOPE = {
    "input": {"amount": 750.0, "lines": [{"n": 1}, {"n": 2}]},
    "steps": {"check": {"output": {"ok": True}, "status": "succeeded"}},
    "approval": {"gate": {"payload": None}},
    "run": {"id": "run_1"},
}


async def evaluated(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/expressions/evaluate", json={"scope": SCOPE} | body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("body", "value", "kind"),
    [
        ({"expression": "input.amount > 500 && steps.check.output.ok"}, True, "bool"),
        ({"expression": "input.lines.map(l, l.n * 2)"}, [2, 4], "list"),
        ({"expression": "approval.gate.payload.?amount.orValue(input.amount)"}, 750, "int"),
        ({"expression": "null"}, None, "null"),
        ({"mapping": {"a": "{{ run.id }}", "b": "n={{ input.amount }}"}}, {"a": "run_1", "b": "n=750"}, "object"),
    ],
)
async def test_values(client: httpx.AsyncClient, body: dict[str, Any], value: Any, kind: str) -> None:
    assert await evaluated(client, **body) == {"ok": True, "value": value, "kind": kind, "error": None}


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({"expression": "input.amount +"}, "", "syntax_error"),
        ({"expression": "nothing.here"}, "", "unknown_name"),
        ({"expression": "input.none"}, "", "missing"),
        ({"expression": "1 / 0"}, "", "evaluation_failed"),
        ({"mapping": {"a": [1, "{{ 1 + 'a' }}"]}}, "a[1]", "type_error"),
    ],
)
async def test_faults(client: httpx.AsyncClient, body: dict[str, Any], path: str, code: str) -> None:
    found = await evaluated(client, **body)
    assert (found["ok"], found["error"]["path"], found["error"]["code"]) == (False, path, code)


@pytest.mark.parametrize("body", [{}, {"expression": "1", "mapping": 1}, {"expression": "x" * 9000}])
async def test_what_is_refused(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await client.post("/expressions/evaluate", json=body)).status_code == 400


async def test_a_hostile_one_ends(client: httpx.AsyncClient) -> None:
    scope = {"input": list(range(400))}
    expression = "input.map(a, input.map(b, input.map(c, a + b + c)))"
    found = await evaluated(client, expression=expression, scope=scope)
    assert (found["ok"], found["error"]["code"]) == (False, "evaluation_failed")
