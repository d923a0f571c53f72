"""Secrets are taken out of texts that are about to be written down: log lines, tracebacks, errors of other systems.

The second line of defence: nobody logs a secret on purpose. What is known by its shape (our keys, tokens, passwords
in addresses) or by the name before it (``password=…``) reads ``***``; a random text without either can't be told from
an id. Over-masking is the lesser evil: a word too much is lost to whoever reads the log, never a secret.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

MASK = "***"
_DEPTH = 6
_NAMES = (
    r"password|passphrase|passwd|passcode|pwd|secret|token|api[_-]?key|authorization|credentials?|cookie|"
    r"private[_-]?key|signing[_-]?key|otp|recovery[_-]?codes?|dsn"
)
_NAMED = re.compile(rf"(?:{_NAMES})$", re.IGNORECASE)
_QUOTED = r"""
    "(?:[^"\\]|\\.)*"                       # as JSON has it
  | \\+"(?:[^"\\]|\\[^"])*\\+"              # JSON inside JSON
  | '(?:[^'\\]|\\.)*'                       # as Python shows it
  | \[[^\]]{0,2000}\]
  | (?:(?:Bearer|Basic)\s{1,4})?[^\s"'\\,;&)}\]]+
"""
_SECRETS = re.compile(
    rf"""
      (?P<key>pv_[A-Za-z0-9]+_)[A-Za-z0-9_-]{{8,}}
    | (?<![A-Za-z0-9])(?P<own>pv[a-z]_)[A-Za-z0-9_-]{{16,}}
    | (?<![A-Za-z0-9_-])(?P<jwt>eyJ)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*
    | (?<![A-Za-z0-9])(?P<known>whsec_|sk-|xox[abprs]-|gh[pousr]_|github_pat_)[A-Za-z0-9+/=_-]{{8,}}
    | (?P<scheme>\b(?:Bearer|Basic)\s{{1,4}})[A-Za-z0-9._~+/=-]{{8,}}
    | (?P<user>[a-z0-9+]://[^\s/:@"']*:)[^\s/@"']+(?:@[^\s/@"']+)*(?=@)
    | (?P<pem>-----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----)[^-]*
    | (?P<name>(?:{_NAMES})s?\\*["']?\s{{0,4}}(?:=>|[:=])\s{{0,4}})(?:{_QUOTED})
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_HINTS = re.compile(rf"pv[a-z]?_|eyJ|whsec_|sk-|xox|gh[pousr]_|_pat_|Bearer|Basic|://|PRIVATE|{_NAMES}", re.IGNORECASE)


def mask(text: str) -> str:
    """Return a text with ``***`` where a secret stood; the text itself when there is none."""
    if _HINTS.search(text) is None:
        return text
    return _SECRETS.sub(lambda found: found[found.lastgroup or 0] + MASK, text)


def masked(value: Any, name: str = "", depth: int = _DEPTH) -> Any:
    """Return a value of a log line without secrets: under a name that tells of one, whole; else text by text."""
    if name and value is not None and not isinstance(value, bool) and _NAMED.search(name):
        return MASK
    if isinstance(value, str):
        return mask(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == 0:
        return MASK
    if isinstance(value, Mapping):
        return {key: masked(each, str(key), depth - 1) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(each, "", depth - 1) for each in value]
    if isinstance(value, bytes):
        return mask(value.decode("latin-1"))
    return mask(str(value))


def mask_secrets(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask every value of a log line; the last of structlog's processors before the one that writes."""
    for name, value in event.items():
        event[name] = masked(value, name)
    return event
