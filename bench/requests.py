"""The requests that are sent, made beforehand: what a service would record, with a skew as in real life.

A template holds two places, written anew for each send: the span (so that no request repeats another) and the unit
of work (five requests share one). Filling them in costs half a microsecond.
"""

import json
import random
import secrets
from collections.abc import Sequence
from typing import Any

RESOURCES, USERS, TEMPLATES = 5_000, 500, 512
ACTIONS = ("CREATE", "UPDATE", "UPDATE", "UPDATE", "DELETE", "LOGIN", "SYNC", "READ")
TYPES = ("USER", "ORDER", "ORDER", "DEPLOYMENT", "INVOICE")
ORIGINS = ("WEBAPP", "CLI", "GITHUB_ACTIONS")
_SPAN = "%012x"


def event(chance: random.Random) -> dict[str, Any]:
    """Make one interaction: the seed's example with a handful of fields (about 150 bytes of content)."""
    kind, number = chance.choice(TYPES), int(chance.paretovariate(0.8)) % RESOURCES
    return {
        "resourceId": f"{kind.lower()}-{number}",
        "resourceType": kind,
        "action": chance.choice(ACTIONS),
        "origin": chance.choice(ORIGINS),
        "userId": f"user-{int(chance.paretovariate(1.0)) % USERS}",
        "interaction": {
            "email": f"user{number}@example.com",
            "plan": chance.choice(("starter", "team", "enterprise")),
            "amount": chance.randrange(100_000) / 100,
            "tags": ["a", "b"],
        },
    }


def singles(keys: Sequence[str], seed: int = 1) -> list[bytes]:
    """Return templates of single posts, taking the API keys in turn."""
    chance = random.Random(seed)
    base = f"{secrets.token_hex(4)}-{seed:04x}-4000-8000-"  # anew for each run: a span that was seen is a repeat
    made = []
    for at in range(max(TEMPLATES, len(keys))):
        body = json.dumps(event(chance), separators=(",", ":"))
        head = (
            f"POST /api/interactions HTTP/1.1\r\nhost: localhost\r\nx-api-key: {keys[at % len(keys)]}\r\n"
            "user-agent: provenance-bench\r\ncontent-type: application/json\r\n"
            f"x-span-id: {base}{_SPAN}\r\nx-uowid: {base}{_SPAN}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        made.append((head + body.replace("%", "%%")).encode())
    return made


def batches(key: str, size: int, count: int = 4, seed: int = 2, query: str = "") -> list[bytes]:
    """Return templates of batches; ``@@@@@@@@`` stands for the number of the batch in every span and unit."""
    chance = random.Random(seed)
    base = f"{secrets.token_hex(4)}-{seed:04x}-4000-8000-"  # anew for each run: a span that was seen is a repeat
    made = []
    for _ in range(count):
        items = [
            event(chance) | {"spanId": f"{base}@@@@@@@@{at:04x}", "uowId": f"{base}@@@@@@@@{at // 5:04x}"}
            for at in range(size)
        ]
        body = json.dumps({"items": items}, separators=(",", ":"))
        head = (
            f"POST /api/interactions/batch{query} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        made.append((head + body).encode())
    return made


def reads(key: str, paths: Sequence[str]) -> list[bytes]:
    """Return GET requests."""
    return [f"GET {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\n\r\n".encode() for path in paths]


def posts(key: str, path: str, bodies: Sequence[object]) -> list[bytes]:
    """Return POST requests of these bodies, sent as they are."""
    made = []
    for body in bodies:
        text = json.dumps(body, separators=(",", ":"))
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n"
        made.append(f"{head}content-length: {len(text)}\r\n\r\n{text}".encode())
    return made
