"""Names every refusal of the Send API by what the sender should do about it.

==============================================  =====================================================
Meta's code or subcode                          what we raise
==============================================  =====================================================
506, 10903, …/2534025                           nothing: it is there already, as good as sent
…/2018278, …/2534022                            ``GiveUp("window_closed")``
…/2018300, …/2018144                            ``GiveUp("not_in_control")``
551, …/1545041, …/2018108, …/2018065            ``GiveUp("unreachable")``: blocked, gone, or takes none from us
…/2018001, …/2534014, …/2534001                 ``GiveUp("unreachable")``: nobody of that id on this account
…/2018109                                       ``GiveUp("too_large")``
…/1545133, 1200                                 ``Retry``
…/2018047, …/2018074                            ``Retry``, the second time ``GiveUp("refused")``
…/2018028                                       ``Misconfigured``: an app in development speaks with testers only
words that say one of these, without a subcode  the same
10 with an unknown subcode                      ``GiveUp("refused")``: it concerns the message, not the permission
100 and the rest                                as on every platform (``channels/_meta/failures.py``)
==============================================  =====================================================
"""

from __future__ import annotations

from channels._meta.failures import GraphError, is_limit
from channels._meta.failures import named as named_anywhere
from gateway.core.errors import GiveUp, GiveUpReason, Misconfigured, Retry, TertuliaError

_DONE = frozenset({506, 10903, 2534025})
_ATTACHMENT = frozenset({2018047, 2018074})
_TRANSIENT = frozenset({1200, 1545133}) | _ATTACHMENT
_REASONS: dict[int, GiveUpReason] = {
    2018278: "window_closed",
    2534022: "window_closed",
    2018300: "not_in_control",
    2018144: "not_in_control",
    551: "unreachable",
    1545041: "unreachable",
    2018108: "unreachable",
    2018065: "unreachable",
    2018001: "unreachable",
    2534014: "unreachable",
    2534001: "unreachable",
    2018109: "too_large",
}
_WORDS: tuple[tuple[str, GiveUpReason], ...] = (
    ("owned by another app", "not_in_control"),
    ("another app is controlling", "not_in_control"),
    ("thread owner", "not_in_control"),
    ("outside of allowed window", "window_closed"),
    ("outside the allowed window", "window_closed"),
    ("isn't receiving messages", "unreachable"),
    ("isn't available right now", "unreachable"),
    ("no matching user found", "unreachable"),
)
"""Beginnings and middles of Meta's English messages, in lower case, for when the subcode is missing or new.

What concerns one person must not be taken for a fault of the token, which would stop the whole account.
"""


def is_done(error: GraphError) -> bool:
    """Whether the refusal says that what was asked for is there already."""
    return not _DONE.isdisjoint((error.code, error.subcode))


def is_worth_one_try(error: GraphError) -> bool:
    """Whether Meta could not use an attachment: once that may have been chance."""
    return error.subcode in _ATTACHMENT


def named(error: GraphError) -> TertuliaError:
    """Our error for a refused send. The subcode says more than the code, so it is looked at first."""
    if is_limit(error):
        return named_anywhere(error)
    reason = _REASONS.get(error.subcode) or _REASONS.get(error.code)
    if reason is not None:
        return GiveUp(reason, error.detail, code=error.label)
    if error.subcode in _TRANSIENT or error.code in _TRANSIENT:
        return Retry(error.detail, after_s=error.wait_s)
    if error.subcode == 2018028:
        return Misconfigured("app_secret", "the app is in development and may only write to its testers: publish it")
    said = error.message.lower().replace("\u2019", "'")
    reason = next((reason for words, reason in _WORDS if words in said), None)
    if reason is not None:
        return GiveUp(reason, error.detail, code=error.label)
    if error.code == 10 and error.subcode:
        return GiveUp("refused", error.detail, code=error.label)
    return named_anywhere(error)
