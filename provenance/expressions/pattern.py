"""How heavy a regular expression is.

The engine (RE2) is linear in the text, but the factor is the size of the compiled pattern, and `(a?){1000}`
holds a core for five seconds on 256 KB. The weight is about that size, counted without compiling.
"""

import re

_ATOM = re.compile(r"\\[pP](?:\{\^?\w*\}|\w)|\\x\{\w*\}|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|.", re.DOTALL)
_REPEAT = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_CLASS_WEIGHT = 20
"""A class of Unicode letters compiles to hundreds of byte ranges."""


def weight(pattern: str) -> int:
    """The number of atoms of a pattern with all counted repetitions written out."""
    groups: list[int] = [0]
    last, at = 0, 0
    while at < len(pattern):
        if repeat := _REPEAT.match(pattern, at):
            times = max(int(repeat[1]), int(repeat[2] or 0))
            groups[-1] += last * max(times - 1, 0)
            last, at = last * max(times, 1), repeat.end()
            continue
        atom = _ATOM.match(pattern, at)
        assert atom is not None
        at = atom.end()
        if atom[0] == "(":
            groups.append(0)
        elif atom[0] == ")" and len(groups) > 1:
            last = groups.pop() + 1
            groups[-1] += last
        elif atom[0] not in "*+?":
            last = _CLASS_WEIGHT if re.search(r"\\[pP]", atom[0]) else 1
            groups[-1] += last
    return sum(groups)
