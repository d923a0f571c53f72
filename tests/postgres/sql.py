"""One statement on a server, through the driver the product uses."""

from typing import Any

import asyncpg


async def fetch(dsn: str, statement: str, *arguments: Any) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement, *arguments)
    finally:
        await connection.close()
