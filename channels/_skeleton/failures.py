"""Names every refusal of the provider by what the sender should do about it."""

from __future__ import annotations

import msgspec

from channels._skeleton.wire import WireProblem, decode_problem
from channels.line import LineAnswer
from gateway.core.errors import GiveUp, GiveUpReason, Misconfigured, Retry, TertuliaError

_REASONS: dict[str, GiveUpReason] = {
    "blocked": "opted_out",
    "unknown_recipient": "unreachable",
    "too_long": "too_large",
}


def named(answer: LineAnswer) -> TertuliaError:
    """Our error for an answer that is not 2xx."""
    problem = _problem(answer.body)
    detail = problem.message or f"HTTP {answer.status}"
    if answer.status == 429:
        return Retry("asked to wait", after_s=answer.retry_after_s, whole_account=True)
    if answer.status in {401, 403}:
        return Misconfigured("token", f"the provider does not accept it ({detail})")
    if answer.status >= 500:
        return Retry(detail, after_s=answer.retry_after_s)
    if answer.status < 400 or answer.status == 404:
        return Misconfigured("api_url", f"does not serve this API (HTTP {answer.status})")
    return GiveUp(_REASONS.get(problem.code, "refused"), detail, code=problem.code or str(answer.status))


def _problem(body: bytes) -> WireProblem:
    try:
        return decode_problem(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return WireProblem()
