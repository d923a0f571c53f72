"""The hot dispatch of starts: `POST /runs` taken before the framework (DESIGN decision 4).

It takes what is plain, by the same service as the declared route. Whatever is not, it leaves to that route: a repeat
by `Idempotency-Key`, a body that does not fit, whose fault the route tells.
"""

from typing import Annotated, Any

import msgspec

from provenance.core.actor import Role, Scope
from provenance.core.db import Database
from provenance.core.door import Access, Answer, Authenticate, Exchange, HotHandler, admit
from provenance.core.incoming import ORIGIN, USER_AGENT_KEPT, Origin
from provenance.core.routing import is_json
from provenance.proof.canonical import BadJson
from provenance.proof.canonical import admit as admit_json
from provenance.runs import service
from provenance.runs.runtime import Runs

WRITE = Access(Scope.RUNS_WRITE, Role.EDITOR)


class Asked(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The body of `schemas.RunCreate`, read by a faster hand."""

    workflow_id: Annotated[str, msgspec.Meta(max_length=64)]
    input: Any = None
    wait: Annotated[int, msgspec.Meta(ge=0, le=30)] = 0
    priority: Annotated[int, msgspec.Meta(ge=-100, le=100)] = 0
    correlation_id: Annotated[str, msgspec.Meta(max_length=200)] | None = None


_DECODER = msgspec.json.Decoder(Asked)


def handlers(db: Database, runs: Runs, authenticate: Authenticate) -> dict[tuple[str, str], HotHandler]:
    """Return the hot handler by method and path."""

    async def create(exchange: Exchange) -> Answer | None:
        actor = await admit(exchange, WRITE, authenticate)
        asked = asked_in(exchange)
        if asked is None:
            return None
        ORIGIN.set(origin_of(exchange))
        started = await service.start(db, runs, actor, asked.workflow_id, asked)
        return Answer(201, started.model_dump_json(by_alias=True, exclude_none=True).encode())

    return {("POST", "/runs"): create}


def origin_of(exchange: Exchange) -> Origin:
    """Return where a request comes from, as its entries keep it."""
    agent = exchange.header(b"user-agent")
    return Origin(exchange.client_ip, agent and agent[:USER_AGENT_KEPT], exchange.request_id)


def asked_in(exchange: Exchange) -> Asked | None:
    """Return what a plain request asks for; None for one that is the route's."""
    if b"idempotency-key" in exchange.headers or not is_json(exchange.header(b"content-type")):
        return None
    try:
        return _DECODER.decode(admit_json(exchange.body))
    except (BadJson, msgspec.DecodeError):
        return None
