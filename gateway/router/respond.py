"""Respond: one turn at a time for each conversation, under its lease, and an outcome for every entry."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog

from gateway.core.batcher import Batcher
from gateway.core.clock import Clock
from gateway.core.control import Control
from gateway.core.errors import LeaseLost, Overloaded, TertuliaError, Unavailable
from gateway.core.handoff_reasons import Asked
from gateway.core.ids import ConversationId, MessageId, TurnId, derived_id, lowest_id, new_id
from gateway.core.messages import Author, encode_parts
from gateway.core.metrics import Metrics
from gateway.core.news import News, Passing
from gateway.core.ports import DialoguePort
from gateway.core.tracing import Tracing, new_traceparent
from gateway.core.turns import CustomerSaid, Entry, Resolution, SolvedCase, TurnInput, TurnOutcome
from gateway.router.calling import BeforeCalling
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.policy import closes_at
from gateway.router.wakes import DESKS, RESPOND, Wakes
from gateway.store import responding
from gateway.store.database import Database, is_away, is_passing
from gateway.store.responding import CommitLimits, Unread
from gateway.store.rows import Committed, Lease, NewReply, Taken, TurnCommit

log = structlog.get_logger(__name__)

_encoder = msgspec.json.Encoder()

BOT_FAILED = Asked.BOT_FAILED

TYPING_S = 5.0
"""How long a provider may take to show that somebody types."""


class RespondSettings(msgspec.Struct, frozen=True):
    node: int
    lease_s: float
    send_lease_s: float
    turn_timeout_s: float
    burst_wait_s: float
    max_turns: int
    batch_limit: int
    state_cache: int
    desk: str
    reopen_within_s: float = 0.0


class Work(msgspec.Struct, frozen=True):
    """A turn under way. ``began`` is monotonic time. ``has_called``: something outside was done for it."""

    lease: Lease
    unread: Unread
    turn: TurnInput
    began: float
    trace: str
    has_called: bool = False


class DeliverSide(Protocol):
    """What respond needs of deliver."""

    def reserve(self, lease: Lease) -> bool:
        """Whether the first reply may be stored as being sent by this process; if so, ``hand`` must follow."""
        ...

    def hand(self, commit: TurnCommit, done: Committed | None, *, was_reserved: bool, asked_at: float) -> None:
        """A turn was committed (or lost: ``None``); its replies are in the outbox.

        ``asked_at`` is monotonic time before the commit: a reserved reply's lease runs from then at the earliest.
        """
        ...


class Respond:
    """The second step of the pipeline."""

    def __init__(
        self,
        settings: RespondSettings,
        database: Database,
        endpoints: Endpoints,
        dialogue: DialoguePort,
        deliver: DeliverSide,
        clock: Clock,
        metrics: Metrics,
        tracing: Tracing,
        wakes: Wakes,
        news: News,
    ) -> None:
        self._settings = settings
        self._endpoints = endpoints
        self._dialogue = dialogue
        self._deliver = deliver
        self._clock = clock
        self._metrics = metrics
        self._tracing = tracing
        self._wakes = wakes
        self._news = news
        self._commit_lane = database.lane()
        self._read_lane = database.lane()
        self._working: dict[ConversationId, tuple[asyncio.Task[None], Lease, float]] = {}
        self._states: OrderedDict[ConversationId, tuple[int, bytes]] = OrderedDict()
        self._typing: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._left_some = False
        self._is_in_doubt = False
        self._batch_size = metrics.batch_size.labels("respond")
        limit = settings.batch_limit
        self._commits: Batcher[TurnCommit, Committed | None] = Batcher(
            self._commit_batch, limit=limit, is_systemic=is_away, is_passing=is_passing
        )
        self._plans: Batcher[tuple[Lease, int], bool] = Batcher(
            self._plan_batch, limit=limit, is_systemic=is_away, is_passing=is_passing
        )
        self._unread: Batcher[Lease, Unread] = Batcher(self._read_batch, limit=limit, is_systemic=is_away)
        self._reloads: Batcher[Lease, Lease | None] = Batcher(self._reload_batch, limit=limit, is_systemic=is_away)
        self._reads: Batcher[ConversationId, bytes] = Batcher(self._state_batch, limit=limit, is_systemic=is_away)

    def __len__(self) -> int:
        """Conversations that are being worked on."""
        return len(self._working)

    def has_room(self) -> bool:
        """Whether another conversation may be taken; if not, it is fetched as soon as there is room."""
        has_room = not self._is_stopping and len(self._working) < self._settings.max_turns
        self._left_some = self._left_some or not has_room
        return has_room

    def start(self, taken: Taken) -> None:
        """Work on a conversation whose lease was just taken."""
        is_complete = taken.is_whole and self._settings.burst_wait_s <= 0 and taken.lease.turn_to_seq is None
        unread = Unread(taken.entries, taken.read_position) if is_complete else None
        self._begin(taken.lease, unread, taken.trace)

    def doubt(self) -> None:
        """A commit broke off, and may have taken conversations for this process that nobody here works on.

        The next sweep frees them, so that they need not wait for their lease to run out. It comes by itself: to wake
        it would be to ask again and again while the database is away.
        """
        self._is_in_doubt = True

    async def sweep(self) -> bool:
        """Take conversations that nobody holds; true when there may be more."""
        if self._is_in_doubt and not self._is_stopping:
            await self._free_strays()
        room = self._settings.max_turns - len(self._working)
        if room <= 0 or self._is_stopping:
            return False
        limit = min(room, self._settings.batch_limit)
        try:
            async with self._read_lane.transaction() as connection:
                leases = await responding.claim(
                    connection, limit=limit, node=self._settings.node, lease_s=self._settings.lease_s
                )
        except Unavailable:
            self.doubt()
            raise
        for lease in leases:
            self._begin(lease, None)
        has_more = len(leases) == limit
        self._left_some = self._left_some or has_more
        return has_more

    async def _free_strays(self) -> None:
        """A turn that begins at this very moment may lose its token by it, and is made again."""
        self._is_in_doubt = False
        try:
            async with self._read_lane.transaction() as connection:
                tokens = await responding.held_by(connection, self._settings.node)
                strays = {id_: token for id_, token in tokens.items() if id_ not in self._working}
                await responding.give_back(connection, strays)
        except BaseException:
            self._is_in_doubt = True
            raise

    async def renew(self) -> bool:
        """Hold on to the conversations whose turn takes long; let go of those that were lost."""
        old = self._clock.monotonic() - self._settings.lease_s / 3
        held = [(task, lease) for task, lease, since in self._working.values() if since < old]
        if not held:
            return False
        leases = [lease for _, lease in held]
        async with self._read_lane.transaction() as connection:
            kept = await responding.renew(connection, leases, self._settings.lease_s)
        for (task, lease), is_kept in zip(held, kept, strict=True):
            if is_kept and lease.conversation_id in self._working:
                self._working[lease.conversation_id] = (task, lease, self._clock.monotonic())
            elif not is_kept:
                self._metrics.lease_losses.labels("respond").inc()
                task.cancel()
        return False

    async def close(self, within_s: float) -> None:
        """Finish the turns that run, then give the remaining leases back."""
        self._is_stopping = True
        end = self._clock.monotonic() + within_s
        while self._working and self._clock.monotonic() < end:
            await asyncio.wait([task for task, _, _ in self._working.values()], timeout=end - self._clock.monotonic())
        leases = [lease for _, lease, _ in self._working.values()]
        for task, _, _ in list(self._working.values()):
            task.cancel()
        for typing in list(self._typing):
            typing.cancel()
        for batcher in (self._plans, self._commits, self._unread, self._reloads, self._reads):
            await batcher.close()
        if leases:
            async with self._read_lane.transaction() as connection:
                await responding.give_back(connection, {lease.conversation_id: lease.token for lease in leases})

    def _begin(self, lease: Lease, unread: Unread | None, trace: str = "") -> None:
        task = asyncio.get_running_loop().create_task(self._work(lease, unread, trace))
        self._working[lease.conversation_id] = (task, lease, self._clock.monotonic())

    async def _work(self, lease: Lease, unread: Unread | None, trace: str) -> None:
        current: Lease | None = lease
        try:
            while current is not None and not (self._is_stopping and unread is None):
                current = await self._turn_despite_outages(current, unread, trace)
                unread, trace = None, ""
                if current is not None:
                    task = self._working[lease.conversation_id][0]
                    self._working[lease.conversation_id] = (task, current, self._clock.monotonic())
            if current is not None:
                await self._let_go(current)
        except LeaseLost:
            self._metrics.lease_losses.labels("respond").inc()
        except (Unavailable, Overloaded) as error:
            log.warning("turn_postponed", conversation_id=str(lease.conversation_id), reason=str(error))
            self.doubt()
        except Exception:
            log.exception("turn_failed", conversation_id=str(lease.conversation_id))
        finally:
            self._forget(lease.conversation_id)

    def _forget(self, conversation_id: ConversationId) -> None:
        held = self._working.get(conversation_id)
        if held is not None and held[0] is asyncio.current_task():
            del self._working[conversation_id]
        if self._left_some and len(self._working) < self._settings.max_turns // 2:
            self._left_some = False
            self._wakes.heard(RESPOND)

    async def _turn_despite_outages(self, lease: Lease, unread: Unread | None, trace: str) -> Lease | None:
        """One turn, begun anew when the database went away in it, as long as the lease is still ours."""
        while True:
            try:
                return await self._turn(lease, unread, trace)
            except Unavailable as error:
                if self._is_stopping:
                    raise
                log.warning("turn_postponed", conversation_id=str(lease.conversation_id), reason=str(error))
            lease, unread = await self._when_back(lease), None

    async def _when_back(self, lease: Lease) -> Lease:
        """The lease as it stands when the database answers again: a commit that broke off may have counted.

        Raises ``LeaseLost`` when somebody else took it meanwhile.
        """
        self._states.pop(lease.conversation_id, None)
        while True:
            await self._clock.sleep(random.uniform(0.1, 0.5))  # noqa: S311  spreading, not secrecy
            try:
                current = await self._reloads(lease)
            except Unavailable:
                if self._is_stopping:
                    raise
                continue
            if current is None:
                raise LeaseLost
            return current

    async def _turn(self, lease: Lease, unread: Unread | None, parent: str) -> Lease | None:
        """One turn; answers with the lease to go on with, or ``None`` when all is read."""
        began = self._clock.monotonic()
        if unread is None:
            if self._settings.burst_wait_s > 0:
                await self._clock.sleep(self._settings.burst_wait_s)
            unread = await self._unread(lease)
        if not unread.entries:
            await self._let_go(lease)
            return None
        with self._tracing.span("respond", parent or new_traceparent()) as trace:
            state = await self._state(lease)
            turn = self._input(lease, unread.entries, state, await self._solved(lease))
            if not await self._may_speak(lease, unread.entries):
                turn = msgspec.structs.replace(turn, may_speak=False)
            before_calling = self._before_calling(lease, unread)
            outcome = await self._decide(lease, turn, before_calling)
            work = Work(lease, unread, turn, began, trace, before_calling.is_ready)
            try:
                return await self._write(work, outcome)
            except (TertuliaError, asyncio.CancelledError):
                raise
            except Exception as error:
                log.exception("turn_refused", conversation_id=str(lease.conversation_id))
                return await self._write(work, self._dialogue.failed(turn, type(error).__name__))

    async def _write(self, work: Work, outcome: TurnOutcome) -> Lease | None:
        """Commit a turn and hand its replies on; answers with the lease to go on with."""
        lease = work.lease
        is_said = lease.control is Control.BOT
        was_reserved = is_said and bool(outcome.replies) and self._deliver.reserve(lease)
        commit = self._commit(work, outcome, reserve=was_reserved)
        done: Committed | None = None
        asked_at = self._clock.monotonic()
        try:
            done = await self._commits(commit)
        finally:
            self._deliver.hand(commit, done, was_reserved=was_reserved, asked_at=asked_at)
        if done is None:
            return await self._after_loss(work, outcome)
        if commit.state is not None:
            self._remember(lease.conversation_id, lease.state_version + 1, commit.state)
        self._metrics.turns.labels(commit.link, commit.outcome).inc()
        self._metrics.turn_seconds.observe(self._clock.monotonic() - work.began)
        if commit.hand_off:
            self._metrics.handoff_requests.labels(commit.hand_off).inc()
        if commit.hand_off or lease.control is not Control.BOT:
            self._wakes.wake(DESKS)
        return done.lease

    async def _after_loss(self, work: Work, outcome: TurnOutcome) -> Lease | None:
        """The token or the epoch has passed: go on under the new control when the lease is still ours.

        What was done outside cannot be undone: a person who came meanwhile is shown what the bot would have said of it.
        """
        self._states.pop(work.lease.conversation_id, None)
        current = await self._reloads(work.lease)
        if current is None:
            raise LeaseLost
        if not work.has_called or current.control is Control.BOT or not outcome.replies:
            return current
        return await self._write(msgspec.structs.replace(work, lease=current, has_called=False), unsaid(outcome))

    def _before_calling(self, lease: Lease, unread: Unread) -> BeforeCalling:
        async def plan() -> None:
            to_seq = max(entry.seq for entry in unread.entries)
            if lease.turn_to_seq is None and not await self._plans((lease, to_seq)):
                raise LeaseLost

        heard = _last_heard(unread)
        return BeforeCalling(
            plan, lambda is_on: self._show_typing(lease, heard, is_on=is_on), self._settings.turn_timeout_s
        )

    def _show_typing(self, lease: Lease, heard: str, *, is_on: bool) -> None:
        """Best effort, and waited for by nobody: the customer sees that an answer is on its way.

        Providers end it by themselves.
        """
        self._news.passing(Passing(lease.conversation_id, "typing", author=Author.BOT.value, is_on=is_on))
        account = self._endpoints.get(lease.account_id)
        if account is not None and is_on:
            typing = asyncio.get_running_loop().create_task(self._type(account, lease.recipient, heard))
            self._typing.add(typing)
            typing.add_done_callback(self._typing.discard)

    async def _type(self, account: OpenAccount, recipient: str, heard: str) -> None:
        try:
            async with asyncio.timeout(TYPING_S):
                await account.client.typing(account.account.external, recipient, heard)
        except (TertuliaError, TimeoutError) as error:
            log.info("typing_not_shown", channel=account.account.channel, reason=type(error).__name__)

    async def _let_go(self, lease: Lease) -> None:
        async with self._read_lane.transaction() as connection:
            await responding.give_back(connection, {lease.conversation_id: lease.token})

    async def _state(self, lease: Lease) -> bytes:
        if lease.state_version == 0:
            return b""
        cached = self._states.get(lease.conversation_id)
        if cached is not None and cached[0] == lease.state_version:
            return cached[1]
        state = await self._reads(lease.conversation_id)
        self._remember(lease.conversation_id, lease.state_version, state)
        return state

    def _remember(self, conversation_id: ConversationId, version: int, state: bytes) -> None:
        self._states[conversation_id] = (version, state)
        self._states.move_to_end(conversation_id)
        if len(self._states) > self._settings.state_cache:
            self._states.popitem(last=False)

    async def _solved(self, lease: Lease) -> SolvedCase | None:
        """The case with which the customer may go on; few conversations have one, so nobody else pays for it."""
        if lease.solved_at is None or lease.control is not Control.BOT:
            return None
        if (self._clock.now() - lease.solved_at).total_seconds() >= self._settings.reopen_within_s:
            return None
        async with self._read_lane.transaction() as connection:
            return await responding.read_solved(connection, lease.conversation_id)

    async def _may_speak(self, lease: Lease, entries: Sequence[Entry]) -> bool:
        """Whether a reply would arrive: asked about only when the customer said nothing, for whoever has just written
        may be answered.
        """
        account = self._endpoints.get(lease.account_id)
        is_asked = lease.control is Control.BOT and not any(isinstance(entry, CustomerSaid) for entry in entries)
        if account is None or not is_asked or account.spec.window.free_s <= 0:
            return True
        async with self._read_lane.transaction() as connection:
            heard_at, window_until = await responding.read_window(connection, lease.conversation_id)
        end = closes_at(account.spec.window, heard_at, window_until)
        return end is not None and self._clock.now() < end

    def _input(self, lease: Lease, entries: Sequence[Entry], state: bytes, solved: SolvedCase | None) -> TurnInput:
        account = self._endpoints.get(lease.account_id)
        return TurnInput(
            turn_id=turn_id(lease, entries),
            conversation_id=lease.conversation_id,
            channel=account.account.channel if account else "",
            app=account.account.app if account else "",
            entries=in_order_of_saying(entries),
            state=state,
            language=lease.language,
            name=lease.name,
            now=self._clock.now(),
            contact_id=lease.contact_id,
            time_zone=lease.time_zone,
            solved=solved,
        )

    async def _decide(self, lease: Lease, turn: TurnInput, before_calling: BeforeCalling) -> TurnOutcome:
        if lease.control is not Control.BOT:
            resolution = Resolution(link="none", reason=f"control is with {lease.control}")
            return TurnOutcome(resolution=resolution, state=turn.state, language=lease.language)
        entries = to_be_answered(turn.entries)
        if not entries:
            resolution = Resolution(link="commands", intent="consent", confidence=1.0)
            return TurnOutcome(resolution=resolution, state=turn.state, language=lease.language)
        turn = msgspec.structs.replace(turn, entries=entries)
        try:
            async with before_calling:
                return await self._dialogue.decide(turn, before_calling)
        except Exception as error:
            if error is before_calling.failure:
                raise
            log.exception("bot_failed", conversation_id=str(lease.conversation_id))
            return self._dialogue.failed(turn, type(error).__name__)

    def _commit(self, work: Work, outcome: TurnOutcome, *, reserve: bool) -> TurnCommit:
        lease, turn, resolution = work.lease, work.turn, outcome.resolution
        return TurnCommit(
            lease=lease,
            turn_id=turn.turn_id,
            from_seq=lease.read_seq + 1,
            to_seq=max(entry.seq for entry in work.unread.entries),
            read_position=work.unread.read_position,
            outcome=outcome_name(lease, outcome),
            link=resolution.link,
            intent=resolution.intent,
            confidence=resolution.confidence,
            language=outcome.language or lease.language,
            resolution=_encoder.encode(resolution).decode(),
            duration_us=int((self._clock.monotonic() - work.began) * 1e6),
            bot_version=self._dialogue.bot_version,
            model_version=resolution.model,
            state=None if outcome.state == turn.state else outcome.state,
            replies=tuple(
                NewReply(
                    MessageId(new_id()),
                    Author.BOT.value,
                    encode_parts(reply.parts).decode(),
                    reply.parts,
                    key=reply.key,
                )
                for reply in outcome.replies
            ),
            timers=outcome.timers,
            hand_off=outcome.hand_off if lease.control is Control.BOT else "",
            desk=self._settings.desk,
            ends_episode=outcome.ends_episode,
            rating=outcome.rating,
            rating_of=outcome.rating_of,
            is_withdrawn=lease.control is not Control.BOT,
            reserve=reserve,
            trace=work.trace,
            sentiment=resolution.sentiment,
            handing=outcome.handing,
        )

    async def _commit_batch(self, turns: Sequence[TurnCommit]) -> list[Committed | None]:
        limits = CommitLimits(self._settings.node, self._settings.lease_s, self._settings.send_lease_s)
        self._batch_size.observe(len(turns))
        async with self._commit_lane.transaction() as connection:
            done = await responding.commit_turns(connection, turns, limits)
        self._news.changed((turn.lease.conversation_id for turn in turns), "decided")
        return done

    async def _plan_batch(self, plans: Sequence[tuple[Lease, int]]) -> list[bool]:
        async with self._read_lane.transaction() as connection:
            return await responding.plan_turns(connection, plans)

    async def _read_batch(self, leases: Sequence[Lease]) -> list[Unread]:
        async with self._read_lane.transaction() as connection:
            return await responding.read_unread(connection, leases)

    async def _reload_batch(self, leases: Sequence[Lease]) -> list[Lease | None]:
        async with self._read_lane.transaction() as connection:
            return await responding.reload(connection, leases)

    async def _state_batch(self, ids: Sequence[ConversationId]) -> list[bytes]:
        async with self._read_lane.transaction() as connection:
            return await responding.read_states(connection, ids)


def turn_id(lease: Lease, entries: Sequence[Entry]) -> TurnId:
    """The same for the same entries, however often the turn is tried: what an action may use as its key."""
    first = entries[0]
    subject = first.message_id if isinstance(first, CustomerSaid) else lowest_id(first.at)
    return TurnId(derived_id(subject, f"turn:{lease.conversation_id}:{first.seq}"))


def to_be_answered(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """What is left for the bot: words of consent were confirmed already, and nothing is said to who wants silence."""
    wishes = [entry.consent for entry in entries if isinstance(entry, CustomerSaid) and entry.consent]
    if not wishes:
        return tuple(entries)
    if wishes[-1] == "out":
        return tuple(entry for entry in entries if not isinstance(entry, CustomerSaid))
    return tuple(entry for entry in entries if not (isinstance(entry, CustomerSaid) and entry.consent))


def in_order_of_saying(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """A waiting burst by the provider's time; what has the same time stays in the order of arrival."""
    if len(entries) == 1:
        return tuple(entries)
    return tuple(sorted(entries, key=lambda entry: (entry.at, entry.seq)))


def unsaid(outcome: TurnOutcome) -> TurnOutcome:
    """What is left of a turn whose conversation a person took meanwhile: what it knows, and what it would have said."""
    return TurnOutcome(
        resolution=outcome.resolution, replies=outcome.replies, state=outcome.state, language=outcome.language
    )


def outcome_name(lease: Lease, outcome: TurnOutcome) -> str:
    """How a turn ended, in one word of the metrics' closed list."""
    if lease.control is not Control.BOT:
        return "left_to_desk"
    if outcome.hand_off:
        return "failed" if outcome.hand_off == BOT_FAILED else "handed_off"
    return "answered" if outcome.replies else "silent"


def _last_heard(unread: Unread) -> str:
    """The provider's id of the customer's last message in it, or the empty text."""
    said = [entry.provider_message_id for entry in unread.entries if isinstance(entry, CustomerSaid)]
    return said[-1] if said else ""
