"""Names every error of Twilio's by what the sender should do about it, both at once and later, by a callback.

============================================  ===============================================
what Twilio says                              what we make of it
============================================  ===============================================
a code of the table below                     what the table says
429                                           ``Retry`` of the whole account
5xx                                           ``Ambiguous``: it may have been taken
408                                           ``Ambiguous``
401, 403                                      ``Misconfigured``
3xx                                           ``Misconfigured``: the address is another's
413                                           ``GiveUp("too_large")``
any other                                     ``GiveUp("refused")``
no connection                                 ``Retry`` (``transport``)
a connection that broke                       ``Ambiguous`` (``transport``)
============================================  ===============================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from channels.line import LineAnswer
from gateway.core.errors import Ambiguous, GiveUp, GiveUpReason, Misconfigured, Retry, TertuliaError

Action = Literal["retry", "ambiguous", "give_up", "misconfigured"]


class Verdict(msgspec.Struct, frozen=True):
    """What one code means. ``reason`` is that of giving up, ``key`` the setting that is wrong.

    ``after_s``: how long to wait at least, ``None`` leaves it to our backoff. ``binds_all``: every send of the
    account has to wait.
    """

    action: Action
    reason: GiveUpReason = "refused"
    after_s: float | None = None
    binds_all: bool = False
    key: str = ""
    advice: str = ""


def _retry(after_s: float | None = None, *, binds_all: bool = False) -> Verdict:
    return Verdict("retry", after_s=after_s, binds_all=binds_all)


def _give_up(reason: GiveUpReason) -> Verdict:
    return Verdict("give_up", reason)


def _misconfigured(key: str, advice: str) -> Verdict:
    return Verdict("misconfigured", "misconfigured", key=key, advice=advice)


_REFUSED = _give_up("refused")
_UNREACHABLE = _give_up("unreachable")

CONTENT_LOST = 21655
"""The content does not exist, or not any more."""

VERDICTS: Mapping[int, Verdict] = {
    # the API itself
    20003: _misconfigured("auth_token", "Twilio does not accept it; look it up in the console"),
    20404: _REFUSED,
    20429: _retry(binds_all=True),
    20500: Verdict("ambiguous"),
    20503: Verdict("ambiguous"),
    # what we asked for
    14107: _retry(30.0),
    21211: _UNREACHABLE,
    21614: _UNREACHABLE,
    21212: _misconfigured("accounts", "the sender's address is not valid"),
    21606: _misconfigured("accounts", "the sender's address is not ours, or cannot send"),
    21659: _misconfigured("accounts", "the sender's address is no number of Twilio's"),
    21660: _misconfigured("accounts", "the sender's address belongs to another account"),
    21408: _misconfigured("accounts", "switch on the recipient's region in the console (geo permissions)"),
    21610: _give_up("opted_out"),
    21611: _retry(60.0, binds_all=True),
    21617: _give_up("too_large"),
    21619: _REFUSED,
    21620: _REFUSED,
    21621: _REFUSED,
    21655: _REFUSED,
    21656: _REFUSED,
    21657: _REFUSED,
    # what operators say of text messages
    30001: _retry(60.0, binds_all=True),
    30002: _misconfigured("account_sid", "the account is suspended"),
    30003: _retry(120.0),
    30004: _UNREACHABLE,
    30005: _UNREACHABLE,
    30006: _UNREACHABLE,
    30007: _REFUSED,
    30008: _retry(60.0),
    30032: _misconfigured("accounts", "the toll-free number is not verified"),
    30034: _misconfigured("accounts", "the number is not registered for business messages (A2P 10DLC)"),
    # what WhatsApp says
    63001: _misconfigured("accounts", "WhatsApp does not accept the sender's credentials"),
    63003: _UNREACHABLE,
    63005: _REFUSED,
    63007: _misconfigured("accounts", "no WhatsApp sender has this address"),
    63010: _retry(),
    63012: _retry(),
    63013: _REFUSED,
    63015: _give_up("no_consent"),
    63016: _give_up("window_closed"),
    63017: _retry(5.0, binds_all=True),
    63018: _retry(60.0),
    63019: _retry(10.0),
    63020: _misconfigured("accounts", "see to the business manager and its billing at Meta"),
    63021: _REFUSED,
    63024: _UNREACHABLE,
    63027: _REFUSED,
    63028: _REFUSED,
    63030: _REFUSED,
    63031: _REFUSED,
    63032: _REFUSED,
    63033: _give_up("opted_out"),
    63038: _retry(3600.0, binds_all=True),
    63040: _REFUSED,
    63041: _REFUSED,
    63042: _REFUSED,
    63049: _REFUSED,
    63051: _misconfigured("accounts", "Meta locked the WhatsApp business account"),
}

_ABOUT_THE_PERSON: frozenset[GiveUpReason] = frozenset({"opted_out", "unreachable", "window_closed", "no_consent"})


class ErrorBody(msgspec.Struct, frozen=True):
    """Twilio's description of an error."""

    code: int = 0
    message: str = ""


_decode_error = msgspec.json.Decoder(ErrorBody).decode


def error_of(answer: LineAnswer) -> ErrorBody:
    """The error's description; an empty one when the body is none."""
    try:
        return _decode_error(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ErrorBody()


def named(answer: LineAnswer) -> TertuliaError:
    """Our error for an answer that is not 2xx."""
    error = error_of(answer)
    detail = f"HTTP {answer.status}, {error.code}: {error.message}" if error.code else f"HTTP {answer.status}"
    verdict = VERDICTS.get(error.code) or _by_status(answer.status)
    return raised(verdict, detail, str(error.code or answer.status), answer.retry_after_s)


def named_code(code: int, message: str) -> TertuliaError:
    """Our error for a message that was taken and failed at once."""
    return raised(VERDICTS.get(code, _REFUSED), f"{code}: {message}", str(code))


def raised(verdict: Verdict, detail: str, code: str, asked_s: float | None = None) -> TertuliaError:
    """The error that a verdict stands for. *asked_s* is the wait that Twilio asked for."""
    after_s = verdict.after_s if asked_s is None else asked_s
    match verdict.action:
        case "retry":
            return Retry(detail, after_s=after_s, whole_account=verdict.binds_all)
        case "ambiguous":
            return Ambiguous(detail, after_s=after_s)
        case "give_up":
            return GiveUp(verdict.reason, detail, code=code)
        case "misconfigured":
            return Misconfigured(verdict.key, f"{verdict.advice} ({detail})")


def meaning_of(code: int) -> GiveUpReason | Literal[""]:
    """What a failure that is told later says about the person or the window; empty: only the message is concerned."""
    verdict = VERDICTS.get(code)
    if verdict is None or verdict.action != "give_up" or verdict.reason not in _ABOUT_THE_PERSON:
        return ""
    return verdict.reason


def _by_status(status: int) -> Verdict:
    if status == 429:
        return _retry(binds_all=True)
    if status >= 500 or status == 408:
        return Verdict("ambiguous")
    if status in {401, 403}:
        return _misconfigured("auth_token", "Twilio does not accept it, or it may not do this")
    if status < 400:
        return _misconfigured("api_url", "answers with a redirect")
    return _give_up("too_large" if status == 413 else "refused")
