"""What the Graph API says when it refuses a call, and what most of its codes mean on every platform."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry, TertuliaError

LIMIT_CODES = frozenset({4, 17, 32, 613, 80000, 80001, 80002, 80003, 80004, 80005, 80006, 80007, 80008, 80009, 80014})
"""Limits of the app, of the token, of the page, of one's own making, and of the business."""

_PERMISSION_CODES = frozenset({3, 10, *range(200, 300)})
_TOKEN_CODES = frozenset({102, 104, 190})
_PAUSE_S = 60.0
_SECRETS = re.compile(r"\b(?:EA|IG)[A-Za-z0-9_-]{20,}|[0-9]{5,}\|[A-Za-z0-9_-]{16,}|(?<==)[A-Za-z0-9%_-]{24,}")

TOKEN_TROUBLES = {
    458: "the app was removed from the page",
    459: "the person who gave it must log in at Facebook",
    460: "the person who gave it changed their password",
    463: "it has expired",
    464: "the person who gave it is not confirmed",
    467: "it was revoked",
    492: "the person who gave it has no role on the page any more",
}


class Usage(msgspec.Struct, frozen=True):
    """How much of an allowance is used, as the answer's headers tell. ``regain_s``: throttled for that long."""

    percent: float = 0.0
    regain_s: float = 0.0


class GraphError(msgspec.Struct, frozen=True, kw_only=True):
    """One refusal. ``code`` 0: none was given. ``has_envelope``: Graph itself speaks, not something before it."""

    http_status: int
    code: int = 0
    subcode: int = 0
    is_transient: bool = False
    kind: str = ""
    message: str = ""
    details: str = ""
    retry_after_s: float | None = None
    usage: Usage = Usage()
    has_envelope: bool = True

    @property
    def label(self) -> str:
        """The provider's code for an operator: ``10/2018278``, ``190``, or the HTTP status."""
        if not self.code:
            return f"HTTP {self.http_status}"
        return f"{self.code}/{self.subcode}" if self.subcode else str(self.code)

    @property
    def detail(self) -> str:
        """One line for an operator."""
        words = " ".join(f"{self.message} {self.details}".split())
        return f"Meta answered {self.label}" + (f": {words[:300]}" if words else "")

    @property
    def wait_s(self) -> float | None:
        """What Meta asks to wait; ``None`` when it does not say."""
        return self.retry_after_s if self.retry_after_s is not None else (self.usage.regain_s or None)


class GraphRefused(Exception):
    """A call was answered with an error. The caller's platform makes one of our errors of it."""

    def __init__(self, error: GraphError) -> None:
        super().__init__(error.detail)
        self.error = error


def named(error: GraphError) -> TertuliaError:
    """Our error for what a code means on every platform; the platform's own codes are looked up before.

    An unknown code is judged by the HTTP status. A gateway's time-out without a word of Graph's is ambiguous.
    """
    if is_limit(error):
        return Retry(error.detail, after_s=error.wait_s or _PAUSE_S, whole_account=True)
    if error.code in {1, 2} or error.is_transient:
        return Retry(error.detail, after_s=error.wait_s)
    if error.code in _TOKEN_CODES or (error.http_status == 401 and not error.code):
        trouble = TOKEN_TROUBLES.get(error.subcode, "Meta does not accept it")
        return Misconfigured("access_token", f"{trouble} ({error.label}); make a new one")
    if error.code == 368:
        return Misconfigured(
            "access_token", f"Meta blocked the app or the page for a breach of its rules ({error.label})"
        )
    if error.code in _PERMISSION_CODES:
        return Misconfigured("access_token", f"a permission is missing ({error.detail})")
    return _by_status(error)


def is_limit(error: GraphError) -> bool:
    """Whether too much was asked for in too short a time."""
    return error.http_status == 429 or error.code in LIMIT_CODES


def _by_status(error: GraphError) -> TertuliaError:
    status = error.http_status
    if status in {502, 504} and not error.has_envelope:
        return Ambiguous(error.detail)
    if status >= 500 or status == 408:
        return Retry(error.detail, after_s=error.wait_s)
    if status == 413:
        return GiveUp("too_large", error.detail, code=error.label)
    if status < 400:
        return Misconfigured("api_url", f"answers with a redirect (HTTP {status})")
    if not error.has_envelope and status in {403, 404}:
        return Misconfigured("api_url", f"nothing of Meta's answers there (HTTP {status})")
    return GiveUp("refused", error.detail, code=error.label)


# ---------------------------------------------------------------- reading


class _ErrorData(msgspec.Struct, frozen=True):
    details: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    message: str = ""
    type: str = ""
    code: int = 0
    error_subcode: int = 0
    is_transient: bool = False
    error_data: _ErrorData | str | None = None
    error_user_msg: str | None = None


class _Envelope(msgspec.Struct, frozen=True):
    error: _Refusal


class _Allowance(msgspec.Struct, frozen=True):
    call_count: float = 0.0
    total_cputime: float = 0.0
    total_time: float = 0.0
    estimated_time_to_regain_access: float = 0.0

    @property
    def usage(self) -> Usage:
        percent = max(self.call_count, self.total_cputime, self.total_time)
        return Usage(percent, self.estimated_time_to_regain_access * 60.0)


_decode_envelope = msgspec.json.Decoder(_Envelope, strict=False).decode
_decode_app_usage = msgspec.json.Decoder(_Allowance).decode
_decode_business_usage = msgspec.json.Decoder(dict[str, list[_Allowance]]).decode


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> GraphError:
    """The refusal in an answer; *headers* finds names in any case. Tokens in Meta's words are blotted out."""
    wait = headers.get("Retry-After", "")
    retry_after_s = float(wait) if wait.isascii() and wait.isdecimal() else None
    usage = read_usage(headers)
    try:
        refusal = _decode_envelope(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return GraphError(http_status=status, retry_after_s=retry_after_s, usage=usage, has_envelope=False)
    data = refusal.error_data
    return GraphError(
        http_status=status,
        code=refusal.code,
        subcode=refusal.error_subcode,
        is_transient=refusal.is_transient,
        kind=refusal.type,
        message=_SECRETS.sub("…", refusal.message),
        details=_SECRETS.sub("…", data.details if isinstance(data, _ErrorData) else data or ""),
        retry_after_s=retry_after_s,
        usage=usage,
    )


def read_usage(headers: Mapping[str, str]) -> Usage:
    """The fullest of the allowances that ``X-App-Usage`` and ``X-Business-Use-Case-Usage`` tell of."""
    found: list[Usage] = []
    try:
        if app := headers.get("X-App-Usage"):
            found.append(_decode_app_usage(app).usage)
        if business := headers.get("X-Business-Use-Case-Usage"):
            found.extend(allowance.usage for each in _decode_business_usage(business).values() for allowance in each)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Usage()
    if not found:
        return Usage()
    return Usage(max(usage.percent for usage in found), max(usage.regain_s for usage in found))
