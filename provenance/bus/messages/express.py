"""Publishing one plain message on the express: nothing is waited for but the commit (`provenance.core.express`).

Whatever is not plain (a caller not known yet, an Idempotency-Key, a CloudEvent, a cause to be looked up) goes the
ordinary way, to the declared route, which answers the same.
"""

from collections.abc import Callable, Mapping

from provenance.bus.access import PUBLISH
from provenance.bus.errors import TooManyHops
from provenance.bus.lane import Job
from provenance.bus.messages import reading
from provenance.bus.messages.service import answered
from provenance.bus.routing import Routed
from provenance.bus.running import Bus
from provenance.core.actor import Actor, Role, Scope
from provenance.core.door import Answer, Exchange, ExpressHandler, Settle
from provenance.core.errors import Problem

PATH = b"/bus/messages"
_OTHER_WAY = frozenset((b"idempotency-key", b"ce-specversion"))
_WRITE, _EDITOR = Scope.BUS_WRITE, Role.EDITOR

Remembered = Callable[[Mapping[bytes, bytes]], Actor | None]
"""Who the headers say is calling, if that is known without asking."""


def express_handlers(bus: Bus, remembered: Remembered) -> dict[bytes, ExpressHandler]:
    """Return the handler of publishing, by its path."""

    def publish(exchange: Exchange, settle: Settle) -> bool:
        headers = exchange.headers
        if not _OTHER_WAY.isdisjoint(headers) or b"cloudevents" in headers.get(b"content-type", b""):
            return False
        actor = remembered(headers)
        if actor is None or actor.networks is not None or not _may(actor):
            return False
        exchange.actor = actor
        return _submit(bus, actor, exchange, settle)

    return {PATH: publish}


def _may(actor: Actor) -> bool:
    return actor.may(_WRITE, _EDITOR) or (actor.topics is not None and PUBLISH in actor.scopes)


def _submit(bus: Bus, actor: Actor, exchange: Exchange, settle: Settle) -> bool:
    def routed(outcome: list[Routed] | BaseException) -> None:
        if isinstance(outcome, BaseException):
            settle(outcome)
        else:
            settle(Answer(201, answered(outcome[0])))

    try:
        sent = reading.read_plain(exchange)
        if sent.caused_by is not None:
            return False
        publication = reading.publication(sent, actor, exchange)
        if not bus.allowed.at_hand(actor.workspace_id):
            return False
        bus.submit(Job(actor.workspace_id, [publication], routed, len(publication.payload)))
    except TooManyHops:
        return False
    except Problem as problem:
        settle(problem)
    return True
