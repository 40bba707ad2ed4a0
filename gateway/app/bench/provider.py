"""A stand-in for Telegram in a process of its own: answers every call at once, and remembers what was sent.

It costs the same for whoever calls it. The log keeps the bodies as they came and reads them only when asked.

    python -m gateway.app.bench.provider --port 0      prints its port, serves until SIGTERM

    POST /bot<token>/<method>     a Bot API call
    GET  /counts                  how many calls there were, and when
    GET  /log/<from>              up to 10,000 entries from that position on
    POST /reset                   forget everything
    POST /behave                  answer late, or refuse the next calls (``Behaviour`` as JSON)
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from typing import cast
from urllib.parse import parse_qs

import msgspec
import uvloop

from gateway.app.bench.wire import Piece, Splitter, json_response
from gateway.core.errors import BadPayload

LOG_LIMIT = 5_000_000
"""Entries that are remembered; further calls are only counted."""

LOG_PAGE = 10_000

_BOT_ID = 222222
_ACTIONS = frozenset(
    {
        b"answerCallbackQuery",
        b"sendChatAction",
        b"setWebhook",
        b"deleteWebhook",
        b"setMessageReaction",
        b"setMyCommands",
    }
)


class Counts(msgspec.Struct, frozen=True):
    """Calls since the last reset; the times are of ``time.monotonic_ns``, which all processes of a machine share."""

    calls: int
    sends: int
    first_send_ns: int
    last_send_ns: int
    cpu_ns: int


class LogEntry(msgspec.Struct, frozen=True, array_like=True):
    """One call, as it came in."""

    at_ns: int
    method: str
    chat_id: str
    text: str
    token: str
    status: int


class Behaviour(msgspec.Struct, frozen=True):
    """How calls are answered: after *delay_ms*; and the next *refuse* of them with *status* and *retry_after_s*.

    With *drop* the refused ones get no answer at all: the connection breaks after the call was logged.
    """

    delay_ms: int = 0
    refuse: int = 0
    status: int = 500
    retry_after_s: int = 0
    drop: bool = False


class _RawEntry(msgspec.Struct, frozen=True, gc=False):
    at_ns: int
    path: bytes
    body: bytes
    status: int


class Provider:
    """Answers calls and keeps the log. Not thread-safe; lives in one event loop."""

    def __init__(self) -> None:
        self._log: list[_RawEntry] = []
        self._behaviour = Behaviour()
        self._refused = 0
        self._calls = 0
        self._sends = 0
        self._first_send_ns = 0
        self._last_send_ns = 0
        self._message_id = 0

    @property
    def delay_s(self) -> float:
        return self._behaviour.delay_ms / 1000

    def answer(self, piece: Piece) -> bytes:
        """The whole response to one request; empty when the connection is to be broken instead."""
        verb, _, rest = piece.first_line.partition(b" ")
        path = rest.partition(b" ")[0]
        if path.startswith(b"/bot"):
            return self._call(path, piece.body)
        if verb == b"GET" and path == b"/counts":
            return json_response(msgspec.json.encode(self.counts()))
        if verb == b"GET" and path.startswith(b"/log/"):
            return json_response(msgspec.json.encode(self.log(int(path[5:]))))
        if verb == b"POST" and path == b"/reset":
            self.__init__()  # type: ignore[misc]  # exactly what a new one would be
            return json_response(b"{}")
        if verb == b"POST" and path == b"/behave":
            self._behaviour, self._refused = msgspec.json.decode(piece.body, type=Behaviour), 0
            return json_response(b"{}")
        return json_response(b'{"ok":false,"error_code":404,"description":"Not Found"}', status="404 Not Found")

    def counts(self) -> Counts:
        return Counts(self._calls, self._sends, self._first_send_ns, self._last_send_ns, time.process_time_ns())

    def log(self, first: int) -> list[LogEntry]:
        """A page of the log from position *first* on."""
        return [_readable(entry) for entry in self._log[first : first + LOG_PAGE]]

    def _call(self, path: bytes, body: bytes) -> bytes:
        now_ns = time.monotonic_ns()
        self._calls += 1
        if self._refused < self._behaviour.refuse:
            return self._refuse(now_ns, path, body)
        self._remember(_RawEntry(now_ns, path, body, 200))
        method = path[path.rfind(b"/") + 1 :]
        if not method.startswith(b"send") or method in _ACTIONS:
            return _me() if method == b"getMe" else json_response(b'{"ok":true,"result":true}')
        self._sends += 1
        self._first_send_ns = self._first_send_ns or now_ns
        self._last_send_ns = now_ns
        self._message_id += 1
        result = (
            b'{"ok":true,"result":{"message_id":%d,"from":{"id":%d,"is_bot":true,"first_name":"Bench"},'
            b'"chat":{"id":%s,"type":"private"},"date":%d}}'
        ) % (self._message_id, _BOT_ID, _chat_id(body) or b"0", time.time())
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
            len(result),
            result,
        )

    def _refuse(self, now_ns: int, path: bytes, body: bytes) -> bytes:
        self._refused += 1
        wanted = self._behaviour
        self._remember(_RawEntry(now_ns, path, body, 0 if wanted.drop else wanted.status))
        if wanted.drop:
            return b""
        parameters = {"retry_after": wanted.retry_after_s} if wanted.retry_after_s else {}
        answer = {"ok": False, "error_code": wanted.status, "description": "refused", "parameters": parameters}
        extra = f"Retry-After: {wanted.retry_after_s}\r\n" if wanted.retry_after_s else ""
        return json_response(msgspec.json.encode(answer), status=f"{wanted.status} Refused", extra=extra)

    def _remember(self, entry: _RawEntry) -> None:
        if len(self._log) < LOG_LIMIT:
            self._log.append(entry)


class _Connection(asyncio.Protocol):
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._splitter = Splitter()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # TCP gives no other; uvloop's does not inherit

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        try:
            for piece in self._splitter.feed(data):
                self._respond(transport, self._provider.answer(piece), is_last=piece.is_last)
        except (BadPayload, ValueError) as error:
            transport.write(
                json_response(msgspec.json.encode({"ok": False, "description": str(error)}), status="400 Bad")
            )
            transport.close()

    def _respond(self, transport: asyncio.Transport, answer: bytes, *, is_last: bool) -> None:
        if self._provider.delay_s and answer:
            asyncio.get_running_loop().call_later(self._provider.delay_s, _write, transport, answer)
            return
        if answer:
            transport.write(answer)
        if is_last or not answer:
            transport.close()


def _write(transport: asyncio.Transport, answer: bytes) -> None:
    """Answer late, unless the caller has gone meanwhile."""
    if not transport.is_closing():
        transport.write(answer)


def _chat_id(body: bytes) -> bytes:
    """The chat of a call, from a form or from JSON, without decoding the rest; empty when it has none."""
    at = body.find(b"chat_id")
    if at < 0:
        return b""
    start = at + 8
    while body[start : start + 1] in {b" ", b":", b'"', b"="}:
        start += 1
    end = start + 1
    while body[end : end + 1].isdigit():
        end += 1
    return body[start:end]


def _me() -> bytes:
    result = {"id": _BOT_ID, "is_bot": True, "first_name": "Bench", "username": "bench_bot"}
    return json_response(msgspec.json.encode({"ok": True, "result": result}))


def _readable(entry: _RawEntry) -> LogEntry:
    token, _, method = entry.path.removeprefix(b"/bot").partition(b"/")
    if entry.body[:1] == b"{":
        fields = {name: str(value) for name, value in msgspec.json.decode(entry.body, type=dict[str, object]).items()}
    else:
        fields = {name: values[0] for name, values in parse_qs(entry.body.decode(errors="replace")).items()}
    text = fields.get("text", fields.get("caption", ""))
    return LogEntry(entry.at_ns, method.decode(), fields.get("chat_id", ""), text, token.decode(), entry.status)


async def serve(port: int) -> None:
    """Serve on loopback until SIGTERM; the port stands on the first line of standard output."""
    loop = asyncio.get_running_loop()
    provider = Provider()
    server = await loop.create_server(lambda: _Connection(provider), "127.0.0.1", port)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()


def main() -> None:
    """Entry of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
