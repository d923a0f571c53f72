"""How guesses are slowed: pure arithmetic, so that its promises can be tested without a clock."""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from provenance.core.clock import NANOS


class Kind(StrEnum):
    """What is guessed at, or from where."""

    ACCOUNT = "account"
    ADDRESS = "address"
    MAIL = "mail"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Policy:
    """So many guesses are free; each one after doubles the wait, up to a ceiling; after a quiet time all is forgotten.

    Seconds throughout.
    """

    free: int
    ceiling: int
    forgotten_after: int

    def delay(self, failures: int) -> int:
        """Return the seconds to wait after so many failures, 0 while they are free."""
        beyond = failures - self.free
        return 0 if beyond < 0 else min(2 ** min(beyond, 30), self.ceiling)


POLICIES = {
    Kind.ACCOUNT: Policy(free=5, ceiling=900, forgotten_after=86_400),
    Kind.ADDRESS: Policy(free=30, ceiling=300, forgotten_after=3_600),
    Kind.MAIL: Policy(free=3, ceiling=3_600, forgotten_after=86_400),
    Kind.CODE: Policy(free=5, ceiling=900, forgotten_after=3_600),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a guess counts against. ``name`` is an address or an id; only its MAC is stored."""

    kind: Kind
    name: bytes


@dataclass(frozen=True, slots=True)
class Count:
    """What is known of a subject: failures so far, the time of the last one, and until when none is heard (ns)."""

    failures: int = 0
    last_at: int = 0
    blocked_until: int = 0

    def blocked_for(self, now: int) -> int:
        """Return the whole seconds until the next guess is heard, 0 when it is heard now."""
        return max(0, -(-(self.blocked_until - now) // NANOS))

    def guessed(self, policy: Policy, now: int) -> "Count":
        """Count one more guess, as a failure until it proves right."""
        forgotten = now - self.last_at > policy.forgotten_after * NANOS
        failures = 1 if forgotten else self.failures + 1
        return Count(failures, now, now + policy.delay(failures) * NANOS)


def account(email: bytes) -> Subject:
    """Return the subject of guesses at an account, whether it exists or not."""
    return Subject(Kind.ACCOUNT, email)


def mailbox(email: bytes) -> Subject:
    """Return the subject of mails asked for to an address."""
    return Subject(Kind.MAIL, email)


def client(address: str | None) -> Subject:
    """Return the subject of guesses from a client's address; of IPv6 the network that one customer holds."""
    return Subject(Kind.ADDRESS, network(address).encode())


def codes_of(person_id: uuid.UUID) -> Subject:
    """Return the subject of a signed-in person's guesses at codes."""
    return Subject(Kind.CODE, person_id.bytes)


def network(address: str | None) -> str:
    """Return an IPv4 address as it is, of an IPv6 address its first 64 bits; ``unknown`` for what is neither."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return "unknown"
    return str(found) if found.version == 4 else str(ip_address(int(found) >> 64 << 64))
