"""The two ways in which a visitor's client listens: a WebSocket, and server-sent events where sockets are blocked."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from socket import SO_SNDBUF, SOL_SOCKET

from aiohttp import WSMsgType, web

from channels.webchat.frames import MAX_FRAME_BYTES, NotJson
from channels.webchat.hub import Hub
from channels.webchat.room import Link, Room, Standpoint, Voice
from channels.webchat.talk import Place, Talk

PING_S = 25.0

CLOSING_S = 2.0
"""How long a client may take to say goodbye in return."""

WRITER_LIMIT_BYTES = 64 * 1024
"""What may wait in the buffer of one client before its frames wait in the queue."""

SAID_NOTHING_OF_USE = 20
"""Frames that were refused for their form, after which a client is cut off."""


class SocketWire:
    """A WebSocket, as a link writes to it."""

    __slots__ = ("_socket", "_transport")

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self._socket = socket
        self._transport = transport

    async def send(self, frame: bytes, seq: int | None) -> None:
        del seq
        if self._socket.closed:
            raise ConnectionResetError
        await self._socket.send_frame(frame, WSMsgType.TEXT)

    async def hang_up(self, code: int, reason: str) -> None:
        """Say goodbye. Whoever does not even read that is cut off, so that nothing waits for them in memory."""
        with contextlib.suppress(OSError, RuntimeError):
            await self._socket.close(code=code, message=reason.encode(), drain=False)
        if self._transport is not None and self._transport.get_write_buffer_size() > 0:
            self._transport.abort()


class EventWire:
    """A stream of server-sent events, as a link writes to it. The id of an event is the place of its message."""

    __slots__ = ("_response", "is_over")

    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response
        self.is_over = asyncio.Event()

    async def send(self, frame: bytes, seq: int | None) -> None:
        head = b"" if seq is None else b"id: %d\n" % seq
        await self._response.write(head + b"data: " + frame + b"\n\n")

    async def ping(self) -> None:
        await self._response.write(b": still here\n\n")

    async def hang_up(self, code: int, reason: str) -> None:
        del code, reason
        self.is_over.set()


async def serve_socket(
    request: web.Request,
    place: Place,
    protocol: str,
    cursor: int,
    hub: Hub,
    talk: Talk,
    standpoint: Standpoint,
    voice: Voice,
) -> web.WebSocketResponse:
    """Talk over a WebSocket until one side ends it. ``protocol`` is what the client offered (empty: nothing)."""
    socket = web.WebSocketResponse(
        protocols=(protocol,) if protocol else (),
        heartbeat=PING_S,
        max_msg_size=MAX_FRAME_BYTES,
        compress=False,
        timeout=CLOSING_S,
        writer_limit=WRITER_LIMIT_BYTES,
        decode_text=False,
    )
    await socket.prepare(request)
    _bound_buffer(request.transport)
    link = Link(SocketWire(socket, request.transport), cursor, place.visitor.language)
    room: Room | None = None
    try:
        room = await hub.join(standpoint, place.address, link, voice)
        with _until(place, link):
            await _listen(socket, place, talk, room, link)
    finally:
        if room is not None:
            hub.leave(room, link)
        await link.wait_cut()
    return socket


def _bound_buffer(transport: asyncio.Transport | None) -> None:
    """Else the system would keep megabytes for a client that does not read."""
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(SOL_SOCKET, SO_SNDBUF, WRITER_LIMIT_BYTES)


async def _listen(socket: web.WebSocketResponse, place: Place, talk: Talk, room: Room, link: Link) -> None:
    refusals = 0
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            if message.type is WSMsgType.BINARY:
                link.cut(1008, "frames are text, in JSON")
            return
        try:
            answer = await talk.hear(place, message.data, room, link)
        except NotJson:
            link.cut(1008, "a frame was not JSON")
            return
        if answer is not None:
            refusals = refusals + 1 if answer.refused == "bad_frame" else 0
            link.put(answer.frame)
        if refusals >= SAID_NOTHING_OF_USE:
            link.cut(1008, "too many frames were not what was agreed")
            return


async def serve_events(
    request: web.Request,
    headers: dict[str, str],
    place: Place,
    cursor: int,
    hub: Hub,
    standpoint: Standpoint,
    voice: Voice,
) -> web.StreamResponse:
    """Tell what happens as server-sent events until one side ends it."""
    response = web.StreamResponse(
        headers={
            **headers,
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    await response.prepare(request)
    wire = EventWire(response)
    await response.write(b"retry: 1000\n\n")
    link = Link(wire, cursor, place.visitor.language)
    room = await hub.join(standpoint, place.address, link, voice)
    try:
        with _until(place, link):
            while not await _is_over(wire):
                await wire.ping()
    except ConnectionError:
        pass  # the client left
    finally:
        hub.leave(room, link)
    return response


async def _is_over(wire: EventWire) -> bool:
    """Whether the stream was ended within the time of a ping."""
    try:
        async with asyncio.timeout(PING_S):
            await wire.is_over.wait()
    except TimeoutError:
        return False
    return True


@contextlib.contextmanager
def _until(place: Place, link: Link) -> Iterator[None]:
    """Whoever the site vouched for is let in for as long as it did."""
    if not place.visitor.is_identified or not place.visitor.until_s:
        yield
        return
    rest_s = max(0.0, place.visitor.until_s - time.time())
    ending = asyncio.get_running_loop().call_later(rest_s, link.cut, 1008, "the identity has ended")
    try:
        yield
    finally:
        ending.cancel()
