"""Examples of Telegram's wire for the contract suite."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from channels.telegram.sandbox import Person, TelegramSandbox
from channels.telegram.settings import TelegramSettings
from channels.telegram.verify import HEADER
from gateway.core.channel import EndpointSettings, WebhookRequest

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

    def texts(self) -> list[str]:
        return [str(call.params["text"]) for call in self._sandbox.sent if "text" in call.params]

    def break_next_call(self, *, takes_effect: bool) -> None:
        self._sandbox.drop_next(1, takes_effect=takes_effect)

    def refuse_next_call(self, retry_after_s: int) -> None:
        self._sandbox.fail_next(1, 429, retry_after_s=retry_after_s)


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

    def authentic(self, body: bytes) -> WebhookRequest:
        return _request(body, {HEADER: _SECRET})

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

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[TelegramStage]:
        async with TelegramSandbox() as sandbox:
            person = sandbox.person("Ana")
            await person.starts()
            yield TelegramStage(sandbox, person)


def _request(body: bytes, headers: Mapping[str, str]) -> WebhookRequest:
    url = "https://example.org/webhooks/telegram/main"
    return WebhookRequest("POST", url, {"content-type": "application/json", **headers}, {}, body)


specimen = TelegramSpecimen()
