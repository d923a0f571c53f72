"""What the worker does for subscriptions that send to workflows: it starts the runs of their messages."""

import asyncio

from provenance.bus.deliveries.looping import deliver
from provenance.engine.running import Engine
from provenance.expressions import Evaluator
from provenance.ledger.service import Ledger
from provenance.runs.library import Library
from provenance.runs.message_targets.starting import Starter
from provenance.runs.shelf import WorkflowShelf
from provenance.runs.triggering import Tools


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Start runs until ``stop`` is set. Several workers share the work."""
    engine, evaluator = Engine(ledger), Evaluator()
    engine.start()
    starter = Starter(ledger, Tools(engine, Library(WorkflowShelf(ledger))), evaluator)
    try:
        await deliver(ledger, "workflow", starter, stop)
    finally:
        await evaluator.close()
        await engine.stop()
