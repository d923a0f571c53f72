"""What this process found to hold more rows than are ever counted, so that it need not be counted again soon.

Rows are never deleted, so what held too many a moment ago still does. Only an erasure can take some out of a filter's
reach; that is why it is asked anew after a minute.
"""

import time
import uuid
from collections import OrderedDict
from collections.abc import Hashable

KNOWN_SECONDS = 60.0
REMEMBERED = 10_000


class Plenty:
    """The sets of rows that are known to be large, the one asked for longest ago forgotten first."""

    def __init__(self) -> None:
        """Know nothing."""
        self._until: OrderedDict[tuple[uuid.UUID, int, Hashable], float] = OrderedDict()

    def holds(self, workspace_id: uuid.UUID, what: Hashable, rows: int) -> bool:
        """Tell whether ``what`` is known to be of at least so many rows."""
        key = (workspace_id, rows, what)
        until = self._until.get(key)
        if until is None:
            return False
        if until < time.monotonic():
            del self._until[key]
            return False
        self._until.move_to_end(key)
        return True

    def note(self, workspace_id: uuid.UUID, what: Hashable, rows: int) -> None:
        """Remember that ``what`` is of at least so many rows."""
        self._until[workspace_id, rows, what] = time.monotonic() + KNOWN_SECONDS
        if len(self._until) > REMEMBERED:
            self._until.popitem(last=False)
