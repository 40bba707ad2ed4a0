"""Names every answer of Apple's gateway by what the sender should do about it.

==================  ====================================================================
status              what we raise
==================  ====================================================================
400 and other 4xx   ``GiveUp("refused")``
401, 403            ``Misconfigured``: the secret, the clock, or the business
404                 ``GiveUp("unreachable")``: no such customer
410                 ``GiveUp("unreachable")``: the customer closed the conversation, until they write
404, 410 of a file  ``GiveUp("refused")``: this says nothing about the customer
413                 ``GiveUp("too_large")``
408, 425, 429       ``Retry``, after the time that was asked for; 429 binds the account
3xx                 ``Misconfigured``: this is not Apple's gateway
5xx                 ``Retry``, with the same message id
==================  ====================================================================

A connection that breaks is named by ``transport.py``.
"""

from __future__ import annotations

from gateway.core.errors import GiveUp, GiveUpReason, Misconfigured, Retry, TertuliaError

A_MESSAGE = "a message"
A_FILE = "a file"
AN_ANSWER = "an answer"

_OF_CUSTOMERS: dict[int, str] = {
    404: "Apple knows no such customer",
    410: "the customer closed the conversation, until they write again",
}
"""What an answer to a message says about whom it is for; to anything else it says nothing of the kind."""

_OF_SETTINGS: dict[int, tuple[str, str]] = {
    401: ("secret", "Apple does not accept our token (HTTP 401): see secret, msp_id, clock"),
    403: ("accounts", "Apple does not let this MSP id speak for the business (HTTP 403)"),
}


def named(status: int, retry_after_s: float | None, *, doing: str = A_MESSAGE) -> TertuliaError:
    """Our error for an answer outside of 2xx. *doing* says what was asked for. No answer's words are repeated."""
    if status in {408, 425, 429} or status >= 500:
        detail = f"{doing} was not taken (HTTP {status})"
        return Retry(detail, after_s=retry_after_s, whole_account=status == 429)
    if status in _OF_SETTINGS:
        return Misconfigured(*_OF_SETTINGS[status])
    if status < 400:
        return Misconfigured("api_url", f"answers with a redirect (HTTP {status})")
    if status in _OF_CUSTOMERS and doing == A_MESSAGE:
        return GiveUp("unreachable", _OF_CUSTOMERS[status], code=str(status))
    reason: GiveUpReason = "too_large" if status == 413 else "refused"
    return GiveUp(reason, f"Apple refuses {doing} (HTTP {status})", code=str(status))


def named_of_store(status: int, retry_after_s: float | None) -> TertuliaError:
    """The same for an upload to the file store, whose addresses run out: then another one will do."""
    if status in {401, 403, 404, 410}:
        return Retry(f"the place for a file is not there any more (HTTP {status})", after_s=retry_after_s)
    if status < 400:
        return GiveUp("refused", f"the file store answers with a redirect (HTTP {status})", code=str(status))
    return named(status, retry_after_s, doing=A_FILE)
