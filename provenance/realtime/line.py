"""One live connection, whatever carries it: its channels, what it catches up with, and what goes out.

Each subscription is either live (its rows come with the stream's ticks) or behind (a task reads for it, as fast as
the client takes what is read). Subscriptions asked for together catch up together, in the order of numbers.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from provenance.core.actor import Actor
from provenance.core.errors import Problem, Unavailable
from provenance.core.ids import decode
from provenance.ledger.catalogue.cache import Catalogue
from provenance.realtime.channels import Channel, channel
from provenance.realtime.errors import BadFilter, TooManyChannels
from provenance.realtime.filtering import Filter, parse
from provenance.realtime.outbox import Outbox, Write
from provenance.realtime.schemas import MOST_CHANNELS, Frame, Message, control
from provenance.realtime.selecting import Selected, Selector
from provenance.realtime.stream import AWAY_SECONDS, Stream

PATIENCE_SECONDS = 10.0
"""How long a client may be behind what happens, for want of reading, before it is told to read anew."""

log: Any = structlog.get_logger("realtime")

Encode = Callable[[Selected], list[Message]]
"""How frames are written on this kind of connection."""
End = Callable[[Problem], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """Channels as a client asks for them. ``last_seq``: the last number seen; None to begin now."""

    channels: Sequence[str]
    filter: str | None = None
    sample: float | None = None
    last_seq: int | None = None


class Subscription:
    """One channel of a connection; live once ``live``. Frames up to ``after`` it has had already."""

    __slots__ = ("after", "live", "selector")

    def __init__(self, selector: Selector) -> None:
        """Take what it selects."""
        self.selector = selector
        self.live = False
        self.after = 0


class Line:
    """A live connection of one actor; ``expires`` is when its credential runs out, in seconds since the epoch."""

    def __init__(self, stream: Stream, actor: Actor, *, expires: float, write: Write, encode: Encode, end: End) -> None:
        """Take the stream of the actor's workspace, how to write, how frames are written, and how it is ended."""
        self._stream, self._encode, self._end = stream, encode, end
        self._by_name: dict[str, Subscription] = {}
        self._behind: set[asyncio.Task[None]] = set()
        self._live: tuple[Subscription, ...] = ()
        self._told = self._accepted = 0
        self._slow_since: float | None = None
        self.patience = PATIENCE_SECONDS
        self.selectors: tuple[Selector, ...] = ()
        self.runs: frozenset[uuid.UUID] = frozenset()
        self.outbox = Outbox(write)
        self.actor, self.expires = actor, expires

    @property
    def channels(self) -> list[str]:
        """The channels by name."""
        return list(self._by_name)

    async def subscribe(self, catalogue: Catalogue, asked: Asked) -> int:
        """Begin to listen to channels and return the number from which on they are heard.

        A channel that is there already begins anew. Raises UnknownChannel, BadFilter, what the list's filters raise,
        NotAllowed, TooManyChannels and Unavailable; then nothing has changed.
        """
        wanted = [self._selector(each, catalogue, asked) for each in map(channel, dict.fromkeys(asked.channels))]
        if len(self._by_name.keys() | {each.channel.name for each in wanted}) > MOST_CHANNELS:
            raise TooManyChannels(f"A connection has at most {MOST_CHANNELS} channels.")
        begins = await self._stream.now() if asked.last_seq is None else asked.last_seq
        begun = [Subscription(each) for each in wanted]
        for each in begun:
            self._by_name[each.selector.channel.name] = each
        if asked.last_seq is None:
            self._go_live(begun, max(begins, self._stream.position))
        else:
            self._settle()
            self._begin_behind(begun, asked.last_seq)
        return begins

    async def resume(self, last_seq: int) -> None:
        """Let every channel begin anew after a number."""
        begun = [Subscription(each.selector) for each in self._by_name.values()]
        self._by_name = {each.selector.channel.name: each for each in begun}
        self._settle()
        self._begin_behind(begun, last_seq)

    def unsubscribe(self, names: Iterable[str]) -> None:
        """Listen to these channels no more."""
        for name in names:
            self._by_name.pop(name, None)
        self._settle()

    def hear(self, selected: Sequence[Selected], upto: int) -> None:
        """Take the frames of a batch. Those for which there is no room are read again, at the client's pace."""
        frames = _merged(self._live, selected, upto)
        alone = len(selected) == 1 and len(frames) == len(selected[0].frames)
        for message in self._encode(selected[0] if alone else Selected(frames)) if frames else ():
            if not self.outbox.offer(message.text, message.seq):
                self._fall_behind()
                return
            self._accepted = message.seq
        self._accepted = upto

    def hear_head(self, frame: Frame) -> None:
        """Take the frame of a newly signed head; it is left out for a client that is slow, the next says more."""
        self._offer(Selected([frame]))

    def hear_aside(self, selected: Selected) -> None:
        """Take frames that are not in the ledger; they are left out for a client that is slow."""
        self._offer(selected)

    def say(self, frame: Frame) -> None:
        """Send a frame about the connection itself."""
        for message in self._encode(Selected([frame])):
            self.outbox.offer(message.text, message.seq, anyway=True)

    def tell_position(self) -> None:
        """Tell up to which number everything was sent, where it moved since that was told or a frame was sent."""
        position = self._stream.position
        if self._by_name and not self._behind and position > max(self._told, self.outbox.sent):
            self._told = position
            frame = control("position", channel=None, seq=position)
            self._offer(Selected([frame._replace(seq=position)]))

    @property
    def is_slow(self) -> bool:
        """Whether the client is behind for want of reading; nearly none is."""
        return self._slow_since is not None

    async def give_up(self) -> None:
        """Tell a client that was behind for too long to read anew, and go on from now; it may resume instead.

        Raises Unavailable.
        """
        if self._slow_since is None or time.monotonic() - self._slow_since < self.patience:
            return
        now = await self._stream.now()
        self._slow_since = None
        for task in self._behind:
            task.cancel()
        self.outbox.clear()
        self.say(
            control("reset", channel=None, seq=self.outbox.sent, data={"reason": "slow", "channels": self.channels})
        )
        self._go_live([each for each in self._by_name.values() if not each.live], max(now, self._stream.position))

    def change_actor(self, actor: Actor) -> None:
        """Go on with what the actor may do now; channels beyond that end with an error."""
        if actor == self.actor:
            return
        self.actor = actor
        for name, each in list(self._by_name.items()):
            try:
                each.selector.channel.ensure(actor)
            except Problem as problem:
                del self._by_name[name]
                self.say(refusal(None, problem, channel=name))
            else:
                each.selector = _again(each.selector, actor)
        self._settle()

    def end(self, problem: Problem) -> None:
        """End the connection and say why."""
        self.close()
        self._end(problem)

    def close(self) -> None:
        """Listen and send no more."""
        self._by_name.clear()
        self._settle()
        for task in self._behind:
            task.cancel()
        self._stream.leave(self)

    def _selector(self, wanted: Channel, catalogue: Catalogue, asked: Asked) -> Selector:
        wanted.ensure(self.actor)
        if wanted.name != "interactions":
            if asked.filter or asked.sample is not None:
                raise BadFilter.at("filter", "filter and sample belong to the channel interactions alone")
            return Selector(wanted, self.actor)
        text, sample = asked.filter or "", 1.0 if asked.sample is None else asked.sample
        found = Filter(parse(text), whole=self.actor.reads_platform_rows) if text else None
        if found is not None:
            found.ensure(catalogue)
        return Selector(wanted, self.actor, found, text, sample)

    def _settle(self) -> None:
        """Note which subscriptions are live, and which runs are listened to: both are asked for in every tick."""
        named = [name.removeprefix("runs:") for name in self._by_name if name.startswith("runs:")]
        self.runs = frozenset(known for each in named if (known := decode("run", each)) is not None)
        self._live = tuple(each for each in self._by_name.values() if each.live)
        self.selectors = tuple(each.selector for each in self._live)

    def _go_live(self, begun: Iterable[Subscription], after: int) -> None:
        self._stream.join(self, after)
        for each in begun:
            each.live, each.after = True, max(each.after, after)
        if not self._behind - {asyncio.current_task()}:
            self._slow_since = None
        self._accepted = self._stream.position
        self._settle()

    def _begin_behind(self, begun: list[Subscription], after: int) -> None:
        task = asyncio.create_task(self._catch_up(begun, after))
        self._behind.add(task)
        task.add_done_callback(self._caught_up)

    def _caught_up(self, task: asyncio.Task[None]) -> None:
        """Let a task go; one that failed ends the connection, which then says nothing wrong by saying nothing."""
        self._behind.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("catching_up_failed", error=type(error).__name__, exc_info=error)
            self.end(Problem("The server failed. Connect again and resume."))

    async def _catch_up(self, begun: list[Subscription], after: int) -> None:
        """Send what lies beyond a number, at the client's pace, until nothing does."""
        while begun := self._current(begun):
            try:
                after, at_end = await self._send_next(begun, after)
            except Unavailable:
                await asyncio.sleep(AWAY_SECONDS)
                continue
            if at_end and after >= self._stream.position:
                self._go_live(self._current(begun), after)
                return

    def _current(self, begun: Iterable[Subscription]) -> list[Subscription]:
        """Return those that were not ended or begun anew meanwhile."""
        return [each for each in begun if self._by_name.get(each.selector.channel.name) is each]

    async def _send_next(self, begun: list[Subscription], after: int) -> tuple[int, bool]:
        batch = await self._stream.read([each.selector for each in begun], after)
        if batch is None:
            now = await self._stream.now()
            data = {"reason": "unknown_number", "channels": [each.selector.channel.name for each in begun]}
            self.say(control("reset", channel=None, seq=now, data=data))
            return now, True
        selected = [await self._stream.select(each.selector, batch) for each in begun]
        frames = _merged(begun, selected, batch.upto)
        for message in self._encode(Selected(frames)) if frames else ():
            await self.outbox.room()
            if self._current(begun) != begun:
                return after, False
            self.outbox.offer(message.text, message.seq, anyway=True)
            after = message.seq
        return batch.upto, batch.at_end

    def _offer(self, selected: Selected) -> bool:
        return all(self.outbox.offer(message.text, message.seq) for message in self._encode(selected))

    def _fall_behind(self) -> None:
        """Read for the client at its own pace what it has no room for now."""
        begun = list(self._live)
        for each in begun:
            each.live = False
        self._settle()
        if self._slow_since is None:
            self._slow_since = time.monotonic()
        self._begin_behind(begun, self._accepted)


def refusal(message_id: str | int | None, problem: Problem, **members: object) -> Frame:
    """Make the frame of an error."""
    said = {"id": message_id, "code": problem.code, "error": problem.detail, "details": problem.details}
    return control("error", **said, **members)


def _again(selector: Selector, actor: Actor) -> Selector:
    """Return a selector as another actor, or one with other rights, hears it."""
    if not selector.filter_text:
        return replace(selector, actor=actor)
    found = Filter(parse(selector.filter_text), whole=actor.reads_platform_rows)
    return replace(selector, actor=actor, filter=found)


def _merged(subscriptions: Sequence[Subscription], selected: Sequence[Selected], upto: int) -> list[Frame]:
    """Return the frames of several subscriptions in the order of their numbers, without what they have had."""
    frames: list[Frame] = []
    for each, answer in zip(subscriptions, selected, strict=True):
        after = each.after
        frames += answer.frames if not after else [frame for frame in answer.frames if (frame.seq or 0) > after]
        if upto >= after:
            each.after = 0
    if len(selected) > 1:
        frames.sort(key=lambda frame: frame.seq or 0)
    return frames
