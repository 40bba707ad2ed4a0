"""Names every refusal of the Cloud API by what the sender should do about it.

WhatsApp's own codes stand in ``codes.py``; what is not there means what it means on all of Meta's platforms.
"""

from __future__ import annotations

from channels._meta import failures as graph
from channels._meta.failures import GraphError
from channels.whatsapp.codes import PAIR_WAIT_S, Never, Operator, Wait, meaning_of
from gateway.core.errors import GiveUp, Misconfigured, Retry, TertuliaError


def named(error: GraphError, account: str, *, has_own_token: bool = False) -> TertuliaError:
    """Our error for *error*; *account* is the number's name in the settings. A longer wait than ours is obeyed."""
    if not error.code and error.kind != "OAuthException":  # Graph's code 0 is a real one, and so is none at all
        return graph.named(error)
    match meaning_of(error.code):
        case Wait() as wait:
            return Retry(error.detail, after_s=_wait_s(error, wait), whole_account=wait.whole_account)
        case Never() as never:
            return GiveUp(never.reason, error.detail, code=error.label)
        case Operator() as operator:
            advice = graph.TOKEN_TROUBLES.get(error.subcode, operator.advice) if error.code == 190 else operator.advice
            return Misconfigured(_key(operator, account, has_own_token), f"{advice} ({error.detail})")
        case None:
            return graph.named(error)


def _wait_s(error: GraphError, wait: Wait) -> float | None:
    if error.code == 131056:
        return max(PAIR_WAIT_S, error.wait_s or 0.0)
    return error.wait_s or wait.after_s


def _key(operator: Operator, account: str, has_own_token: bool) -> str:
    if operator.key == "access_token":
        return f"accounts.{account}.access_token" if has_own_token else "access_token"
    return f"{operator.key}.{account}"
