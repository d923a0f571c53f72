"""The hot dispatch: the busiest posts, taken before the framework (DESIGN decision 4).

Each handler admits the caller through the door's own function and calls the same service as the declared route.
"""

from collections.abc import Awaitable, Callable, Mapping

from provenance.core.actor import Actor, Role, Scope
from provenance.core.door import Access, Answer, Authenticate, Exchange, ExpressHandler, HotHandler, Settle, admit
from provenance.ledger.interactions import batch, service
from provenance.ledger.queue import service as queue
from provenance.ledger.service import Ledger

WRITE = Access(Scope.INTERACTIONS_WRITE, Role.EDITOR)


def handlers(ledger: Ledger, authenticate: Authenticate) -> dict[tuple[str, str], HotHandler]:
    """Return the hot handlers by method and path."""

    def admitted(verb: Callable[[Ledger, Exchange], Awaitable[Answer]]) -> HotHandler:
        async def handle(exchange: Exchange) -> Answer:
            await admit(exchange, WRITE, authenticate)
            return await verb(ledger, exchange)

        return handle

    async def push(exchange: Exchange) -> Answer:
        return await queue.push(ledger, exchange)

    return {
        ("POST", "/api/interactions"): admitted(service.create),
        ("POST", "/api/interactions/batch"): admitted(batch.create_batch),
        ("POST", queue.PUSH_PATH): push,
    }


Remembered = Callable[[Mapping[bytes, bytes]], Actor | None]
"""Who the headers say is calling, if that is known without asking."""


def express_handlers(ledger: Ledger, remembered: Remembered) -> dict[bytes, ExpressHandler]:
    """Return the handlers of the posts that may be taken without waiting, by path."""

    def create(exchange: Exchange, settle: Settle) -> bool:
        actor = remembered(exchange.headers)
        if actor is None or actor.networks is not None or not actor.may(WRITE.scope, WRITE.role):
            return False
        exchange.actor = actor
        return service.submit_soon(ledger, exchange, settle)

    return {b"/api/interactions": create}
