"""The migrations make exactly what tables.py says, and everything belongs to a workspace."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, UniqueConstraint
from sqlalchemy.ext.asyncio import create_async_engine

from migrations.record import recorded
from provenance.core.db import asyncpg_dsn, metadata, sqlalchemy_url
from provenance.core.ids import random_letters
from provenance.features import load_tables
from provenance.migrate import FRESH, config, head
from tests.conftest import drop_database

OF_THE_INSTALLATION = {
    "workspaces": "the workspaces themselves",
    "people": "a person may belong to several workspaces",
    "person_keys": "of people",
    "person_erasures": "of people",
    "sessions": "of people, who may switch the workspace",
    "refresh_tokens": "of sessions",
    "tickets": "of people, and of those who are nobody yet",
    "totp_secrets": "of people",
    "recovery_codes": "of people",
    "passkeys": "of people",
    "oidc_links": "of people",
    "device_requests": "of devices that nobody approved yet",
    "guesses": "at accounts, and from addresses",
    "rate_buckets": "of API keys and people",
    "signing_keys": "sign for every workspace",
    "engine_workers": "processes, which work for every workspace",
    "auth_epoch": "one number, which every process polls",
}
"""Tables that belong to no workspace, and why."""

load_tables()


async def differences(url: str) -> list[Any]:
    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, metadata))

    engine = create_async_engine(sqlalchemy_url(url))
    async with engine.connect() as connection:
        found: list[Any] = await connection.run_sync(compare)
    await engine.dispose()
    return found


@asynccontextmanager
async def empty_database(postgres_url: str) -> AsyncIterator[str]:
    name = "test_" + random_letters(12).lower()
    admin = await asyncpg.connect(asyncpg_dsn(postgres_url))
    await admin.execute(f'CREATE DATABASE "{name}"')
    try:
        yield postgres_url.replace("/provenance?", f"/{name}?")
    finally:
        await drop_database(admin, name)
        await admin.close()


class TestMigrations:
    async def test_they_make_what_the_tables_say(self, database_url: str) -> None:
        assert await differences(database_url) == []

    async def test_the_order_of_every_key_and_index_is_the_same(self, database_url: str) -> None:
        """Alembic compares an index by its columns, not a primary key; here the keys are read back."""
        connection = await asyncpg.connect(asyncpg_dsn(database_url))
        sql = """
            SELECT c.relname, array_agg(a.attname ORDER BY k.at) AS columns
              FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
              CROSS JOIN LATERAL unnest(i.indkey::int[]) WITH ORDINALITY AS k(number, at)
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
             WHERE i.indisprimary AND c.relnamespace = 'public'::regnamespace
             GROUP BY c.relname
        """
        stored = {row["relname"]: row["columns"] for row in await connection.fetch(sql)}
        await connection.close()
        for name, table in metadata.tables.items():
            assert stored[name] == [column.name for column in table.primary_key.columns], name

    async def test_processes_may_start_them_at_once(self, postgres_url: str) -> None:
        async with empty_database(postgres_url) as url:
            program = "import sys; from provenance.migrate import upgrade; upgrade(sys.argv[1])"
            started = [await asyncio.create_subprocess_exec(sys.executable, "-c", program, url) for _ in range(3)]
            assert [await each.wait() for each in started] == [0, 0, 0]
            assert await differences(url) == []

    async def test_an_empty_database_is_told_at_once_what_they_say(self, postgres_url: str) -> None:
        async with empty_database(postgres_url) as url:
            said = await asyncio.to_thread(recorded, url)
            assert await differences(url) == []
        assert said == FRESH.read_text("utf-8"), "run: python -m migrations.record"

    def test_there_is_one_line_of_them(self) -> None:
        script = ScriptDirectory.from_config(config(""))
        assert len(script.get_heads()) == 1
        assert script.get_current_head() == head()
        for revision in script.walk_revisions():
            assert "lock_timeout" in Path(revision.path).read_text("utf-8"), revision.path


OF_UPKEEP = {
    "ix_bus_bridge_dead_letters_at",
    "ix_bus_bridge_states_due",
    "ix_bus_arrivals_at",
    "ix_bus_messages_expires_at",
    "ix_run_output_garbage_after",
    "ix_run_steps_large",
    "ix_runs_owned",
    "ix_runs_ready",
    "ix_runs_timers",
    "ix_idempotency_keys_at",
    "ix_audit_digests_due",
    "ix_audit_stream_cursors_due",
    "ix_notification_deliveries_due",
    "ix_workflow_triggers_next_at",
    "ix_webhook_deliveries_at",
    "ix_alert_states_due",
    "ix_approvals_due",
    "ix_approval_letters_due",
    "ix_notification_inbox_created",
    "ix_notification_preferences_due",
    "ix_datastore_garbage_after",
    "ix_skill_garbage_after",
    "ix_skill_packages_awaited",
    "ix_datastore_uploads_expires_at",
}
"""Indexes by which the worker finds what is due or over its time, of all workspaces."""

OF_STRANGERS = {"ix_workflow_secrets_workflow_id", "ix_bus_subscriptions_id"}
"""Indexes for an address that names no workspace: a webhook's."""

GLOBAL = {("api_keys", "id"), ("bus_keys", "id"), ("logs", "origin")}
"""Keys that name no workspace because they are what a stranger names: a key's id, a log's origin."""


@pytest.mark.parametrize("name", sorted(set(metadata.tables) - OF_THE_INSTALLATION.keys()))
class TestEverythingBelongsToAWorkspace:
    def test_keys_begin_with_it(self, name: str) -> None:
        table = metadata.tables[name]
        first = [next(iter(table.primary_key.columns)).name]
        first += [
            next(iter(each.columns)).name
            for each in table.constraints
            if isinstance(each, UniqueConstraint) and (name, *each.columns.keys()) not in GLOBAL
        ]
        assert set(first) == {"workspace_id"}

    def test_indexes_begin_with_it(self, name: str) -> None:
        first = {
            next(iter(index.columns)).name
            for index in metadata.tables[name].indexes
            if index.name not in OF_UPKEEP | OF_STRANGERS
        }
        assert first <= {"workspace_id"}
