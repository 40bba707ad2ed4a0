"""What WhatsApp's error codes mean, for a call that is refused and for a status that fails: one table for both."""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.core.errors import GiveUpReason

HOUR_S = 3600.0
PAIR_WAIT_S = 6.0
BUSY_S = 60.0


class Wait(msgspec.Struct, frozen=True):
    """It may go later. ``after_s``: unless the answer asks for another wait; ``None`` leaves it to our backoff."""

    after_s: float | None = None
    whole_account: bool = False


class Never(msgspec.Struct, frozen=True):
    """It will never go. ``scope``: what it says about the person beside the message; ``marketing``: only adverts.

    Who wants no adverts is not opted out: what they ask is still answered.
    """

    reason: GiveUpReason
    scope: Literal["", "person", "marketing"] = ""


class Operator(msgspec.Struct, frozen=True):
    """Somebody must set something right. ``key`` is the setting, or the nearest one."""

    key: str
    advice: str


Meaning = Wait | Never | Operator

MEANINGS: dict[int, Meaning] = {
    # ---- later
    1: Wait(),
    2: Wait(),
    4: Wait(BUSY_S, whole_account=True),
    80007: Wait(BUSY_S, whole_account=True),
    80008: Wait(BUSY_S, whole_account=True),
    130429: Wait(1.0, whole_account=True),
    131000: Wait(),
    131016: Wait(),
    131048: Wait(HOUR_S, whole_account=True),
    131056: Wait(PAIR_WAIT_S),
    131057: Wait(BUSY_S, whole_account=True),
    133004: Wait(BUSY_S, whole_account=True),
    # ---- never: the person
    131026: Never("unreachable", "person"),
    131030: Never("refused"),
    131047: Never("window_closed", "person"),
    131049: Never("refused"),
    131050: Never("no_consent", "marketing"),
    131062: Never("refused"),
    130472: Never("refused"),
    # ---- never: the message
    100: Never("refused"),
    131008: Never("refused"),
    131009: Never("refused"),
    131021: Never("refused"),
    131051: Never("not_supported"),
    131052: Never("refused"),
    131053: Never("refused"),
    132000: Never("refused"),
    132001: Never("refused"),
    132005: Never("refused"),
    132007: Never("refused"),
    132008: Never("refused"),
    132012: Never("refused"),
    132015: Never("refused"),
    132016: Never("refused"),
    132068: Never("refused"),
    132069: Never("refused"),
    135000: Never("refused"),
    136025: Never("refused"),
    137000: Never("refused"),
    # ---- an operator
    0: Operator("access_token", "Meta cannot tell who is asking; make a new one"),
    3: Operator("access_token", "the app lacks a capability or permission"),
    10: Operator("access_token", "the permission whatsapp_business_messaging is missing or was withdrawn"),
    190: Operator("access_token", "it has expired or was revoked; make a new one for a system user"),
    368: Operator("accounts", "Meta blocked the business account for a breach of its rules"),
    130497: Operator("accounts", "the business account may not write to people in this country"),
    131005: Operator("access_token", "a permission is missing or was withdrawn"),
    131031: Operator("accounts", "Meta locked the business account"),
    131037: Operator("accounts", "the number's display name is not approved yet"),
    131042: Operator("accounts", "the business account has a payment problem"),
    131044: Operator("accounts", "the business account has no way of payment"),
    131045: Operator("accounts", "the number is not registered, or its certificate is wrong"),
    131063: Operator("accounts", "the business account may not do this"),
    131064: Operator("accounts", "the business account may not do this"),
    133010: Operator("accounts", "the number is not registered with the Cloud API"),
}
"""By ``code``. What is not here is judged by the HTTP status; 200 to 299 are permissions."""


def meaning_of(code: int) -> Meaning | None:
    """The meaning of a code; ``None`` for one that nobody knows."""
    if 200 <= code <= 299:
        return MEANINGS[131005]
    return MEANINGS.get(code)
