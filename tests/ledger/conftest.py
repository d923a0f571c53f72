"""A second server on the same database: what one process makes, the other must see."""

from collections.abc import AsyncIterator

import pytest

from provenance.core.settings import Settings
from tests.conftest import Running, running


@pytest.fixture(scope="session")
async def second(app: Running, settings: Settings) -> AsyncIterator[Running]:
    """Another server over the run's database, with caches, a lane and a pool of its own."""
    async with running(settings.model_copy()) as found:
        yield found
