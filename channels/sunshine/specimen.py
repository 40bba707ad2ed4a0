"""Examples of Sunshine's wire for the contract suite."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from channels.sandbox_kit import HandsetCustomer, ServedCall
from channels.specimen import ProviderAnswer, Refusal
from channels.sunshine.render import METHOD
from channels.sunshine.sandbox import SunshineSandbox
from channels.sunshine.sandbox_api import error_body
from channels.sunshine.sandbox_rules import BODY_BYTES, Json, faults_of, labels_of
from channels.sunshine.sandbox_world import joined
from channels.sunshine.settings import SunshineSettings
from channels.sunshine.verify import HEADER
from gateway.core.channel import Call, EndpointSettings, WebhookRequest

_SECRET = "the-webhooks-current-secret-which-nobody-else-knows"  # noqa: S105  # protects nothing but examples
_PREVIOUS = "the-webhooks-previous-secret-which-nobody-else-knows"
_APP = "66f0a1b2c3d4e5f60718293a"
_CONVERSATION = "66f0b1b2c3d4e5f60718293b"


class SunshineStage:
    """A sandbox with one visitor who has the widget open."""

    def __init__(self, sandbox: SunshineSandbox, person: HandsetCustomer) -> None:
        self._sandbox = sandbox
        self.settings: EndpointSettings = SunshineSettings.model_validate(dict(sandbox.settings_values))
        self.recipient = str(person.id)
        self.account = ""

    def texts(self) -> list[str]:
        posted = [call for call in self._sandbox.server.calls if is_message(call) and call.took_effect]
        return [json.loads(call.body)["content"]["text"] for call in posted]

    def break_next_call(self, *, takes_effect: bool) -> None:
        self._sandbox.server.drop_next(takes_effect=takes_effect, which=is_message)

    def refuse_next_call(self, retry_after_s: int) -> None:
        self._sandbox.server.limit_next(retry_after_s=retry_after_s, which=is_message)

    def answer_next_call(self, answer: ProviderAnswer) -> None:
        self._sandbox.answer_next(answer)


class SunshineSpecimen:
    settings_values: Mapping[str, object] = {
        "app_id": _APP,
        "key_id": "app_66f0c1b2c3d4e5f60718293c",
        "key_secret": "the-secret-of-the-key-which-nobody-else-knows",
        "webhook_secret": _SECRET,
        "webhook_secret_previous": _PREVIOUS,
        "subdomain": "cumbre",
    }
    needed_key = "webhook_secret"
    secret_key = "webhook_secret"  # noqa: S105  # the setting's name
    has_provider = True
    account = ""
    recipients = (_CONVERSATION,)

    def authentic(self, body: bytes) -> WebhookRequest:
        return _request(body, {HEADER: _SECRET})

    def rotated(self, body: bytes) -> WebhookRequest:
        return _request(body, {HEADER: _PREVIOUS})

    def stale(self, body: bytes) -> None:
        """The proof is a fixed secret and holds no time."""

    def forged(self, body: bytes) -> Mapping[str, WebhookRequest]:
        return {
            "no secret": _request(body, {}),
            "empty secret": _request(body, {HEADER: ""}),
            "wrong secret": _request(body, {HEADER: _SECRET.replace("current", "c0rrent")}),
            "beginning of the secret": _request(body, {HEADER: _SECRET[:-1]}),
            "more than the secret": _request(body, {HEADER: f"{_SECRET} "}),
            "not ASCII": _request(body, {HEADER: "thé"}),
            "half a surrogate pair": _request(body, {HEADER: "\udcff"}),
            "in another header": _request(body, {"authorization": _SECRET}),
        }

    def text_message(self, number: int, text: str) -> bytes:
        author = {
            "type": "user",
            "userId": "66f0d1b2c3d4e5f60718293d",
            "displayName": "Ana",
            "user": {"id": "66f0d1b2c3d4e5f60718293d", "profile": {"givenName": "Ana", "locale": "es"}},
        }
        message = {
            "id": f"m{number}",
            "received": "2026-01-01T18:06:37.547Z",
            "author": author,
            "content": {"type": "text", "text": text},
            "source": {"type": "web", "integrationId": "66f0e1b2c3d4e5f60718293e"},
        }
        return _enveloped(f"v{number}", "conversation:message", {"conversation": _conversation(), "message": message})

    def unknown_event(self) -> bytes:
        return _enveloped("v0", "hologram:appeared", {"conversation": _conversation()})

    def together(self, bodies: Sequence[bytes]) -> bytes:
        """The envelope has room for several events, though it normally holds one."""
        return joined(bodies)

    def faults_of(self, call: Call) -> list[str]:
        """What the sandbox's API says to the call, once its file has an address."""
        message = _posted(call)
        too_large = len(json.dumps(message).encode()) > BODY_BYTES
        wrong = [] if call.method == METHOD and call.params["conversation"] else [f"no call named {call.method}"]
        return [*wrong, *faults_of(message), *(["the body is too large"] if too_large else [])]

    def text_of(self, call: Call) -> str:
        content = _posted(call)["content"]
        if not isinstance(content, dict):
            return ""
        return str(content["text"]) if "text" in content else " ".join(labels_of(content.get("actions")))

    def refusals(self) -> Mapping[str, Refusal]:
        """What ``failures.py`` names."""
        return {
            "asked to wait": Refusal(
                ProviderAnswer(429, _error("too_many_requests"), {"Retry-After": "7"}), "Retry", after_s=7.0
            ),
            "asked to wait, not how long": Refusal(ProviderAnswer(429, b""), "Retry"),
            "not valid": Refusal(ProviderAnswer(400, _error("bad_request")), "GiveUp", "refused"),
            "too long": Refusal(ProviderAnswer(400, _error("message_too_long")), "GiveUp", "too_large"),
            "body too large": Refusal(ProviderAnswer(413, _error("payload_too_large")), "GiveUp", "too_large"),
            "conversation is full": Refusal(ProviderAnswer(423, _error("locked")), "GiveUp", "too_large"),
            "conversation is gone": Refusal(
                ProviderAnswer(404, _error("conversation_not_found")), "GiveUp", "unreachable"
            ),
            "no such app": Refusal(ProviderAnswer(404, _error("app_not_found")), "Misconfigured"),
            "another server": Refusal(ProviderAnswer(404, b"<html>Not here</html>"), "Misconfigured"),
            "key withdrawn": Refusal(ProviderAnswer(401, _error("unauthorized")), "Misconfigured"),
            "key may not": Refusal(ProviderAnswer(403, _error("forbidden")), "Misconfigured"),
            "moved": Refusal(ProviderAnswer(302, b"", {"Location": "https://example.org/"}), "Misconfigured"),
            "at the same time": Refusal(ProviderAnswer(409, _error("conflict")), "Retry"),
            "too slow": Refusal(ProviderAnswer(408, b""), "Retry"),
            "method": Refusal(ProviderAnswer(405, _error("method_not_allowed")), "GiveUp", "refused"),
            "out of order": Refusal(ProviderAnswer(500, _error("internal_server_error")), "Retry"),
            "unavailable": Refusal(ProviderAnswer(503, b"", {"Retry-After": "3"}), "Retry", after_s=3.0),
            "bad gateway": Refusal(ProviderAnswer(502, b"<html>Bad Gateway</html>"), "Ambiguous"),
            "gateway's patience": Refusal(ProviderAnswer(504, b""), "Ambiguous"),
            "not to be read": Refusal(ProviderAnswer(201, b"{}"), "Ambiguous"),
        }

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[SunshineStage]:
        async with SunshineSandbox() as sandbox:
            yield SunshineStage(sandbox, sandbox.person("Ana", language="es"))


def is_message(call: ServedCall) -> bool:
    """Whether a call posts a message."""
    return call.method == "POST" and call.path.endswith("/messages")


def _posted(call: Call) -> Json:
    """The body as it is posted, with the address that an uploaded file will have."""
    message: Json = json.loads(json.dumps(call.params["message"]))
    content = message["content"]
    if call.uploads and isinstance(content, dict):
        content["mediaUrl"] = "https://cumbre.zendesk.com/sc/attachments/uploaded"
    return message


def _conversation() -> Json:
    active = {"id": "s1", "name": "bot", "integrationId": "i1", "integrationType": "custom"}
    return {"id": _CONVERSATION, "type": "personal", "activeSwitchboardIntegration": active}


def _enveloped(event_id: str, kind: str, payload: Json) -> bytes:
    event = {"id": event_id, "type": kind, "createdAt": "2026-01-01T18:06:37.600Z", "payload": payload}
    envelope = {"app": {"id": _APP}, "webhook": {"id": "66f0f1b2c3d4e5f60718293f", "version": "v2"}}
    return json.dumps({**envelope, "events": [event]}).encode()


def _error(code: str) -> bytes:
    return error_body(code, "Said in words")


def _request(body: bytes, headers: Mapping[str, str]) -> WebhookRequest:
    url = "https://example.org/webhooks/sunshine/main"
    return WebhookRequest("POST", url, {"content-type": "application/json", **headers}, {}, body)


specimen = SunshineSpecimen()
