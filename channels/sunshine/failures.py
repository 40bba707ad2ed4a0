"""Names what Sunshine refuses by what the sender should do about it.

========================  ==========================================================
status                    what we raise
========================  ==========================================================
400                       ``GiveUp("refused")``, or ``"too_large"``
401, 403                  ``Misconfigured``: the key, or what it may do
404                       ``GiveUp("unreachable")``; of the app itself ``Misconfigured``
408, 409, 5xx             ``Retry``
413                       ``GiveUp("too_large")``
423                       ``GiveUp("too_large")``: the conversation is full
429                       ``Retry`` for the whole app, after ``Retry-After`` if there is one
502, 504 of a gateway     ``Ambiguous``: nobody knows what happened behind it
3xx                       ``Misconfigured``: another address
any other 4xx             ``GiveUp("refused")``
========================  ==========================================================
"""

from __future__ import annotations

import re

import msgspec

from channels.sunshine.wire import Problem, decode_problems
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry, TertuliaError

_SECRETS = re.compile(r"(?:Basic|Bearer)\s+\S+|eyJ[\w-]+\.[\w-]+\.[\w-]*|(?<==)[A-Za-z0-9%_-]{24,}")
_TOO_LARGE = ("too_long", "too_large", "toolarge", "max_length", "maxlength", "exceed")


class Refused(Exception):
    """A call was answered with an error. ``problems`` is empty when something before Sunshine answered."""

    def __init__(self, status: int, problems: tuple[Problem, ...], *, retry_after_s: float | None = None) -> None:
        self.status = status
        self.problems = problems
        self.retry_after_s = retry_after_s
        super().__init__(self.detail)

    @property
    def code(self) -> str:
        """Sunshine's own code, or the status."""
        return next((problem.code for problem in self.problems if problem.code), str(self.status))

    @property
    def detail(self) -> str:
        """One line for an operator, without anything that looks like a secret."""
        words = "; ".join(problem.title for problem in self.problems if problem.title)
        shown = _SECRETS.sub("…", " ".join(words.split()))[:300]
        return f"Zendesk answered {self.status}" + (f" {self.code}" if self.problems else "") + (shown and f": {shown}")


def read_problems(body: bytes) -> tuple[Problem, ...]:
    """The errors of an answer; none when it is not of Sunshine's form."""
    try:
        return decode_problems(body).errors
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()


def named(refused: Refused) -> TertuliaError:  # noqa: C901  one line for each status of the table above
    """Our error for a refusal of a call that sends or changes something."""
    status, detail, code = refused.status, refused.detail, refused.code
    match status:
        case 401:
            return Misconfigured("key_secret", f"Zendesk does not accept the key ({detail}); make a new one")
        case 403:
            return Misconfigured("key_id", f"the key may not do this ({detail})")
        case 404 if code.startswith("app"):
            return Misconfigured("app_id", f"Zendesk knows no such app ({detail})")
        case 404 if not refused.problems:
            return Misconfigured("api_url", f"nothing of Sunshine's answers there ({detail})")
        case 404:
            return GiveUp("unreachable", detail, code=code)
        case 408 | 409:
            return Retry(detail, after_s=refused.retry_after_s)
        case 413:
            return GiveUp("too_large", detail, code=code)
        case 423:
            return GiveUp("too_large", f"the conversation holds as many messages as it can ({detail})", code=code)
        case 429:
            return Retry(detail, after_s=refused.retry_after_s, whole_account=True)
        case 502 | 504 if not refused.problems:
            return Ambiguous(detail)
    if status >= 500:
        return Retry(detail, after_s=refused.retry_after_s)
    if status < 400:
        return Misconfigured("api_url", f"answers with a redirect ({detail})")
    is_too_large = status == 400 and any(piece in code.lower() for piece in _TOO_LARGE)
    return GiveUp("too_large" if is_too_large else "refused", detail, code=code)
