"""Examples of WhatsApp's wire for the contract suite."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

from channels._meta.verify import SIGNATURE_HEADER, signature
from channels.specimen import ProviderAnswer
from channels.specimen import Refusal as Refused
from channels.whatsapp.codes import MEANINGS, Meaning, Never, Operator, Wait
from channels.whatsapp.sandbox import WhatsAppSandbox, is_send
from channels.whatsapp.sandbox_api import graph_error
from channels.whatsapp.sandbox_people import Person
from channels.whatsapp.sandbox_rules import faults
from channels.whatsapp.sandbox_world import joined
from channels.whatsapp.settings import WhatsAppSettings
from gateway.core.channel import Call, EndpointSettings, WebhookRequest

_SECRET = "app_secret_1"  # noqa: S105  # protects nothing but examples
_PREVIOUS = "app_secret_0"

PHONE_NUMBER_ID = "106540352242922"
WABA_ID = "102290129340398"
SECOND_NUMBER_ID = "106540352242923"


class WhatsAppStage:
    """A sandbox with one person who has just written."""

    def __init__(self, sandbox: WhatsAppSandbox, person: Person) -> None:
        self._sandbox = sandbox
        self.settings: EndpointSettings = WhatsAppSettings.model_validate(sandbox.settings_values)
        self.recipient = person.address
        self.account = sandbox.number.phone_number_id

    def texts(self) -> list[str]:
        fields = [body.get("text") for body in self._sandbox.sent]
        return [str(field["body"]) for field in fields if isinstance(field, dict)]

    def break_next_call(self, *, takes_effect: bool) -> None:
        self._sandbox.server.drop_next(1, takes_effect=takes_effect, which=is_send)

    def refuse_next_call(self, retry_after_s: int) -> None:
        body = graph_error(429, 130429).body
        self._sandbox.server.limit_next(1, retry_after_s=retry_after_s, body=body, which=is_send)

    def answer_next_call(self, answer: ProviderAnswer) -> None:
        self._sandbox.server.answer_next(answer, which=is_send)


class WhatsAppSpecimen:
    settings_values: Mapping[str, object] = {
        "app_secret": _SECRET,
        "app_secret_previous": _PREVIOUS,
        "verify_token": "verify_token_1",
        "access_token": "EAAexampleexampleexample",
        "accounts": {
            "shop": {"phone_number_id": PHONE_NUMBER_ID, "waba_id": WABA_ID},
            "help": {"phone_number_id": SECOND_NUMBER_ID, "waba_id": WABA_ID, "display_phone_number": "15550783882"},
        },
    }
    needed_key = "app_secret"
    secret_key = "app_secret"  # noqa: S105  # the setting's name
    has_provider = True
    account = PHONE_NUMBER_ID
    recipients = ("ES.13491208655302741918", "+34600000001", "34600000001", "HBgLgroup-0123456789")

    def authentic(self, body: bytes) -> WebhookRequest:
        return _request(body, {SIGNATURE_HEADER: signature(body, _SECRET)})

    def rotated(self, body: bytes) -> WebhookRequest:
        return _request(body, {SIGNATURE_HEADER: signature(body, _PREVIOUS)})

    def stale(self, body: bytes) -> None:
        """Meta's proof holds no time."""

    def forged(self, body: bytes) -> Mapping[str, WebhookRequest]:
        good = signature(body, _SECRET)
        return {
            "no signature": _request(body, {}),
            "empty signature": _request(body, {SIGNATURE_HEADER: ""}),
            "another secret": _request(body, {SIGNATURE_HEADER: signature(body, "app_secret_2")}),
            "empty secret": _request(body, {SIGNATURE_HEADER: f"sha256={'0' * 64}"}),
            "without its prefix": _request(body, {SIGNATURE_HEADER: good.removeprefix("sha256=")}),
            "cut short": _request(body, {SIGNATURE_HEADER: good[:-1]}),
            "upper case": _request(body, {SIGNATURE_HEADER: good.upper()}),
            "another body": _request(body + b" ", {SIGNATURE_HEADER: good}),
            "the older header": _request(body, {"x-hub-signature": good}),
            "not ASCII": _request(body, {SIGNATURE_HEADER: "sha256=ü"}),
            "half a surrogate pair": _request(body, {SIGNATURE_HEADER: "\udcff"}),
        }

    def text_message(self, number: int, text: str) -> bytes:
        person = {"profile": {"name": "Ana"}, "wa_id": "34600000001", "user_id": "ES.1111111111111111"}
        message = {
            "from": "34600000001",
            "from_user_id": "ES.1111111111111111",
            "id": f"wamid.HBgLMzQ2MDAwMDAwMDEV{number:08d}",
            "timestamp": "1767225600",
            "type": "text",
            "text": {"body": text},
        }
        return _webhook({"contacts": [person], "messages": [message]})

    def unknown_event(self) -> bytes:
        message = {"from": "34600000001", "id": "wamid.HBgLunknown", "timestamp": "1767225600", "type": "hologram"}
        return _webhook({"messages": [{**message, "hologram": {"id": "1"}}]})

    def together(self, bodies: Sequence[bytes]) -> bytes:
        return joined(bodies)

    def faults_of(self, call: Call) -> list[str]:
        """The sandbox's judgement of the call, its uploads taken for done."""
        body = dict(call.params)
        for upload in call.uploads:
            body[upload.field] = {**cast("dict[str, object]", body[upload.field]), "id": "900000000000001"}
        plain: dict[str, object] = json.loads(json.dumps(body))
        return [fault.details for fault in faults(plain)]

    def text_of(self, call: Call) -> str:
        kind = str(call.params["type"])
        field = cast("dict[str, object]", call.params[kind])
        if kind == "interactive":
            field = cast("dict[str, object]", field["body"])
            return str(field["text"])
        return str(field.get("body", field.get("caption", ""))) if isinstance(field, dict) else ""

    def refusals(self) -> Mapping[str, Refused]:
        """Every code of the documentation, and what comes without one."""
        found = {f"code {code}": _refused(code, meaning) for code, meaning in MEANINGS.items()}
        return found | {
            "a permission": Refused(graph_error(403, 200), "Misconfigured"),
            "unknown code": Refused(graph_error(400, 131999), "GiveUp", "refused"),
            "unknown code of the server's": Refused(graph_error(500, 131999), "Retry"),
            "pair limit that asks for more": Refused(_with_wait(graph_error(400, 131056), 30), "Retry", after_s=30.0),
            "too many": Refused(ProviderAnswer(429, b"", {"Retry-After": "9"}), "Retry", after_s=9.0),
            "token without an envelope": Refused(ProviderAnswer(401, b"{}"), "Misconfigured"),
            "out of order": Refused(ProviderAnswer(500, b"<html></html>"), "Retry"),
            "unavailable": Refused(ProviderAnswer(503, b"", {"Retry-After": "3"}), "Retry", after_s=3.0),
            "a proxy ran out of time": Refused(ProviderAnswer(504, b"<html></html>"), "Ambiguous"),
            "too large": Refused(ProviderAnswer(413, b""), "GiveUp", "too_large"),
            "moved elsewhere": Refused(ProviderAnswer(302, b"", {"Location": "http://127.0.0.1:9/"}), "Misconfigured"),
            "not Meta at all": Refused(ProviderAnswer(404, b"<html></html>"), "Misconfigured"),
            "unreadable success": Refused(ProviderAnswer(200, b"{}"), "Ambiguous"),
        }

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[WhatsAppStage]:
        async with WhatsAppSandbox() as sandbox:
            person = sandbox.meet("Ana")
            await person.writes("hola")
            yield WhatsAppStage(sandbox, person)


def _refused(code: int, meaning: Meaning) -> Refused:
    answer = graph_error(401 if code in {0, 190} else 403 if code in {3, 10, 131005} else 400, code)
    match meaning:
        case Wait(after_s):
            return Refused(answer, "Retry", after_s=after_s)
        case Never(reason):
            return Refused(answer, "GiveUp", reason)
        case Operator():
            return Refused(answer, "Misconfigured")


def _with_wait(answer: ProviderAnswer, seconds: int) -> ProviderAnswer:
    return ProviderAnswer(answer.status, answer.body, {**answer.headers, "Retry-After": str(seconds)})


def _webhook(value: Mapping[str, object]) -> bytes:
    metadata = {"display_phone_number": "15550783881", "phone_number_id": PHONE_NUMBER_ID}
    whole = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    entry = {"id": WABA_ID, "changes": [{"value": whole, "field": "messages"}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def _request(body: bytes, headers: Mapping[str, str]) -> WebhookRequest:
    url = "https://example.org/webhooks/whatsapp/main"
    return WebhookRequest("POST", url, {"content-type": "application/json", **headers}, {}, body)


specimen = WhatsAppSpecimen()
