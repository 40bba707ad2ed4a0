"""Asks the policy with the facts at hand: before a message is queued, and again when it leaves."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.channel import AccountSpec
from gateway.core.clock import Clock
from gateway.core.errors import SendRefused
from gateway.core.ids import ConversationId
from gateway.core.messages import Author, Parts, Template
from gateway.router.endpoints import Endpoints
from gateway.router.policy import ALLOWED, OptInDemand, PolicyInput, Verdict, is_template, verdict
from gateway.store import consent
from gateway.store.consent import Standing
from gateway.store.rows import OutboxRow


class Fallbacks(Protocol):
    """The templates that the bot's author named for a closed window."""

    def fallback(self, app: str, language: str, name: str = "") -> Template | None:
        """The one for an app, in the conversation's language, to a person of that name; ``None``: there is none."""
        ...


class NoFallbacks:
    """Fits ``Fallbacks`` for a bot whose author named none."""

    def fallback(self, app: str, language: str, name: str = "") -> Template | None:  # noqa: ARG002  the protocol's
        return None


class PolicyGuard:
    """The rules of every send of this installation."""

    def __init__(
        self,
        endpoints: Endpoints,
        clock: Clock,
        *,
        opt_in: OptInDemand = "marketing",
        fallbacks: Fallbacks | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._clock = clock
        self._opt_in: OptInDemand = opt_in
        self._fallbacks = fallbacks or NoFallbacks()

    async def check(
        self,
        connection: AsyncConnection,
        conversation_id: ConversationId,
        author: Author,
        parts: Parts,
        *,
        is_proactive: bool = False,
        is_marketing: bool = False,
        now: datetime | None = None,
    ) -> Verdict:
        """Whether a message may be queued, in the caller's transaction; *now* is another time than this moment.

        Raises ``SendRefused`` with the reason in words, or ``LookupError`` when there is no such conversation.
        """
        judged = self.judge(
            await consent.standing(connection, conversation_id),
            author,
            parts,
            is_proactive=is_proactive,
            is_marketing=is_marketing,
            now=now,
        )
        if judged.kind == "refused":
            raise refusal(judged)
        return judged

    def judge(
        self,
        standing: Standing,
        author: Author,
        parts: Parts,
        *,
        is_proactive: bool = False,
        is_marketing: bool = False,
        now: datetime | None = None,
    ) -> Verdict:
        """What may be done with a message to a conversation that stands so, now or at another time."""
        account = self._endpoints.get(standing.account_id)
        if account is None:  # another process serves it, and judges when it leaves
            return ALLOWED
        return verdict(
            PolicyInput(
                author=author,
                window=account.spec.window,
                now=now or self._clock.now(),
                heard_at=standing.heard_at,
                window_until=standing.window_until,
                is_template=is_template(parts),
                is_proactive=is_proactive,
                is_marketing=is_marketing,
                opt_in=self._opt_in,
                has_opt_in=standing.is_marketing_in if is_marketing else standing.is_opted_in,
                is_opted_out=standing.is_opted_out,
                is_marketing_out=standing.is_marketing_out,
                is_unreachable=standing.is_unreachable,
                has_fallback=self._fallbacks.fallback(account.spec.app, standing.language) is not None,
            )
        )

    def judge_row(self, spec: AccountSpec, row: OutboxRow) -> Verdict:
        """What may be done with a message that is about to leave."""
        window = spec.window
        if window.free_s <= 0 and not (
            row.is_opted_out or row.is_proactive or row.is_marketing or row.is_unreachable
        ):  # nearly all, and at no cost
            return ALLOWED
        return verdict(
            PolicyInput(
                author=Author(row.author),
                window=window,
                now=self._clock.now(),
                heard_at=row.heard_at,
                window_until=row.window_until,
                is_template=is_template(row.parts),
                is_proactive=row.is_proactive,
                is_marketing=row.is_marketing,
                opt_in=self._opt_in,
                has_opt_in=row.is_marketing_in if row.is_marketing else row.is_opted_in,
                is_opted_out=row.is_opted_out,
                is_marketing_out=row.is_marketing_out,
                is_unreachable=row.is_unreachable,
                has_fallback=self.has_fallback(spec, row),
            )
        )

    def has_fallback(self, spec: AccountSpec, row: OutboxRow) -> bool:
        """Whether a template may stand in for this message, when the provider says that the window is closed."""
        if row.is_fallback or not spec.window.has_templates or is_template(row.parts):
            return False
        return self._fallbacks.fallback(spec.app, row.language) is not None

    def fallback(self, spec: AccountSpec, language: str, name: str) -> Template | None:
        """The template that stands in, to a person of that name."""
        return self._fallbacks.fallback(spec.app, language, name)


def refusal(judged: Verdict) -> SendRefused:
    """A refusal as the error that reaches whoever wanted to send."""
    return SendRefused(judged.reason or "refused", {"es": judged.words.es, "en": judged.words.en})
