"""Workspaces: each with an empty ledger that starts at 1, its making told to the installation's own."""

import pytest

from provenance.core import ids
from provenance.core.ids import random_letters
from provenance.workspace import queries, service
from provenance.workspace.errors import SlugTaken
from provenance.workspace.schemas import Workspace
from tests.conftest import Running


async def make(app: Running, slug: str) -> Workspace:
    async with app.ledger.db.housekeeping() as tx:
        return await service.create(tx, slug=slug, name="Test")


class TestCreate:
    async def test_its_ledger_holds_one_word_and_no_row(self, app: Running) -> None:
        workspace = await make(app, random_letters(12).lower())
        assert ids.decode("ws", workspace.wire_id) == workspace.id
        async with app.ledger.db.housekeeping(workspace.id) as tx:
            words = await tx.driver_sql("SELECT mnemonic FROM catalogue WHERE workspace_id = $1", (workspace.id,))
            rows = await tx.driver_sql("SELECT count(*) FROM interactions WHERE workspace_id = $1", (workspace.id,))
            assert (words.scalars().all(), rows.scalar_one()) == (["PLATFORM"], 0)
            assert await queries.by_slug(tx, workspace.slug) == workspace

    async def test_the_installation_keeps_the_event(self, app: Running) -> None:
        workspace = await make(app, random_letters(12).lower())
        async with app.ledger.db.housekeeping() as tx:
            instance = await queries.instance_workspace(tx)
            event = await tx.driver_sql(
                "SELECT workspace_id, platform, risk, content FROM interactions WHERE resource_id = $1",
                (workspace.wire_id,),
            )
            [row] = event.all()
        assert (row.workspace_id, row.platform, row.risk) == (instance, True, "medium")
        assert workspace.slug in row.content

    async def test_a_slug_is_used_once(self, app: Running) -> None:
        slug = random_letters(12).lower()
        await make(app, slug)
        with pytest.raises(SlugTaken):
            await make(app, slug)

    async def test_there_is_one_installation(self, app: Running) -> None:
        with pytest.raises(SlugTaken):
            async with app.ledger.db.housekeeping() as tx:
                await service.create_instance(tx)
