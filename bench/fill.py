"""Fills a database with millions of rows for the reading scenarios, inside PostgreSQL, with a skew as in real life.

Half of all rows are about one hot resource, a hundredth belong to one hot unit of work, a twentieth to one hot user;
the rest is spread over many. The tables are unlogged while this database lives: reads do not care, and filling
takes a third of the time.
"""

import asyncpg

from bench import raw

HOT_RESOURCE, HOT_USER = "order-hot", "user-hot"
HOT_UNIT = "00000000-0000-4000-8000-00000000beef"

_ROWS = """
INSERT INTO interactions (
    workspace_id, number, id, resource_type_id, action_id, origin_id, resource_id, user_id, external_reference, uow_id,
    span_id, parent_span_id, occurred_at, recorded_at, outcome, platform, recorded_by, actor_kind, content, salt,
    content_digest, resource_key, user_key, leaf_hash)
SELECT $1::uuid, n, gen_random_uuid(),
       words.types[1 + n % cardinality(words.types)],
       words.actions[1 + (n * 7 % 100)::int % cardinality(words.actions)],
       words.origins[1 + n % cardinality(words.origins)],
       CASE WHEN n % 2 = 0 THEN $4 ELSE 'user-' || n * 48271 % 100003 END,
       CASE WHEN n % 20 = 0 THEN $5 ELSE 'user-' || n * 16807 % 5003 END,
       CASE WHEN n % 50 = 0 THEN 'ref-' || n END,
       CASE WHEN n % 100 = 0 THEN $6::uuid ELSE md5('unit' || n / 5)::uuid END,
       md5('span' || n)::uuid,
       CASE WHEN n % 5 > 0 THEN md5('span' || n - 1)::uuid END,
       $7 - ($2 - n) * 1000000000, $7 - ($2 - n) * 1000000000,
       (ARRAY['success', 'success', 'success', 'failure', NULL])[1 + n % 5],
       false, 'key_bench', 'key',
       '{"interaction":{"amount":' || n % 1000 || ',"email":"user' || n % 5003 || '@example.com","plan":"team"},'
           || '"resourceId":"order-hot","userId":"user-' || n % 5003 || '"}',
       decode(md5('salt' || n), 'hex'), decode(md5('a' || n) || md5('b' || n), 'hex'), decode(md5('r' || n), 'hex'),
       decode(md5('u' || n), 'hex'), decode(md5('c' || n) || md5('d' || n), 'hex')
  FROM generate_series($3::bigint, $2::bigint) AS n,
       (SELECT array_agg(id) FILTER (WHERE kind = 'resourceType') AS types,
               array_agg(id) FILTER (WHERE kind = 'action') AS actions,
               array_agg(id) FILTER (WHERE kind = 'origin' AND mnemonic <> 'PLATFORM') AS origins
          FROM catalogue WHERE workspace_id = $1::uuid) AS words
"""
_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
 WHERE tablename = 'interactions' AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


async def fill(dsn: str, workspace_id: str, rows: int, now_ns: int) -> None:
    """Append ``rows`` rows to a workspace whose words exist already."""
    async with raw.connected(dsn) as connection:
        await _unlogged(connection)
        indexes = await connection.fetch(_INDEXES)
        for index in indexes:
            await connection.execute(f'DROP INDEX "{index["indexname"]}"')
        first = await connection.fetchval(
            "SELECT coalesce(max(number), 0) + 1 FROM interactions WHERE workspace_id = $1::uuid", workspace_id
        )
        last = first + rows - 1
        await connection.execute(
            _ROWS, workspace_id, last, first, HOT_RESOURCE, HOT_USER, HOT_UNIT, now_ns, timeout=1800
        )
        await connection.execute("SET maintenance_work_mem = '256MB'")
        for index in indexes:
            await connection.execute(index["indexdef"], timeout=1800)
        await connection.execute("VACUUM ANALYZE interactions", timeout=1800)


async def _unlogged(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for table in ("interactions", "interaction_keys", "interaction_related"):
        await connection.execute(f"ALTER TABLE {table} SET UNLOGGED")
