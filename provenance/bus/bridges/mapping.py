"""Subjects of NATS and topics of the bus, and templates that make one of the other.

Both are parts with a separator, ``orders.eu.created`` and ``orders/eu/created``. In a template ``{2}`` stands for the
second part and ``{2..}`` for that and all that follow, so that ``{1..}`` keeps everything.
"""

import re

from provenance.bus.bridges.errors import NotMappable
from provenance.bus.topics import TOPIC_RULE, is_topic

SUBJECT_BYTES = 256
WHOLE = "{1..}"
_PLACE = re.compile(r"\{(\d{1,2})(\.\.)?\}")
_PRINTABLE = re.compile(r"[!-~]+")

SUBJECT_RULE = "must be tokens joined by dots, without blanks or wildcards, and not begin with $ or _INBOX"
FILTER_RULE = "must be a subject in which * stands for one token and a last > for the rest"
TEMPLATE_RULE = "may hold {1}, {2} … for a part and {2..} for a part and all that follow"


def is_subject(text: str) -> bool:
    """Tell whether a text is a subject that messages may be published to; those of the servers themselves are none."""
    if not text or len(text) > SUBJECT_BYTES or text.startswith(("$", "_INBOX")):
        return False
    return all(_is_plain(part) for part in text.split("."))


def is_subject_filter(text: str) -> bool:
    """Tell whether a text is a pattern over subjects."""
    parts = text.split(".")
    if len(text) > SUBJECT_BYTES or text.startswith("$"):
        return False
    return all(part == "*" or _is_plain(part) for part in (parts[:-1] if parts[-1] == ">" else parts))


def subject_of(template: str, topic: str) -> str:
    """Return the subject that a topic becomes. Raises NotMappable."""
    made = _filled(template, topic.split("/"), ".")
    if not is_subject(made):
        raise NotMappable(f"The subject {made[:SUBJECT_BYTES]} {SUBJECT_RULE}.")
    return made


def topic_of(template: str, subject: str) -> str:
    """Return the topic that a subject becomes. Raises NotMappable."""
    made = _filled(template, subject.split("."), "/")
    if not is_topic(made):
        raise NotMappable(f"The topic {made[:SUBJECT_BYTES]} {TOPIC_RULE}.")
    return made


def is_topic_template(text: str) -> bool:
    """Tell whether a template can make topics."""
    return is_topic(_PLACE.sub("x", text))


def is_subject_template(text: str) -> bool:
    """Tell whether a template can make subjects."""
    return is_subject(_PLACE.sub("x", text)) and "{" not in _PLACE.sub("", text)


def _is_plain(part: str) -> bool:
    """Tell whether a part of a subject stands for itself."""
    return _PRINTABLE.fullmatch(part) is not None and not set(part) & {"*", ">"}


def _filled(template: str, parts: list[str], separator: str) -> str:
    def part(place: re.Match[str]) -> str:
        number = int(place.group(1))
        if not 1 <= number <= len(parts):
            raise NotMappable(f"{separator.join(parts)[:SUBJECT_BYTES]} has no part {number}.")
        return separator.join(parts[number - 1 :]) if place.group(2) else parts[number - 1]

    return _PLACE.sub(part, template)
