"""Visitors of a web chat as the widget makes them: they resume by themselves, and send again what was not accepted."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import aiohttp
import msgspec

ENDPOINT = "site"
ORIGIN = "http://127.0.0.1:1"

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.3, 2.5
"""Between two tries to connect: doubled each time, with jitter."""

FAILURES = (aiohttp.ClientError, ConnectionError, TimeoutError)


class Shown(msgspec.Struct, frozen=True):
    """A message as it appeared on the visitor's screen."""

    seq: int
    id: str
    author: str
    text: str
    client_id: str


class Visitor:
    """One person with an open chat. ``live`` holds while the socket is open and what was missed is being shown."""

    def __init__(self, http: aiohttp.ClientSession, port: int) -> None:
        self._http = http
        self._url = f"http://127.0.0.1:{port}/chat/{ENDPOINT}"
        self._token = ""
        self._conversation = ""
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._unaccepted: dict[str, str] = {}
        self._changed = asyncio.Condition()
        self.live = asyncio.Event()
        self.live_since = 0.0
        self.connections = 0
        self.refused: list[str] = []
        self.disorder: list[tuple[int, int]] = []
        self.shown: list[Shown] = []

    async def stay(self) -> None:
        """Be connected, again and again, until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                if not self._token:
                    await self._begin()
                await self._listen()
                pause_s = FIRST_PAUSE_S
            except FAILURES:
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            finally:
                self._socket = None
                self.live.clear()
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))

    async def say(self, text: str) -> None:
        """Say something, connected or not, and return when the answer to it is shown."""
        client_id = str(uuid4())
        self._unaccepted[client_id] = text
        await self._send(client_id)
        async with self._changed:
            await self._changed.wait_for(lambda: self._has_answer(text))

    def _has_answer(self, text: str) -> bool:
        wanted = [text, *answers_to(text)]
        return [message.text for message in self.shown[-len(wanted) :]] == wanted

    async def _begin(self) -> None:
        async with self._http.post(f"{self._url}/session", json={"language": "en"}) as response:
            response.raise_for_status()
            answer = await response.json()
        self._token, self._conversation = answer["token"], answer["conversation"]

    async def _listen(self) -> None:
        after = self.shown[-1].seq if self.shown else 0
        url = f"{self._url}/socket?conversation={self._conversation}&after={after}"
        async with self._http.ws_connect(url, protocols=(f"tertulia.v1.{self._token}",)) as socket:
            self._socket = socket
            self.live_since = time.monotonic()
            self.connections += 1
            self.live.set()
            for client_id in tuple(self._unaccepted):
                await self._send(client_id)
            async for frame in socket:
                if frame.type is aiohttp.WSMsgType.TEXT:
                    await self._hear(msgspec.json.decode(frame.data))

    async def _send(self, client_id: str) -> None:
        if self._socket is None:
            return
        parts = [{"type": "text", "text": self._unaccepted[client_id]}]
        with contextlib.suppress(*FAILURES):
            await self._socket.send_json({"type": "message", "id": client_id, "parts": parts})

    async def _hear(self, frame: dict) -> None:
        match frame["type"]:
            case "accepted":
                self._unaccepted.pop(frame["client_id"], None)
            case "refused":
                self.refused.append(frame["reason"])
            case "message":
                await self._show(frame)

    async def _show(self, frame: dict) -> None:
        last = self.shown[-1].seq if self.shown else 0
        if frame["seq"] != last + 1:
            self.disorder.append((last, frame["seq"]))
        text = " ".join(part.get("text", "") for part in frame["parts"])
        self.shown.append(Shown(frame["seq"], frame["id"], frame["author"], text, frame.get("client_id", "")))
        async with self._changed:
            self._changed.notify_all()


def answers_to(text: str) -> list[str]:
    """What the echo bot says to it."""
    return ["I am listening."] if text == "/start" else [f"Heard: {text}", "I am listening."]


@asynccontextmanager
async def visitors(count: int, port: int) -> AsyncIterator[list[Visitor]]:
    """So many people, all connected; they leave at the end."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(total=None, connect=5, sock_connect=5)
    async with aiohttp.ClientSession(connector=connector, headers={"Origin": ORIGIN}, timeout=timeout) as http:
        crowd = [Visitor(http, port) for _ in range(count)]
        async with asyncio.TaskGroup() as group:
            stays = [group.create_task(visitor.stay()) for visitor in crowd]
            try:
                async with asyncio.timeout(60):
                    await asyncio.gather(*(visitor.live.wait() for visitor in crowd))
                yield crowd
            finally:
                for stay in stays:
                    stay.cancel()
