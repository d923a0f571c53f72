"""Whom a reader trusts (c2sp.org/tlog-policy): keys of logs, keys of witnesses, and how many of them are enough.

A policy file has a line for each log and witness, groups of witnesses with a threshold, and one quorum:

    log example.com/main+6f1c…+ATkK…
    witness A witness.example+90ab…+BLx2…
    witness B other.example+07e1…+BMw0…
    group both all A B
    quorum both
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from provenance.proof.cosignatures import verify_cosignatures
from provenance.proof.notes import COSIGNATURE_V1, ED25519, MalformedNote, Note, UnverifiedNote, VerifierKey, verify
from provenance.proof.strict import Malformed

NONE: Final = "none"
MAX_BYTES: Final = 1_000_000
_CONTROLS = frozenset(chr(code) for code in (*range(9), *range(11, 32), 127))


class MalformedPolicy(Malformed):
    """A text that is no policy; the message names the line."""


@dataclass(frozen=True)
class Group:
    """Witnesses, or groups of them, of which `needed` have to have cosigned."""

    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """What a reader trusts. `quorum` is the name of a witness or a group, or `none`."""

    logs: tuple[VerifierKey, ...] = ()
    witnesses: Mapping[str, VerifierKey] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    quorum: str = NONE

    @classmethod
    def parse(cls, text: str) -> "Policy":
        """Read a policy file. Raises `MalformedPolicy`, with the line's number."""
        if len(text) > MAX_BYTES:
            raise MalformedPolicy("The policy is longer than a megabyte.")
        reader = _Reader()
        for number, line in enumerate(text.split("\n"), start=1):
            words = line.replace("\t", " ").split(" ")
            words = [word for word in words if word]
            if not words or words[0].startswith("#"):
                continue
            try:
                reader.take(words, line)
            except Malformed as error:
                raise MalformedPolicy(f"Line {number} of the policy: {error}") from None
        return reader.policy()

    def trusting(self, keys: Sequence[VerifierKey]) -> "Policy":
        """Return the policy with further keys of logs."""
        return replace(self, logs=tuple(dict.fromkeys((*self.logs, *keys))))

    def witnessed_by(self, note: Note) -> tuple[str, ...]:
        """The names of the witnesses whose cosignatures stand under a checkpoint and fit.

        Raises `UnverifiedNote` when one does not fit, `MalformedCheckpoint`.
        """
        found = {each.witness for each in verify_cosignatures(note, list(self.witnesses.values()))}
        return tuple(name for name, key in self.witnesses.items() if key in found)

    def is_met(self, witnessed: Sequence[str]) -> bool:
        """Whether these witnesses are a quorum."""
        return self.quorum == NONE or self._has(self.quorum, frozenset(witnessed))

    def _has(self, name: str, witnessed: frozenset[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in witnessed
        return sum(self._has(member, witnessed) for member in group.members) >= group.needed


class _Reader:
    """Takes the lines of a policy one by one; each may only name what stands above it."""

    def __init__(self) -> None:
        self._logs: list[VerifierKey] = []
        self._witnesses: dict[str, VerifierKey] = {}
        self._groups: dict[str, Group] = {}
        self._members: set[str] = set()
        self._quorum: str | None = None

    def take(self, words: Sequence[str], line: str) -> None:
        if any(letter in _CONTROLS for letter in line):
            raise MalformedPolicy("it holds a control character.")
        takers: dict[str, Callable[[Sequence[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._settle,
        }
        taker = takers.get(words[0])
        if taker is None:
            raise MalformedPolicy(f"{words[0]!r} is none of log, witness, group and quorum.")
        taker(words[1:])

    def policy(self) -> Policy:
        if self._quorum is None:
            raise MalformedPolicy("The policy has no line quorum; without witnesses write: quorum none")
        return Policy(tuple(self._logs), self._witnesses, self._groups, self._quorum)

    def _log(self, words: Sequence[str]) -> None:
        if not 1 <= len(words) <= 2:
            raise MalformedPolicy("a log reads: log <key> [<url>]")
        key = VerifierKey.parse(words[0])
        if key.kind != ED25519:
            raise MalformedPolicy("this is a witness's key, not a log's.")
        if any(key.public == other.public for other in self._logs):
            raise MalformedPolicy("the same key is given twice.")
        self._logs.append(key)

    def _witness(self, words: Sequence[str]) -> None:
        if not 2 <= len(words) <= 3:
            raise MalformedPolicy("a witness reads: witness <name> <key> [<url>]")
        key = VerifierKey.parse(words[1])
        if key.kind != COSIGNATURE_V1:
            raise MalformedPolicy("this is a log's key, not a witness's.")
        if any(key.public == other.public for other in self._witnesses.values()):
            raise MalformedPolicy("the same key is given twice.")
        self._witnesses[self._new(words[0])] = key

    def _group(self, words: Sequence[str]) -> None:
        if len(words) < 3:
            raise MalformedPolicy("a group reads: group <name> all|any|<number> <member>…")
        name, threshold, *members = words
        for member in members:
            self._known(member)
            if member in self._members:
                raise MalformedPolicy(f"{member!r} is a member already.")
            self._members.add(member)
        self._groups[self._new(name)] = Group(_needed(threshold, len(members)), tuple(members))

    def _settle(self, words: Sequence[str]) -> None:
        if len(words) != 1 or self._quorum is not None:
            raise MalformedPolicy("there is exactly one line quorum, with one name.")
        if words[0] != NONE:
            self._known(words[0])
        self._quorum = words[0]

    def _new(self, name: str) -> str:
        if name == NONE or name in self._witnesses or name in self._groups:
            raise MalformedPolicy(f"the name {name!r} is taken.")
        return name

    def _known(self, name: str) -> None:
        if name not in self._witnesses and name not in self._groups:
            raise MalformedPolicy(f"nothing above is called {name!r}.")


def _needed(threshold: str, members: int) -> int:
    if threshold in ("all", "any"):
        return members if threshold == "all" else 1
    if not (threshold.isascii() and threshold.isdecimal()) or not 1 <= int(threshold) <= members:
        raise MalformedPolicy(f"of {members} members {threshold!r} can't be needed.")
    return int(threshold)


def succession(named: Sequence[VerifierKey], published: Sequence[tuple[str, int, str | None]]) -> list[VerifierKey]:
    """The keys a reader named, and those that they name in turn.

    `published` are a log's keys, oldest first: verifier key, the size from which it signs, and the note of
    succession signed by the key before. A note that does not fit, or of a key nobody trusts, adds nothing.
    """
    trusted = list(named)
    for text, from_size, note in published:
        try:
            key = VerifierKey.parse(text)
            parsed = None if note is None else Note.parse(note)
            if parsed is None or key in trusted:
                continue
            older = [each for each in trusted if each.name == parsed.text.partition("\n")[0]]
            expected = f"{older[0].name if older else ''}\nsuccessor\n{from_size}\n{key}\n"
            if parsed.text == expected and verify(parsed, older):
                trusted.append(key)
        except (Malformed, MalformedNote, UnverifiedNote):
            continue
    return trusted
