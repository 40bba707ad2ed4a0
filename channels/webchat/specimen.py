"""Examples of what web chat connections hand over, for the contract suite."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from channels.specimen import Stage
from gateway.core.channel import WebhookRequest


class WebchatSpecimen:
    settings_values: Mapping[str, object] = {
        "origins": ["https://shop.example"],
        "identity_secret": "an-example-of-a-secret-that-protects-nothing",
    }
    needed_key = "origins"
    secret_key = "identity_secret"  # noqa: S105  # the setting's name
    has_provider = False

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

    def stage(self) -> AbstractAsyncContextManager[Stage]:
        """Raises ``NotImplementedError``: nobody stands between us and the visitor."""
        raise NotImplementedError("a web chat has no provider")


def _request(body: bytes, headers: Mapping[str, str]) -> WebhookRequest:
    url = "https://example.org/webhooks/webchat/site"
    return WebhookRequest("POST", url, {"content-type": "application/json", **headers}, {}, body)


specimen = WebchatSpecimen()
