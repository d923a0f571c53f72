"""A step that is run once for each item: which item is next, and what they gave (spec/automation.md, 6.1)."""

from typing import Any

from provenance.runs.activity import Activity
from provenance.runs.interpreting import Failed
from provenance.workflows.plan import ForEach


class Loop:
    """The items of one forEach while its run is in memory. Items are counted from 1, as in their rows."""

    def __init__(self, whole: Activity, each: ForEach, items: list[Any]) -> None:
        """Take the activity that stands for the step as a whole, and its items."""
        self.whole = whole
        self._each = each
        self._items = items
        self._given: dict[int, Any] = {}
        self._next = 1
        self._under_way = 0
        self.failure: dict[str, Any] | None = None

    def further(self, number: int) -> dict[str, Any]:
        """Return what an item has in scope: itself, and its place from 0."""
        return {self._each.name: self._items[number - 1], f"{self._each.name}_index": number - 1}

    def take(self) -> int | None:
        """Return the next item that may begin now; None when none may."""
        if self.failure is not None or self._next > len(self._items) or self._under_way >= self._each.concurrency:
            return None
        self._next += 1
        self._under_way += 1
        return self._next - 1

    def give(self, number: int, output: Any) -> None:
        """Note what an item gave."""
        self._under_way -= 1
        self._given[number] = output

    def miss(self, number: int, error: dict[str, Any]) -> None:
        """Note that an item failed: the whole step does, unless failures are collected."""
        self._under_way -= 1
        if self._each.on_item_error == "collect":
            self._given[number] = {"error": error}
        elif self.failure is None:
            self.failure = {**error, "item": number - 1}

    @property
    def outputs(self) -> list[Any] | None:
        """What all items gave, in their order; None while some are missing."""
        if len(self._given) < len(self._items):
            return None
        return [self._given[number] for number in range(1, len(self._items) + 1)]


def items_of(each: ForEach, items: Any) -> list[Any] | Failed:
    """Return the items as a list within bounds, or why they are none."""
    if not isinstance(items, list):
        return Failed("not_a_list", "forEach.items gives no list.")
    if len(items) > each.max_items:
        return Failed("too_many_items", f"forEach has {len(items)} items; at most {each.max_items} are allowed.")
    return items
