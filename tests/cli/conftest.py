"""A shell for every test, and the stand-in server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.process import Person, Shell
from tests.cli.stand_in import StandIn, listening
from tests.cli.zygote import Zygote
from tests.conftest import Running, Tenant

KEY = "pv_standin_0123456789abcdef"


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """What commands are forked from."""
    with Zygote() as found:
        yield found


@pytest.fixture
def shell(tmp_path: Path, zygote: Zygote) -> Shell:
    """A shell that knows no server."""
    return Shell(tmp_path, {}, zygote)


@pytest.fixture
def stand_in() -> StandIn:
    """The stand-in's memory and script."""
    return StandIn()


@pytest.fixture
def stand_in_shell(tmp_path: Path, stand_in: StandIn, zygote: Zygote) -> Iterator[Shell]:
    """A shell whose server is the stand-in."""
    with listening(stand_in) as url:
        yield Shell(tmp_path, {"PROVENANCE_API_URL": url, "PROVENANCE_API_KEY": KEY}, zygote)


@pytest.fixture
def person(tmp_path: Path, app: Running, workspace: Tenant, zygote: Zygote) -> Person:
    """Somebody whose shell knows the run's server and a key of a fresh workspace."""
    settings = {"PROVENANCE_API_URL": f"{app.url}/api", "PROVENANCE_API_KEY": workspace.key}
    return Person(Shell(tmp_path, settings, zygote))
