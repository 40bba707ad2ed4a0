"""The rules that every send must pass, as one pure function: asked before a message is queued, and when it leaves.

A provider allows anything for some time after the customer's last act; later only what it approved beforehand, or what
a person says. Who wants silence gets silence, and who is written to unasked must have agreed to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from gateway.core.channel import Window
from gateway.core.errors import GiveUp, GiveUpReason
from gateway.core.inbound import Origin
from gateway.core.messages import AnyPart, Author, Template

OptInDemand = Literal["never", "marketing", "always"]
"""Which messages that nobody asked for need an opt-in."""

PolicyReason = Literal["opted_out", "unreachable", "window_closed", "no_consent"]


class PolicyInput(msgspec.Struct, frozen=True, kw_only=True):
    """One message and how things stand with its recipient.

    ``heard_at`` is the customer's last act by the provider's clock (``None``: nothing was ever heard), ``window_until``
    the end that an advertisement gave the window. ``is_template``: all of it was approved beforehand.
    ``is_proactive``: no answer, but sent unasked; ``is_marketing``: and advertising. ``has_fallback``: the bot's author
    named a template that may stand in.
    """

    author: Author
    window: Window
    now: datetime
    heard_at: datetime | None = None
    window_until: datetime | None = None
    is_template: bool = False
    is_proactive: bool = False
    is_marketing: bool = False
    opt_in: OptInDemand = "never"
    has_opt_in: bool = False
    is_opted_out: bool = False
    is_marketing_out: bool = False
    is_unreachable: bool = False
    has_fallback: bool = False


class Words(msgspec.Struct, frozen=True):
    """A refusal for whoever sent it, in the languages that agents and operators read."""

    es: str
    en: str

    def get(self, language: str) -> str:
        """Spanish for a Spanish reader, English for anybody else."""
        return self.es if language.lower().startswith("es") else self.en


class Verdict(msgspec.Struct, frozen=True):
    """What may be done with a message.

    ``allowed``: send it. ``late``: send it, as a person's word after the window. ``template``: the author's template
    goes instead, and the message itself when the customer answers. ``refused``: never, for ``reason``.
    """

    kind: Literal["allowed", "late", "template", "refused"]
    reason: PolicyReason | Literal[""] = ""
    words: Words = Words("", "")

    @property
    def may_go(self) -> bool:
        """Whether the message itself may leave now."""
        return self.kind in ("allowed", "late")

    def error(self) -> GiveUp:
        """The refusal as the error that a dead letter keeps. Only of a refused one."""
        reason: GiveUpReason = self.reason or "refused"
        return GiveUp(reason, self.words.en)


ALLOWED = Verdict("allowed")
LATE = Verdict("late")

OPTED_OUT = Words(
    es="Esta persona pidió no recibir mensajes; el mensaje no se envía.",
    en="This person asked not to hear from us; the message is not sent.",
)
MARKETING_OUT = Words(
    es="Esta persona no quiere publicidad; el mensaje no se envía.",
    en="This person wants no advertising; the message is not sent.",
)
UNREACHABLE = Words(
    es="El proveedor dice que esta dirección no recibe mensajes; se vuelve a intentar cuando la persona escriba.",
    en="The provider says that this address takes no messages; it is tried again when the person writes.",
)
NEVER_WROTE = Words(
    es="Esta persona nunca escribió, y en este canal es ella quien empieza.",
    en="This person never wrote, and on this channel it is for them to begin.",
)
NO_OPT_IN = Words(
    es="Falta el consentimiento de esta persona para este tipo de mensaje.",
    en="This person has not agreed to messages of this kind.",
)
CLOSED = Words(
    es="La ventana de mensajes está cerrada: la persona escribió hace demasiado tiempo. Solo se puede enviar una"
    " plantilla aprobada.",
    en="The messaging window is closed: the person last wrote too long ago. Only an approved template may be sent.",
)
CLOSED_FOR_GOOD = Words(
    es="La ventana de mensajes está cerrada: hay que esperar a que la persona vuelva a escribir.",
    en="The messaging window is closed: wait until the person writes again.",
)
TEMPLATE_INSTEAD = Words(
    es="La ventana de mensajes está cerrada: sale la plantilla acordada, y este mensaje cuando la persona responda.",
    en="The messaging window is closed: the agreed template goes out, and this message when the person answers.",
)


def verdict(asked: PolicyInput) -> Verdict:
    """Whether a message may go, and as what. Pure.

    A live message of the system (someone joined, goodbye) may still be said to a person who wants silence: it confirms
    what they did. Everybody is bound by the provider's window.
    """
    refusal = _silence(asked) or _consent(asked)
    if refusal is not None:
        return refusal
    return _by_window(asked)


def is_template(parts: Sequence[AnyPart]) -> bool:
    """Whether a message holds nothing but what the provider approved."""
    return bool(parts) and all(isinstance(part, Template) for part in parts)


def closes_at(window: Window, heard_at: datetime | None, window_until: datetime | None) -> datetime | None:
    """Until when anything may be said; ``None``: without end, or (when nothing was ever heard) not at all."""
    if window.free_s <= 0 or heard_at is None:
        return None
    end = heard_at + timedelta(seconds=window.free_s)
    return end if window_until is None else max(end, window_until)


def ad_window(window: Window, at: datetime, origin: Origin | None) -> datetime | None:
    """Until when a customer who came by an advertisement at that time may be told anything; ``None``: no longer."""
    if window.ad_s <= 0 or origin is None or origin.kind != "ad":
        return None
    return at + timedelta(seconds=window.ad_s)


def _silence(asked: PolicyInput) -> Verdict | None:
    is_live_system = asked.author is Author.SYSTEM and not asked.is_proactive
    if asked.is_opted_out and not is_live_system:
        return Verdict("refused", "opted_out", OPTED_OUT)
    if asked.is_marketing and asked.is_marketing_out:
        return Verdict("refused", "opted_out", MARKETING_OUT)
    if asked.is_unreachable and asked.author is not Author.AGENT:  # a person may know better
        return Verdict("refused", "unreachable", UNREACHABLE)
    return None


def _consent(asked: PolicyInput) -> Verdict | None:
    if not asked.is_proactive:
        return None
    is_demanded = asked.opt_in == "always" or (asked.opt_in == "marketing" and asked.is_marketing)
    if is_demanded and not asked.has_opt_in:
        return Verdict("refused", "no_consent", NO_OPT_IN)
    if asked.heard_at is None and not asked.window.may_begin:
        return Verdict("refused", "no_consent", NEVER_WROTE)
    return None


def _by_window(asked: PolicyInput) -> Verdict:
    window, heard_at = asked.window, asked.heard_at
    if window.free_s <= 0:
        return ALLOWED
    end = closes_at(window, heard_at, asked.window_until)
    if end is not None and asked.now < end:
        return ALLOWED
    if asked.is_template and window.has_templates:
        return ALLOWED
    if (
        asked.author is Author.AGENT
        and heard_at is not None
        and asked.now < heard_at + timedelta(seconds=window.agent_s)
    ):
        return LATE
    if not window.has_templates:
        return Verdict("refused", "window_closed", CLOSED_FOR_GOOD)
    if asked.has_fallback:
        return Verdict("template", "window_closed", TEMPLATE_INSTEAD)
    return Verdict("refused", "window_closed", CLOSED)
