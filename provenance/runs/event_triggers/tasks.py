"""What the worker does for event triggers: it listens to the ledger with what it needs to start runs."""

import asyncio

from provenance.engine.running import Engine
from provenance.expressions import Evaluator
from provenance.ledger.feed import Feed
from provenance.ledger.service import Ledger
from provenance.runs.event_triggers.listening import Listener
from provenance.runs.library import Library
from provenance.runs.shelf import WorkflowShelf
from provenance.runs.triggering import Tools


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Listen until ``stop`` is set. Several workers share the rows: a cursor is in one's hand at a time."""
    engine, evaluator = Engine(ledger), Evaluator()
    engine.start()
    listener = Listener(Tools(engine, Library(WorkflowShelf(ledger))), evaluator)
    try:
        await Feed(ledger.db, ledger.catalogues, ledger.hints, listener.handlers()).run(stop)
    finally:
        await evaluator.close()
        await engine.stop()
