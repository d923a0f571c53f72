"""The documents say what is so: generated ones are current, links lead somewhere, commands work."""

import asyncio
import contextlib
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
import httpx
import pytest
import typer
import yaml

from provenance import reference
from provenance.cli.app import build
from tests.conftest import Running, fresh_database

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text("utf-8")
PAGE = reference.PAGE.read_text("utf-8")
INTERNAL = {
    "PROVENANCE_GATE",
    "PROVENANCE_SERVER_NUMBER",
    "PROVENANCE_SIBLINGS",
    "PROVENANCE_SUPERVISOR",
    "PROVENANCE_MIGRATE_FIRST",
    "PROVENANCE_COMPLETE",
    "PROVENANCE_TEST_DATABASE_URL",
}
"""Variables that processes of ours hand to each other; nobody sets them by hand."""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


class TestGenerated:
    def test_every_generated_document_is_current(self) -> None:
        stale = [
            name_of(path)
            for path, text in reference.documents().items()
            if not path.exists() or path.read_text("utf-8") != text
        ]
        assert not stale, f"run: make docs ({', '.join(stale)})"

    def test_every_variable_that_the_code_reads_is_described(self) -> None:
        described = (reference.REFERENCE / "settings.md").read_text("utf-8")
        sources = [path for folder in ("provenance", "provenance_client") for path in (ROOT / folder).rglob("*.py")]
        name = re.compile(r"(?<![A-Z_])PROVENANCE_[A-Z][A-Z_]*[A-Z](?!_)")
        read = {found for source in sources for found in name.findall(source.read_text("utf-8"))}
        missing = {name for name in read - INTERNAL if f"`{name}`" not in described}
        assert missing <= {"PROVENANCE_DATABASE_URL", "PROVENANCE_PUBLIC_URL"}, "longer names of two that are described"


class TestLinks:
    @pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
    def test_every_link_within_the_repository_leads_somewhere(self, document: Path) -> None:
        text = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        targets = [found.partition("#")[0] for found in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in found]
        lost = [target for target in targets if target and not (document.parent / target).exists()]
        assert not lost

    @pytest.mark.parametrize("document", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=name_of)
    def test_a_decision_says_context_decision_consequences_and_what_was_not_chosen(self, document: Path) -> None:
        headings = re.findall(r"^## (.+)$", document.read_text("utf-8"), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "What we did not choose"]

    def test_the_life_of_an_interaction_names_files_that_exist(self) -> None:
        for document in (ROOT / "docs" / "life-of").glob("*.md"):
            for path in re.findall(r"`((?:provenance|migrations)/[\w/.]+)`", document.read_text("utf-8")):
                assert (ROOT / path).exists(), path


def commands() -> dict[str, click.Command]:
    """Every command by its words, such as ``config set``."""
    found: dict[str, click.Command] = {}

    def walk(command: click.Command, words: tuple[str, ...]) -> None:
        for name, inner in getattr(command, "commands", {}).items():
            found[" ".join([*words, name])] = inner
            walk(inner, (*words, name))

    walk(typer.main.get_command(build()), ())
    return found


def command_lines() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        for block in blocks(document.read_text("utf-8"), "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                for found in re.finditer(r"(?:^|[|;&(]\s*)provenance ([a-z][^|;&)#]*)", line.strip()):
                    yield name_of(document), found[1]


class TestCommands:
    def test_every_command_and_option_in_a_document_exists(self) -> None:
        known = commands()
        for document, line in command_lines():
            words = line.split()
            name = next((" ".join(words[:n]) for n in (3, 2) if " ".join(words[:n]) in known), words[0])
            assert name in known, f"{document}: provenance {line}"
            options = {option for each in known[name].params for option in (*each.opts, *each.secondary_opts)}
            options |= {"--help", "-h"}
            used = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word)}
            assert used <= options, f"{document}: provenance {line}"

    def test_the_containers_run_commands_that_exist(self) -> None:
        services = yaml.safe_load((ROOT / "compose.yml").read_text("utf-8"))["services"]
        dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
        default = re.search(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)
        assert default is not None
        ours = [service for service in services.values() if service["image"] == "provenance"]
        for service in ours:
            assert service.get("command", json.loads(default[1]))[0] in commands()
        assert len(ours) == 4

    def test_the_image_is_built_from_files_that_are_sent_to_the_builder(self) -> None:
        sent = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
        assert all((ROOT / path).exists() for path in sent)
        assert "requirements/main.txt" in sent
        assert "USER provenance" in (ROOT / "Dockerfile").read_text("utf-8")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def process(*arguments: str, env: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    out, both = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    made = await asyncio.create_subprocess_exec(*arguments, env=env, cwd=ROOT, stdout=out, stderr=both)
    try:
        yield made
    finally:
        if made.returncode is None:
            made.terminate()
        await made.communicate()


@pytest.fixture(scope="module")
async def newcomer(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """The environment of somebody whose server has just answered for the first time."""
    port, home = free_port(), tmp_path_factory.mktemp("newcomer")
    async with fresh_database(postgres_url) as url:
        env = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "PROVENANCE_DATA_DIR": str(home / "data"),
            "PORT": str(port),
        }
        command = ("provenance", "serve", "--port", str(port))
        async with process(*command, env={**env, "DATABASE_URL": url}) as server:
            await answers(server, f"http://127.0.0.1:{port}/readyz")
            async with process("provenance", "worker", env={**env, "DATABASE_URL": url}):
                yield env


async def answers(server: asyncio.subprocess.Process, url: str) -> None:
    async with httpx.AsyncClient() as client:
        while server.returncode is None:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(url)).status_code == 200:
                    return
            await asyncio.sleep(0.05)
    raise AssertionError("the server ended")


class TestTour:
    async def test_every_command_of_the_tour_works(self, newcomer: dict[str, str]) -> None:
        tour = README[README.index("## Start") : README.index("## What works")]
        steps = [block for block in blocks(tour, "sh") if block.strip() != "make run"]
        assert len(steps) >= 6
        address = f"localhost:{newcomer['PORT']}"
        script = "\n".join(["set -euo pipefail", *steps]).replace("localhost:7300", address)
        script = 'curl() { command curl --fail-with-body -sS "$@"; echo; }\n' + script
        async with process("bash", "-c", script, env=newcomer) as running:
            output = (await running.communicate())[0].decode()
        assert running.returncode == 0, output
        assert '"interactionNumber":1,' in output
        assert output.count('"isSystem":false') == 1

    async def test_every_command_of_the_first_workflow_works(self, newcomer: dict[str, str], tmp_path: Path) -> None:
        guide = (ROOT / "docs" / "guides" / "first-workflow.md").read_text("utf-8")
        steps, [shown] = blocks(guide, "sh"), blocks(guide, "text")
        assert len(steps) >= 12
        script = "\n".join(["set -euo pipefail", f"cd {tmp_path}", *steps])
        script = script.replace("localhost:7300", f"localhost:{newcomer['PORT']}")
        # What is meant to be refused says so; whatever else is refused ends the script.
        curl = 'curl() { if [ "$1" = --no-fail ]; then shift; command curl -sS "$@"; '
        curl += 'else command curl --fail-with-body -sS "$@"; fi; echo; }\n'
        async with process("bash", "-c", curl + script, env=newcomer) as running:
            output = (await running.communicate())[0].decode()
        assert running.returncode == 0, output
        for said in (shown, "version 1 is live", '"total":240', '"total":720', "version 2 is live", "invalid_input"):
            assert said in output, output

    async def test_the_python_of_the_tour_works(self, newcomer: dict[str, str]) -> None:
        [program] = blocks(README, "python")
        env = {**newcomer, "PROVENANCE_API_URL": f"http://127.0.0.1:{newcomer['PORT']}/api"}
        async with process(sys.executable, "-W", "error", "-c", program, env=env) as running:
            output = (await running.communicate())[0].decode()
        assert (running.returncode, output) == (0, "1 interactions\n"), output


class TestPage:
    def test_it_asks_no_other_site(self) -> None:
        addresses = set(re.findall(r"""(?:https?:)?//[\w.-]+\.\w+""", PAGE))
        assert addresses <= {"http://www.w3.org"}, "the namespace of its own icon"
        assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"'](?!data:)", PAGE)
        assert "@import" not in PAGE

    def test_it_never_makes_markup_of_text(self) -> None:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", PAGE)

    def test_a_key_that_is_typed_stays_in_memory(self) -> None:
        assert re.findall(r"(?:local|session)Storage\.setItem\((\S+),", PAGE) == ['"provenance-docs-theme"']
        assert "document.cookie" not in PAGE

    @pytest.mark.parametrize("path", ["/docs", "/docs/errors"])
    async def test_it_is_served_under_a_policy_that_allows_nothing_else(self, app: Running, path: str) -> None:
        async with httpx.AsyncClient(base_url=app.url) as client:
            answer = await client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "connect-src 'self'" in policy
        assert answer.text == PAGE

    async def test_the_type_of_an_error_leads_to_its_code_on_the_page(self, app: Running) -> None:
        async with httpx.AsyncClient(base_url=app.url) as client:
            problem = (await client.get("/api/interactions")).json()
            answer = await client.get(problem["type"].partition("#")[0])
        data = re.search(r'<script type="application/json" id="errors">(.*?)</script>', answer.text, re.DOTALL)
        assert data is not None
        codes = {each["code"]: each for each in json.loads(data[1])}
        assert problem["type"] == f"/docs/errors#{problem['code']}"
        assert codes[problem["code"]]["status"] == problem["status"] == 401
