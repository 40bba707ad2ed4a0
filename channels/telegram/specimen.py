"""Examples of Telegram's wire for the contract suite."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from channels.specimen import ProviderAnswer
from channels.specimen import Refusal as Refused
from channels.telegram.sandbox import Person, TelegramSandbox
from channels.telegram.sandbox_api import BotApi
from channels.telegram.sandbox_world import Refusal, StoredFile, World
from channels.telegram.settings import TelegramSettings
from channels.telegram.verify import HEADER
from gateway.core.channel import Call, EndpointSettings, WebhookRequest
from gateway.core.clock import SystemClock

_SECRET = "current-secret_1"  # noqa: S105  # protects nothing but examples
_PREVIOUS = "previous-secret_0"


class TelegramStage:
    """A sandbox with one person who has pressed Start."""

    def __init__(self, sandbox: TelegramSandbox, person: Person) -> None:
        self._sandbox = sandbox
        self.settings: EndpointSettings = TelegramSettings.model_validate(
            {"token": sandbox.token, "secret_token": sandbox.secret_token, "api_url": sandbox.api_url}
        )
        self.recipient = str(person.id)
        self.account = ""

    def texts(self) -> list[str]:
        return [str(call.params["text"]) for call in self._sandbox.sent if "text" in call.params]

    def break_next_call(self, *, takes_effect: bool) -> None:
        self._sandbox.drop_next(1, takes_effect=takes_effect)

    def refuse_next_call(self, retry_after_s: int) -> None:
        self._sandbox.fail_next(1, 429, retry_after_s=retry_after_s)

    def answer_next_call(self, answer: ProviderAnswer) -> None:
        self._sandbox.answer_next(answer)


class TelegramSpecimen:
    settings_values: Mapping[str, object] = {
        "token": "222222:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc",
        "secret_token": _SECRET,
        "secret_token_previous": _PREVIOUS,
        "username": "shop_bot",
    }
    needed_key = "secret_token"
    secret_key = "secret_token"  # noqa: S105  # the setting's name
    has_provider = True
    account = ""
    recipients = ("1111111", "-1001111111")

    def authentic(self, body: bytes) -> WebhookRequest:
        return _request(body, {HEADER: _SECRET})

    def rotated(self, body: bytes) -> WebhookRequest:
        return _request(body, {HEADER: _PREVIOUS})

    def stale(self, body: bytes) -> None:
        """Telegram's proof holds no time."""

    def forged(self, body: bytes) -> Mapping[str, WebhookRequest]:
        return {
            "no secret": _request(body, {}),
            "empty secret": _request(body, {HEADER: ""}),
            "wrong secret": _request(body, {HEADER: "current-secret_2"}),
            "beginning of the secret": _request(body, {HEADER: _SECRET[:-1]}),
            "not ASCII": _request(body, {HEADER: "cürrent"}),
            "half a surrogate pair": _request(body, {HEADER: "\udcff"}),
        }

    def text_message(self, number: int, text: str) -> bytes:
        person = {"id": 1_111_111, "is_bot": False, "first_name": "Ana"}
        chat = {"id": 1_111_111, "type": "private", "first_name": "Ana"}
        message = {"message_id": number, "from": person, "chat": chat, "date": 1_767_225_600, "text": text}
        return json.dumps({"update_id": 900_000_000 + number, "message": message}).encode()

    def unknown_event(self) -> bytes:
        return b'{"update_id": 900000001, "hologram": {"message_id": 1}}'

    def together(self, bodies: Sequence[bytes]) -> None:
        """Telegram sends one update a request."""

    def faults_of(self, call: Call) -> list[str]:
        """What the sandbox's Bot API says to the call."""
        world = World(SystemClock(), 222_222, "shop_bot")
        for given in map(str, call.params.values()):
            world.files.setdefault(given, StoredFile(given, given, given, b"content", "f", "image/png"))
        chat_id = int(str(call.params["chat_id"]))
        chat = world.add_chat({"id": chat_id, "type": "private" if chat_id > 0 else "supergroup"})
        chat.is_started = True
        files = {upload.field: (upload.name, upload.mime, b"content") for upload in call.uploads}
        try:
            BotApi(world, None).call(call.method, call.params, files)
        except Refusal as refusal:
            return [refusal.description]
        return []

    def text_of(self, call: Call) -> str:
        return str(call.params.get("text", call.params.get("caption", "")))

    def refusals(self) -> Mapping[str, Refused]:
        """What ``failures.py`` names, in Telegram's own words."""
        blocked = "Forbidden: bot was blocked by the user"
        return {
            "asked to wait": Refused(
                _answer(429, "Too Many Requests: retry after 7", retry_after=7), "Retry", after_s=7.0
            ),
            "moved to a supergroup": Refused(
                _answer(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-1001),
                "Moved",
            ),
            "blocked": Refused(_answer(403, blocked), "GiveUp", "opted_out"),
            "unknown chat": Refused(_answer(400, "Bad Request: chat not found"), "GiveUp", "unreachable"),
            "no rights": Refused(
                _answer(400, "Bad Request: not enough rights to send text messages to the chat"), "GiveUp", "opted_out"
            ),
            "too long": Refused(_answer(400, "Bad Request: message is too long"), "GiveUp", "too_large"),
            "any other refusal": Refused(_answer(400, "Bad Request: can't parse entities"), "GiveUp", "refused"),
            "token withdrawn": Refused(_answer(401, "Unauthorized"), "Misconfigured"),
            "no such bot": Refused(_answer(404, "Not Found"), "Misconfigured"),
            "another program": Refused(
                _answer(409, "Conflict: terminated by other getUpdates request"), "Misconfigured"
            ),
            "out of order": Refused(_answer(500, "Internal Server Error"), "Retry"),
            "bad gateway": Refused(ProviderAnswer(502, b"<html>Bad Gateway</html>"), "Retry"),
            "unavailable": Refused(ProviderAnswer(503, b"", {"Retry-After": "3"}), "Retry"),
        }

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[TelegramStage]:
        async with TelegramSandbox() as sandbox:
            person = sandbox.person("Ana")
            await person.starts()
            yield TelegramStage(sandbox, person)


def _request(body: bytes, headers: Mapping[str, str]) -> WebhookRequest:
    url = "https://example.org/webhooks/telegram/main"
    return WebhookRequest("POST", url, {"content-type": "application/json", **headers}, {}, body)


def _answer(status: int, description: str, **parameters: int) -> ProviderAnswer:
    body: dict[str, object] = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return ProviderAnswer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


specimen = TelegramSpecimen()
