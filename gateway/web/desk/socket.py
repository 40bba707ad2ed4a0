"""The socket of one page of the desk: news go out; what the page looks at comes in."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from gateway.core.ids import ConversationId
from gateway.web.desk.feed import Feed, Watcher

HEARTBEAT_S = 25.0
LARGEST_FRAME_BYTES = 4_096
SEND_WITHIN_S = 20.0

HERE_EVERY_S = 20.0
HERE = '{"type":"here"}'
"""A browser does not see pings: by this its page knows that the line still stands."""


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The page looks at this conversation, or at none; ``agent`` is who sits before it, empty while unknown."""

    type: Literal["watch"]
    conversation: UUID | None = None
    agent: Annotated[str, msgspec.Meta(max_length=60)] = ""


_decoder = msgspec.json.Decoder(Watch)


async def talk(request: web.Request, feed: Feed, watcher: Watcher) -> web.WebSocketResponse:
    """Serve a page until it leaves, stops reading, or says something else than agreed."""
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=LARGEST_FRAME_BYTES)
    await socket.prepare(request)
    telling = asyncio.create_task(_tell(socket, watcher))
    try:
        await _listen(socket, feed, watcher)
    finally:
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling
    return socket


async def _listen(socket: web.WebSocketResponse, feed: Feed, watcher: Watcher) -> None:
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            await socket.close(code=WSCloseCode.UNSUPPORTED_DATA)
            return
        try:
            watch = _decoder.decode(message.data)
        except (msgspec.MsgspecError, UnicodeEncodeError):
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"not a frame of the desk")
            return
        conversation = None if watch.conversation is None else ConversationId(watch.conversation)
        feed.watch(watcher, conversation, watch.agent.strip())


async def _tell(socket: web.WebSocketResponse, watcher: Watcher) -> None:
    with contextlib.suppress(ConnectionError, TimeoutError):
        while (frame := await next_frame(watcher)) is not None:
            async with asyncio.timeout(SEND_WITHIN_S):
                await socket.send_str(frame)
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(SEND_WITHIN_S):
            await socket.close(code=WSCloseCode.SERVICE_RESTART)


async def next_frame(watcher: Watcher) -> str | None:
    """The next frame, or a sign of life when there is none for a while; ``None`` when nothing more comes."""
    try:
        async with asyncio.timeout(HERE_EVERY_S):
            frame = await watcher.frames.get()
    except TimeoutError:
        return HERE
    return None if frame is None else frame.decode()
