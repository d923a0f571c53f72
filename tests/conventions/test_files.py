"""Files are where one looks for them, are named after what they hold, and are no bigger than a head can hold."""

import ast
import io
import re
import tokenize
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "provenance"
SOURCES = sorted(
    path
    for folder in ("provenance", "provenance_client", "migrations", "tests", "bench")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)
USUAL = {"__init__", "routes", "service", "queries", "tables", "schemas", "errors", "tasks"}
OF_ITS_OWN = {
    "ledger": {"appending", "dependencies", "entry", "lane", "wakeup"},
    "ledger/activity": set[str](),
    "ledger/analytics": {"plan"},
    "ledger/catalogue": {"cache", "naming"},
    "ledger/completeness": {"following", "keys"},
    "ledger/export": {"places", "proving", "streaming", "walking"},
    "ledger/export/formats": {
        "cloudevents", "contract", "csv_rows", "dsse", "in_toto", "ndjson", "ocsf", "ocsf_classes", "w3c_prov",
    },
    "ledger/erasure": {
        "access", "cleaning", "destroying", "forgetting", "journal", "reapplying", "selecting", "working",
    },
    "ledger/erasure/holds": set[str](),
    "ledger/erasure/retention": set[str](),
    "ledger/feed": {"agenda", "handing", "handlers", "hints", "running"},
    "ledger/fields": {"paths", "walking"},
    "ledger/interactions": {
        "asking", "batch", "composing", "conditions", "cursors", "filters", "hot", "listing", "listing_routes",
        "pages", "plenty", "reading", "rendering", "scanning", "splitting", "vocabulary", "where",
    },
    "ledger/log": {"envelopes", "heads", "integrating", "keys", "reopening"},
    "ledger/queue": set[str](),
    "ledger/self_audit": {"growth", "rows"},
    "ledger/traces": {"overlaps", "tree"},
    "ledger/witness": {"asking", "cosigning"},
    "identity": {"mail", "running", "sealing"},
    "identity/access": {"dependencies", "epoch", "memory"},
    "identity/api_keys": {"stamping"},
    "identity/device": set[str](),
    "identity/guessing": set[str](),
    "identity/invitations": set[str](),
    "identity/members": {"destroying", "erasing", "journal", "reapplying"},
    "identity/oidc": {"provider"},
    "identity/passkeys": {"ceremony", "dependencies"},
    "identity/passwords": set[str](),
    "identity/sessions": {"cookies", "dependencies", "signing"},
    "identity/switching": set[str](),
    "identity/tickets": set[str](),
    "identity/totp": {"dependencies"},
    "workspace": {"dependencies"},
    "workspace/environments": set[str](),
    "alerts": {"following", "previewing", "programs", "reading", "rendering", "telling"},
    "alerts/groups": set[str](),
    "alerts/windows": {"absence", "contract", "gaps", "monitor", "tally", "without"},
    "evidence": {
        "citing",
        "completing",
        "container",
        "erased",
        "packing",
        "report",
        "sealed",
        "selecting",
        "time_line",
    },
    "secrets": {"masking", "references", "rotating", "values"},
    "notifications": {"dependencies", "mailing", "recipients", "rules", "sending", "slack"},
    "notifications/digest": {"composing", "schedule", "sending"},
    "connections": {
        "authorizing", "carrying", "credentials", "dependencies", "integrations", "known", "notifying", "oauth",
        "pages", "refreshing", "running", "sealing", "targets", "uses",
    },
    "datastores": {"dependencies", "finding", "keys", "room", "running", "signing", "storing"},
    "datastores/objects": {"ranges", "serving"},
    "datastores/uploads": {"beginning", "parts", "settling", "showing", "taking"},
    "skills": {"archive", "calling", "dependencies", "rendering", "unpacked", "uploading", "warming", "way_out"},
    "skills/builtin": set[str](),
    "skills/builtin/csv": {"main"},
    "skills/builtin/csv/tests": {"test_main"},
    "skills/builtin/email_parse": {"main"},
    "skills/builtin/email_parse/tests": {"test_main"},
    "skills/builtin/html_to_text": {"main"},
    "skills/builtin/html_to_text/tests": {"test_main"},
    "skills/builtin/http_request": {"main"},
    "skills/builtin/http_request/tests": {"test_main"},
    "skills/builtin/json": {"main"},
    "skills/builtin/json/tests": {"test_main"},
    "skills/builtin/template": {"main"},
    "skills/builtin/template/tests": {"test_main"},
    "skills/sandbox": {"level", "pipes", "probing", "runner", "server", "testing"},
    "skills/sandbox/inside": {
        "folders", "jail", "kernel", "landlock", "node_main", "package_tests", "provenance_skill", "python_main",
        "seccomp", "starting", "syscalls", "wasm_main", "zygote",
    },
    "streams": {"delivering", "matching", "planning", "sealing", "shapes", "testing"},
    "streams/targets": {"building", "contract", "object_store", "otlp", "posting", "splunk_hec", "syslog", "webhook"},
    "bus": {
        "access", "at_once", "dependencies", "envelope", "events", "filters", "lane", "publishing", "routing",
        "running", "session", "signing", "statements", "topics",
    },
    "runs/message_targets": {"starting"},
    "bus/bridges": {
        "arriving", "connecting", "consuming", "credentials", "figures", "mapping", "planning", "recording",
        "rendering", "sending", "working",
    },
    "bus/deliveries": {
        "backoff", "claim_queries", "contract", "giving_up", "looping", "settle_queries", "settler", "settling",
        "upkeep", "webhook", "working",
    },
    "bus/inbound": {"refusals", "schemes"},
    "bus/keys": {"resolving"},
    "bus/messages": {"bodies", "cloudevents", "cloudevents_out", "express", "forgetting", "reading"},
    "bus/schemas": {"compatibility"},
    "bus/subscriptions": {"pulling", "rendering", "sealing"},
    "approvals": {
        "asking", "binding", "challenging", "deciding", "dependencies", "differing", "holding", "leaving", "overdue",
        "policy", "rendering", "revising", "settling",
    },
    "approvals/grants": {"deciding", "matching", "pages", "using"},
    "approvals/letters": {"composing", "sending"},
    "approvals/links": {"answering", "making", "pages"},
    "notifications/inbox": {"mailing"},
    "audit": {"denials", "reading", "rendering"},
    "workflows": {
        "checking_graph", "checking_shape", "compiling", "configs", "definition", "definition_routes", "dependencies",
        "drafts", "graph", "mapping", "plan", "problems", "releasing", "rendering", "running", "scoping", "steps",
        "timetable", "advising", "knowing", "skipping",
    },
    "engine": {"arrays", "dispatch", "lane", "rows", "running", "tokens", "writing"},
    "runs": {
        "activity",
        "asking",
        "awaiting",
        "beginning",
        "bulk",
        "calls",
        "carrying",
        "entering",
        "express",
        "events",
        "gates",
        "hosting",
        "hot",
        "intake",
        "lease",
        "library",
        "loops",
        "of_workflows",
        "outbox",
        "rendering",
        "retention",
        "rounds",
        "running",
        "runtime",
        "shelf",
        "starting",
        "telling",
        "triggering",
    },
    "runs/drive": {"checkpoints", "drive", "memory", "outcomes", "starts", "takeover", "waits", "work"},
    "runs/doers": {"bus", "child", "contract", "credentials", "http", "inline", "known", "notify", "skill", "storage"},
    "runs/interpreting": {"course", "results", "scope"},
    "runs/event_triggers": {"hearing", "listening", "patterns"},
    "runs/schedules": {"slots"},
    "runs/live": {"following", "telling", "wire"},
    "runs/outputs": set[str](),
    "runs/webhooks": {"headers", "refusals", "schemes"},
    "billing": {"allowing", "counting", "paying", "running", "transport"},
    "realtime": {
        "channels", "credentials", "events", "filtering", "hub", "inboxes", "line", "logs", "outbox", "selecting",
        "sending", "serving", "socket", "stream", "summaries",
    },
    "workflows/evaluation": set[str](),
    "workflows/review": {"comparing", "coverage", "powers"},
    "workflows/templates": {"catalogue"},
    "workflows/versions": {"references"},
    "workflows/webhook_secret": set[str](),
    "workflows/kinds": {"action", "kind", "logic", "outside", "skill", "trigger", "web", "words"},
}  # fmt: skip
"""Files of a feature besides the usual ones: the ledger's subject has another shape (lane, feed, filters)."""
NOT_FEATURES = {"core", "proof", "expressions", "postgres", "cli", "up"}
VAGUE = re.compile(r"utils?|helpers?|managers?|common|misc|extras?|stuff")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


class TestFolders:
    def test_a_feature_holds_the_usual_files_and_the_ones_listed(self) -> None:
        for folder in sorted({path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}):
            name = str(folder.relative_to(PACKAGE))
            if name.split("/")[0] in NOT_FEATURES:
                continue
            found = {path.stem for path in folder.glob("*.py")}
            assert found - USUAL <= OF_ITS_OWN[name], name

    def test_the_list_names_only_what_is_there(self) -> None:
        for folder, files in OF_ITS_OWN.items():
            for name in files:
                assert (PACKAGE / folder / f"{name}.py").exists(), f"{folder}/{name}.py"

    def test_every_package_says_what_it_is(self) -> None:
        for path in PACKAGE.rglob("__init__.py"):
            assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), named(path)

    def test_nothing_has_a_vague_name(self) -> None:
        assert [named(path) for path in SOURCES if any(VAGUE.fullmatch(word) for word in path.stem.split("_"))] == []

    def test_tests_mirror_the_package(self) -> None:
        """Every folder of the package has one of tests, and no folder of tests stands for nothing."""
        own = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
        tested = {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("test_*.py"))}
        assert own - tested <= {"audit", "workspace"}, "tested through the features that use them"
        assert tested - own == {"client", "conventions", "durability"} & tested


class TestText:
    def test_nothing_is_left_to_do(self) -> None:
        assert [text for _, text in comments() if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text)] == []

    def test_a_lint_exception_names_its_rule(self) -> None:
        for path, text in comments():
            if "type: ignore" in text:
                assert re.search(r"type: ignore\[[a-z-]+(, ?[a-z-]+)*\]", text), (path, text)
            if "noqa" in text:
                assert re.search(r"noqa: [A-Z]+\d+", text), (path, text)

    def test_no_code_is_commented_out(self) -> None:
        code = re.compile(r"#\s*(def |class |return\b.*\(|import |from \w+ import |if .*:$)")
        assert [each for each in comments() if code.match(each[1])] == []

    def test_functions_can_be_read_at_a_glance(self) -> None:
        for path in SOURCES:
            if path.parts[len(ROOT.parts)] not in ("provenance", "provenance_client", "bench"):
                continue
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    assert (node.end_lineno or 0) - node.lineno < 90, f"{named(path)}:{node.name}"


@cache
def comments() -> list[tuple[str, str]]:
    """Return each comment with its file; asked by a test, because every process that runs any test loads this file."""
    return [
        (named(path), token.string)
        for path in SOURCES
        for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)
        if token.type == tokenize.COMMENT
    ]
