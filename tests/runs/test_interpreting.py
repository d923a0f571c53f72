"""Random graphs with random failures and random kills give what a simple interpreter of the same rules gives."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.runs.activity import from_text
from provenance.workflows.compiling import check
from tests.runs.memory import Script, carry, outputs
from tests.runs.published import definition

CASES = ("left", "right")
Document = dict[str, Any]


@st.composite
def documents(draw: st.DrawFn) -> tuple[Document, Script]:
    """Draw a workflow of up to eight steps, and what happens to those that reach outside."""
    count = draw(st.integers(1, 8))
    steps: list[Document] = []
    edges: list[Document] = []
    script: Script = {}
    kinds: dict[str, str] = {"start": "trigger"}
    for number in range(count):
        key = f"s{number}"
        kind = draw(st.sampled_from(["value", "bad", "switch", "data", "action", "each"]))
        kinds[key] = kind
        steps.append(draw_step(draw, key, kind, script))
        sources = draw(
            st.lists(st.sampled_from(["start", *[f"s{n}" for n in range(number)]]), min_size=1, max_size=3, unique=True)
        )
        for source in sources:
            ons = ["success", "always", "error"] if source != "start" else ["success", "always"]
            if kinds[source] == "switch":
                ons += [f"case:{case}" for case in CASES]
            edge: Document = {"from": source, "to": key, "on": draw(st.sampled_from(ons))}
            if draw(st.integers(0, 4)) == 0:
                edge["when"] = draw(st.sampled_from(["input.n > 2", "input.n <= 2"]))
            edges.append(edge)
    return definition(*steps, edges=edges), script


def draw_step(draw: st.DrawFn, key: str, kind: str, script: Script) -> Document:
    step: Document = {"key": key, "kind": "logic"}
    if kind == "value":
        step["config"] = {"mode": "transform", "transform": {"of": key, "n": "{{ input.n }}"}}
    elif kind == "bad":
        step["config"] = {"mode": "transform", "transform": "{{ input.missing }}"}
    elif kind == "switch":
        cases = [{"name": "left", "when": draw(st.sampled_from(["input.n > 1", "input.n > 3"]))}]
        step["config"] = {"mode": "switch", "cases": cases, "default": "right"}
    elif kind == "each":
        step["config"] = {"mode": "transform", "transform": "{{ 6 / item }}"}
        items = draw(st.lists(st.integers(0, 3), max_size=4))
        step["forEach"] = {"items": items, "onItemError": draw(st.sampled_from(["fail", "collect"]))}
    else:
        step["kind"] = kind
        where = {"source": "http"} if kind == "data" else {"target": "http", "honoursIdempotencyKey": True}
        step["config"] = {**where, "url": "http://127.0.0.1/"}
        step["retry"] = {"maxAttempts": draw(st.integers(1, 3)), "initialSeconds": 0.001, "jitter": False}
        script[key, 0] = draw(st.lists(st.sampled_from(["ok", "unavailable", "refused_by_target"]), max_size=3))
    if draw(st.integers(0, 4)) == 0:
        step["onError"] = "continue"
    return step


def expected(document: Document, n: int, script: Script) -> tuple[str, dict[str, tuple[str, Any]]]:
    """Interpret a definition in the plainest way: steps in their order, edges looked at when all sources are known."""
    ended: dict[str, tuple[str, Any, str | None]] = {"start": ("succeeded", {"n": n}, None)}
    taken: dict[int, bool] = {}
    steps = {step["key"]: step for step in document["steps"]}
    failed = False
    for key, step in steps.items():
        incoming = [number for number, edge in enumerate(document["edges"]) if edge["to"] == key]
        if key != "start":
            for number in incoming:
                taken[number] = edge_is_taken(document["edges"][number], ended, n)
            if any(taken[number] for number in incoming):
                ended[key] = one_step(step, n, script)
            else:
                ended[key] = ("skipped", None, None)
    for key, (status, _, _) in ended.items():
        handlers = [number for number, edge in enumerate(document["edges"]) if edge["from"] == key]
        handled = any(taken[number] and document["edges"][number]["on"] in ("error", "always") for number in handlers)
        if status == "failed" and not handled:
            failed = True
    return ("failed" if failed else "completed"), {
        key: ("failed" if status == "ignored" else status, output) for key, (status, output, _) in ended.items()
    }


def edge_is_taken(edge: Document, ended: dict[str, tuple[str, Any, str | None]], n: int) -> bool:
    status, _, case = ended[edge["from"]]
    follows = {
        "always": status != "skipped",
        "success": status in ("succeeded", "ignored"),
        "error": status == "failed",
    }.get(edge["on"], status == "succeeded" and edge["on"] == f"case:{case}")
    when = {"input.n > 2": n > 2, "input.n <= 2": n <= 2}.get(edge.get("when", ""), True)
    return follows and when


def one_step(step: Document, n: int, script: Script) -> tuple[str, Any, str | None]:
    failure = ("ignored" if step.get("onError") == "continue" else "failed", None, None)
    if step["kind"] != "logic":
        acts = list(script.get((step["key"], 0), []))
        for _ in range(step["retry"]["maxAttempts"]):
            act = acts.pop(0) if acts else "ok"
            if act == "ok":
                return "succeeded", {"key": step["key"], "n": 0}, None
            if act != "unavailable":
                break
        return failure
    config = step["config"]
    if config["mode"] == "switch":
        bound = int(config["cases"][0]["when"].rpartition(" ")[2])
        return "succeeded", {"n": n}, "left" if n > bound else "right"
    if "forEach" in step:
        items = step["forEach"]["items"]
        if 0 in items and step["forEach"]["onItemError"] == "fail":
            return failure
        return "succeeded", [6 // item if item else "error" for item in items], None
    if "missing" in str(config["transform"]):
        return failure
    return "succeeded", {"of": step["key"], "n": n}, None


def without_messages(output: Any) -> Any:
    if isinstance(output, list):
        return ["error" if isinstance(item, dict) and "error" in item else item for item in output]
    return output


class TestRandomGraphs:
    @settings(max_examples=250, deadline=None)
    @given(documents(), st.integers(0, 5))
    def test_end_as_the_plain_interpreter_says(self, drawn: tuple[Document, Script], n: int) -> None:
        self.compare(drawn, n, kills=0, seed=0)

    @settings(max_examples=250, deadline=None)
    @given(documents(), st.integers(0, 5), st.integers(1, 6), st.integers(0, 2**16))
    def test_and_through_lost_processes_too(
        self, drawn: tuple[Document, Script], n: int, kills: int, seed: int
    ) -> None:
        document, script = drawn
        # An attempt that was lost takes its answer with it, so that only answers that never change can be compared.
        steady = {slot: acts[:1] * 12 for slot, acts in script.items()}
        self.compare((document, steady), n, kills=kills, seed=seed)

    def compare(self, drawn: tuple[Document, Script], n: int, *, kills: int, seed: int) -> None:
        document, script = drawn
        plan = check(document).plan
        if plan is None:  # such as a step that nothing leads to
            return
        status, wanted = expected(document, n, script)
        acts = {slot: list(each) for slot, each in script.items()}
        stored, _ = asyncio.run(carry(plan, {"n": n}, acts, kills=kills, seed=seed))
        assert stored.last is not None
        assert stored.last.status == status, from_text(stored.last.error)
        assert len(stored.entries) == len(set(stored.entries))
        found = {key: (state, without_messages(output)) for key, (state, output) in outputs(stored).items()}
        if status == "completed":
            assert found == wanted
        else:  # how far others came before the failure is a matter of time
            assert all(wanted[key] == got for key, got in found.items() if got[0] not in ("cancelled",))
