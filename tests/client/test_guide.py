"""Every example of the guide is a program that runs, and the guide names every public name."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

import provenance_client
from tests.conftest import Running, Tenant

GUIDE = Path(__file__).parents[2] / "docs/guides/python-sdk.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
async def test_example(number: int, app: Running, workspace: Tenant, tmp_path: Path) -> None:
    environ = {
        **os.environ,
        "PROVENANCE_API_URL": app.url,
        "PROVENANCE_API_KEY": workspace.key,
        "PROVENANCE_ORIGIN": "GUIDE",
        "XDG_STATE_HOME": str(tmp_path),
    }
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", EXAMPLES[number], env=environ, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await program.communicate()
    assert program.returncode == 0, errors.decode()
    assert b"Traceback" not in errors, errors.decode()


def test_names_every_public_name() -> None:
    words = set(re.findall(r"\w+", GUIDE.read_text("utf-8")))
    assert set(provenance_client.__all__) <= words


def test_names_every_option_and_argument() -> None:
    text = GUIDE.read_text("utf-8")
    names = [*provenance_client.RecordingOptions.__annotations__, *provenance_client.LogFields.__annotations__]
    assert [name for name in names if f"`{name}`" not in text] == []
