"""What the guide tells to do works as it is written."""

import re
import subprocess
import sys
from pathlib import Path

import httpx

from provenance.ledger.export.formats import FORMATS
from tests.ledger.export.conftest import UOW, export

GUIDE = (Path(__file__).parents[3] / "docs" / "guides" / "export.md").read_text("utf-8")


async def test_the_envelope_is_checked_by_the_lines_of_the_guide(shop: httpx.AsyncClient, tmp_path: Path) -> None:
    [program] = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    (tmp_path / "check.py").write_text(program)
    (tmp_path / "release.intoto.json").write_bytes((await export(shop, "in-toto", uowId=UOW)).content)
    key = (await shop.get("/api/log/key")).text.strip()
    command = [sys.executable, "check.py", "release.intoto.json", key]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, UOW + "\n"), done.stderr
    assert (tmp_path / "log.pem").read_text().startswith("-----BEGIN PUBLIC KEY-----")
    damaged = (tmp_path / "release.intoto.json").read_text().replace('payload":"e', 'payload":"f')
    (tmp_path / "release.intoto.json").write_text(damaged)
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60).returncode != 0


def test_every_format_is_described() -> None:
    for name, form in FORMATS.items():
        assert f"`{name}`" in GUIDE
        assert f"`.{form.extension}`" in GUIDE
