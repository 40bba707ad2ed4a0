"""Sends one message: the policy, the rendering, the calls, and what each failure of the provider means."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec
import structlog

from gateway.core.channel import Call, FindsSent, Sent
from gateway.core.clock import Clock
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Moved, Retry
from gateway.core.fence import fenced
from gateway.core.messages import Author, Media, Outgoing, Parts
from gateway.core.metrics import Metrics
from gateway.core.tracing import Tracing
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.naming import with_name
from gateway.router.outcomes import FIRST_IN_LINE_S, failed, later, outcome_of
from gateway.router.policy_guard import PolicyGuard
from gateway.store.rows import OutboxRow, Outcome, Settled

log = structlog.get_logger(__name__)

MAX_AMBIGUITIES = 2
"""The first ambiguous send is repeated, the second one is given up as of unknown outcome."""

MISCONFIGURED_PAUSE_S = 30.0

NO_LINKS: Mapping[str, str] = {}


class SendingSettings(msgspec.Struct, frozen=True):
    """No call is begun in the second half of ``send_lease_s``; leases are renewed well before.

    ``names_agents``: an agent's name stands before their words where the app does not show who speaks.
    """

    send_lease_s: float
    backoff_base_s: float
    backoff_cap_s: float
    give_up_after_s: float
    names_agents: bool = False


class Hand(msgspec.Struct):
    """A message in this process' hands. ``confirmed_at`` is monotonic time before its lease was last written.

    ``begins_at``: the moment that was planned for its next call, in monotonic time. ``has_slot``: the rate's share of
    that call is used up already.
    """

    row: OutboxRow
    confirmed_at: float
    calls_done: int
    begins_at: float = 0.0
    has_slot: bool = False


class AccountNews(Protocol):
    """Who is told what a send shows about its account, and who says when a call may begin."""

    async def moved(self, row: OutboxRow, error: Moved) -> None:
        """The recipient has a new address."""
        ...

    def pause(self, account: OpenAccount, seconds: float, reason: str) -> None:
        """Nothing goes out on the account for a while; a reason makes it unhealthy."""
        ...

    def works(self, account: OpenAccount) -> None:
        """The provider took a call."""
        ...

    async def begin(self, account: OpenAccount, hand: Hand, *, is_heavy: bool) -> float | None:
        """Return ``None`` at the moment at which a call may begin, or the seconds after which to come again."""
        ...

    def end(self, account: OpenAccount) -> None:
        """A call that was begun has its answer."""
        ...


class Sending:
    """Tries to send one message at a time; holds nothing between two of them.

    *link* makes the address from which a provider can fetch a file of ours; ``None``: there is no such address.
    """

    def __init__(
        self,
        settings: SendingSettings,
        endpoints: Endpoints,
        clock: Clock,
        metrics: Metrics,
        tracing: Tracing,
        guard: PolicyGuard,
        *,
        settled: Callable[[Outcome], Awaitable[Settled | None]],
        account_news: AccountNews,
        link: Callable[[Media], str] | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._tracing = tracing
        self._guard = guard
        self._settled = settled
        self._account_news = account_news
        self._link = link
        channels = {account.account.channel for account in endpoints.all()}
        self._counters = {
            channel: (metrics.sends.labels(channel, "sent"), metrics.send_seconds.labels(channel))
            for channel in channels
        }

    async def attempt(self, account: OpenAccount, hand: Hand) -> Outcome | None:
        """Try to send a message; ``None`` when the lease ran out and the row is somebody else's."""
        row = hand.row
        stale = self._staleness(row)
        if stale is not None:
            return self._dead(account, stale) if stale.kind == "failed" else stale
        judged = self._guard.judge_row(account.spec, row)
        if judged.kind == "refused":
            return self._dead(account, failed(row, judged.error(), is_by_policy=True))
        if judged.kind == "template":
            return outcome_of(row, "held")
        message = self._outgoing(account, row, is_late=judged.kind == "late")
        try:
            calls = account.channel.render(account.settings, message)
        except GiveUp as error:
            return self._dead(account, failed(row, error))
        outcome = await self._make_calls(account, hand, calls)
        if outcome is None or outcome.kind != "failed":
            return outcome
        if outcome.reason == "window_closed" and not outcome.calls_done and self._guard.has_fallback(account.spec, row):
            return outcome_of(row, "held")
        return self._dead(account, outcome)

    async def _make_calls(self, account: OpenAccount, hand: Hand, calls: Sequence[Call]) -> Outcome | None:
        refs: list[str] = []
        repeated = 0
        for number in range(hand.row.calls_done, len(calls)):
            result: Sent | Outcome | None = None
            if hand.row.ambiguities:
                result = await self._find(account, hand.row, calls[number])
            if result is None:
                repeated = max(repeated, hand.row.ambiguities)
                result = await self._call_in_turn(account, hand, calls[number], number)
            if not isinstance(result, Sent):
                return result
            refs.extend(result.provider_message_ids)
            if number + 1 < len(calls):
                if not await self._progress(hand, number + 1, tuple(refs)):
                    return None
                refs = []
        done = outcome_of(hand.row, "sent", calls_done=len(calls), refs=tuple(refs), ambiguities=repeated)
        losses = tuple(dict.fromkeys(loss for call in calls for loss in call.losses))
        return msgspec.structs.replace(done, losses=losses) if losses else done

    async def _progress(self, hand: Hand, calls_done: int, refs: tuple[str, ...]) -> bool:
        """Write down how many calls are done; false when the message is somebody else's by now."""
        asked_at = self._clock.monotonic()
        hand.calls_done = calls_done
        if await self._settled(outcome_of(hand.row, "progress", calls_done=calls_done, refs=refs)) is None:
            return False
        hand.confirmed_at = asked_at
        hand.row = msgspec.structs.replace(hand.row, calls_done=calls_done, ambiguities=0, taken_refs=())
        return True

    def _staleness(self, row: OutboxRow) -> Outcome | None:
        """What was decided under an older control is not said any more, and nothing is tried for ever."""
        if row.author == Author.BOT and row.epoch < row.current_epoch:
            return outcome_of(row, "withdrawn")
        if row.age_s > self._settings.give_up_after_s:
            return failed(row, GiveUp("exhausted", f"not sent within {self._settings.give_up_after_s:.0f} s"))
        return None

    def _spoken(self, account: OpenAccount, row: OutboxRow, name: str) -> Parts:
        """An agent's words, with the name before them where the app does not show who speaks."""
        is_named = self._settings.names_agents and row.author == Author.AGENT and bool(name)
        shows = account.channel.capabilities.shows_speaker
        return with_name(row.parts, name) if is_named and not shows else row.parts

    def _outgoing(self, account: OpenAccount, row: OutboxRow, *, is_late: bool) -> Outgoing:
        name = (row.persona.name if row.persona is not None else "") or row.agent
        return Outgoing(
            message_id=row.message_id,
            conversation_id=row.conversation_id,
            account_id=row.account_id,
            recipient=row.recipient,
            author=Author(row.author),
            parts=self._spoken(account, row, name),
            name=name,
            avatar_url=row.persona.avatar_url if row.persona is not None else "",
            names_agent=self._settings.names_agents and row.author == Author.AGENT,
            reply_to=row.reply_to,
            account=account.spec.external,
            app=account.spec.app,
            language=row.language,
            traits=row.traits,
            links=self._links(row.parts),
            is_late=is_late,
        )

    def _links(self, parts: Parts) -> Mapping[str, str]:
        link = self._link
        if link is None or not any(isinstance(part, Media) for part in parts):
            return NO_LINKS
        return {part.blob: link(part) for part in parts if isinstance(part, Media) and part.blob}

    async def _find(self, account: OpenAccount, row: OutboxRow, call: Call) -> Sent | Outcome | None:
        """What became of the call whose answer was lost; ``None``: make it again."""
        if row.taken_refs:
            return Sent(row.taken_refs)
        if isinstance(account.client, FindsSent):
            try:
                sent = await account.client.find_sent(account.spec.external, call, row.at)
            except Retry as error:
                return self._again(account, row, error, row.calls_done, ambiguities=row.ambiguities)
            if sent is not None:
                return sent
        if row.ambiguities >= MAX_AMBIGUITIES and not account.channel.capabilities.repeats_harmlessly:
            return failed(row, GiveUp("unknown_outcome", "the provider was asked twice and did not say"))
        return None

    async def _call_in_turn(self, account: OpenAccount, hand: Hand, call: Call, number: int) -> Sent | Outcome | None:
        """Make a call when its moment has come; ``None``: the lease ran out meanwhile."""
        wait_s = await self._account_news.begin(account, hand, is_heavy=call.is_heavy)
        if wait_s is not None:
            return later(hand.row, wait_s, calls_done=number)
        try:
            if self._clock.monotonic() - hand.confirmed_at > self._settings.send_lease_s / 2:
                self._metrics.lease_losses.labels("deliver").inc()
                return None
            with fenced(lambda: self._clock.monotonic() - hand.confirmed_at < self._settings.send_lease_s):
                return await self._call(account, hand.row, call, number)
        finally:
            self._account_news.end(account)

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
            return msgspec.structs.replace(failed(row, error), calls_done=number)
        except Misconfigured as error:
            log.error("account_unhealthy", channel=channel, account=account.account.name, reason=str(error))  # noqa: TRY400
            self._account_news.pause(account, MISCONFIGURED_PAUSE_S, str(error))
            return later(row, MISCONFIGURED_PAUSE_S, calls_done=number)
        sent_count, send_seconds = self._counters[channel]
        sent_count.inc()
        send_seconds.observe(self._clock.monotonic() - began)
        self._account_news.works(account)
        return sent

    def _dead(self, account: OpenAccount, outcome: Outcome) -> Outcome:
        self._metrics.dead_letters.labels(account.account.channel, outcome.reason).inc()
        return outcome

    def _again(self, account: OpenAccount, row: OutboxRow, error: Retry, number: int, *, ambiguities: int) -> Outcome:
        after_s = error.after_s if error.after_s is not None else self._backoff_s(row.failures)
        if error.whole_account:
            self._account_news.pause(account, after_s, "")
        log.debug("send_postponed", message_id=str(row.message_id), after_s=round(after_s, 2), reason=error.detail)
        keeps_place = error.whole_account and not row.failures
        due_s = FIRST_IN_LINE_S if keeps_place else after_s
        return later(row, due_s, calls_done=number, failures=row.failures + 1, ambiguities=ambiguities)

    def _backoff_s(self, failures: int) -> float:
        longest = min(self._settings.backoff_cap_s, self._settings.backoff_base_s * 2.0 ** min(failures, 20))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  spreading, not secrecy
