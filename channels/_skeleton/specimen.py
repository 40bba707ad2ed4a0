"""Examples of the provider's wire for the contract suite."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec

from channels._skeleton.sandbox import Asked, SkeletonSandbox, faults, problem, sends_message, together
from channels._skeleton.settings import SkeletonSettings
from channels._skeleton.verify import HEADER, signature_of
from channels.specimen import ProviderAnswer, Refusal
from gateway.core.channel import Call, EndpointSettings, WebhookRequest

_SECRET = "current-secret"  # noqa: S105  # protects nothing but examples
_PREVIOUS = "previous-secret"


class SkeletonStage:
    """A sandbox with one person."""

    def __init__(self, sandbox: SkeletonSandbox) -> None:
        self._sandbox = sandbox
        self.settings: EndpointSettings = SkeletonSettings.model_validate(dict(sandbox.settings_values))
        self.account = ""
        self.recipient = sandbox.customer("Ana").address

    def texts(self) -> list[str]:
        return [asked.text for asked in self._sandbox.sent]

    def break_next_call(self, *, takes_effect: bool) -> None:
        self._sandbox.server.drop_next(takes_effect=takes_effect, which=sends_message)

    def refuse_next_call(self, retry_after_s: int) -> None:
        self._sandbox.server.limit_next(retry_after_s=retry_after_s, which=sends_message)

    def answer_next_call(self, answer: ProviderAnswer) -> None:
        self._sandbox.server.answer_next(answer, which=sends_message)


class SkeletonSpecimen:
    settings_values: Mapping[str, object] = {"secret": _SECRET, "secret_previous": _PREVIOUS, "token": "example-token"}
    needed_key = "secret"
    secret_key = "secret"  # noqa: S105  # the setting's name
    has_provider = True
    account = ""
    recipients: Sequence[str] = ("u111111",)

    def authentic(self, body: bytes) -> WebhookRequest:
        return _request(body, signature_of(_SECRET, body))

    def rotated(self, body: bytes) -> WebhookRequest:
        return _request(body, signature_of(_PREVIOUS, body))

    def stale(self, body: bytes) -> None:
        """The signature holds no time."""

    def forged(self, body: bytes) -> Mapping[str, WebhookRequest]:
        good = signature_of(_SECRET, body)
        return {
            "no signature": _request(body, ""),
            "another secret": _request(body, signature_of("another", body)),
            "another body": _request(body + b" ", good),
            "beginning of the signature": _request(body, good[:-1]),
            "not ASCII": _request(body, "sha256=ñ"),
            "half a surrogate pair": _request(body, "\udcff"),
        }

    def text_message(self, number: int, text: str) -> bytes:
        event = {
            "id": f"in-{number}",
            "at": 1_767_225_600_000 + number,
            "from": {"id": "u111111", "name": "Ana", "language": "es"},
            "content": {"type": "text", "text": text},
        }
        return json.dumps({"events": [event]}).encode()

    def unknown_event(self) -> bytes:
        return b'{"events": [{"id": "x", "at": 1, "from": {"id": "u1"}, "content": {"type": "hologram"}}]}'

    def together(self, bodies: Sequence[bytes]) -> bytes:
        return together(bodies)

    def faults_of(self, call: Call) -> list[str]:
        return faults(msgspec.convert(call.params, Asked))

    def text_of(self, call: Call) -> str:
        return str(call.params.get("text", ""))

    def refusals(self) -> Mapping[str, Refusal]:
        """What ``failures.py`` names."""
        return {
            "asked to wait": Refusal(ProviderAnswer(429, b"", {"Retry-After": "7"}), "Retry", after_s=7.0),
            "token withdrawn": Refusal(problem(401, "token"), "Misconfigured"),
            "not allowed": Refusal(problem(403, "permission"), "Misconfigured"),
            "blocked": Refusal(problem(400, "blocked"), "GiveUp", "opted_out"),
            "unknown person": Refusal(problem(400, "unknown_recipient"), "GiveUp", "unreachable"),
            "too long": Refusal(problem(400, "too_long"), "GiveUp", "too_large"),
            "any other refusal": Refusal(problem(422, "whatever"), "GiveUp", "refused"),
            "wrong address": Refusal(ProviderAnswer(404, b""), "Misconfigured"),
            "out of order": Refusal(ProviderAnswer(500, b"<html>"), "Retry"),
            "unavailable": Refusal(ProviderAnswer(503, b"", {"Retry-After": "3"}), "Retry", after_s=3.0),
        }

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[SkeletonStage]:
        async with SkeletonSandbox() as sandbox:
            yield SkeletonStage(sandbox)


def _request(body: bytes, signature: str) -> WebhookRequest:
    url = "https://example.org/webhooks/_skeleton/main"
    return WebhookRequest("POST", url, {"content-type": "application/json", HEADER: signature}, {}, body)


specimen = SkeletonSpecimen()
