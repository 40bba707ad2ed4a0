"""What the gateway is held against: the least that an aiohttp program can do with the same webhooks.

``bare`` reads the body, checks the secret, parses, answers. ``relay`` also makes one call to the provider before it
answers: the bot that people write in an afternoon, with nothing stored and nothing kept in order.

    python -m gateway.app.bench.baselines relay --port 8080 --provider http://127.0.0.1:9000
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import os
import signal
from collections.abc import Awaitable, Callable

import aiohttp
import msgspec
import uvloop
from aiohttp import web

SECRET_VARIABLE = "TERTULIA_BENCH_SECRET"  # noqa: S105  # the variable's name
_TOKEN = "1000001:bench-bench-bench-bench-bench-benc"  # noqa: S105  # the fake provider takes any


class _Chat(msgspec.Struct):
    id: int


class _Message(msgspec.Struct):
    message_id: int
    chat: _Chat
    text: str = ""


class _Update(msgspec.Struct):
    update_id: int
    message: _Message


Handler = Callable[[web.Request], Awaitable[web.Response]]


def bare_handler(secret: str) -> Handler:
    """Read, check, parse, 200."""
    expected = secret.encode()
    decoder = msgspec.json.Decoder(_Update)

    async def handle(request: web.Request) -> web.Response:
        _read(decoder, expected, request, await request.read())
        return web.Response()

    return handle


def relay_handler(secret: str, session: aiohttp.ClientSession, provider_url: str) -> Handler:
    """The same, and an echo through the provider before the 200."""
    expected = secret.encode()
    decoder = msgspec.json.Decoder(_Update)
    url = f"{provider_url}/bot{_TOKEN}/sendMessage"

    async def handle(request: web.Request) -> web.Response:
        message = _read(decoder, expected, request, await request.read()).message
        form = {"chat_id": str(message.chat.id), "text": message.text}
        async with session.post(url, data=form) as response:
            answer = msgspec.json.decode(await response.read(), type=dict[str, object])
            return web.Response(status=200 if answer.get("ok") else 502)

    return handle


def _read(decoder: msgspec.json.Decoder[_Update], expected: bytes, request: web.Request, body: bytes) -> _Update:
    given = request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
    if not hmac.compare_digest(given.encode(), expected):
        raise web.HTTPForbidden
    return decoder.decode(body)


async def serve(kind: str, port: int, provider_url: str, secret: str) -> None:
    """Serve on loopback until SIGTERM, on a port that several processes may share."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as session:
        application = web.Application()
        handler = bare_handler(secret) if kind == "bare" else relay_handler(secret, session, provider_url)
        application.router.add_post("/webhooks/{channel}/{endpoint}", handler)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, reuse_port=True).start()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()
        await runner.cleanup()


def main() -> None:
    """Entry of the process; the secret comes in the environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["bare", "relay"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--provider", default="")
    chosen = parser.parse_args()
    uvloop.run(serve(chosen.kind, chosen.port, chosen.provider, os.environ[SECRET_VARIABLE]))


if __name__ == "__main__":
    main()
