import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from typing import Any

import httpx
import pytest

from tests.cli.process import Person


async def record(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    headers = fields.pop("headers", {})
    body = {
        "resourceId": "user-123",
        "resourceType": "USER",
        "action": "CREATE",
        "origin": "WEBAPP",
        **fields,
    }
    answer = await client.post("/api/interactions", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()
    return row


def numbers(rows: list[dict[str, Any]]) -> list[int]:
    return [row["interactionNumber"] for row in rows]


class TestSearch:
    async def test_the_line_of_the_guide(self, person: Person, client: httpx.AsyncClient) -> None:
        await record(client, interaction={"email": "user@example.com"}, userId="ada")
        await record(client, resourceId="order-7", resourceType="ORDER")

        shown = await person.get("search", "-r", "user-123")

        header, line = [line for line in shown.splitlines() if "USER" in line or "Resource" in line]
        assert header.split()[:2] == ["#", "When"]
        for word in ("CREATE", "USER", "user-123", "ada", "WEBAPP", "user@example.com"):
            assert word in line
        assert "order-7" not in shown

    async def test_every_filter(self, person: Person, client: httpx.AsyncClient) -> None:
        uow = (await person.get("uow", "new")).strip()
        await record(client, headers={"x-uowid": uow}, userId="ada", interaction={"total": 150})
        await record(client, action="UPDATE", origin="CLI", interaction={"total": 50})
        related = [{"resourceType": "TEAM", "resourceId": "team-1", "role": "affected"}]
        await record(client, resourceId="user-9", resourceType="ADMIN", relatedResources=related)

        expected = {
            ("-r", "user-123"): [2, 1],
            ("-r", "user-*"): [3, 2, 1],
            ("-t", "ADMIN"): [3],
            ("-t", "ADMIN", "-t", "USER"): [3, 2, 1],
            ("-a", "UPDATE"): [2],
            ("-o", "CLI"): [2],
            ("--user", "ada"): [1],
            ("--uow", uow): [1],
            ("--related", "team-1"): [3],
            ("--where", "interaction.total > 100"): [1],
            ("-r", "user-*", "--limit", "2"): [3, 2],
            ("--platform", "exclude"): [3, 2, 1],
            ("--platform", "only"): [],
        }
        for options, found in expected.items():
            done = await person.run("search", *options, "--ndjson")
            assert done.returncode == 0, done.stderr
            assert numbers([json.loads(line) for line in done.stdout.splitlines()]) == found, options

    async def test_periods(self, person: Person, client: httpx.AsyncClient) -> None:
        await record(client, headers={"x-interaction-timestamp": "2024-01-15T10:30:00Z"})
        await record(client)

        assert numbers(await person.rows("--last", "30m")) == [2]
        assert numbers(await person.rows("--from", "2024-01-15", "--to", "2024-01-16")) == [1]

    async def test_json_is_the_wires_form(self, person: Person, client: httpx.AsyncClient) -> None:
        row = await record(client, interaction={"email": "user@example.com"})

        found = json.loads(await person.get("search", "-r", "user-123", "--json"))

        assert found["data"][0]["interactionId"] == row["interactionId"]
        assert found["pagination"]["total"] == 1

    async def test_more_than_one_page_is_followed(self, person: Person, client: httpx.AsyncClient) -> None:
        items = [
            {"resourceId": f"user-{n}", "resourceType": "USER", "action": "CREATE", "origin": "X"} for n in range(700)
        ]
        assert (await client.post("/api/interactions/batch", json=items)).status_code == 201

        done = await person.run("search", "--limit", "650", "--ndjson")

        found = [json.loads(line)["interactionNumber"] for line in done.stdout.splitlines()]
        assert found == list(range(700, 50, -1))
        assert "Raise --limit" in done.stderr

    async def test_nothing_found_is_no_failure(self, person: Person) -> None:
        done = await person.run("search", "-r", "nobody")

        assert (done.returncode, done.stdout, done.stderr) == (0, "", "Nothing found.\n")

    async def test_a_condition_that_makes_no_sense_is_refused(self, person: Person) -> None:
        done = await person.run("search", "--where", "interaction.total >")

        assert (done.returncode, done.stdout) == (1, "")

    async def test_options_that_contradict_are_usage(self, person: Person) -> None:
        for options in (
            ("--last", "soon"),
            ("--json", "--ndjson"),
            ("--last", "1d", "--from", "2024-01-01"),
            ("--limit", "0"),
        ):
            assert (await person.run("search", *options)).returncode == 2, options


class TestTerminal:
    """What a person sees, through a real terminal device."""

    @staticmethod
    async def shown(person: Person, width: int, *options: str, **env: str) -> str:
        environment = {**person.shell.environment, "TERM": "xterm-256color", "COLORTERM": "truecolor", **env}
        environment = {name: value for name, value in environment.items() if value}
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "provenance", "search", *options],
            stdout=slave,
            env={**environment, "COLUMNS": str(width)},
        )
        os.close(slave)
        text = b""
        while chunk := await asyncio.to_thread(_read, master):
            text += chunk
        os.close(master)
        assert process.wait(timeout=20) == 0
        return text.decode()

    async def test_badges_have_the_catalogues_colours(self, person: Person, client: httpx.AsyncClient) -> None:
        body = {
            "title": "User",
            "mnemonic": "USER",
            "icon": "👤",
            "fontColorHex": "#ffffff",
            "bgColorHex": "#3b82f6",
        }
        await client.post("/api/resource-types", json=body)
        await record(client)

        coloured = await self.shown(person, 160, "-t", "USER", NO_COLOR="")
        plain = await self.shown(person, 160, "-t", "USER", NO_COLOR="1")

        assert "\x1b[38;2;255;255;255;48;2;59;130;246m 👤 USER \x1b[0m" in coloured
        assert "38;2" not in plain
        assert "👤 USER" in plain

    @pytest.mark.parametrize("width", [60, 80, 120, 200])
    async def test_the_table_fits(self, person: Person, client: httpx.AsyncClient, width: int) -> None:
        await record(client, resourceId="r" * 300, userId="u" * 100, interaction={"text": "x" * 500})

        text = re.sub(r"\x1b\[[0-9;]*m", "", await self.shown(person, width))

        assert max(map(len, text.split("\r\n"))) <= width

    async def test_recorded_text_cannot_steer_the_terminal(self, person: Person, client: httpx.AsyncClient) -> None:
        await record(client, resourceId="\x1b]0;owned\x07\x1b[2J", userId="[red]eve[/red]")

        text = await self.shown(person, 200)

        assert "\x1b]0" not in text
        assert "\x1b[2J" not in text
        assert "[red]eve" in text


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other side is closed
        return b""
