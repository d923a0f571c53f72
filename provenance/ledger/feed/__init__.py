"""The event feed: committed rows are handed to handlers by number, each handler with a kept cursor.

The number is gap-free and becomes visible in order (DESIGN decision 2), so it is the only cursor: who has
seen number n has seen every row before it. `handlers` is how a feature listens (``@on``, ``@on_batch``),
`handing` hands one chunk in one transaction, `running` is the worker's side of it, `hints` hears of new rows.
Owns the table ``feed_cursors``.
"""

from provenance.ledger.feed.handlers import Body, Handler, Handlers, Row, on, on_batch, registered
from provenance.ledger.feed.running import Feed

__all__ = ["Body", "Feed", "Handler", "Handlers", "Row", "on", "on_batch", "registered"]
