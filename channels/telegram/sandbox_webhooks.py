"""How Telegram sends webhooks: one update a request, in order within a queue, again and again until it is taken."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Callable

import aiohttp

from channels.telegram.sandbox_world import Json
from gateway.core.clock import Clock

_LIFETIMES_S = {"callback_query": 150.0, "shipping_query": 150.0, "pre_checkout_query": 150.0, "inline_query": 30.0}
_LONGEST_LIFE_S = 86_400.0
_ANSWER_LIMIT_S = 60.0


class Hook:
    """Where updates go: the address, the secret, and which kinds (empty: the default ones)."""

    def __init__(
        self, url: str, secret_token: str, allowed_updates: tuple[str, ...] = (), connections: int = 40
    ) -> None:
        self.url = url
        self.secret_token = secret_token
        self.allowed_updates = allowed_updates
        self.connections = connections


class Delivery:
    """Delivers updates to the hook. ``time_scale`` shortens the waiting between tries (0.1: ten times faster)."""

    def __init__(self, clock: Clock, *, time_scale: float = 1.0) -> None:
        self._clock = clock
        self._time_scale = time_scale
        self._queues: dict[object, deque[tuple[float, Json]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(40)
        self.hook: Hook | None = None
        self.on_taken: Callable[[Json], None] = lambda _: None
        self.waiting: deque[Json] = deque()
        self.arrived = asyncio.Event()
        self.failures = 0
        self.last_error = ""
        self.last_error_s = 0

    async def open(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_ANSWER_LIMIT_S)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def set_hook(self, hook: Hook | None) -> None:
        """From now on updates go to *hook*; those that wait go there too. ``None``: they wait for getUpdates."""
        self.hook = hook
        if hook is not None:
            self._slots = asyncio.Semaphore(hook.connections)
            while self.waiting:
                self.put(self.waiting.popleft())

    @property
    def pending_count(self) -> int:
        return sum(len(queue) for queue in self._queues.values()) + len(self.waiting)

    async def settled(self) -> None:
        """Return once every update was taken or has expired."""
        await self._idle.wait()

    def put(self, update: Json) -> None:
        if self.hook is None:
            self.waiting.append(update)
            self.arrived.set()
            return
        key = queue_key(update)
        queue = self._queues.setdefault(key, deque())
        queue.append((self._clock.monotonic(), update))
        if len(queue) == 1:
            self._idle.clear()
            task = asyncio.get_running_loop().create_task(self._drain(key, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _drain(self, key: object, queue: deque[tuple[float, Json]]) -> None:
        """One queue to its end: the first update blocks those behind it until it is taken or too old."""
        while queue:
            born, update = queue[0]
            await self._deliver(born, update)
            queue.popleft()
        del self._queues[key]
        if not self._queues:
            self._idle.set()

    async def _deliver(self, born: float, update: Json) -> None:
        kind = next(name for name in update if name != "update_id")
        expires = born + _LIFETIMES_S.get(kind, _LONGEST_LIFE_S)
        failures = 0
        while self._clock.monotonic() < expires:
            async with self._slots:
                wait_s = await self._try(update)
            if wait_s is None:
                self.on_taken(update)
                return
            self.failures += 1
            if wait_s < 0:
                wait_s = 0.0 if failures == 0 else min(2.0**failures, 60.0 + secrets.randbelow(61))
                failures += 1
            await self._clock.sleep(wait_s * self._time_scale)

    async def _try(self, update: Json) -> float | None:
        """``None`` when it was taken; else the seconds that the receiver asked for, or -1 when it asked for none."""
        hook = self.hook
        if hook is None or self._session is None:
            return -1.0
        body = json.dumps(update, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate"}
        if hook.secret_token:
            headers["X-Telegram-Bot-Api-Secret-Token"] = hook.secret_token
        try:
            async with self._session.post(hook.url, data=body, headers=headers, allow_redirects=False) as response:
                await response.read()
                if 200 <= response.status <= 299:
                    return None
                self._note(f"Wrong response from the webhook: {response.status} {response.reason}")
                asked = response.headers.get("Retry-After", "")
                return min(float(asked), 3600.0) if asked.isdecimal() else -1.0
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._note(f"Connection failed: {type(error).__name__}")
            return -1.0

    def _note(self, error: str) -> None:
        self.last_error = error
        self.last_error_s = int(self._clock.now().timestamp())


def queue_key(update: Json) -> object:
    """Updates with the same key are sent one after the other; a text and a press of one person are not."""
    kind, content = next((name, value) for name, value in update.items() if name != "update_id")
    if not isinstance(content, dict):
        return update["update_id"]
    match kind:
        case "message" | "edited_message" | "channel_post" | "edited_channel_post":
            return "chat", content["chat"]["id"]
        case "callback_query":
            return "press", content["from"]["id"]
        case "my_chat_member" | "message_reaction":
            return kind, content["chat"]["id"]
        case _:
            return update["update_id"]
