"""Names every answer of Apple's gateway by what the sender should do about it.

==================  ====================================================================
status              what we raise
==================  ====================================================================
400 and other 4xx   ``GiveUp("refused")``
401, 403            ``Misconfigured``: the secret, the clock, or the business
404                 ``GiveUp("unreachable")``: no such customer
410                 ``GiveUp("unreachable")``: the customer closed the conversation, until they write
413                 ``GiveUp("too_large")``
408, 425, 429       ``Retry``, after the time that was asked for; 429 binds the account
3xx                 ``Misconfigured``: this is not Apple's gateway
5xx                 ``Retry``, with the same message id
==================  ====================================================================

A connection that breaks is named by ``transport.py``.
"""

from __future__ import annotations

from gateway.core.errors import GiveUp, Misconfigured, Retry, TertuliaError


def named(status: int, retry_after_s: float | None, *, doing: str = "a message") -> TertuliaError:
    """Our error for an answer outside of 2xx. *doing* says what was asked for. No answer's words are repeated."""
    code = str(status)
    match status:
        case 401:
            return Misconfigured("secret", "Apple does not accept our token (HTTP 401): see secret, msp_id, clock")
        case 403:
            return Misconfigured("accounts", "Apple does not let this MSP id speak for the business (HTTP 403)")
        case 404:
            return GiveUp("unreachable", f"Apple knows no such recipient of {doing}", code=code)
        case 410:
            return GiveUp("unreachable", "the customer closed the conversation, until they write again", code=code)
        case 413:
            return GiveUp("too_large", f"Apple finds {doing} too large", code=code)
        case 429:
            return Retry("asked to wait (HTTP 429)", after_s=retry_after_s, whole_account=True)
        case 408 | 425:
            return Retry(f"{doing} was not taken (HTTP {status})", after_s=retry_after_s)
        case _ if status < 400:
            return Misconfigured("api_url", f"answers with a redirect (HTTP {status})")
        case _ if status < 500:
            return GiveUp("refused", f"Apple refuses {doing} (HTTP {status})", code=code)
        case _:
            return Retry(f"{doing} failed at Apple (HTTP {status})", after_s=retry_after_s)
