"""Names what Sunshine refuses by what the desk should do about it.

========================  ==========================================================
status                    what we raise
========================  ==========================================================
404                       ``Missing``: the conversation or the person; of the app ``Misconfigured``
409                       ``Taken``
423                       ``Locked``: the conversation is full
429                       ``NotYet``, and all calls pause
408, 5xx                  ``Ambiguous`` of what writes, ``Retry`` of what reads
any other                 as the channel names it (``GiveUp``, ``Misconfigured``, ``Retry``)
========================  ==========================================================
"""

from __future__ import annotations

from channels.sunshine.failures import Refused, named
from gateway.core.errors import Ambiguous, Retry, TertuliaError


class Missing(TertuliaError):
    """Zendesk knows no such conversation or person (any more)."""


class Locked(TertuliaError):
    """The conversation holds as many messages as one can."""


class Taken(TertuliaError):
    """Something of that name is there already."""


def error_of(refused: Refused, *, is_read: bool) -> TertuliaError:
    """Our error for a refusal, but for 429, which concerns everybody who calls."""
    status = refused.status
    if status == 404 and refused.problems and not refused.code.startswith("app"):
        return Missing(refused.detail)
    if status == 409:
        return Taken(refused.detail)
    if status == 423:
        return Locked(refused.detail)
    if status >= 500 or status == 408:
        return Retry(refused.detail) if is_read else Ambiguous(refused.detail)
    return named(refused)
