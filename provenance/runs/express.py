"""Starting a run on the express: nothing is waited for but the commit (`provenance.core.express`).

It takes what `provenance.runs.hot` takes, from callers that are known, of workflows that were started a moment ago.
Whatever else comes, and whatever is refused, goes the ordinary way and is answered there.
"""

from collections.abc import Callable, Mapping

from provenance.core.actor import Actor
from provenance.core.clock import iso_millis
from provenance.core.door import Answer, Exchange, ExpressHandler, Settle
from provenance.core.errors import Problem
from provenance.engine.schemas import ENDED, Checkpoint, NewRun
from provenance.runs import rendering, service
from provenance.runs.events import wire_id, workflow_wire_id
from provenance.runs.hot import WRITE, Asked, asked_in, origin_of
from provenance.runs.runtime import Runs
from provenance.runs.starting import Prepared, prepared

Remembered = Callable[[Mapping[bytes, bytes]], Actor | None]
"""Who the headers say is calling, if that is known without asking."""


def express_handlers(runs: Runs, remembered: Remembered) -> dict[bytes, ExpressHandler]:
    """Return the handler of starts, by its path."""

    def create(exchange: Exchange, settle: Settle) -> bool:
        actor = remembered(exchange.headers)
        if actor is None or actor.networks is not None or not actor.may(WRITE.scope, WRITE.role):
            return False
        asked = asked_in(exchange)
        begun = None if asked is None else _prepared(runs, actor, asked, exchange)
        if asked is None or begun is None:
            return False
        exchange.actor = actor
        runs.beginner.begin_soon(begun, _teller(runs, begun, asked.wait, settle))
        return True

    return {b"/runs": create}


def _prepared(runs: Runs, actor: Actor, asked: Asked, exchange: Exchange) -> Prepared | None:
    """Return the run that is to begin; None for one that the ordinary way is to look at, or to refuse."""
    try:
        start = service.start_of(actor, asked.workflow_id, asked)
        found = runs.library.at_hand(start.workspace_id, start.workflow_id)
        return None if found is None else prepared(start, *found, origin_of(exchange))
    except Problem:
        return None


def _teller(runs: Runs, begun: Prepared, wait: float, settle: Settle) -> Callable[[Checkpoint | BaseException], None]:
    def told(outcome: Checkpoint | BaseException) -> None:
        if isinstance(outcome, BaseException):
            settle(outcome)
        elif not wait:
            settle(Answer(201, written(begun.new, rendering.status_of(begun.new))))
        elif outcome.status in ENDED:
            settle(Answer(201, written(begun.new, outcome.status, outcome)))
        else:
            runs.beginner.aside(_answer_later(runs, begun, wait, settle))

    return told


async def _answer_later(runs: Runs, begun: Prepared, wait: float, settle: Settle) -> None:
    """Answer when a run has ended that others carry on, or when the caller's time is over."""
    try:
        started = await service.started(runs, begun, None, wait)
    except Exception as error:
        settle(error)
    else:
        settle(Answer(201, started.model_dump_json(by_alias=True, exclude_none=True).encode()))


def written(new: NewRun, status: str, end: Checkpoint | None = None) -> bytes:
    """Return the answer to a start as `rendering.begun` has it, written by a faster hand."""
    if end is not None and end.error is not None:
        return rendering.begun(new, status, end).model_dump_json(by_alias=True, exclude_none=True).encode()
    text = (
        f'{{"runId":"{wire_id(new.id)}","workflowId":"{workflow_wire_id(new.workflow_id)}",'
        f'"status":"{status}","startedAt":"{iso_millis(new.started_at)}"'
    )
    if end is not None and end.ended_at is not None:
        spent = (end.ended_at - new.started_at) // 1_000_000
        text += f',"completedAt":"{iso_millis(end.ended_at)}","durationMs":{spent}'
    if end is not None and end.output not in (None, "null"):
        text += f',"output":{end.output}'
    return (text + "}").encode()
