"""Many writers on many workspaces at once: no deadlock, no gap, nothing twice, nothing lost."""

import asyncio
import random

import httpx

from tests.conftest import MakeTenant, Running
from tests.ledger.test_interactions import SMALL

WRITERS, WORKSPACES, ROUNDS = 24, 31, 8


async def test_24_writers_over_31_workspaces(app: Running, second: Running, make_tenant: MakeTenant) -> None:
    """Posts, batches, new words and the catalogue's own events, over two servers, each number once."""
    tenants = [await make_tenant() for _ in range(WORKSPACES)]
    taken: dict[str, list[int]] = {tenant.key: [] for tenant in tenants}
    ids: list[str] = []

    async def writer(seed: int) -> None:
        pick = random.Random(seed)
        base = (app, second)[seed % 2].url
        async with httpx.AsyncClient(base_url=base, timeout=60, verify=False) as client:
            for step in range(ROUNDS):
                key = pick.choice(tenants).key
                item = {**SMALL, "resourceId": f"{seed}-{step}", "action": f"A{pick.randrange(6)}"}
                if pick.random() < 0.3:
                    answer = await client.post("/api/interactions/batch", json=[item] * 5, headers={"x-api-key": key})
                    assert answer.status_code == 201, answer.text
                    ids.extend(each["interactionId"] for each in answer.json()["items"])
                    taken[key].extend([0] * 5)
                elif pick.random() < 0.2:
                    word = {"title": "T", "mnemonic": f"W{seed}_{step}"}
                    answer = await client.post("/api/actions", json=word, headers={"x-api-key": key})
                    assert answer.status_code == 201, answer.text
                    taken[key].append(0)
                else:
                    answer = await client.post("/api/interactions", json=item, headers={"x-api-key": key})
                    assert answer.status_code == 201, answer.text
                    taken[key].append(answer.json()["interactionNumber"])
                    ids.append(answer.json()["interactionId"])

    async with asyncio.timeout(90):
        await asyncio.gather(*[writer(seed) for seed in range(WRITERS)])
    assert len(set(ids)) == len(ids)
    async with httpx.AsyncClient(base_url=app.url, timeout=30, verify=False) as client:
        for key, numbers in taken.items():
            answered = [number for number in numbers if number]
            assert len(set(answered)) == len(answered)
            last = await client.post("/api/interactions", json=SMALL, headers={"x-api-key": key})
            assert last.json()["interactionNumber"] == len(numbers) + 1
