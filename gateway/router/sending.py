"""Sends one message: the policy, the rendering, the calls, and what each failure of the provider means."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
import structlog

from gateway.core.channel import Call, Sent
from gateway.core.clock import Clock
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Moved, Retry
from gateway.core.messages import Author, Outgoing
from gateway.core.metrics import Metrics
from gateway.core.tracing import Tracing
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.outcomes import failed, later, outcome_of
from gateway.store.rows import OutboxRow, Outcome, Settled

log = structlog.get_logger(__name__)

MAX_AMBIGUITIES = 2
"""The first ambiguous send is repeated, the second one is given up as of unknown outcome."""

MISCONFIGURED_PAUSE_S = 30.0


class SendingSettings(msgspec.Struct, frozen=True):
    """No call is begun in the second half of ``send_lease_s``; leases are renewed well before."""

    send_lease_s: float
    backoff_base_s: float
    backoff_cap_s: float
    give_up_after_s: float


class Hand(msgspec.Struct):
    """A message in this process' hands. ``confirmed_at`` is monotonic time before its lease was last written."""

    row: OutboxRow
    confirmed_at: float
    calls_done: int


class AccountNews(Protocol):
    """Who is told what a send shows about its account."""

    async def moved(self, row: OutboxRow, error: Moved) -> None:
        """The recipient has a new address."""
        ...

    def pause(self, account: OpenAccount, seconds: float, reason: str) -> None:
        """Nothing goes out on the account for a while; a reason makes it unhealthy."""
        ...

    def works(self, account: OpenAccount) -> None:
        """The provider took a call."""
        ...


class Sending:
    """Tries to send one message at a time; holds nothing between two of them."""

    def __init__(
        self,
        settings: SendingSettings,
        endpoints: Endpoints,
        clock: Clock,
        metrics: Metrics,
        tracing: Tracing,
        *,
        settled: Callable[[Outcome], Awaitable[Settled | None]],
        account_news: AccountNews,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._tracing = tracing
        self._settled = settled
        self._account_news = account_news
        channels = {account.account.channel for account in endpoints.all()}
        self._counters = {
            channel: (metrics.sends.labels(channel, "sent"), metrics.send_seconds.labels(channel))
            for channel in channels
        }

    async def attempt(self, account: OpenAccount, hand: Hand) -> Outcome | None:
        """Try to send a message; ``None`` when the lease ran out and the row is somebody else's."""
        row = hand.row
        refused = self._refusal(account, row)
        if refused is not None:
            return refused
        message = Outgoing(
            message_id=row.message_id,
            conversation_id=row.conversation_id,
            account_id=row.account_id,
            recipient=row.recipient,
            author=Author(row.author),
            parts=row.parts,
            name=row.agent,
            reply_to=row.reply_to,
        )
        try:
            calls = account.channel.render(account.settings, message)
        except GiveUp as error:
            return failed(row, error)
        refs: list[str] = []
        for number in range(row.calls_done, len(calls)):
            if self._clock.monotonic() - hand.confirmed_at > self._settings.send_lease_s / 2:
                self._metrics.lease_losses.labels("deliver").inc()
                return None
            result = await self._call(account, row, calls[number], number)
            if isinstance(result, Outcome):
                return result
            refs.extend(result.provider_message_ids)
            if number + 1 < len(calls):
                asked_at = self._clock.monotonic()
                hand.calls_done = number + 1
                if await self._settled(outcome_of(row, "progress", calls_done=number + 1, refs=tuple(refs))) is None:
                    return None
                hand.confirmed_at = asked_at
                refs = []
        return outcome_of(row, "sent", calls_done=len(calls), refs=tuple(refs), ambiguities=row.ambiguities)

    def _refusal(self, account: OpenAccount, row: OutboxRow) -> Outcome | None:
        """The policy that every send must pass."""
        if row.author == Author.BOT and row.epoch < row.current_epoch:
            return outcome_of(row, "withdrawn")
        if row.is_opted_out and row.author != Author.SYSTEM:
            return failed(row, GiveUp("opted_out", "the person does not want to hear from us"))
        if row.ambiguities >= MAX_AMBIGUITIES and not account.channel.capabilities.repeats_harmlessly:
            return failed(row, GiveUp("unknown_outcome", "the provider was asked twice and did not say"))
        if row.age_s > self._settings.give_up_after_s:
            return failed(row, GiveUp("exhausted", f"not sent within {self._settings.give_up_after_s:.0f} s"))
        return None

    async def _call(self, account: OpenAccount, row: OutboxRow, call: Call, number: int) -> Sent | Outcome:
        channel = account.account.channel
        began = self._clock.monotonic()
        try:
            with self._tracing.span("deliver", row.trace, channel=channel):
                sent = await account.client.send(account.spec.external, call)
        except Moved as error:
            await self._account_news.moved(row, error)
            return later(row, 0.0, calls_done=number)
        except Ambiguous as error:
            self._metrics.sends.labels(channel, "ambiguous").inc()
            return self._again(account, row, error, number, ambiguities=row.ambiguities + 1)
        except Retry as error:
            self._metrics.sends.labels(channel, "retry").inc()
            return self._again(account, row, error, number, ambiguities=row.ambiguities)
        except GiveUp as error:
            self._metrics.sends.labels(channel, "dead").inc()
            self._metrics.dead_letters.labels(channel, error.reason).inc()
            return failed(row, error)
        except Misconfigured as error:
            log.error("account_unhealthy", channel=channel, account=account.account.name, reason=str(error))  # noqa: TRY400
            self._account_news.pause(account, MISCONFIGURED_PAUSE_S, str(error))
            return later(row, MISCONFIGURED_PAUSE_S, calls_done=number)
        sent_count, send_seconds = self._counters[channel]
        sent_count.inc()
        send_seconds.observe(self._clock.monotonic() - began)
        self._account_news.works(account)
        return sent

    def _again(self, account: OpenAccount, row: OutboxRow, error: Retry, number: int, *, ambiguities: int) -> Outcome:
        after_s = error.after_s if error.after_s is not None else self._backoff_s(row.failures)
        if error.whole_account:
            self._account_news.pause(account, after_s, "")
        log.debug("send_postponed", message_id=str(row.message_id), after_s=round(after_s, 2), reason=error.detail)
        return later(row, after_s, calls_done=number, failures=row.failures + 1, ambiguities=ambiguities)

    def _backoff_s(self, failures: int) -> float:
        longest = min(self._settings.backoff_cap_s, self._settings.backoff_base_s * 2.0 ** min(failures, 20))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  spreading, not secrecy
