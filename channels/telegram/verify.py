"""Proves that a webhook is Telegram's: it repeats the secret that only Telegram and we know."""

from __future__ import annotations

import hmac

from channels.telegram.settings import TelegramSettings
from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadSignature

HEADER = "x-telegram-bot-api-secret-token"


def verify(settings: TelegramSettings, request: WebhookRequest) -> None:
    """Raise ``BadSignature`` unless the request carries the current or the previous secret.

    Both are compared, in constant time, whatever the first comparison said. The header is all the proof there
    is: Telegram signs no body.
    """
    given = request.headers.get(HEADER, "").encode("utf-8", "surrogateescape")
    is_current = _is_same(given, settings.secret_token.get_secret_value())
    is_previous = _is_same(given, settings.secret_token_previous.get_secret_value())
    if not (is_current or is_previous):
        raise BadSignature("the secret token is missing or wrong")


def _is_same(given: bytes, secret: str) -> bool:
    return hmac.compare_digest(given, secret.encode()) and secret != ""
