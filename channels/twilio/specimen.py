"""Examples of Twilio's wire for the contract suite."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import parse_qsl, urlencode

from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # it brings no types

from channels.specimen import ProviderAnswer, Refusal
from channels.twilio.contents import read_layout
from channels.twilio.failures import VERDICTS, raised
from channels.twilio.render import LAYOUT, STATUS_CALLBACK
from channels.twilio.sandbox import TwilioSandbox, is_message
from channels.twilio.sandbox_rules import Json, check_message, error_body, shown_content
from channels.twilio.sandbox_rules import Refusal as Refused
from channels.twilio.settings import TwilioSettings
from channels.twilio.verify import SIGNATURE, SIGNATURE_SETTINGS
from gateway.core.channel import Call, EndpointSettings, WebhookRequest
from gateway.core.errors import GiveUp

URL = "https://gateway.example/webhooks/twilio/main"
ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
TEMPLATE_SID = "HX" + "0123456789abcdef" * 2
WHATSAPP_SENDER = "whatsapp:+15005550010"

_TOKEN = "an-example-of-a-token-that-protects-nothing"  # noqa: S105  # an example
_PREVIOUS = "an-example-of-a-token-that-is-being-replaced"
_KEY_ID, _KEY = "webhooks_sharedkey_1", "an-example-of-a-shared-key"
_FORM = "application/x-www-form-urlencoded; charset=UTF-8"
_TEMPLATE: Json = {"language": "es", "types": {"twilio/text": {"body": "Hola {{1}}"}}}


class TwilioStage:
    """A sandbox with one person who wrote on WhatsApp a moment ago."""

    account = WHATSAPP_SENDER

    def __init__(self, sandbox: TwilioSandbox) -> None:
        self._sandbox = sandbox
        self.settings: EndpointSettings = TwilioSettings.model_validate(sandbox.settings_values)
        sandbox.person("Ana", has_started=True)
        self.recipient = sandbox.someone("Ana", "whatsapp").address

    def texts(self) -> list[str]:
        return [message.body for message in self._sandbox.taken]

    def break_next_call(self, *, takes_effect: bool) -> None:
        self._sandbox.server.drop_next(takes_effect=takes_effect, which=is_message)

    def refuse_next_call(self, retry_after_s: int) -> None:
        body = error_body(429, 20429, "Too Many Requests")
        self._sandbox.server.limit_next(retry_after_s=retry_after_s, body=body, which=is_message)

    def answer_next_call(self, answer: ProviderAnswer) -> None:
        self._sandbox.server.answer_next(answer, which=is_message)


class TwilioSpecimen:
    settings_values: Mapping[str, object] = {
        "account_sid": ACCOUNT_SID,
        "auth_token": _TOKEN,
        "auth_token_previous": _PREVIOUS,
        "shared_keys": {_KEY_ID: _KEY},
        "accounts": {"support": {"address": WHATSAPP_SENDER}, "texts": {"address": "+15005550020"}},
        "templates": {"welcome": TEMPLATE_SID},
    }
    needed_key = "auth_token"
    secret_key = "auth_token"  # noqa: S105  # the setting's name
    has_provider = True
    account = WHATSAPP_SENDER
    recipients = ("whatsapp:+34600000001", "whatsapp:ID.1111111111111111", "+34600000001")

    def authentic(self, body: bytes) -> WebhookRequest:
        """*body* is a form; a JSON object stands for one with those fields."""
        form = as_form(body)
        return _request(form, {SIGNATURE: _signature(form, _TOKEN)})

    def rotated(self, body: bytes) -> WebhookRequest:
        return _request(body, {SIGNATURE: _signature(body, _PREVIOUS)})

    def stale(self, body: bytes) -> None:
        """Twilio's proof holds no time."""

    def forged(self, body: bytes) -> Mapping[str, WebhookRequest]:
        right = _signature(body, _TOKEN)
        with_key = {SIGNATURE: _signature(body, _KEY, "HMAC_SHA256")}
        announced = f"key={_KEY_ID},algorithm=HMAC_SHA256"
        return {
            "no signature": _request(body, {}),
            "empty signature": _request(body, {SIGNATURE: ""}),
            "wrong signature": _request(body, {SIGNATURE: _signature(body, "another token")}),
            "beginning of the signature": _request(body, {SIGNATURE: right[:-2]}),
            "another body": _request(body + b"&Extra=1", {SIGNATURE: right}),
            "not ASCII": _request(body, {SIGNATURE: "sïgnature"}),
            "half a surrogate pair": _request(body, {SIGNATURE: "\udcff"}),
            "a key that nobody announced": _request(body, with_key),
            "an unknown key": _request(body, {**with_key, SIGNATURE_SETTINGS: "key=other,algorithm=HMAC_SHA256"}),
            "an unknown algorithm": _request(
                body, {**with_key, SIGNATURE_SETTINGS: announced.replace("SHA256", "MD5")}
            ),
            "the token for a key": _request(body, {SIGNATURE: right, SIGNATURE_SETTINGS: announced}),
            "JSON without its hash": _request(body, {SIGNATURE: right, "content-type": "application/json"}),
        }

    def text_message(self, number: int, text: str) -> bytes:
        sid = f"SM{number:032x}"
        fields = {
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "ProfileName": "Ana Silva",
            "MessageType": "text",
            "SmsSid": sid,
            "WaId": "34600000001",
            "SmsStatus": "received",
            "Body": text,
            "To": WHATSAPP_SENDER,
            "NumSegments": "1",
            "ReferralNumMedia": "0",
            "MessageSid": sid,
            "AccountSid": ACCOUNT_SID,
            "ExternalUserId": "whatsapp:ID.1111111111111111",
            "ChannelMetadata": '{"type":"whatsapp","data":{"context":{"WaId":"34600000001"}}}',
            "From": "whatsapp:+34600000001",
            "ApiVersion": "2010-04-01",
        }
        return urlencode(fields).encode()

    def unknown_event(self) -> bytes:
        return b"HologramSid=HG01&From=whatsapp%3A%2B34600000001"

    def together(self, bodies: Sequence[bytes]) -> None:
        """Twilio sends one message a request."""

    def faults_of(self, call: Call) -> list[str]:
        """What the sandbox's rules say to the call, once its layout was made."""
        form = dict(_form(call))
        contents: dict[str, Json] = {TEMPLATE_SID: _TEMPLATE}
        if LAYOUT in form:
            sid = "HX" + "f" * 32
            contents[sid] = json.loads(read_layout(form.pop(LAYOUT)[0]).definition())
            form["ContentSid"] = [sid]
        form[STATUS_CALLBACK] = [f"{URL}?{form[STATUS_CALLBACK][0]}"]
        form["To"] = [_of_the_same_app(form["From"][0], form["To"][0])]
        try:
            check_message(form, contents)
        except Refused as refusal:
            return [f"{refusal.code}: {refusal.message}"]
        return []

    def text_of(self, call: Call) -> str:
        form = _form(call)
        if LAYOUT in form:
            layout: Json = json.loads(read_layout(form[LAYOUT][0]).definition())
            return shown_content(layout, json.loads(form["ContentVariables"][0])).body
        return (form.get("Body") or [""])[0]

    def refusals(self) -> Mapping[str, Refusal]:
        """Every code of the table, and what has none."""
        found = {str(code): _refusal(code) for code in VERDICTS}
        return {
            **found,
            "asked to wait": Refusal(_answer(429, 20429, {"Retry-After": "7"}), "Retry", after_s=7.0),
            "unknown code": Refusal(_answer(400, 29999), "GiveUp", "refused"),
            "failed at once": Refusal(_failed_at_once(63016), "GiveUp", "window_closed"),
            "no login": Refusal(ProviderAnswer(401, b""), "Misconfigured"),
            "not allowed": Refusal(ProviderAnswer(403, b"<html>"), "Misconfigured"),
            "elsewhere": Refusal(ProviderAnswer(301, b"", {"Location": "https://example.org/"}), "Misconfigured"),
            "too large": Refusal(ProviderAnswer(413, b""), "GiveUp", "too_large"),
            "too many": Refusal(ProviderAnswer(429, b""), "Retry"),
            "out of order": Refusal(ProviderAnswer(500, b"{}"), "Ambiguous"),
            "bad gateway": Refusal(ProviderAnswer(502, b"<html>Bad Gateway</html>"), "Ambiguous"),
            "unavailable": Refusal(ProviderAnswer(503, b"", {"Retry-After": "3"}), "Ambiguous", after_s=3.0),
            "an answer that is none": Refusal(ProviderAnswer(201, b"{"), "Ambiguous"),
        }

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[TwilioStage]:
        async with TwilioSandbox(retries_s=()) as sandbox:
            yield TwilioStage(sandbox)


def as_form(body: bytes) -> bytes:
    """A JSON object as the form with those fields; anything else as it is."""
    try:
        fields = json.loads(body)
    except ValueError:
        return body
    if not isinstance(fields, dict):
        return body
    told = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    return urlencode(told, errors="surrogatepass").encode()


def _signature(body: bytes, secret: str, algorithm: str = "HMAC_SHA1") -> str:
    fields = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
    return str(RequestValidator(secret).compute_signature(URL, fields, algorithm))


def _request(body: bytes, headers: Mapping[str, str]) -> WebhookRequest:
    return WebhookRequest("POST", URL, {"content-type": _FORM, **headers}, {}, body)


def _form(call: Call) -> dict[str, list[str]]:
    return {
        name: [str(each) for each in cast("list[object]", value)] if isinstance(value, list) else [str(value)]
        for name, value in call.params.items()
    }


def _of_the_same_app(sender: str, to: str) -> str:
    """The suite tries each recipient on each account; a text message goes to a number."""
    if sender.startswith("whatsapp:"):
        return to if to.startswith("whatsapp:") else f"whatsapp:{to}"
    return "+34600000001"


def _refusal(code: int) -> Refusal:
    verdict = VERDICTS[code]
    kind = type(raised(verdict, "", str(code)))
    reason = verdict.reason if kind is GiveUp else ""
    status = 429 if code == 20429 else 401 if code == 20003 else 500 if verdict.action == "ambiguous" else 400
    becomes = {"retry": "Retry", "ambiguous": "Ambiguous", "give_up": "GiveUp", "misconfigured": "Misconfigured"}
    return Refusal(_answer(status, code), becomes[verdict.action], reason, verdict.after_s)  # type: ignore[arg-type]  # one of its words


def _answer(status: int, code: int, headers: Mapping[str, str] | None = None) -> ProviderAnswer:
    return ProviderAnswer(status, error_body(status, code, "as documented"), headers or {})


def _failed_at_once(code: int) -> ProviderAnswer:
    message = {"sid": "SM" + "0" * 32, "status": "failed", "error_code": code, "error_message": "as documented"}
    return ProviderAnswer(201, json.dumps(message).encode())


specimen = TwilioSpecimen()
