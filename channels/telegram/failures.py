"""Names every failure of a call by what the sender should do about it.

=====================================  ==========================================
what python-telegram-bot raises        what we raise
=====================================  ==========================================
``Throttled`` (ours), ``RetryAfter``   ``Retry(after_s)``
``ChatMigrated``                       ``Moved``
``Forbidden``                          ``GiveUp("opted_out")``
``InvalidToken``, ``Conflict``         ``Misconfigured``
``EndPointNotFound``                   ``Misconfigured``
``BadRequest``                         ``GiveUp`` with the reason that fits
``NeverSent`` (ours), 5xx              ``Retry``
``TimedOut``, ``Interrupted`` (ours)   ``Ambiguous``
any other                              ``Ambiguous``: nobody knows what happened
=====================================  ==========================================
"""

from __future__ import annotations

from datetime import timedelta

from telegram import error as telegram_error

from channels.telegram.transport import NeverSent, Throttled, UnexpectedStatus
from gateway.core.errors import Ambiguous, GiveUp, GiveUpReason, Misconfigured, Moved, Retry, TertuliaError

_REFUSALS: tuple[tuple[str, GiveUpReason], ...] = (
    ("chat not found", "unreachable"),
    ("user not found", "unreachable"),
    ("peer_id_invalid", "unreachable"),
    ("group chat was deactivated", "unreachable"),
    ("have no rights to send", "opted_out"),
    ("not enough rights to send", "opted_out"),
    ("chat_write_forbidden", "opted_out"),
    ("query is too old", "expired"),
    ("query id is invalid", "expired"),
    ("file is too big", "too_large"),
    ("message is too long", "too_large"),
    ("caption is too long", "too_large"),
    ("reply markup is too long", "too_large"),
)
"""Beginnings and middles of Telegram's descriptions, in lower case; any other 400 is a refusal of the content."""


def named(error: telegram_error.TelegramError, *, in_group: bool = False) -> TertuliaError:
    """Our error for *error*. *in_group*: the call was to a group, whose limit is its own.

    A 429 does not tell whether it binds the chat or the bot. In a private chat our own rate keeps below the chat's
    limit, so it is taken for the bot's; a group's limit is the narrowest of all, so there it is taken for that.
    """
    match error:
        case Throttled():
            return Retry(error.message, after_s=error.wait_s, whole_account=not in_group)
        case telegram_error.RetryAfter():
            return Retry("asked to wait", after_s=_wait_s(error), whole_account=not in_group)
        case telegram_error.ChatMigrated():
            return Moved("chat", str(error.new_chat_id))
        case telegram_error.Forbidden():
            return GiveUp("opted_out", error.message, code="403")
        case telegram_error.InvalidToken() | telegram_error.EndPointNotFound():
            return Misconfigured("token", f"Telegram does not accept it ({error.message}); ask @BotFather for it again")
        case telegram_error.Conflict():
            return Misconfigured("token", f"another program uses the same bot ({error.message})")
        case telegram_error.BadRequest():
            return GiveUp(_refusal(error.message), error.message, code="400")
        case UnexpectedStatus():
            return _by_status(error)
        case NeverSent():
            return Retry(error.message)
        case _:
            return Ambiguous(error.message)


def is_unchanged(error: telegram_error.TelegramError) -> bool:
    """An edit that changes nothing is refused, and is as good as done."""
    return isinstance(error, telegram_error.BadRequest) and "message is not modified" in error.message.lower()


def _wait_s(error: telegram_error.RetryAfter) -> float:
    """The property of that name warns, or changes its type with an environment variable."""
    waited = error._retry_after  # noqa: SLF001  # the only form that is the same everywhere
    return waited.total_seconds() if isinstance(waited, timedelta) else float(waited)


def _refusal(description: str) -> GiveUpReason:
    lowered = description.lower()
    return next((reason for words, reason in _REFUSALS if words in lowered), "refused")


def _by_status(error: UnexpectedStatus) -> TertuliaError:
    status = error.status
    if status == 413:
        return GiveUp("too_large", error.message, code="413")
    if status == 421:
        return Misconfigured("api_url", "this server does not serve the bot (HTTP 421)")
    if status < 400:
        return Misconfigured("api_url", f"answers with a redirect (HTTP {status})")
    if status < 500:
        return GiveUp("refused", error.message, code=str(status))
    return Retry(error.message)
