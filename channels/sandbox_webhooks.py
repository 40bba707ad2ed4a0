"""How a provider's stand-in sends webhooks: signed, in order for each key, again by its schedule, wrongly on demand."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from channels.sandbox_server import require_loopback
from gateway.core.clock import Clock, SystemClock

ANSWER_LIMIT_S = 20.0
CONNECTIONS = 40
KEPT_LOST = 1_000
SCHEDULE_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)

Sign = Callable[[bytes], Mapping[str, str]]
"""The headers that prove who sent a body; asked for at every try. They may replace ``Content-Type``."""

Join = Callable[[Sequence[bytes]], bytes]
"""Several bodies as the provider puts them into one webhook."""


def _nothing() -> None:
    pass


class _Webhook(msgspec.Struct):
    body: bytes
    key: object
    url: str
    sign: Sign
    on_taken: Callable[[], None]
    copies: int = 1


class _Collection(msgspec.Struct):
    """Webhooks held back until there are ``count`` of them; with ``join`` they leave as one, else newest first."""

    count: int
    join: Join | None
    held: list[_Webhook] = []


class WebhookSender:
    """Posts bodies to the webhook's address while the context is open. What is answered with 2xx is taken.

    *schedule* is how long to wait before each further try; after the last, or a status of *final*, the webhook is in
    ``lost``; an empty one means that there is one try only. *time_scale* shortens the waits (0.01: a hundred times
    faster). Raises ``ValueError`` for an address that is not on this machine.
    """

    def __init__(
        self,
        url: str,
        sign: Sign,
        *,
        join: Join | None = None,
        schedule: Sequence[float] = SCHEDULE_S,
        time_scale: float = 1.0,
        content_type: str = "application/json",
        answer_limit_s: float = ANSWER_LIMIT_S,
        final: Collection[int] = (),
        clock: Clock | None = None,
    ) -> None:
        require_loopback(url)
        self._url = url
        self._sign = sign
        self._join = join
        self._schedule = tuple(schedule)
        self._time_scale = time_scale
        self._content_type = content_type
        self._answer_limit_s = answer_limit_s
        self._final = frozenset(final)
        self._clock = clock or SystemClock()
        self._queues: dict[object, deque[_Webhook]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._collections: deque[_Collection] = deque()
        self._repeats = 0
        self._unheard = 0
        self._error: BaseException | None = None
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._session: aiohttp.ClientSession | None = None
        self.taken_count = 0
        self.failure_count = 0
        """How many times a webhook was answered with anything but 2xx, or not at all."""
        self.lost: deque[bytes] = deque(maxlen=KEPT_LOST)
        """The bodies that were given up."""

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self._answer_limit_s)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    # ------------------------------------------------------------ sending

    def put(
        self,
        body: bytes,
        *,
        key: object = "",
        on_taken: Callable[[], None] = _nothing,
        url: str = "",
        sign: Sign | None = None,
    ) -> None:
        """Send *body* after all that has the same *key*; *on_taken* is called once when it was answered with 2xx.

        *url* and *sign* stand in for those of the sender (a callback whose address came with a call). Raises
        ``ValueError`` for an address that is not on this machine.
        """
        if url:
            require_loopback(url)
        webhook = _Webhook(body, key, url or self._url, sign or self._sign, on_taken)
        if not self._collections:
            self._release(webhook)
            return
        collection = self._collections[0]
        collection.held.append(webhook)
        if len(collection.held) >= collection.count:
            self._collections.popleft()
            self._let_go(collection)

    async def settled(self) -> None:
        """Return once everything was taken or given up. What a fault still holds back leaves now.

        Raises what a *sign* or *on_taken* raised.
        """
        while self._collections:
            self._let_go(self._collections.popleft())
        await self._idle.wait()
        if self._error is not None:
            raise self._error

    @property
    def is_settled(self) -> bool:
        return self._idle.is_set() and not any(collection.held for collection in self._collections)

    # ------------------------------------------------------------ faults

    def redeliver_next(self, count: int = 1) -> None:
        """Each of the next *count* webhooks is sent once more after it was taken."""
        self._repeats += count

    def reorder_next(self, count: int = 2) -> None:
        """The next *count* webhooks wait for one another, and arrive newest first."""
        self._collections.append(_Collection(count, None))

    def batch_next(self, count: int = 2) -> None:
        """The next *count* webhooks wait for one another, and arrive as one. Raises ``ValueError`` without *join*."""
        if self._join is None:
            raise ValueError("this provider puts no two events into one webhook")
        self._collections.append(_Collection(count, self._join))

    def drop_answer_next(self, count: int = 1) -> None:
        """The answers to the next *count* tries do not reach the provider, which tries again by its schedule."""
        self._unheard += count

    # ------------------------------------------------------------ how it goes out

    def _let_go(self, collection: _Collection) -> None:
        held = collection.held
        if collection.join is None or len(held) < 2:
            self._release_in_line(held[::-1])
            return

        def all_taken() -> None:
            for webhook in held:
                webhook.on_taken()

        body = collection.join([webhook.body for webhook in held])
        self._release(msgspec.structs.replace(held[0], body=body, on_taken=all_taken))

    def _release_in_line(self, webhooks: Sequence[_Webhook]) -> None:
        """One after the other, whatever their keys."""
        for webhook in webhooks:
            webhook.key = webhooks[0].key
            self._release(webhook)

    def _release(self, webhook: _Webhook) -> None:
        if self._repeats > 0:
            self._repeats -= 1
            webhook.copies = 2
        queue = self._queues.setdefault(webhook.key, deque())
        queue.append(webhook)
        if len(queue) == 1:
            self._idle.clear()
            task = asyncio.get_running_loop().create_task(self._drain(webhook.key, queue))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = error
            self._idle.set()

    async def _drain(self, key: object, queue: deque[_Webhook]) -> None:
        """One queue to its end: the first webhook blocks those behind it until it is taken or given up."""
        while queue:
            webhook = queue[0]
            if await self._deliver(webhook):
                self.taken_count += 1
                webhook.on_taken()
                for _ in range(webhook.copies - 1):
                    await self._deliver(webhook)
            else:
                self.lost.append(webhook.body)
            queue.popleft()
        del self._queues[key]
        if not self._queues:
            self._idle.set()

    async def _deliver(self, webhook: _Webhook) -> bool:
        """Whether it was taken within the schedule."""
        for wait_s in (0.0, *self._schedule):
            if wait_s:
                await self._clock.sleep(wait_s * self._time_scale)
            async with self._slots:
                status = await self._try(webhook)
            if 200 <= status <= 299:
                return True
            self.failure_count += 1
            if status in self._final:
                return False
        return False

    async def _try(self, webhook: _Webhook) -> int:
        """The answer's status, 0 when none was heard."""
        if self._session is None:
            raise RuntimeError("the sender is not open")
        headers = {"Content-Type": self._content_type, **webhook.sign(webhook.body)}
        posted = self._session.post(webhook.url, data=webhook.body, headers=headers, allow_redirects=False)
        try:
            async with posted as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0
        if self._unheard > 0:
            self._unheard -= 1
            return 0
        return response.status
