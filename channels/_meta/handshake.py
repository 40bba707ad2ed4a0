"""Meta's question when a webhook's address is saved: it must hear its own challenge, from one who knows the token."""

from __future__ import annotations

import hmac

from pydantic import SecretStr

from gateway.core.channel import WebhookAnswer, WebhookRequest
from gateway.core.errors import BadSignature, NotSupported

_HEADERS = {"X-Content-Type-Options": "nosniff"}
_CHALLENGE_CHARS = 1000


def answer_handshake(request: WebhookRequest, verify_token: SecretStr) -> WebhookAnswer:
    """The challenge as plain text. Raises ``BadSignature`` for a wrong token, ``NotSupported`` for another question."""
    query = request.query
    if query.get("hub.mode") != "subscribe":
        raise NotSupported("only hub.mode=subscribe is answered here")
    token = verify_token.get_secret_value().encode()
    given = query.get("hub.verify_token", "").encode("utf-8", "surrogateescape")
    if not (hmac.compare_digest(given, token) and token):
        raise BadSignature("hub.verify_token is missing or wrong")
    challenge = query.get("hub.challenge", "")
    if not 0 < len(challenge) <= _CHALLENGE_CHARS:
        raise BadSignature("hub.challenge is missing or too long")
    return WebhookAnswer(challenge.encode("utf-8", "replace"), "text/plain", _HEADERS)
