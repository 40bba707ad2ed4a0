"""A visitor's client that keeps to the protocol sheet and remembers every frame, for the tests of the web chat."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp

ORIGIN = "https://shop.example"

Frame = dict[str, Any]


class TalkingVisitor:
    """``frames`` are those of the current connection; ``seen`` the messages of all by seq; ``repeated`` was odd."""

    def __init__(self, http: aiohttp.ClientSession, url: str, site: str = "site") -> None:
        self.http = http
        self.url = url
        self.site = site
        self.token = ""
        self.conversation = ""
        self.answer: Frame = {}
        self.frames: list[Frame] = []
        self.seen: dict[int, Frame] = {}
        self.repeated: list[Frame] = []
        self.closed: asyncio.Future[int | None] | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._news = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None

    @property
    def last(self) -> int:
        """The last message without a gap before it."""
        seq = 0
        while seq + 1 in self.seen:
            seq += 1
        return seq

    def at(self, path: str) -> str:
        return f"{self.url}/chat/{self.site}/{path}"

    def headers(self) -> dict[str, str]:
        return {"Origin": ORIGIN, "Authorization": f"Bearer {self.token}"}

    async def opens(self, **body: object) -> Frame:
        """Open a session, with the token of an earlier one when there is one."""
        request = {"language": "en", "page": f"{ORIGIN}/help", **body}
        if self.token:
            request.setdefault("token", self.token)
        async with self.http.post(self.at("session"), json=request, headers={"Origin": ORIGIN}) as response:
            self.answer = await response.json()
            assert response.status == 200, self.answer
        self.token, self.conversation = self.answer["token"], self.answer["conversation"]
        return self.answer

    async def connects(self, *, after: int | None = None) -> None:
        """Open a socket that resumes where this client is."""
        start = self.last if after is None else after
        self.frames = []
        self._socket = await self.http.ws_connect(
            self.at(f"socket?conversation={self.conversation}&after={start}"),
            protocols=(f"tertulia.v1.{self.token}",),
            origin=ORIGIN,
            max_msg_size=2**22,
        )
        self.closed = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read(self._socket, self.closed))

    async def leaves(self) -> None:
        """Hang up, as a page does that is closed."""
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await self._reader
        self._socket = self._reader = None

    async def says(self, text: str, client_id: str) -> None:
        await self.sends({"type": "message", "id": client_id, "parts": [{"type": "text", "text": text}]})

    async def sends(self, frame: Frame) -> None:
        assert self._socket is not None
        await self._socket.send_str(json.dumps(frame))

    async def sends_raw(self, data: str | bytes) -> None:
        assert self._socket is not None
        await (self._socket.send_str(data) if isinstance(data, str) else self._socket.send_bytes(data))

    async def hears(self, fits: Callable[[Frame], bool], *, within_s: float = 10.0) -> Frame:
        """The first frame of this connection that fits, now or later."""
        found: list[Frame] = []

        def has_come() -> bool:
            found[:] = [frame for frame in self.frames if fits(frame)]
            return bool(found)

        async with self._news, asyncio.timeout(within_s):
            await self._news.wait_for(has_come)
        return found[0]

    async def sees(self, text: str, *, within_s: float = 10.0) -> Frame:
        """The first message with these words."""
        return await self.hears(lambda frame: frame["type"] == "message" and text in words(frame), within_s=within_s)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, closed: asyncio.Future[int | None]) -> None:
        async for message in socket:
            frame = json.loads(message.data)
            async with self._news:
                self.frames.append(frame)
                if frame["type"] == "message":
                    if frame["seq"] in self.seen:
                        self.repeated.append(frame)
                    self.seen[frame["seq"]] = frame
                self._news.notify_all()
        closed.set_result(socket.close_code)


def words(frame: Frame) -> str:
    """All texts of a message."""
    return "\n".join(str(part.get("text") or part.get("label") or "") for part in frame["parts"])
