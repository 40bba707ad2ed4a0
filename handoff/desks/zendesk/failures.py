"""Names every refusal of Zendesk by what the caller should do about it. No error holds what customers wrote."""

from __future__ import annotations

import msgspec

from gateway.core.errors import Ambiguous, GiveUp, GiveUpReason, Misconfigured, Retry, TertuliaError
from handoff.desks.zendesk.wire import Problem

LONGEST_WAIT_S = 600.0


class RateLimited(Retry):
    """Zendesk counts too many calls; ``after_s`` is what it asks us to wait."""


class Gone(GiveUp):
    """What the call is about is not there, or not any more."""


class Closed(GiveUp):
    """The ticket is closed for good: only a follow-up can go on with it."""


class SameKey(Retry):
    """The key of idempotency was used with other words."""


class Invalid(GiveUp):
    """Zendesk refuses a record. ``places`` names the fields."""

    def __init__(self, detail: str, places: tuple[str, ...], *, code: str) -> None:
        super().__init__("refused", detail, code=code)
        self.places = places


def named(status: int, body: bytes, retry_after: str) -> TertuliaError:
    """Our error for an answer that is not 2xx."""
    problem, wait_s = _problem(body), _seconds(retry_after)
    if status == 429:
        return RateLimited("asked to wait", after_s=10.0 if wait_s is None else wait_s, whole_account=True)
    if status in {409, 423}:
        return Retry("somebody else changes it", after_s=wait_s)
    if status >= 500:
        return Ambiguous(f"HTTP {status}", after_s=wait_s)
    if status == 400 and "idempot" in problem.code.lower():
        return SameKey("the same key came with other words")
    if status == 422:
        return _invalid(problem)
    return _final(status, problem)


def _final(status: int, problem: Problem) -> TertuliaError:
    """What no repetition will change."""
    match status:
        case 401:
            return Misconfigured("oauth_token", "Zendesk does not accept it; make a new one")
        case 403:
            return Misconfigured("oauth_token", "its user may not do this; it must be an agent with access to tickets")
        case 404 | 410:
            return Gone("unreachable", "not found", code=str(status))
        case 413:
            return GiveUp("too_large", "more than Zendesk takes", code=str(status))
        case _ if status < 400:
            return Misconfigured("api_url", f"does not serve this API (HTTP {status})")
        case _:
            return GiveUp(_reason(status), problem.code or f"HTTP {status}", code=str(status))


def _invalid(problem: Problem) -> GiveUp:
    if problem.says("closed prevents ticket update") or problem.says("ticket is closed"):
        return Closed("refused", "the ticket is closed", code="closed")
    places = ", ".join(problem.places) or "unnamed fields"
    return Invalid(f"{problem.code or 'invalid'}: {places}", problem.places, code=problem.code)


def _reason(status: int) -> GiveUpReason:
    return "not_supported" if status in {405, 406, 415} else "refused"


def _problem(body: bytes) -> Problem:
    try:
        return msgspec.json.decode(body, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Problem()


def _seconds(header: str) -> float | None:
    """A ``Retry-After`` in seconds, bounded; ``None`` when there is none, or it is a date."""
    return min(float(header), LONGEST_WAIT_S) if header.isdecimal() and header.isascii() else None
