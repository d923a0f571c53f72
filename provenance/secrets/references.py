"""References to secrets in settings of other features: ``{{secrets.NAME}}`` within a text, never within an expression.

Only the feature that sends a value somewhere fills references in, at the last moment; what it stores and shows is the
reference.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from provenance.secrets.errors import BadReference
from provenance.secrets.schemas import NAME_PATTERN

_REFERENCE = re.compile(r"\{\{\s*secrets\.([^{}]*?)\s*\}\}")
_NAME = re.compile(NAME_PATTERN)


def names_in(value: Any) -> list[str]:
    """Return the names of the secrets that a JSON value refers to, sorted. Raises BadReference."""
    return sorted(set(_names(value)))


def filled(value: Any, text_of: Callable[[str], str]) -> Any:
    """Return a JSON value with each reference replaced by what ``text_of`` gives for its name."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: text_of(found[1]), value)
    if isinstance(value, list):
        return [filled(each, text_of) for each in value]
    if isinstance(value, dict):
        return {name: filled(each, text_of) for name, each in value.items()}
    return value


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        for found in _REFERENCE.finditer(value):
            if not _NAME.match(found[1]):
                raise BadReference("A reference to a secret is written {{secrets.NAME}}, with the name of one.")
            yield found[1]
    elif isinstance(value, list):
        for each in value:
            yield from _names(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _names(each)
