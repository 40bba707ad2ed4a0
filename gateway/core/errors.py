"""What can go wrong, named by what the caller should do about it.

TertuliaError
├── Retry            the same call may succeed later (after ``after_s``)
│   └── Ambiguous    … and nobody knows whether it already took effect
├── GiveUp           the same call will never succeed; ``reason`` says why
│   └── SendRefused  … because our own rules forbid it: said at once, in words, to whoever wanted to send
├── Misconfigured    a setting is wrong: an operator must act, retrying is useless
├── BadSignature     not authentic: refuse, store nothing
├── BadPayload       authentic, but not what was agreed: ``path`` names the place
├── NotSupported     understood, and not available here
├── Overloaded       a bound was reached: try again in ``after_s``
├── Unavailable      the database cannot take it now: try again in ``after_s``
└── LeaseLost        somebody else owns the conversation now; drop what was prepared
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

GiveUpReason = Literal[
    "opted_out",  # the person blocked us, or asked for silence
    "unreachable",  # the address does not exist, or not any more
    "refused",  # the provider refuses this content
    "too_large",
    "expired",  # too late: a query timed out
    "window_closed",  # the customer last wrote too long ago, and no template stands in
    "not_in_control",  # another app or agent has the thread at the provider
    "no_consent",  # the person never asked to hear from us first
    "not_supported",  # this channel cannot show it at all
    "misconfigured",
    "unknown_outcome",  # twice ambiguous: it may or may not have been sent
    "exhausted",  # every try failed
]


class TertuliaError(Exception):
    """Any error that this product names."""


class Retry(TertuliaError):
    """The call failed for now. ``after_s``: what the provider asked for; ``None`` leaves it to our backoff.

    ``whole_account`` is true when the wait binds every send of the account, not only this one.
    """

    def __init__(self, detail: str, *, after_s: float | None = None, whole_account: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.after_s = after_s
        self.whole_account = whole_account


class Ambiguous(Retry):
    """The connection broke after the request had left: the provider may have done it."""


class GiveUp(TertuliaError):
    """The call can never succeed. ``code`` is the provider's own, for the operator."""

    def __init__(self, reason: GiveUpReason, detail: str, *, code: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: GiveUpReason = reason
        self.detail = detail
        self.code = code


class SendRefused(GiveUp):
    """Our own rules forbid a message before it is queued. ``words`` says why, by language, for whoever wrote it."""

    def __init__(self, reason: GiveUpReason, words: Mapping[str, str]) -> None:
        super().__init__(reason, words.get("en", reason))
        self.words = words


class Moved(TertuliaError):
    """The recipient has a new address on the same account; the same call to it will do."""

    def __init__(self, kind: str, value: str) -> None:
        super().__init__(f"recipient moved to another {kind} address")
        self.kind = kind
        self.value = value


class Misconfigured(TertuliaError):
    """A setting is wrong. ``key`` is its path in the settings, ``detail`` what to do."""

    def __init__(self, key: str, detail: str) -> None:
        super().__init__(f"{key}: {detail}")
        self.key = key
        self.detail = detail


class BadSignature(TertuliaError):
    """The request does not prove who sent it."""


class BadPayload(TertuliaError):
    """Bytes that are not what was agreed. ``path`` points into the payload (``$.message.chat.id``)."""

    def __init__(self, detail: str, *, path: str = "$") -> None:
        super().__init__(f"{path}: {detail}")
        self.detail = detail
        self.path = path


class NotSupported(TertuliaError):
    """Understood, and not available here."""


class Overloaded(TertuliaError):
    """A bound of ours was reached."""

    def __init__(self, what: str, *, after_s: float = 1.0) -> None:
        super().__init__(what)
        self.after_s = after_s


class Unavailable(TertuliaError):
    """The database cannot be reached, or cannot take this now."""

    def __init__(self, what: str, *, after_s: float = 2.0) -> None:
        super().__init__(what)
        self.after_s = after_s


class LeaseLost(TertuliaError):
    """The lease's token or the epoch is no longer the one this work was prepared under."""
