"""What goes over a live connection (spec/automation.md, 10)."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

MOST_CHANNELS = 64
"""Channels of one connection."""
MESSAGE_BYTES = 256 * 1024
"""Size beyond which frames go out in several messages: clients refuse those over a mebibyte, as they come."""


class ClientMessage(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A message from a client. ``filter`` and ``sample`` belong to the channel interactions."""

    action: Literal["subscribe", "unsubscribe", "resume", "ping", "auth"]
    id: str | int | None = None
    channels: Annotated[list[str], msgspec.Meta(max_length=MOST_CHANNELS)] | None = None
    token: str | None = None
    last_seq: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] | None = None
    filter: Annotated[str, msgspec.Meta(max_length=16_384)] | None = None
    sample: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None


class Frame(NamedTuple):
    """One frame as it goes out; ``seq`` is the interaction's number, None for what is not in the ledger."""

    seq: int | None
    type: str
    text: bytes


class Message(NamedTuple):
    """What goes out at once, as its connection takes it (a WebSocket's is text), and the number of its last frame.

    The number is 0 where no frame has one.
    """

    text: bytes | str
    seq: int


class Summary(NamedTuple):
    """What a channel says of a row: the frame's type, and its ``data`` as JSON."""

    type: str
    data: bytes


def control(kind: str, **members: Any) -> Frame:
    """Make a frame that is about the connection: ack, error, position, reset."""
    return Frame(None, kind, msgspec.json.encode({"type": kind, **members}))


def parted(frames: list[Frame]) -> Iterator[list[Frame]]:
    """Cut frames into messages that any client takes; the frames of one row stay together."""
    part: list[Frame] = []
    size = 0
    for frame in frames:
        if part and size + len(frame.text) > MESSAGE_BYTES and frame.seq != part[-1].seq:
            yield part
            part, size = [], 0
        part.append(frame)
        size += len(frame.text)
    if part:
        yield part


def joined(frames: list[Frame]) -> bytes:
    """Write frames as one WebSocket message: a single one as itself, several as an array."""
    if len(frames) == 1:
        return frames[0].text
    return b"[" + b",".join([frame.text for frame in frames]) + b"]"


def as_events(frames: list[Frame]) -> bytes:
    """Write frames as server-sent events.

    Only the last frame of a row carries its number as the id, so that who is cut off in between gets all of them again.
    """
    parts = []
    for at, frame in enumerate(frames):
        last = at + 1 == len(frames) or frames[at + 1].seq != frame.seq
        number = b"id: %d\n" % frame.seq if frame.seq is not None and last else b""
        parts.append(b"%bevent: %b\ndata: %b\n\n" % (number, frame.type.encode(), frame.text))
    return b"".join(parts)
