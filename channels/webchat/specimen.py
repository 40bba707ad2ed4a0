"""Examples of what web chat connections hand over, for the contract suite."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from channels.specimen import Refusal, Stage
from gateway.core.channel import Call, WebhookRequest


class WebchatSpecimen:
    settings_values: Mapping[str, object] = {
        "origins": ["https://shop.example"],
        "identity_secret": "an-example-of-a-secret-that-protects-nothing",
    }
    needed_key = "origins"
    secret_key = "identity_secret"  # noqa: S105  # the setting's name
    has_provider = False
    account = ""
    recipients = ("v_ana/0",)

    def authentic(self, body: bytes) -> WebhookRequest:
        """What a connection of ours hands over; no request from outside is ever authentic."""
        return _request(body, {})

    def forged(self, body: bytes) -> Mapping[str, WebhookRequest]:
        return {
            "nothing": _request(body, {}),
            "a token": _request(body, {"authorization": "Bearer v1.x.y"}),
            "a signature": _request(body, {"x-signature": "0" * 64}),
        }

    def text_message(self, number: int, text: str) -> bytes:
        said = {
            "type": "said",
            "address": "v_ana/0",
            "client_id": f"c{number}",
            "at": "2026-01-01T00:00:00Z",
            "parts": [{"type": "text", "text": text}],
        }
        return json.dumps(said).encode()

    def unknown_event(self) -> bytes:
        return b'{"type": "waved", "at": "2026-01-01T00:00:00Z"}'

    def rotated(self, body: bytes) -> WebhookRequest:
        """A web chat has no webhook, so there is no secret of it to change."""
        return self.authentic(body)

    def stale(self, body: bytes) -> None:
        """Nothing is signed."""

    def together(self, bodies: Sequence[bytes]) -> None:
        """A frame is a message."""

    def faults_of(self, call: Call) -> list[str]:
        """The widget is ours, and shows whatever the protocol of frames can say."""
        return [] if call.params.get("ref") else ["a line without a name"]

    def text_of(self, call: Call) -> str:
        return str(call.params.get("text", ""))

    def refusals(self) -> Mapping[str, Refusal]:
        return {}

    def stage(self) -> AbstractAsyncContextManager[Stage]:
        """Raises ``NotImplementedError``: nobody stands between us and the visitor."""
        raise NotImplementedError("a web chat has no provider")


def _request(body: bytes, headers: Mapping[str, str]) -> WebhookRequest:
    url = "https://example.org/webhooks/webchat/site"
    return WebhookRequest("POST", url, {"content-type": "application/json", **headers}, {}, body)


specimen = WebchatSpecimen()
