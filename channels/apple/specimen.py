"""Examples of Apple's wire for the contract suite."""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

import jwt
import msgspec

from channels.apple.render import MESSAGE, PICTURE
from channels.apple.sandbox import AppleSandbox, sends_message
from channels.apple.sandbox_rules import Attached, Unreadable, faults, read
from channels.apple.settings import AppleSettings
from channels.apple.verify import signature_of
from channels.apple.wire import ATTACHED
from channels.specimen import ProviderAnswer, Refusal
from gateway.core.channel import Call, EndpointSettings, WebhookRequest

MSP_ID = "11111111-2222-3333-4444-555555555555"
SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # noqa: S105  # protects nothing but examples
PREVIOUS = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
BUSINESS = "7b1f0a52-4c1d-4a7e-9a53-0d7f7a3f5d10"
OTHER_BUSINESS = "0f9b7a54-6b6a-4c64-8d2c-8f0b0a3e77c1"
CUSTOMER = "urn:mbid:AQAAY0s5VXh/q1+Zt3w/KQ=="

_UPLOADED = Attached("file", "image/png", "7", "https://p42.example/M1", "M1", "00" + "0a" * 32, "gQ==")


class AppleStage:
    """A sandbox with one customer who has written."""

    def __init__(self, sandbox: AppleSandbox, recipient: str) -> None:
        self._sandbox = sandbox
        self.settings: EndpointSettings = AppleSettings.model_validate(dict(sandbox.settings_values))
        self.account = sandbox.business_id
        self.recipient = recipient

    def texts(self) -> list[str]:
        return [message.body for message in self._sandbox.sent if message.type == "text"]

    def break_next_call(self, *, takes_effect: bool) -> None:
        self._sandbox.server.drop_next(takes_effect=takes_effect, which=sends_message)

    def refuse_next_call(self, retry_after_s: int) -> None:
        self._sandbox.server.limit_next(retry_after_s=retry_after_s, which=sends_message)

    def answer_next_call(self, answer: ProviderAnswer) -> None:
        self._sandbox.server.answer_next(answer, which=sends_message)


class AppleSpecimen:
    settings_values: Mapping[str, object] = {
        "msp_id": MSP_ID,
        "secret": SECRET,
        "secret_previous": PREVIOUS,
        "accounts": {"shop": {"business_id": BUSINESS}, "repairs": {"business_id": f"urn:biz:{OTHER_BUSINESS}"}},
    }
    needed_key = "secret"
    secret_key = "secret"  # noqa: S105  # the setting's name
    has_provider = True
    account = BUSINESS
    recipients: Sequence[str] = (CUSTOMER,)

    def authentic(self, body: bytes) -> WebhookRequest:
        return _request(body, _token())

    def rotated(self, body: bytes) -> WebhookRequest:
        return _request(body, _token(secret=PREVIOUS))

    def stale(self, body: bytes) -> WebhookRequest:
        return _request(body, _token(age_s=2 * 3600))

    def forged(self, body: bytes) -> Mapping[str, WebhookRequest]:
        good = _token()
        beginning, _, signature = good.rpartition(".")
        claims = {"aud": MSP_ID, "iat": int(time.time())}
        unsigned = jwt.encode(claims, "", algorithm="none")
        text_as_key = jwt.encode(claims, SECRET, algorithm="HS256")
        return {
            "no token": _request(body, ""),
            "no signature": _request(body, beginning + "."),
            "two parts": _request(body, beginning),
            "another signature": _request(body, f"{beginning}.{signature[::-1]}"),
            "algorithm none": _request(body, unsigned),
            "algorithm none, signed": _request(body, unsigned + signature),
            "another algorithm": _request(body, _token_of_another_kind()),
            "base64 text as the key": _request(body, text_as_key),
            "another secret": _request(body, _token(secret="A" * 44)),
            "for another platform": _request(body, _token(audience="99999999-2222-3333-4444-555555555555")),
            "issued tomorrow": _request(body, _token(age_s=-86_400)),
            "not ASCII": _request(body, "tökén.é.ü"),
            "half a surrogate pair": _request(body, "\udcff.\udcff.\udcff"),
        }

    def text_message(self, number: int, text: str) -> bytes:
        notice = {
            "v": 1,
            "id": f"00000000-0000-4000-8000-{number:012d}",
            "type": "text",
            "sourceId": CUSTOMER,
            "destinationId": BUSINESS,
            "locale": "es_ES",
            "body": text,
        }
        return json.dumps(notice).encode()

    def unknown_event(self) -> bytes:
        notice = {"v": 1, "id": "0", "type": "hologram", "sourceId": CUSTOMER, "destinationId": BUSINESS}
        return json.dumps(notice).encode()

    def together(self, bodies: Sequence[bytes]) -> None:
        """Apple sends one thing a request."""

    def faults_of(self, call: Call) -> list[str]:
        """What the sandbox's rules say to the body that the client would send."""
        if call.method != MESSAGE:
            return [f"no call named {call.method}"]
        files = [_UPLOADED for _ in [*call.uploads, *([1] if PICTURE in call.params else [])]]
        body = {**_body(call), "sourceId": BUSINESS, **({"attachments": files} if files else {})}
        try:
            return faults(read(_encoded(body)))
        except Unreadable as error:
            return [str(error)]

    def text_of(self, call: Call) -> str:
        """The words of a text, else the question or the title that stands above what can be pressed."""
        message = read(_encoded({**_body(call), "sourceId": BUSINESS}))
        if message.rich_link_data is not None:
            return message.rich_link_data.title
        if message.interactive_data is None:
            return message.body.replace(ATTACHED, "") if call.uploads or PICTURE in call.params else message.body
        data = message.interactive_data.data
        if data.quick_reply is not None:
            return data.quick_reply.summary_text
        return data.received_message.title if data.received_message else ""

    def refusals(self) -> Mapping[str, Refusal]:
        """What ``failures.py`` names."""
        return {
            "refused": Refusal(ProviderAnswer(400, b""), "GiveUp", "refused"),
            "token refused": Refusal(ProviderAnswer(401, b""), "Misconfigured"),
            "business refused": Refusal(ProviderAnswer(403, b""), "Misconfigured"),
            "unknown customer": Refusal(ProviderAnswer(404, b""), "GiveUp", "unreachable"),
            "too slow": Refusal(ProviderAnswer(408, b""), "Retry"),
            "closed": Refusal(ProviderAnswer(410, b""), "GiveUp", "unreachable"),
            "too large": Refusal(ProviderAnswer(413, b""), "GiveUp", "too_large"),
            "too many": Refusal(ProviderAnswer(429, b""), "Retry"),
            "too many, with a time": Refusal(ProviderAnswer(429, b"", {"Retry-After": "9"}), "Retry", after_s=9.0),
            "another 4xx": Refusal(ProviderAnswer(422, b"{}"), "GiveUp", "refused"),
            "a redirect": Refusal(ProviderAnswer(302, b"", {"Location": "https://example.org/"}), "Misconfigured"),
            "out of order": Refusal(ProviderAnswer(500, b"<html>"), "Retry"),
            "unavailable": Refusal(ProviderAnswer(503, b"", {"Retry-After": "3"}), "Retry", after_s=3.0),
        }

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[AppleStage]:
        async with AppleSandbox() as sandbox:
            yield AppleStage(sandbox, sandbox.customer("Ana").address)


def _token(*, secret: str = SECRET, audience: str = MSP_ID, age_s: int = 0) -> str:
    claims = {"aud": audience, "iat": int(time.time()) - age_s}
    return jwt.encode(claims, base64.b64decode(secret), algorithm="HS256")


def _token_of_another_kind() -> str:
    """Signed well, under a header that says something else."""
    header = base64.urlsafe_b64encode(b'{"alg":"HS384"}').rstrip(b"=")
    signed = header + b"." + _token().split(".")[1].encode()
    return (signed + b"." + signature_of(signed, base64.b64decode(SECRET))).decode()


def _request(body: bytes, token: str) -> WebhookRequest:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    url = "https://example.org/webhooks/apple/main/message"
    return WebhookRequest("POST", url, headers, {}, gzip.compress(body, 1, mtime=0))


def _body(call: Call) -> Mapping[str, object]:
    return cast("Mapping[str, object]", call.params["message"])


def _encoded(body: Mapping[str, object]) -> bytes:
    return msgspec.json.encode(body)


specimen = AppleSpecimen()
