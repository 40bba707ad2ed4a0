"""A local stand-in for Telegram: the Bot API for the bot, and people who write, press, react, block and send files.

    async with TelegramSandbox(webhook_url="http://127.0.0.1:8080/webhooks/telegram/main") as sandbox:
        ana = sandbox.person("Ana", language="es")
        await ana.writes("hola")
        reply = await ana.next_reply(timeout_s=5)

It follows Telegram's documented rules and no wishes of ours. The token and the secret are new at every start.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import secrets
import sys
from collections import deque
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

from channels.sandboxes import Stage
from channels.specimen import ProviderAnswer
from channels.telegram.sandbox_api import BotApi
from channels.telegram.sandbox_people import Group, Person
from channels.telegram.sandbox_phone import TelegramPhone
from channels.telegram.sandbox_webhooks import Delivery, Hook
from channels.telegram.sandbox_world import BotMessage, Json, LoggedCall, Pacer, Refusal, World
from channels.telegram.settings import UPDATE_KINDS
from gateway.core.clock import Clock, SystemClock

__all__ = ["BotMessage", "Group", "LoggedCall", "Person", "TelegramSandbox", "open_sandbox"]

_BODY_LIMIT_BYTES = 60_000_000
_NOT_BY_DEFAULT = {"chat_member", "message_reaction", "message_reaction_count"}


class _Fault(msgspec.Struct):
    """What goes wrong with the next ``count`` calls (of ``method``, or of any)."""

    count: int
    kind: str
    method: str = ""
    status: int = 500
    description: str = ""
    retry_after_s: int = 0
    takes_effect: bool = False
    answer: ProviderAnswer | None = None


class TelegramSandbox:
    """A bot's whole Telegram on a port of 127.0.0.1.

    With *webhook_url* the webhook is set from the start, as by ``setWebhook``; else the bot sets it. *paced*
    switches Telegram's rate limits on. *time_scale* shortens the waiting between redeliveries.
    """

    def __init__(
        self,
        *,
        webhook_url: str = "",
        username: str = "tertulia_bot",
        token: str = "",
        secret_token: str = "",
        clock: Clock | None = None,
        paced: bool = False,
        time_scale: float = 1.0,
        port: int = 0,
    ) -> None:
        self._clock = clock or SystemClock()
        self.token = token or f"{secrets.randbelow(9_000_000_000) + 1_000_000_000}:{secrets.token_urlsafe(26)[:35]}"
        self.secret_token = secret_token or secrets.token_urlsafe(32)
        self.username = username
        self._webhook_url = webhook_url
        self._port = port
        self._world = World(self._clock, self.bot_id, username)
        self._is_paced = paced
        self._api = BotApi(self._world, Pacer(self._clock) if paced else None)
        self._delivery = Delivery(self._clock, time_scale=time_scale)
        self._world.on_update = self._put
        self._delivery.on_taken = self._world.taken
        self._faults: deque[_Fault] = deque()
        self._closing = asyncio.Event()
        self._poller: asyncio.Task[object] | None = None
        self._runner: web.AppRunner | None = None
        self.api_url = ""

    # ------------------------------------------------------------ life

    async def __aenter__(self) -> Self:
        await self._delivery.open()
        application = web.Application(client_max_size=_BODY_LIMIT_BYTES)
        application.router.add_route("*", "/bot{token}/{method}", self._handle_call)
        application.router.add_get("/file/bot{token}/{path:.+}", self._handle_file)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.api_url = f"http://{host}:{port}"
        if self._webhook_url:
            self._delivery.set_hook(Hook(self._webhook_url, self.secret_token, UPDATE_KINDS))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        await self._delivery.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # ------------------------------------------------------------ what a test or a demo asks for

    @property
    def bot_id(self) -> int:
        return int(self.token.partition(":")[0])

    @property
    def settings_values(self) -> Json:
        """The settings of an endpoint that talks to this sandbox; without rates if it has none itself."""
        values: Json = {"token": self.token, "secret_token": self.secret_token, "api_url": self.api_url}
        if not self._is_paced:
            values["rates"] = {"per_s": 0, "per_recipient_s": 0, "per_group_min": 0}
        return values

    @property
    def log(self) -> list[LoggedCall]:
        """Every call that took effect, in order: messages, typing, answered presses, reactions, edits."""
        return self._world.log

    @property
    def sent(self) -> list[LoggedCall]:
        """The calls of the log that made a message."""
        return [call for call in self.log if call.message_id and call.method.startswith("send")]

    @property
    def failed_deliveries(self) -> int:
        """How many times a webhook was not answered with 2xx."""
        return self._delivery.failures

    def person(self, name: str, *, language: str = "en", username: str = "", has_started: bool = False) -> Person:
        """Somebody with that name; the same name is the same person, in every run.

        *has_started*: they pressed Start in an earlier run, so the bot may write to them at once.
        """
        digest = hashlib.blake2b(name.encode(), digest_size=4).digest()
        user: Json = {"id": 1_000_000_000 + int.from_bytes(digest), "is_bot": False, "first_name": name}
        user["language_code"] = language
        if username:
            user["username"] = username
        private: Json = {key: user[key] for key in ("id", "first_name", "username") if key in user}
        chat = self._world.add_chat({**private, "type": "private"})
        chat.is_started = chat.is_started or has_started
        return Person(self._world, user, chat)

    def group(self, title: str) -> Group:
        """A supergroup that the bot is a member of."""
        digest = hashlib.blake2b(title.encode(), digest_size=4).digest()
        identity = -1_000_000_000_000 - int.from_bytes(digest)
        return Group(self._world, self._world.add_chat({"id": identity, "title": title, "type": "supergroup"}))

    def fail_next(
        self, count: int, status: int, description: str = "", *, method: str = "", retry_after_s: int = 0
    ) -> None:
        """The next *count* calls fail with that status, and have no effect."""
        words = (
            description or f"{'Too Many Requests: retry after ' + str(retry_after_s) if status == 429 else 'Failed'}"
        )
        self._faults.append(_Fault(count, "status", method.lower(), status, words, retry_after_s))

    @property
    def faults_ahead(self) -> int:
        """How many of the faults that were asked for no call has met yet."""
        return sum(fault.count for fault in self._faults)

    def answer_next(self, answer: ProviderAnswer) -> None:
        """The next call is answered so, and has no effect."""
        self._faults.append(_Fault(1, "answer", answer=answer))

    def hang_next(self, count: int, *, method: str = "", takes_effect: bool = False) -> None:
        """The next *count* calls get no answer until the caller leaves."""
        self._faults.append(_Fault(count, "hang", method.lower(), takes_effect=takes_effect))

    def drop_next(self, count: int, *, method: str = "", takes_effect: bool = False) -> None:
        """The connection of the next *count* calls breaks, before or after they took effect."""
        self._faults.append(_Fault(count, "drop", method.lower(), takes_effect=takes_effect))

    def repeat_update(self, update: Json) -> None:
        """Deliver an update again, as after a lost answer."""
        self._delivery.put(update)

    async def settled(self) -> None:
        """Return once every update so far was answered with 2xx or has expired."""
        await self._delivery.settled()

    # ------------------------------------------------------------ updates

    def _put(self, update: Json) -> None:
        hook = self._delivery.hook
        kind = next(name for name in update if name != "update_id")
        if hook is not None:
            wanted = kind in hook.allowed_updates if hook.allowed_updates else kind not in _NOT_BY_DEFAULT
            if not wanted:
                return
        self._delivery.put(update)

    # ------------------------------------------------------------ HTTP

    async def _handle_call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"].lower()
        fault = self._take_fault(method)
        if fault is not None and not fault.takes_effect:
            return await self._suffer(fault, request)
        answer = await self._answer(request, method)
        return await self._suffer(fault, request) if fault is not None else answer

    async def _answer(self, request: web.Request, method: str) -> web.Response:
        try:
            self._require_token(request)
            params, files = await _read(request)
            return _accepted(await self._dispatch(method, params, files))
        except Refusal as refusal:
            return _refused(refusal)

    def _require_token(self, request: web.Request) -> None:
        if request.match_info["token"] != self.token:
            raise Refusal(401, "Unauthorized")

    async def _dispatch(self, method: str, params: Json, files: dict[str, tuple[str, str, bytes]]) -> object:
        match method:
            case "setwebhook":
                return self._set_webhook(params)
            case "deletewebhook":
                self._delivery.set_hook(None)
                return True
            case "getwebhookinfo":
                return self._webhook_info()
            case "getupdates":
                return await self._get_updates(params)
            case _:
                return self._api.call(method, params, files)

    def _set_webhook(self, params: Json) -> bool:
        url, secret = str(params.get("url", "")), str(params.get("secret_token", ""))
        if url and not url.startswith(("http://", "https://")):
            raise Refusal(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        if len(secret) > 256 or not all(sign.isalnum() or sign in "_-" for sign in secret) or not secret.isascii():
            raise Refusal(400, "Bad Request: secret token contains unallowed characters")
        listed = params.get("allowed_updates") or []
        allowed = json.loads(listed) if isinstance(listed, str) else listed
        kinds = tuple(str(kind) for kind in allowed) if isinstance(allowed, list) else ()
        connections = int(str(params.get("max_connections", 40)))
        if not 1 <= connections <= 100:
            raise Refusal(400, "Bad Request: max_connections must be between 1 and 100")
        self._delivery.set_hook(Hook(url, secret, kinds, connections) if url else None)
        return True

    def _webhook_info(self) -> Json:
        hook = self._delivery.hook
        info: Json = {
            "url": hook.url if hook else "",
            "has_custom_certificate": False,
            "pending_update_count": self._delivery.pending_count,
        }
        if hook is not None:
            info["max_connections"] = hook.connections
            if hook.allowed_updates:
                info["allowed_updates"] = list(hook.allowed_updates)
        if self._delivery.last_error:
            info["last_error_date"] = self._delivery.last_error_s
            info["last_error_message"] = self._delivery.last_error
        return info

    async def _get_updates(self, params: Json) -> list[Json]:
        if self._delivery.hook is not None:
            detail = (
                "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
            )
            raise Refusal(409, f"Conflict: {detail}")
        if self._poller is not None and not self._poller.done():
            self._poller.cancel()
        self._poller = asyncio.ensure_future(self._poll(params))
        try:
            return await self._poller_result(self._poller)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            detail = "terminated by other getUpdates request; make sure that only one bot instance is running"
            raise Refusal(409, f"Conflict: {detail}") from None

    @staticmethod
    async def _poller_result(poller: asyncio.Task[object]) -> list[Json]:
        return msgspec.convert(await poller, list[Json])

    async def _poll(self, params: Json) -> object:
        waiting = self._delivery.waiting
        offset = int(str(params.get("offset", 0)))
        while waiting and int(str(waiting[0]["update_id"])) < offset:
            waiting.popleft()
        self._delivery.arrived.clear()
        if not waiting:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._delivery.arrived.wait(), min(50.0, float(str(params.get("timeout", 0)))))
        return list(waiting)[: int(str(params.get("limit", 100)))]

    async def _handle_file(self, request: web.Request) -> web.StreamResponse:
        fault = self._take_fault("file")
        if fault is not None:
            return await self._suffer(fault, request)
        path = request.match_info["path"]
        found = next((file for file in self._world.files.values() if file.path == path), None)
        if request.match_info["token"] != self.token or found is None:
            return _refused(Refusal(404, "Not Found"))
        return web.Response(body=found.content, content_type="application/octet-stream")

    def _take_fault(self, method: str) -> _Fault | None:
        for fault in self._faults:
            if fault.method in {"", method}:
                fault.count -= 1
                if fault.count <= 0:
                    self._faults.remove(fault)
                return fault
        return None

    async def _suffer(self, fault: _Fault, request: web.Request) -> web.StreamResponse:
        if fault.kind == "status":
            parameters = {"retry_after": fault.retry_after_s} if fault.retry_after_s else {}
            return _refused(Refusal(fault.status, fault.description, **parameters))
        if fault.answer is not None:
            return web.Response(status=fault.answer.status, body=fault.answer.body, headers=fault.answer.headers)
        if fault.kind == "hang":
            await self._closing.wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


class StagedSandbox(TelegramSandbox):
    """The sandbox of the demo, with a phone to look at."""

    def __init__(self, stage: Stage, clock: Clock | None = None) -> None:
        super().__init__(webhook_url=stage.webhook_url, clock=clock)
        self._bot_name = stage.bot_name

    def phone(self, name: str, language: str) -> TelegramPhone:
        """The phone of that person. It keeps what the sandbox remembers within bounds."""
        person = self.person(name, language=language, has_started=True)
        return TelegramPhone(self._world, person, self._bot_name)


def open_sandbox(stage: Stage) -> StagedSandbox:
    """The sandbox of the demo. Opened and closed as a context."""
    return StagedSandbox(stage)


async def _read(request: web.Request) -> tuple[Json, dict[str, tuple[str, str, bytes]]]:
    """Parameters from the query and from a form, JSON or multipart body; and uploaded files."""
    params: Json = dict(request.query)
    files: dict[str, tuple[str, str, bytes]] = {}
    try:
        if request.content_type == "application/json":
            params.update(msgspec.convert(await request.json(), Json))
        elif request.can_read_body:
            for name, value in (await request.post()).items():
                if isinstance(value, web.FileField):
                    files[name] = (value.filename, value.content_type, value.file.read())
                else:
                    params[name] = value if isinstance(value, str) else value.decode()
    except ValueError:
        raise Refusal(400, "Bad Request: can't parse the request") from None
    except web.HTTPRequestEntityTooLarge:
        raise Refusal(413, "Request Entity Too Large") from None
    return params, files


def _accepted(result: object) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _refused(refusal: Refusal) -> web.Response:
    body: Json = {"ok": False, "error_code": refusal.status, "description": refusal.description}
    headers = {}
    if refusal.parameters:
        body["parameters"] = refusal.parameters
    if "retry_after" in refusal.parameters:
        headers["Retry-After"] = str(refusal.parameters["retry_after"])
    return web.json_response(body, status=refusal.status, headers=headers)


# ---------------------------------------------------------------- as a program


async def _run(port: int, webhook_url: str, name: str) -> None:
    """Print where the sandbox is; then each line of the input is what *name* writes, and replies are printed."""
    async with TelegramSandbox(webhook_url=webhook_url, port=port) as sandbox:
        keys = {"api_url": sandbox.api_url, "token": sandbox.token, "secret_token": sandbox.secret_token}
        _print(json.dumps(keys))
        person = sandbox.person(name)
        printing = asyncio.ensure_future(_print_replies(person))
        try:
            while line := await asyncio.to_thread(sys.stdin.readline):
                await person.writes(line.rstrip("\n"))
            await asyncio.Event().wait()
        finally:
            printing.cancel()


async def _print_replies(person: Person) -> None:
    while True:
        reply = await person.next_reply(timeout_s=86_400)
        _print(" | ".join([reply.text, *(f"[{label}]" for label in reply.buttons)]))


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the sandbox until it is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m channels.telegram.sandbox", description=_run.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--webhook", default="", help="address to send updates to; empty: wait for setWebhook")
    parser.add_argument("--person", default="Ana")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(arguments.port, arguments.webhook, arguments.person))


if __name__ == "__main__":
    main()
