"""Deliver: every message of the outbox reaches the provider once, in order, at the provider's pace, or is explained.

A message is marked as being sent, in a committed row, before the provider is called. So after a kill exactly the
marked ones are ambiguous: they are sent once more and never a third time.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence

import msgspec
import structlog

from gateway.core.batcher import Batcher
from gateway.core.clock import Clock
from gateway.core.errors import Moved, Overloaded, Unavailable
from gateway.core.ids import AccountId, ConversationId, MessageId, new_id
from gateway.core.messages import Media, encode_parts
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.core.tracing import Tracing
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.outcomes import FIRST_IN_LINE_S, later, outcome_of, reserved_row
from gateway.router.pace import AHEAD_S, ROUNDING_S, Pace
from gateway.router.policy_guard import PolicyGuard
from gateway.router.sending import Hand, Sending, SendingSettings
from gateway.router.wakes import DELIVER, Wakes
from gateway.store import delivering, held
from gateway.store.database import Database, is_away, is_passing
from gateway.store.delivering import HeldAccount, PacePast
from gateway.store.held import StandIn
from gateway.store.rows import Committed, Lease, OutboxRow, Outcome, Settled, TurnCommit

log = structlog.get_logger(__name__)

PATIENCE_S = 1.0
"""A message that must wait longer for its next call waits in the outbox, where it takes up no room."""

BUSY_S = 0.01
"""How often a call looks whether one of those under way has ended."""

CLOCKS_DIFFER_S = 1.0

SHORTEST_ALARM_S = 0.002

WAKE_WITHIN_S = 60.0
"""An alarm is set for what is due within it; polling finds the rest."""


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
        guard: PolicyGuard | None = None,
        *,
        link: Callable[[Media], str] | None = None,
    ) -> None:
        self._settings = settings
        self._guard = guard or PolicyGuard(endpoints, clock)
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
        self._busy: Counter[ConversationId] = Counter()
        self._is_in_doubt = False
        self._unsettled = 0
        self._is_stopping = False
        self._batch_size = metrics.batch_size.labels("deliver")
        self._backlog: set[AccountId] = set()
        self._alarms: set[asyncio.Task[None]] = set()
        self._alarm_at = math.inf
        self._sending = Sending(
            settings.sending,
            endpoints,
            clock,
            metrics,
            tracing,
            self._guard,
            settled=self._settled,
            account_news=self,
            link=link,
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
        if lease.account_id in self._backlog or not self._has_slot(account, lease.recipient):
            return False
        pace.under_way += 1
        self._busy[lease.conversation_id] += 1
        return True

    def hand(self, commit: TurnCommit, done: Committed | None, *, was_reserved: bool, asked_at: float) -> None:
        """Go on with what a turn left in the outbox."""
        lease = commit.lease
        if was_reserved and (done is None or not done.is_reserved):
            self._release(lease.account_id, lease.recipient, is_unused=True)
        if was_reserved:
            self._end_work_on(lease.conversation_id)
        if was_reserved and done is None:
            self._is_in_doubt = True
            self._wakes.heard(DELIVER)
        if done is None or not commit.replies:
            return
        if done.is_reserved:
            account = self._endpoints.get(lease.account_id)
            if account is not None:
                row = reserved_row(commit, done, self._clock.now())
                self._start(account, Hand(row, asked_at, 0, has_slot=True))
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
                self._paces[account_id] = self._new_pace(account, held[account_id])
            self._held_until[account_id] = asked + self._settings.account_lease_s
            self._paces[account_id].pause(asked, held[account_id].paused_s)
        return False

    async def sweep(self) -> bool:
        """Send what is due on every account that this process serves; true when there may be more."""
        if self._unsettled or self._is_stopping:
            return False
        self._behind.clear()
        if self._is_in_doubt:
            await self._free_strays()
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
        for chore in (*self._chores, *self._alarms):
            chore.cancel()
        for task in list(self._tasks):
            task.cancel()
        await self._settle.close()
        await self._take.close()
        if self._held_until:
            now, at = self._clock.monotonic(), self._clock.now().timestamp()
            pasts = {account_id: PacePast(at, self._paces[account_id].levels(now)) for account_id in self._held_until}
            async with self._take_lane.transaction() as connection:
                await delivering.let_accounts_go(connection, pasts, self._settings.node)

    def _serves(self, account: OpenAccount) -> bool:
        if not account.spec.rates.is_limited:
            return True
        return self._held_until.get(account.account.id, 0.0) > self._clock.monotonic()

    def _new_pace(self, account: OpenAccount, held: HeldAccount) -> Pace:
        levels = None
        if held.past is not None:  # clocks differ a little between machines
            gone_s = max(0.0, self._clock.now().timestamp() - held.past.at - CLOCKS_DIFFER_S)
            per_s = account.spec.rates.per_recipient_s
            levels = {name: level + gone_s * per_s for name, level in held.past.levels.items()}
        now, before = self._clock.monotonic(), self._paces[account.account.id]
        pace = Pace(account.spec.rates, now, is_new_keeper=not held.is_first, levels=levels)
        pace.under_way, pace.calling = before.under_way, before.calling
        return pace

    async def _free_strays(self) -> None:
        """After a commit that broke off: what is marked as being sent by us, and nobody here has in hand, waits again.

        What is taken while we look is in hand by the time at which we know of it.
        """
        self._is_in_doubt = False
        try:
            async with self._take_lane.transaction() as connection:
                held_rows = await delivering.held_by(connection, self._settings.node)
                strays = [row for row in held_rows if row.conversation_id not in self._busy]
                await delivering.free(connection, self._settings.node, strays)
        except BaseException:
            self._is_in_doubt = True
            raise

    def _end_work_on(self, conversation_id: ConversationId) -> None:
        self._busy[conversation_id] -= 1
        if not self._busy[conversation_id]:
            del self._busy[conversation_id]

    async def _sweep_account(self, account: OpenAccount) -> bool:
        """Take what may go within a moment, and give each its own; true when there may be more at once."""
        account_id = account.account.id
        pace, now = self._paces[account_id], self._clock.monotonic()
        wait_s = pace.slot_wait_s(now)
        if wait_s > 0:
            self._wake_in(wait_s)
            return False
        room = min(pace.room(), pace.slots(now), self._settings.batch_limit)
        if room <= 0:
            return False
        rows = await self._take_due(account, room)
        is_full = len(rows) == room
        (self._backlog.add if is_full else self._backlog.discard)(account_id)
        began = await asyncio.gather(*(self._start_or_put_off(account, row, now) for row in rows))
        if is_full and all(began) and account.spec.rates.per_s > 0:
            self._wake_in(max(AHEAD_S / 2, pace.slot_wait_s(self._clock.monotonic())))
            return False
        return is_full

    async def _take_due(self, account: OpenAccount, room: int) -> list[OutboxRow]:
        rows: list[OutboxRow] = []
        try:
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
        except Unavailable:
            self._is_in_doubt = True
            raise
        return rows

    async def _start_or_put_off(self, account: OpenAccount, row: OutboxRow, asked_at: float) -> bool:
        pace, now = self._paces[row.account_id], self._clock.monotonic()
        is_group = account.channel.is_group(row.recipient)
        wait_s = pace.recipient_wait_s(row.recipient, now, is_group=is_group)
        if wait_s > AHEAD_S:
            self._wake_in(wait_s)
            await self._settled(later(row, wait_s))
            return False
        hand = Hand(row, asked_at, row.calls_done)
        if wait_s <= 0:
            hand.begins_at, hand.has_slot = pace.book(row.recipient, now, is_group=is_group), True
        pace.under_way += 1
        self._start(account, hand)
        return True

    def _has_slot(self, account: OpenAccount, recipient: str) -> bool:
        """Whether a call may begin at this moment; the rate's share of it is then used up."""
        pace, now = self._paces[account.account.id], self._clock.monotonic()
        is_group = account.channel.is_group(recipient)
        if pace.wait_s(recipient, now, is_group=is_group) > 0:
            return False
        pace.book(recipient, now, is_group=is_group)
        return True

    def _start(self, account: OpenAccount, hand: Hand) -> None:
        self._busy[hand.row.conversation_id] += 1
        task = asyncio.get_running_loop().create_task(self._run(account, hand))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, account: OpenAccount, first: Hand) -> None:
        """Send a message, and those of the same conversation that wait behind it while the pace allows."""
        hand: Hand | None = first
        conversation_id, account_id = first.row.conversation_id, first.row.account_id
        try:
            while hand is not None:
                message_id = hand.row.message_id
                self._hands[message_id] = hand
                try:
                    outcome = await self._sending.attempt(account, hand)
                    settled = await self._conclude(account, hand, outcome) if outcome is not None else None
                finally:
                    del self._hands[message_id]
                    if hand.has_slot:
                        self._give_back_slot(account, hand)
                hand = await self._next(account, hand.row, settled)
            self._end_work_on(conversation_id)
        except Unavailable as error:  # nothing is under way here: what waits behind is found by a sweep
            log.warning("send_postponed", conversation_id=str(conversation_id), reason=str(error))
            self._end_work_on(conversation_id)
            self._is_in_doubt = True
        except Exception:  # how far it came is not known: it stays ours until its lease ends
            log.exception("send_failed", conversation_id=str(conversation_id))
        finally:
            self._paces[account_id].under_way -= 1
            if conversation_id in self._behind or account_id in self._backlog:
                self._wakes.heard(DELIVER)

    async def _conclude(self, account: OpenAccount, hand: Hand, outcome: Outcome) -> Settled | None:
        if outcome.kind == "held":
            return await self._hold_back(account, hand.row)
        if outcome.row_ends and account.account.id in self._backlog:
            outcome = msgspec.structs.replace(outcome, lines_up=True)
        return await self._settled(outcome)

    async def _hold_back(self, account: OpenAccount, row: OutboxRow) -> Settled | None:
        """The author's template goes instead; the message itself when the customer writes again."""
        async with self._take_lane.transaction() as connection:
            name = await delivering.contact_name(connection, row.conversation_id)
            template = self._guard.fallback(account.spec, row.language, name)
            if template is None:
                raise LookupError(f"no template stands in on {account.spec.app}")
            stand_in = StandIn(MessageId(new_id()), encode_parts((template,)).decode())
            settled = await held.hold(connection, row, stand_in)
        self._wakes.heard(DELIVER)
        self._news.changed((row.conversation_id,))
        return settled

    async def _next(self, account: OpenAccount, row: OutboxRow, settled: Settled | None) -> Hand | None:
        """What waits behind in the same conversation, when nobody else's turn comes first."""
        if settled is None or settled.next_position is None or self._is_stopping or not self._serves(account):
            return None
        if row.account_id in self._backlog:
            return None
        asked_at = self._clock.monotonic()
        if not self._has_slot(account, row.recipient):
            is_group = account.channel.is_group(row.recipient)
            self._wake_in(self._paces[row.account_id].wait_s(row.recipient, asked_at, is_group=is_group))
            return None
        following = await self._take((row.conversation_id, settled.next_position))
        if following is None:
            self._put_back_slot(account, row.recipient)
            return None
        return Hand(following, asked_at, following.calls_done, has_slot=True)

    async def begin(self, account: OpenAccount, hand: Hand, *, is_heavy: bool) -> float | None:
        """Wait for the moment at which a call may begin; a long wait is spent in the outbox (answers when)."""
        pace, recipient = self._paces[hand.row.account_id], hand.row.recipient
        if not account.spec.rates.is_limited:
            hand.has_slot = False
            pace.calling += 1
            return None
        is_group = account.channel.is_group(recipient)
        while True:
            pace, now = self._paces[hand.row.account_id], self._clock.monotonic()
            if not self._serves(account):
                return 0.0
            if is_heavy and pace.heavy_wait_s(now) > 0:
                return pace.promise_heavy_s(now)
            wait_s = _book(pace, hand, now, is_group=is_group)
            if wait_s > PATIENCE_S:
                return FIRST_IN_LINE_S if pace.paused_s(now) > 0 else wait_s
            if wait_s <= 0:
                break
            await self._clock.sleep(wait_s)
        pace.begin(recipient, now, is_group=is_group, is_heavy=is_heavy)
        hand.has_slot = False
        return None

    def end(self, account: OpenAccount) -> None:
        """A call that was begun has its answer."""
        self._paces[account.account.id].end()

    def _give_back_slot(self, account: OpenAccount, hand: Hand) -> None:
        hand.has_slot = False
        self._put_back_slot(account, hand.row.recipient)

    def _put_back_slot(self, account: OpenAccount, recipient: str) -> None:
        is_group = account.channel.is_group(recipient)
        self._paces[account.account.id].put_back(recipient, self._clock.monotonic(), is_group=is_group)

    def _wake_in(self, seconds: float) -> None:
        """Look again then, at the latest; a longer wait is what polling is for."""
        seconds = max(seconds, SHORTEST_ALARM_S)
        at = self._clock.monotonic() + seconds
        if seconds < WAKE_WITHIN_S and at < self._alarm_at:
            self._alarm_at = at
            task = asyncio.get_running_loop().create_task(self._alarm(seconds, at))
            self._alarms.add(task)
            task.add_done_callback(self._alarms.discard)

    async def _alarm(self, seconds: float, at: float) -> None:
        await self._clock.sleep(seconds)
        if self._alarm_at == at:
            self._alarm_at = math.inf
        self._wakes.heard(DELIVER)

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


def _book(pace: Pace, hand: Hand, now_s: float, *, is_group: bool) -> float:
    """Seconds until the next call of a message may begin; it has its share of the account's rate as soon as it can."""
    recipient = hand.row.recipient
    if not hand.has_slot:
        wait_s = pace.recipient_wait_s(recipient, now_s, is_group=is_group)
        if wait_s > 0:  # the account's moments are for those who can use them
            return wait_s
        hand.begins_at, hand.has_slot = pace.book(recipient, now_s, is_group=is_group), True
    wait_s = max(hand.begins_at - now_s, pace.begin_wait_s(recipient, now_s, is_group=is_group))
    if wait_s > ROUNDING_S:
        return wait_s
    return BUSY_S if pace.is_busy() else 0.0
