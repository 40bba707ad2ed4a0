"""Deliver: every message of the outbox reaches the provider once, in order, at the provider's pace, or is explained.

A message is marked as being sent, in a committed row, before the provider is called. So after a kill exactly the
marked ones are ambiguous: they are sent once more and never a third time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Sequence

import msgspec
import structlog

from gateway.core.batcher import Batcher
from gateway.core.clock import Clock
from gateway.core.errors import Moved, Overloaded, Unavailable
from gateway.core.ids import AccountId, ConversationId, MessageId
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.core.tracing import Tracing
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.outcomes import later, outcome_of, reserved_row
from gateway.router.pace import Pace
from gateway.router.sending import Hand, Sending, SendingSettings
from gateway.router.wakes import DELIVER, Wakes
from gateway.store import delivering
from gateway.store.database import Database, is_away, is_passing
from gateway.store.rows import Committed, Lease, OutboxRow, Outcome, Settled, TurnCommit

log = structlog.get_logger(__name__)


class DeliverSettings(msgspec.Struct, frozen=True):
    node: int
    account_lease_s: float
    sending: SendingSettings
    batch_limit: int
    acknowledgements: int


class Deliver:
    """The third step of the pipeline; fits ``DeliverSide`` of respond."""

    def __init__(
        self,
        settings: DeliverSettings,
        database: Database,
        endpoints: Endpoints,
        clock: Clock,
        metrics: Metrics,
        tracing: Tracing,
        wakes: Wakes,
        news: News,
    ) -> None:
        self._settings = settings
        self._endpoints = endpoints
        self._clock = clock
        self._metrics = metrics
        self._wakes = wakes
        self._news = news
        self._settle_lane = database.lane()
        self._take_lane = database.lane()
        now = clock.monotonic()
        self._paces = {a.account.id: Pace(a.spec.rates, now) for a in endpoints.all()}
        self._held_until: dict[AccountId, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._chores: set[asyncio.Task[None]] = set()
        self._hands: dict[MessageId, Hand] = {}
        self._unhealthy: set[AccountId] = set()
        self._behind: set[ConversationId] = set()
        self._unsure: dict[MessageId, ConversationId] = {}
        self._unsettled = 0
        self._is_stopping = False
        self._batch_size = metrics.batch_size.labels("deliver")
        self._sending = Sending(
            settings.sending, endpoints, clock, metrics, tracing, settled=self._settled, account_news=self
        )
        self._settle: Batcher[Outcome, Settled | None] = Batcher(
            self._settle_batch, limit=settings.batch_limit, is_systemic=is_away, is_passing=is_passing
        )
        self._take: Batcher[tuple[ConversationId, int], OutboxRow | None] = Batcher(
            self._take_batch, limit=settings.batch_limit, is_systemic=is_away, is_passing=is_passing
        )

    def __len__(self) -> int:
        """Messages that are on their way to a provider."""
        return len(self._tasks)

    def reserve(self, lease: Lease) -> bool:
        """Whether a message to this conversation may leave this process now; room and rate are then taken."""
        account = self._endpoints.get(lease.account_id)
        pace = self._paces.get(lease.account_id)
        if account is None or pace is None or self._is_stopping or pace.room() == 0 or not self._serves(account):
            return False
        now, is_group = self._clock.monotonic(), account.channel.is_group(lease.recipient)
        if pace.wait_s(lease.recipient, now, is_group=is_group) > 0:
            return False
        pace.take(lease.recipient, now, is_group=is_group)
        pace.under_way += 1
        return True

    def hand(self, commit: TurnCommit, done: Committed | None, *, was_reserved: bool, asked_at: float) -> None:
        """Go on with what a turn left in the outbox."""
        lease = commit.lease
        if was_reserved and (done is None or not done.is_reserved):
            self._release(lease.account_id, lease.recipient, is_unused=True)
        if was_reserved and done is None:
            self._unsure[commit.replies[0].message_id] = lease.conversation_id
            self._wakes.heard(DELIVER)
        if done is None or not commit.replies:
            return
        if done.is_reserved:
            account = self._endpoints.get(lease.account_id)
            if account is not None:
                self._start(account, reserved_row(commit, done), asked_at)
        else:
            self._behind.add(lease.conversation_id)
            self._wakes.wake(DELIVER)

    def acknowledge(self, account: OpenAccount, token: str) -> None:
        """Tell the provider that a press was seen; best effort, dropped when too many wait."""
        if len(self._chores) < self._settings.acknowledgements:
            self._chore(account.client.acknowledge(account.spec.external, token))

    async def hold(self) -> bool:
        """Take or keep the delivery of every rate-limited account that nobody else delivers."""
        limited = [a.account.id for a in self._endpoints.all() if a.spec.rates.is_limited]
        if not limited or self._is_stopping:
            return False
        asked = self._clock.monotonic()
        async with self._take_lane.transaction() as connection:
            held = await delivering.hold_accounts(
                connection, limited, node=self._settings.node, lease_s=self._settings.account_lease_s
            )
        for account in self._endpoints.all():
            account_id = account.account.id
            if account_id not in held:
                self._held_until.pop(account_id, None)
                continue
            if account_id not in self._held_until:
                self._paces[account_id] = self._new_pace(account)
            self._held_until[account_id] = asked + self._settings.account_lease_s
            self._paces[account_id].pause(asked, held[account_id])
        return False

    async def sweep(self) -> bool:
        """Send what is due on every account that this process serves; true when there may be more."""
        if self._unsettled or self._is_stopping:
            return False
        self._behind.clear()
        if self._unsure:
            await self._free_unsure()
        has_more = False
        for account in self._endpoints.all():
            if self._serves(account):
                has_more = await self._sweep_account(account) or has_more
        return has_more

    async def renew(self) -> bool:
        """Hold on to the messages whose call takes long (an upload); who lost one begins no further call for it."""
        old = self._clock.monotonic() - self._settings.sending.send_lease_s / 4
        for hand in [hand for hand in self._hands.values() if hand.confirmed_at < old]:
            asked_at = self._clock.monotonic()
            row = hand.row
            still = outcome_of(row, "progress", calls_done=hand.calls_done, ambiguities=row.ambiguities)
            if await self._settle(still) is not None:
                hand.confirmed_at = asked_at
        return False

    async def close(self, within_s: float) -> None:
        """Finish the calls under way, write down how they went, and let the accounts go."""
        self._is_stopping = True
        end = self._clock.monotonic() + within_s
        while self._tasks and self._clock.monotonic() < end:
            await asyncio.wait(self._tasks, timeout=end - self._clock.monotonic())
        for chore in list(self._chores):
            chore.cancel()
        for task in list(self._tasks):
            task.cancel()
        await self._settle.close()
        await self._take.close()
        held = list(self._held_until)
        if held:
            async with self._take_lane.transaction() as connection:
                await delivering.let_accounts_go(connection, held, self._settings.node)

    def _serves(self, account: OpenAccount) -> bool:
        if not account.spec.rates.is_limited:
            return True
        return self._held_until.get(account.account.id, 0.0) > self._clock.monotonic()

    def _new_pace(self, account: OpenAccount) -> Pace:
        pace = Pace(account.spec.rates, self._clock.monotonic(), is_new_keeper=True)
        pace.under_way = self._paces[account.account.id].under_way
        return pace

    async def _free_unsure(self) -> None:
        """What a commit that broke off may have stored as being sent by us was not: it waits for its turn again."""
        unsure = dict(self._unsure)
        async with self._take_lane.transaction() as connection:
            await delivering.free_unsent(connection, list(unsure.values()), list(unsure), self._settings.node)
        for message_id in unsure:
            self._unsure.pop(message_id, None)

    async def _sweep_account(self, account: OpenAccount) -> bool:
        pace, now = self._paces[account.account.id], self._clock.monotonic()
        wait_s = pace.account_wait_s(now)
        if wait_s > 0:
            if wait_s < 1:
                asyncio.get_running_loop().call_later(wait_s, self._wakes.heard, DELIVER)
            return False
        room = 1 if account.spec.rates.per_s > 0 else min(pace.room(), self._settings.batch_limit)
        if pace.room() == 0:
            return False
        rows = await self._take_due(account, room)
        for row in rows:
            await self._start_or_put_off(account, row, now)
        return len(rows) == room

    async def _take_due(self, account: OpenAccount, room: int) -> list[OutboxRow]:
        rows: list[OutboxRow] = []
        async with self._take_lane.transaction() as connection:
            for is_proactive in (False, True):
                if len(rows) < room:
                    rows += await delivering.take_due(
                        connection,
                        account.account.id,
                        is_proactive=is_proactive,
                        limit=room - len(rows),
                        node=self._settings.node,
                        lease_s=self._settings.sending.send_lease_s,
                    )
        return rows

    async def _start_or_put_off(self, account: OpenAccount, row: OutboxRow, asked_at: float) -> None:
        pace, now = self._paces[row.account_id], self._clock.monotonic()
        is_group = account.channel.is_group(row.recipient)
        wait_s = pace.wait_s(row.recipient, now, is_group=is_group)
        if wait_s > 0:
            asyncio.get_running_loop().call_later(wait_s, self._wakes.heard, DELIVER)
            await self._settled(later(row, wait_s))
            return
        pace.take(row.recipient, now, is_group=is_group)
        pace.under_way += 1
        self._start(account, row, asked_at)

    def _start(self, account: OpenAccount, row: OutboxRow, asked_at: float) -> None:
        task = asyncio.get_running_loop().create_task(self._run(account, row, asked_at))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, account: OpenAccount, row: OutboxRow, asked_at: float) -> None:
        """Send a message, and those of the same conversation that wait behind it while the pace allows.

        ``asked_at`` is monotonic time before the row was taken: a process that slept past its lease notices.
        """
        current: OutboxRow | None = row
        try:
            while current is not None:
                hand = self._hands[current.message_id] = Hand(current, asked_at, current.calls_done)
                try:
                    outcome = await self._sending.attempt(account, hand)
                    settled = await self._settled(outcome) if outcome is not None else None
                finally:
                    del self._hands[current.message_id]
                asked_at = self._clock.monotonic()
                current = await self._next(account, current, settled)
        except Unavailable as error:  # nothing is under way here: what waits behind is found by a sweep
            log.warning("send_postponed", conversation_id=str(row.conversation_id), reason=str(error))
        except Exception:
            log.exception("send_failed", conversation_id=str(row.conversation_id), message_id=str(row.message_id))
        finally:
            self._paces[row.account_id].under_way -= 1
            if row.conversation_id in self._behind:
                self._wakes.heard(DELIVER)

    async def _next(self, account: OpenAccount, row: OutboxRow, settled: Settled | None) -> OutboxRow | None:
        if settled is None or settled.next_position is None or self._is_stopping or not self._serves(account):
            return None
        pace, now = self._paces[row.account_id], self._clock.monotonic()
        is_group = account.channel.is_group(row.recipient)
        wait_s = pace.wait_s(row.recipient, now, is_group=is_group)
        if wait_s > 0:
            asyncio.get_running_loop().call_later(wait_s, self._wakes.heard, DELIVER)
            return None
        pace.take(row.recipient, now, is_group=is_group)
        following = await self._take((row.conversation_id, settled.next_position))
        if following is None:
            pace.put_back(row.recipient, now, is_group=is_group)
        return following

    async def moved(self, row: OutboxRow, error: Moved) -> None:
        """Write to the person at the new address from now on."""
        async with self._take_lane.transaction() as connection:
            await delivering.move_recipient(connection, row.conversation_id, error.kind, error.value)

    def pause(self, account: OpenAccount, seconds: float, reason: str) -> None:
        """Nothing goes out on the account for a while, from no process; a reason makes it unhealthy."""
        if reason:
            self._unhealthy.add(account.account.id)
        self._paces[account.account.id].pause(self._clock.monotonic(), seconds)
        self._chore(self._write_pause(account.account.id, seconds, reason))

    def works(self, account: OpenAccount) -> None:
        """The provider took a call: what was unhealthy is well again."""
        account_id = account.account.id
        if account_id in self._unhealthy:
            self._unhealthy.discard(account_id)
            self._chore(self._mark_well(account_id))

    async def _write_pause(self, account_id: AccountId, seconds: float, reason: str) -> None:
        async with self._take_lane.transaction() as connection:
            await delivering.pause_account(connection, account_id, seconds, reason)

    async def _mark_well(self, account_id: AccountId) -> None:
        async with self._take_lane.transaction() as connection:
            await delivering.account_is_well(connection, account_id)

    async def _settled(self, outcome: Outcome) -> Settled | None:
        """Write an outcome down, however long the database is away: what was sent must not be forgotten."""
        is_waiting = False
        try:
            while True:
                try:
                    settled = await self._settle(outcome)
                except (Unavailable, Overloaded):
                    if not is_waiting:
                        is_waiting = True
                        self._unsettled += 1
                    await self._clock.sleep(random.uniform(0.1, 0.5))  # noqa: S311
                    continue
                if settled is None:
                    self._metrics.lease_losses.labels("deliver").inc()
                elif outcome.kind == "withdrawn":
                    self._metrics.sends.labels("", "withdrawn").inc()
                return settled
        finally:
            if is_waiting:
                self._unsettled -= 1

    def _release(self, account_id: AccountId, recipient: str, *, is_unused: bool) -> None:
        pace = self._paces[account_id]
        pace.under_way -= 1
        account = self._endpoints.get(account_id)
        if is_unused and account is not None:
            pace.put_back(recipient, self._clock.monotonic(), is_group=account.channel.is_group(recipient))

    def _chore(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._quietly(work))
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _quietly(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  best effort by contract
            log.debug("chore_failed", reason=type(error).__name__)

    async def _settle_batch(self, outcomes: Sequence[Outcome]) -> list[Settled | None]:
        self._batch_size.observe(len(outcomes))
        async with self._settle_lane.transaction() as connection:
            done = await delivering.settle(connection, outcomes, send_lease_s=self._settings.sending.send_lease_s)
        self._news.changed(o.conversation_id for o, settled in zip(outcomes, done, strict=True) if settled is not None)
        return done

    async def _take_batch(self, keys: Sequence[tuple[ConversationId, int]]) -> list[OutboxRow | None]:
        async with self._take_lane.transaction() as connection:
            return await delivering.take_these(
                connection, keys, node=self._settings.node, lease_s=self._settings.sending.send_lease_s
            )
