"""Syslog: RFC 5424 messages with structured data, octet-counted frames over TLS (RFC 5425).

Syslog has no acknowledgement of its own. A batch therefore has a connection of its own, which is closed in order: the
other side confirms the end only after it has read everything before it, and one that died or threw data away resets
the connection instead. That confirmation is taken for the acknowledgement.
"""

import asyncio
import re
import ssl
from functools import lru_cache
from typing import Any

import msgspec

from provenance.audit.schemas import Event
from provenance.core.egress import Egress
from provenance.streams.shapes import Syslog
from provenance.streams.targets.contract import Batch, NotDelivered, Receipt

SECONDS = 30.0
CLOSING_SECONDS = 20.0
SEVERITIES = {"low": 6, "medium": 5, "high": 4, "critical": 2}
"""Informational, notice, warning, critical (RFC 5424, 6.2.1)."""
_PARAMETERS = {
    "eventId": "event_id",
    "domain": "domain",
    "risk": "risk",
    "outcome": "outcome",
    "actorId": "actor_id",
    "actorKind": "actor_kind",
    "objectKind": "object_kind",
    "objectId": "object_id",
    "requestId": "request_id",
    "mac": "mac",
}
_ESCAPED = re.compile(r'(["\\\]])')


class SyslogTarget:
    """One receiver."""

    def __init__(self, shape: Syslog, egress: Egress) -> None:
        """Take what was configured, and the way out."""
        self._shape = shape
        self._egress = egress
        self._tls = None if shape.plaintext else _context(shape.ca_certificate)

    async def deliver(self, batch: Batch) -> Receipt:
        """Send a batch over a connection of its own, and wait until its end is confirmed."""
        shape = self._shape
        frames = b"".join(framed(message(each, batch.workspace, shape)) for each in batch.events)
        reader, writer = await self._egress.connect(
            shape.host, shape.port, tls=self._tls, seconds=SECONDS, closing=CLOSING_SECONDS
        )
        try:
            async with asyncio.timeout(SECONDS):
                writer.write(frames)
                await writer.drain()
                if self._tls is None:
                    writer.write_eof()
                    while await reader.read(65_536):
                        pass
                writer.close()
                await writer.wait_closed()
        except TimeoutError:
            raise NotDelivered("The receiver did not confirm the end of the connection.") from None
        except OSError:
            raise NotDelivered("The receiver broke the connection off.") from None
        finally:
            writer.transport.abort()
        return Receipt("The receiver read everything and closed the connection in order.")


def framed(written: bytes) -> bytes:
    """Return a message with its length in front (RFC 5425, 4.3)."""
    return b"%d %s" % (len(written), written)


def message(event: Event, workspace: str, shape: Syslog) -> bytes:
    """Write an event as an RFC 5424 message; its text is the event's JSON in ASCII.

    One longer than ``max_bytes`` goes without its details, and says so.
    """
    priority = shape.facility * 8 + SEVERITIES.get(event.risk or "low", 6)
    head = f"<{priority}>1 {event.at} {shape.hostname} {shape.app_name} - {_msgid(event.event_type)} "
    start = (head + _structured(event, workspace, shape.enterprise_id) + " ").encode()
    body: dict[str, Any] = event.model_dump(by_alias=True, mode="json")
    text = _ascii(body)
    if len(start) + len(text) > shape.max_bytes:
        text = _ascii({**body, "changes": [], "detail": {}, "userAgent": None, "truncated": True})
    return start + text


def _structured(event: Event, workspace: str, enterprise_id: int) -> str:
    values = {name: getattr(event, field) for name, field in _PARAMETERS.items()}
    parameters = {"seq": event.seq, "workspace": workspace, **values}
    written = (f'{name}="{_escaped(str(value))}"' for name, value in parameters.items() if value is not None)
    return f"[provenance@{enterprise_id} {' '.join(written)}]"


def _escaped(value: str) -> str:
    """Escape what ends a value, and drop control characters: some receivers take a line feed for an end."""
    return _ESCAPED.sub(r"\\\1", "".join(letter for letter in value if letter.isprintable()))[:1024]


def _msgid(event_type: str) -> str:
    return "".join(letter for letter in event_type if "!" <= letter <= "~")[:32] or "-"


def _ascii(value: Any) -> bytes:
    text = msgspec.json.encode(value).decode()
    return "".join(letter if letter < "\x7f" else _code_units(letter) for letter in text).encode()


def _code_units(letter: str) -> str:
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))


@lru_cache(maxsize=64)
def _context(ca_certificate: str | None) -> ssl.SSLContext:
    """Return TLS settings: 1.2 or newer, the certificate checked against a CA of its own or the system's."""
    context = ssl.create_default_context(cadata=ca_certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
