"""Tells the desk's pages what changed: the queue as a whole, and the conversation that each of them looks at.

News say which conversation to read again. Where they do not come from everywhere (no Redis), marks are compared too,
which costs the same however much history there is. Nothing is read while nobody looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

import msgspec
import structlog

from gateway.core.clock import Clock
from gateway.core.errors import Overloaded, Unavailable
from gateway.core.ids import ConversationId
from gateway.core.news import News, Passing
from gateway.web.desk.presence import Presence
from gateway.web.desk.reading import Reading
from gateway.web.desk.shapes import CaseLine

log = structlog.get_logger(__name__)

GATHER_S = 0.05
"""Changes that come within this time are read together."""

RETRY_S = 1.0
MOST_FRAMES = 256
MOST_PAGES = 500
CASES_A_FRAME = 500

_encoder = msgspec.json.Encoder()


class Watcher:
    """One page: frames that wait for it, and the conversation that it looks at.

    A page that does not read loses its place when too many frames wait, and begins anew.
    """

    def __init__(self) -> None:
        self.name = secrets.token_hex(8)
        self.frames: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_FRAMES)
        self.watched: ConversationId | None = None
        self.needs_cases = True
        self.needs_conversation = False
        self.knows_conversation = False

    def tell(self, frame: bytes) -> None:
        """Put a frame in its line; when there is no room, end it."""
        with contextlib.suppress(asyncio.QueueFull):
            self.frames.put_nowait(frame)
            return
        self.end()

    def end(self) -> None:
        """Nothing more comes; whoever reads the frames closes the connection."""
        while self.frames.full():
            self.frames.get_nowait()
        self.frames.put_nowait(None)


class Feed:
    """Reads what changed once for all pages of this process. Open it, then close it."""

    def __init__(self, reading: Reading, news: News, clock: Clock, *, poll_s: float) -> None:
        self._reading = reading
        self._news = news
        self._clock = clock
        self._poll_s = poll_s
        self._presence = Presence(news, clock)
        self._told_presence: dict[UUID, tuple[str, ...]] = {}
        self._watchers: set[Watcher] = set()
        self._cases: dict[ConversationId, CaseLine] | None = None
        self._changed: set[ConversationId] = set()
        self._marks: dict[ConversationId, str] = {}
        self._is_away = False
        self._next_poll = 0.0
        self._stir = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] | None = None

    def open(self) -> None:
        self._stop_listening = self._news.listen(self._heard, self._passed)
        self._task = asyncio.create_task(self._run(), name="desk feed")

    async def close(self) -> None:
        if self._stop_listening is not None:
            self._stop_listening()
        self.hang_up()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def hang_up(self) -> None:
        """Send every page elsewhere."""
        for watcher in tuple(self._watchers):
            watcher.end()

    def join(self) -> Watcher:
        """A page that wants to be told from now on. Raises ``Overloaded``."""
        if len(self._watchers) >= MOST_PAGES:
            raise Overloaded("too many desks are open here", after_s=5.0)
        watcher = Watcher()
        self._watchers.add(watcher)
        self._stir.set()
        return watcher

    def watch(self, watcher: Watcher, conversation_id: ConversationId | None, agent: str = "") -> None:
        """The page looks at another conversation, or at none; colleagues see that *agent* does."""
        is_same = watcher.watched == conversation_id
        watcher.watched = conversation_id
        watcher.needs_conversation = conversation_id is not None and not (is_same and watcher.knows_conversation)
        watcher.knows_conversation = watcher.knows_conversation and is_same
        self._presence.look(watcher.name, conversation_id, agent)
        self._stir.set()

    def leave(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        self._presence.look(watcher.name, None, "")
        if not self._watchers:
            self._cases = None
            self._changed.clear()
            self._marks.clear()
            self._presence.clear()
            self._told_presence = {}

    def _heard(self, conversation_id: ConversationId) -> None:
        if self._watchers:
            self._changed.add(conversation_id)
            self._stir.set()

    def _passed(self, passing: Passing) -> None:
        match passing.kind:
            case "looking":
                if self._watchers and self._presence.hear(passing):
                    self._stir.set()
            case "typing" | "delta":
                self._tell(self._looking_at(passing.conversation_id), _frame_of(passing))
            case "seen":
                pass

    async def _run(self) -> None:
        while True:
            if not self._watchers:
                await self._stir.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._stir.wait()
            self._stir.clear()
            await asyncio.sleep(GATHER_S)
            try:
                await self._step()
            except Unavailable:
                await self._be_away()
            except Exception:
                log.exception("desk_feed_failed")
                await self._be_away()

    async def _step(self) -> None:
        """Tell everybody what they do not know yet."""
        if not self._watchers:
            return
        self._presence.step()
        if self._cases is None:
            await self._begin()
        await self._poll()
        changed, self._changed = self._changed, set()
        if changed:
            await self._tell_cases(changed)
        newcomers = [watcher for watcher in self._watchers if watcher.needs_cases]
        self._tell_everything(newcomers)
        self._tell_presence(newcomers)
        await self._tell_conversations(changed)

    async def _begin(self) -> None:
        """Read the queue; what is heard meanwhile is read again afterwards."""
        cases = await self._reading.queue()
        self._cases = {ConversationId(case.conversation): case for case in cases}
        self._is_away = False
        for watcher in self._watchers:
            watcher.needs_cases = True
            watcher.needs_conversation = watcher.watched is not None

    async def _poll(self) -> None:
        """Find what nobody told of."""
        now = self._clock.monotonic()
        if now < self._next_poll or self._cases is None:
            return
        self._next_poll = now + self._poll_s
        watched = {watcher.watched for watcher in self._watchers if watcher.watched is not None}
        marks, looked_at = await self._reading.marks(watched)
        standing = {
            mark.conversation_id: (mark.handoff_id, mark.epoch, mark.next_position - 1) for mark in marks.values()
        }
        known = {key: (case.id, case.epoch, case.position) for key, case in (self._cases or {}).items()}
        self._changed |= {key for key in standing.keys() | known.keys() if standing.get(key) != known.get(key)}
        self._changed |= {key for key, mark in looked_at.items() if self._marks.get(key) != mark}
        self._marks = looked_at

    async def _tell_cases(self, changed: set[ConversationId]) -> None:
        cases = self._cases if self._cases is not None else {}  # an empty queue is one, too
        current = {ConversationId(case.conversation): case for case in await self._reading.cases_of(changed)}
        gone = [cases[key].id for key in changed if key in cases and _is_another(cases[key], current.get(key))]
        news = [case for key, case in current.items() if cases.get(key) != case]
        for key in changed:
            cases.pop(key, None)
        cases.update(current)
        if gone or news:
            told = [watcher for watcher in self._watchers if not watcher.needs_cases]
            self._tell(told, {"type": "cases", "cases": news, "gone": gone, "now": self._clock.now()})

    def _tell_everything(self, newcomers: Sequence[Watcher]) -> None:
        """The whole queue, in frames of a bounded size; the first one makes the page forget what it had."""
        if not newcomers:
            return
        cases = list((self._cases or {}).values())
        for first in range(0, max(1, len(cases)), CASES_A_FRAME):
            frame = {
                "type": "cases",
                "cases": cases[first : first + CASES_A_FRAME],
                "gone": (),
                "begins": first == 0,
                "is_whole": first + CASES_A_FRAME >= len(cases),
                "now": self._clock.now(),
            }
            self._tell(newcomers, frame)
        for watcher in newcomers:
            watcher.needs_cases = False

    def _tell_presence(self, newcomers: Sequence[Watcher]) -> None:
        """Who looks where: all of it to *newcomers*, to the others what changed."""
        names, known = self._presence.names(), self._told_presence
        if newcomers:
            everything = [{"conversation": key, "agents": agents} for key, agents in names.items()]
            self._tell(newcomers, {"type": "presence", "is_whole": True, "looking": everything})
        changed = {key for key in names.keys() | known.keys() if names.get(key) != known.get(key)}
        if changed:
            news = [{"conversation": key, "agents": names.get(key, ())} for key in changed]
            others = [watcher for watcher in self._watchers if watcher not in newcomers]
            self._tell(others, {"type": "presence", "looking": news})
        self._told_presence = names

    async def _tell_conversations(self, changed: set[ConversationId]) -> None:
        wanted = {
            watcher.watched
            for watcher in self._watchers
            if watcher.watched is not None and (watcher.needs_conversation or watcher.watched in changed)
        }
        for conversation_id in wanted:
            try:
                frame: object = await self._reading.conversation(conversation_id)
            except LookupError:
                frame = {"type": "unknown", "conversation": conversation_id}
            told = [w for w in self._looking_at(conversation_id) if w.needs_conversation or conversation_id in changed]
            self._tell(told, frame)
            for watcher in told:
                watcher.needs_conversation = False
                watcher.knows_conversation = True

    async def _be_away(self) -> None:
        """The database cannot be read: say so once, and begin anew when it is back."""
        self._cases = None
        self._next_poll = 0.0
        if not self._is_away:
            self._is_away = True
            self._tell(self._watchers, {"type": "away"})
        await asyncio.sleep(RETRY_S)
        self._stir.set()

    def _looking_at(self, conversation_id: UUID) -> list[Watcher]:
        return [watcher for watcher in self._watchers if watcher.watched == conversation_id]

    def _tell(self, watchers: Iterable[Watcher], frame: object) -> None:
        told = tuple(watchers)
        if not told:
            return
        encoded = _encoder.encode(frame)
        for watcher in told:
            watcher.tell(encoded)


def _is_another(before: CaseLine, after: CaseLine | None) -> bool:
    return after is None or after.id != before.id


def _frame_of(passing: Passing) -> dict[str, object]:
    if passing.kind == "delta":
        facts: dict[str, object] = {"id": passing.subject, "text": passing.text}
    else:
        facts = {"author": passing.author, "name": passing.name, "on": passing.is_on}
    return {"type": passing.kind, "conversation": passing.conversation_id, **facts}
