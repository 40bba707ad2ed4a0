"""Examples of the Messenger Platform's wire for the contract suite; a channel adds its app's names."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from channels._meta.messaging.personas import spoken
from channels._meta.messaging.render import text_of
from channels._meta.messaging.sandbox import App, MessagingSandbox, is_send
from channels._meta.messaging.sandbox_person import MessagingPerson
from channels._meta.messaging.sandbox_rules import faults_in, refusal
from channels._meta.messaging.sandbox_world import join_entries
from channels._meta.messaging.settings import MessagingSettings
from channels._meta.verify import SIGNATURE_HEADER, signature
from channels.specimen import ProviderAnswer, Refusal
from gateway.core.channel import Call, EndpointSettings, WebhookRequest

ACCOUNT = "102030405060708"
SECRET = "app_secret_1"  # noqa: S105  protects nothing but examples
PREVIOUS = "app_secret_0"
PERSON = "7000000000000001"
_PERSONA = "300000000000001"
_AT_MS = 1_767_225_600_000


class MessagingStage:
    """A sandbox with one person who wrote a moment ago."""

    def __init__(self, sandbox: MessagingSandbox, person: MessagingPerson, settings: type[MessagingSettings]) -> None:
        self._sandbox = sandbox
        self.settings: EndpointSettings = settings.model_validate(dict(sandbox.settings_values))
        self.account = sandbox.account.id
        self.recipient = person.address

    def texts(self) -> list[str]:
        return [sent.text for sent in self._sandbox.sent]

    def break_next_call(self, *, takes_effect: bool) -> None:
        self._sandbox.server.drop_next(1, takes_effect=takes_effect, which=is_send)

    def refuse_next_call(self, retry_after_s: int) -> None:
        body = refusal(613, "(#613) Calls to this api have exceeded the rate limit.").body
        self._sandbox.server.limit_next(1, retry_after_s=retry_after_s, body=body, which=is_send)

    def answer_next_call(self, answer: ProviderAnswer) -> None:
        self._sandbox.server.answer_next(answer, which=is_send)


class MessagingSpecimen:
    """One page or profile, which the examples are sent to."""

    needed_key = "app_secret"
    secret_key = "app_secret"  # noqa: S105  the setting's name
    has_provider = True
    account = ACCOUNT
    recipients: Sequence[str] = (PERSON, "user_ref:guest-1")

    def __init__(self, app: App, settings: type[MessagingSettings], sandbox: Callable[[], MessagingSandbox]) -> None:
        self._app = app
        self._settings = settings
        self._sandbox = sandbox
        self.settings_values: Mapping[str, object] = {
            "app_secret": SECRET,
            "app_secret_previous": PREVIOUS,
            "verify_token": "known-to-both",
            "app_id": "1517776481860111",
            "accounts": {"shop": {app.settings_key: ACCOUNT, "access_token": "EAAGexample"}},
        }

    # ------------------------------------------------------------ coming in

    def authentic(self, body: bytes) -> WebhookRequest:
        return self._request(body, {SIGNATURE_HEADER: signature(body, SECRET)})

    def rotated(self, body: bytes) -> WebhookRequest:
        return self._request(body, {SIGNATURE_HEADER: signature(body, PREVIOUS)})

    def stale(self, body: bytes) -> WebhookRequest | None:
        """Meta's proof holds no time."""
        del body
        return None

    def forged(self, body: bytes) -> Mapping[str, WebhookRequest]:
        right = signature(body, SECRET)
        return {
            "no signature": self._request(body, {}),
            "empty signature": self._request(body, {SIGNATURE_HEADER: ""}),
            "another secret": self._request(body, {SIGNATURE_HEADER: signature(body, "app_secret_2")}),
            "no secret": self._request(body, {SIGNATURE_HEADER: signature(body, "")}),
            "another body": self._request(body, {SIGNATURE_HEADER: signature(body + b" ", SECRET)}),
            "without its name": self._request(body, {SIGNATURE_HEADER: right.removeprefix("sha256=")}),
            "capitals": self._request(body, {SIGNATURE_HEADER: right.upper()}),
            "the older header": self._request(body, {"x-hub-signature": right}),
            "not ASCII": self._request(body, {SIGNATURE_HEADER: "sha256=ñ"}),
            "half a surrogate pair": self._request(body, {SIGNATURE_HEADER: "sha256=\udcff"}),
        }

    def _request(self, body: bytes, headers: Mapping[str, str]) -> WebhookRequest:
        url = f"https://example.org/webhooks/{self._app.name}/main"
        return WebhookRequest("POST", url, {"content-type": "application/json", **headers}, {}, body)

    def text_message(self, number: int, text: str) -> bytes:
        message = {"mid": f"{self._app.mid_prefix}example{number}", "text": text}
        return self._event({"message": message}, number)

    def unknown_event(self) -> bytes:
        return self._event({"hologram": {"id": "1"}}, 1)

    def _event(self, about: Mapping[str, object], number: int) -> bytes:
        item = {"sender": {"id": PERSON}, "recipient": {"id": ACCOUNT}, "timestamp": _AT_MS + number, **about}
        entry = {"id": ACCOUNT, "time": _AT_MS + number + 100, "messaging": [item]}
        return json.dumps({"object": self._app.object, "entry": [entry]}).encode()

    def together(self, bodies: Sequence[bytes]) -> bytes | None:
        return join_entries(list(bodies))

    # ------------------------------------------------------------ going out

    def faults_of(self, call: Call) -> list[str]:
        upload = (1000, call.uploads[0].mime) if call.uploads else None
        return list(faults_in(self._app.rules, spoken(call, _PERSONA).params, upload))

    def text_of(self, call: Call) -> str:
        return text_of(call)

    def refusals(self) -> Mapping[str, Refusal]:
        """What the documentation lists, and the failures that have no code."""
        window = self._app.rules.window_subcode
        regain = json.dumps({ACCOUNT: [{"type": "messenger", "estimated_time_to_regain_access": 3}]})
        return {
            "unknown": Refusal(refusal(1, "An unknown error occurred", status=500), "Retry"),
            "temporary": Refusal(refusal(2, "Service temporarily unavailable", status=500), "Retry"),
            "transient": Refusal(refusal(2, "Try again", 1545133, is_transient=True), "Retry"),
            "temporary send failure": Refusal(refusal(1200, "Temporary send message failure"), "Retry"),
            "app limit": Refusal(refusal(4, "Application request limit reached"), "Retry", after_s=60.0),
            "user limit": Refusal(refusal(17, "User request limit reached"), "Retry", after_s=60.0),
            "page limit": Refusal(refusal(32, "Page request limit reached"), "Retry", after_s=60.0),
            "business limit": Refusal(refusal(80006, "Too many calls"), "Retry", after_s=60.0),
            "too fast": Refusal(
                refusal(613, "Rate limit exceeded", headers={"Retry-After": "9"}), "Retry", after_s=9.0
            ),
            "attachment not uploaded": Refusal(refusal(100, "Upload failed", 2018047), "Retry"),
            "attachment expired": Refusal(refusal(100, "Invalid attachment", 2018074), "Retry"),
            "outside the window": Refusal(refusal(10, "Outside of allowed window", window), "GiveUp", "window_closed"),
            "takes none from us": Refusal(refusal(10, "Cannot receive", 2018065), "GiveUp", "unreachable"),
            "takes none": Refusal(refusal(200, "Cannot receive", 2018108), "GiveUp", "unreachable"),
            "thread elsewhere": Refusal(refusal(10, "Not the owner", 2018300), "GiveUp", "not_in_control"),
            "thread elsewhere too": Refusal(refusal(100, "Not the owner", 2018144), "GiveUp", "not_in_control"),
            "nobody": Refusal(refusal(100, "No matching user found", 2018001), "GiveUp", "unreachable"),
            "too large": Refusal(refusal(100, "Attachment too large", 2018109), "GiveUp", "too_large"),
            "bad parameter": Refusal(refusal(100, "Invalid parameter"), "GiveUp", "refused"),
            "not available": Refusal(refusal(551, "This person isn't available", 1545041), "GiveUp", "unreachable"),
            "not available either": Refusal(refusal(200, "Not available", 1545041), "GiveUp", "unreachable"),
            "user not found": Refusal(refusal(100, "User not found", 2534014), "GiveUp", "unreachable"),
            "thread deleted": Refusal(refusal(100, "Thread deleted", 2534001), "GiveUp", "unreachable"),
            "token expired": Refusal(refusal(190, "Session has expired", 463, status=401), "Misconfigured"),
            "token withdrawn": Refusal(refusal(190, "Password changed", 460), "Misconfigured"),
            "app removed": Refusal(refusal(190, "Not authorised", 458), "Misconfigured"),
            "in development": Refusal(refusal(200, "Not a tester", 2018028), "Misconfigured"),
            "without permission": Refusal(refusal(200, "Requires pages_messaging"), "Misconfigured"),
            "without permission too": Refusal(refusal(10, "Not permitted"), "Misconfigured"),
            "without permission to message": Refusal(refusal(230, "Requires pages_messaging"), "Misconfigured"),
            "no capability": Refusal(refusal(3, "No such capability"), "Misconfigured"),
            "blocked for policy": Refusal(refusal(368, "Temporarily blocked", status=403), "Misconfigured"),
            "said twice": Refusal(refusal(506, "Duplicate status message"), "sent"),
            "comment answered": Refusal(refusal(10903, "Already replied"), "sent"),
            "comment answered there": Refusal(refusal(100, "Already replied", 2534025), "sent"),
            "no code, out of order": Refusal(ProviderAnswer(503, b"", {"Retry-After": "3"}), "Retry", after_s=3.0),
            "no code, gateway's time is up": Refusal(ProviderAnswer(504, b"<html>"), "Ambiguous"),
            "elsewhere": Refusal(ProviderAnswer(302, b"", {"Location": "https://example.org/"}), "Misconfigured"),
            "answer cut off": Refusal(ProviderAnswer(200, b'{"recipient_id":'), "Ambiguous"),
            "answer without an id": Refusal(ProviderAnswer(200, b"{}"), "Ambiguous"),
            "wait told by usage": Refusal(
                refusal(4, "Limit", headers={"X-Business-Use-Case-Usage": regain}), "Retry", after_s=180.0
            ),
        }

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[MessagingStage]:
        async with self._sandbox() as sandbox:
            yield MessagingStage(sandbox, sandbox.person("Ana"), self._settings)
