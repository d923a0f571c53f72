"""Which event triggers a row of the ledger, or a message of the bus, concerns: found before any condition is asked.

In a pattern ``+`` stands for one segment and a last ``#`` for the rest. Patterns that begin with ``ledger/`` are about
rows, all others about messages. Rows of the platform itself, such as the start of a run, need a pattern that names
their resource type: ``ledger/RUN/+`` has them, ``ledger/#`` and ``ledger/+/COMPLETED`` do not. Words are compared
whatever their case.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from provenance.bus.topics import matches

PREFIX = "ledger"
_ANY = ""


class Words(NamedTuple):
    """A pattern over rows: a resource type and an action in lower case, empty where any will do."""

    resource_type: str
    action: str


def words_of(pattern: str) -> Words | None:
    """Return what rows a pattern is about; None for one that can match no row's topic."""
    first, *rest = pattern.split("/")
    if first != PREFIX or not rest or "#" in rest[:-1]:
        return None
    if rest[-1] == "#":
        rest = [*rest[:-1], "+", "+"][: max(2, len(rest) - 1)]
    if len(rest) != 2 or not all(rest):
        return None
    return Words(*(_ANY if part == "+" else part.lower() for part in rest))


def topic_of(resource_type: str, action: str) -> str:
    """Return the topic of a row."""
    return f"{PREFIX}/{resource_type}/{action}"


class Index:
    """The event triggers of a workspace by the words of their patterns."""

    def __init__(self, triggers: Iterable[Any]) -> None:
        """Take rows of triggers; each has a ``topic_pattern``."""
        self._by_words: dict[Words, list[Any]] = {}
        self._by_first: dict[str, list[Any]] = {}
        for trigger in triggers:
            words, first = words_of(trigger.topic_pattern), trigger.topic_pattern.partition("/")[0]
            if words is not None:
                self._by_words.setdefault(words, []).append(trigger)
            elif first != PREFIX:
                self._by_first.setdefault(first, []).append(trigger)

    def __bool__(self) -> bool:
        """Tell whether any trigger can hear anything."""
        return bool(self._by_words or self._by_first)

    def listening_to(self, topic: str) -> list[Any]:
        """Return the triggers that a message of this topic concerns."""
        found = [self._by_first.get(first, ()) for first in (topic.partition("/")[0], "+", "#")]
        return [trigger for group in found for trigger in group if matches(trigger.topic_pattern, topic)]

    def matching(self, resource_type: str, action: str, *, platform: bool) -> list[Any]:
        """Return the triggers that a row of these words concerns."""
        types = (resource_type.lower(),) if platform else (resource_type.lower(), _ANY)
        found = [self._by_words.get(Words(kind, deed), ()) for kind in types for deed in (action.lower(), _ANY)]
        return [trigger for group in found for trigger in group]
