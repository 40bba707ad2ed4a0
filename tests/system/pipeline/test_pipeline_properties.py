"""Whatever the interleaving, duplication, splitting and cancellation: once, in order, by one owner, and none lost.

Two processes share one database for all examples of a test; every example has people of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Literal, TypeVar

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from paper_provider import T0, PaperClient, said
from pipeline_process import Echo, Process, process

from gateway.core.channel import Call, Sent
from gateway.core.ids import ConversationId, HandoffId
from gateway.core.inbound import (
    AddressKey,
    ConsentChanged,
    Deleted,
    Edited,
    Event,
    Ignored,
    Parsed,
    Reacted,
    Receipt,
    Received,
)
from gateway.core.messages import STATUS_RANK, Status, Text, decode_parts, plain_text
from gateway.core.turns import CustomerSaid, DeskSaid, Reply, Resolution, TurnInput, TurnOutcome
from gateway.store import parking

T = TypeVar("T")

chances = st.integers(0, 2**32).map(random.Random)

PEOPLE = 5
IN_TIME_S = 20.0

bounded = settings(
    deadline=None,
    max_examples=25,
    # One database serves all examples: each of them takes names that none has had before.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class NamingClient(PaperClient):
    """A provider whose message ids follow from the text, so that a receipt may be made up before the message is."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[tuple[float, str]] = []

    async def send(self, account: str, call: Call) -> Sent:
        text = str(call.params["text"])
        self.begun.append((asyncio.get_running_loop().time(), text))
        await super().send(account, call)
        return Sent((f"out:{text}",))


class World:
    """Two processes, one database, one provider; a loop that lives as long as the test."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._examples = itertools.count(1)
        self.client = NamingClient()
        self.both: tuple[Process, Process]
        self.sql: asyncpg.Connection

    def run(self, play: Coroutine[object, object, T]) -> T:
        return self._runner.run(play)

    async def open(self) -> None:
        one, two = [
            await self._stack.enter_async_context(process(self._dsn, name, self.client, Echo(), {}))
            for name in ("one", "two")
        ]
        self.both = one, two
        self.sql = await asyncpg.connect(self._dsn)
        self._stack.push_async_callback(self.sql.close)

    def close(self) -> None:
        self.run(self._stack.aclose())
        self._runner.close()

    def people(self) -> list[str]:
        """Names that no example has had."""
        example = next(self._examples)
        return [f"{example}-{number}" for number in range(PEOPLE)]

    async def sweep(self) -> None:
        """What the loops of both processes would do now and then."""
        for each in self.both:
            await each.pipeline.respond.sweep()
            await each.pipeline.deliver.sweep()

    async def settle(self) -> None:
        """Return when everything is read and sent."""
        async with asyncio.timeout(IN_TIME_S):
            while True:
                for each in self.both:
                    await each.idle(IN_TIME_S)
                if not await self.sql.fetchval(
                    "SELECT EXISTS (SELECT 1 FROM outbox)"
                    " OR EXISTS (SELECT 1 FROM conversation WHERE lease_until IS NOT NULL)"
                ):
                    return
                await self.sweep()

    async def conversations(self, people: Sequence[str]) -> dict[str, asyncpg.Record]:
        rows = await self.sql.fetch(
            "SELECT a.value AS person, c.* FROM conversation c JOIN address_alias a ON a.conversation_id = c.id"
            " WHERE a.value = ANY($1::text[])",
            people,
        )
        found = {row["person"]: row for row in rows}
        assert len(found) == len(rows), "one conversation a person"
        return found


@pytest.fixture
def world(dsn: str) -> Iterator[World]:
    world = World(dsn)
    world.run(world.open())
    yield world
    world.close()


# Once and in order ----------------------------------------------------------------------------------------------


class Attempt(msgspec.Struct, frozen=True):
    """One delivery of a webhook to a process; the caller hangs up after ``patience`` rounds of the loop."""

    to: int
    patience: int | None


class Hook(msgspec.Struct, frozen=True):
    """People who say something in one webhook, in this order; tried until it is accepted, then maybe once more."""

    people: tuple[int, ...]
    attempts: tuple[Attempt, ...]
    repeats: tuple[Attempt, ...]


attempts = st.builds(Attempt, st.integers(0, 1), st.none() | st.integers(0, 40))
hooks = st.builds(
    Hook,
    st.lists(st.integers(0, PEOPLE - 1), min_size=1, max_size=6).map(tuple),
    st.lists(attempts, max_size=3).map(tuple),
    st.lists(attempts, max_size=2).map(tuple),
)
streams = st.lists(st.lists(hooks, min_size=1, max_size=5), min_size=1, max_size=3)


class Provider:
    """Delivers streams of webhooks: one after the other in a stream, all streams at a time, repeated as it likes."""

    def __init__(self, world: World, people: Sequence[str]) -> None:
        self._world = world
        self._people = people
        self._late: set[asyncio.Task[bool]] = set()
        self.said: dict[str, list[Received]] = defaultdict(list)

    def events(self, hook: Hook, stream: int, streams: int) -> list[Received]:
        """What the people of *hook* say next, some of it twice; each person writes in one stream only."""
        theirs = self._people[stream::streams]
        events: list[Received] = []
        for number in hook.people:
            person = theirs[number % len(theirs)]
            event = said(person, len(self.said[person]) + 1)
            self.said[person].append(event)
            events += [event, event] if number % 2 else [event]
        return events

    async def deliver(self, hooks: Sequence[Hook], stream: int, streams: int) -> None:
        for hook in hooks:
            events = self.events(hook, stream, streams)
            for attempt in (*hook.attempts, Attempt(stream % 2, None)):
                if await self.attempt(events, attempt):
                    break
            for repeat in hook.repeats:
                self._late.add(asyncio.create_task(self.attempt(events, repeat)))

    async def attempt(self, events: Sequence[Event], attempt: Attempt) -> bool:
        call = asyncio.create_task(self._world.both[attempt.to].accept(*events))
        if attempt.patience is None:
            await call
            return True
        for _ in range(attempt.patience):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
        return not call.cancelled()

    async def end(self) -> None:
        await asyncio.gather(*self._late)


async def meanwhile(world: World, work: Coroutine[object, object, object]) -> None:
    """Do *work* while both processes sweep up what the other one may hold."""
    async with asyncio.TaskGroup() as group, asyncio.timeout(IN_TIME_S):
        task = group.create_task(work)
        while not task.done():
            await world.sweep()
            await asyncio.sleep(0.002)


@bounded
@given(streams)
def test_however_webhooks_come_each_message_is_stored_once_read_once_and_answered_in_order(
    world: World, plan: list[list[Hook]]
) -> None:
    async def play() -> None:
        people = world.people()
        provider = Provider(world, people)
        await meanwhile(world, all_of(provider.deliver(hooks, number, len(plan)) for number, hooks in enumerate(plan)))
        await provider.end()
        await world.settle()
        await check_messages(world, provider.said)
        await check_turns(world, provider.said)
        check_replies(world.client.calls, provider.said)

    world.run(play())


async def all_of(works: Iterable[Coroutine[object, object, None]]) -> None:
    await asyncio.gather(*works)


async def check_messages(world: World, told: dict[str, list[Received]]) -> None:
    conversations = await world.conversations(list(told))
    assert set(conversations) == set(told)
    for person, events in told.items():
        conversation = conversations[person]
        rows = await world.sql.fetch(
            "SELECT * FROM message WHERE conversation_id = $1 ORDER BY position", conversation["id"]
        )
        assert [row["position"] for row in rows] == list(range(1, conversation["next_position"])), "dense"
        theirs = [row for row in rows if row["author"] == "customer"]
        assert [row["provider_message_id"] for row in theirs] == [event.provider_message_id for event in events]
        assert [row["seq"] for row in theirs] == list(range(1, conversation["next_seq"])), "dense"
        assert all(row["status"] == "sent" for row in rows if row["author"] == "bot")


async def check_turns(world: World, told: dict[str, list[Received]]) -> None:
    for conversation in (await world.conversations(list(told))).values():
        turns = await world.sql.fetch(
            "SELECT * FROM turn WHERE conversation_id = $1 ORDER BY from_seq", conversation["id"]
        )
        read = [seq for turn in turns for seq in range(turn["from_seq"], turn["to_seq"] + 1)]
        assert read == list(range(1, conversation["next_seq"])), "every entry in exactly one turn"
        assert all(turn["outcome"] for turn in turns)
        assert conversation["read_seq"] == conversation["next_seq"] - 1


def check_replies(calls: Sequence[tuple[str, str]], told: dict[str, list[Received]]) -> None:
    for person, events in told.items():
        replies = [text.removeprefix("re: ").split(" + ") for recipient, text in calls if recipient == person]
        answered = [text for texts in replies for text in texts]
        assert answered == [plain_text(event.parts) for event in events], "each once, and in order"


@settings(bounded, max_examples=4)  # each refusal writes a stack into the log
@example([[(0, False), (1, True), (0, False), (2, False)], [(1, False), (1, True)]])
@given(
    st.lists(st.lists(st.tuples(st.integers(0, PEOPLE - 1), st.booleans()), min_size=1, max_size=6), max_size=5),
)
def test_what_the_database_refuses_is_kept_aside_once_and_its_neighbours_go_on(
    world: World, webhooks: list[list[tuple[int, bool]]]
) -> None:
    async def play() -> None:
        people = world.people()
        good: dict[str, list[Received]] = defaultdict(list)
        numbers = itertools.count(1)
        work, refused = [], 0
        for number, webhook in enumerate(webhooks):
            events: list[Parsed] = [Ignored("poll")]
            for who, is_poison in webhook:
                person = people[who]
                event = said(person, next(numbers), "\x00" if is_poison else "")
                refused += is_poison
                events.append(event)
                good[person] += [] if is_poison else [event]
            work.append(world.both[number % 2].accept(*events))
        before = await world.sql.fetchval("SELECT count(*) FROM quarantine")
        for webhook_work in work:
            await webhook_work
        await world.settle()
        assert await world.sql.fetchval("SELECT count(*) FROM quarantine") == before + refused
        told = {person: events for person, events in good.items() if events}
        await check_messages(world, told)
        check_replies(world.client.calls, told)

    world.run(play())


# Changes in any order --------------------------------------------------------------------------------------------


def at(number: int) -> datetime:
    return T0 + timedelta(minutes=number)


class Changes(msgspec.Struct, frozen=True):
    """What happens to one person's message and to the answer to it; times are minutes, all different."""

    edits: tuple[int, ...]
    reactions: tuple[int, ...]
    consents: tuple[int, ...]
    statuses: tuple[Literal["sent", "delivered", "read", "failed"], ...]
    is_deleted: bool


minutes = st.lists(st.integers(1, 60), unique=True, max_size=4).map(tuple)
all_changes = st.builds(
    Changes,
    minutes,
    minutes,
    minutes,
    st.lists(st.sampled_from(["sent", "delivered", "read", "failed"]), unique=True, max_size=4).map(tuple),
    st.booleans(),
)


def changes_of(person: str, plan: Changes) -> list[Event]:
    asked, answer = f"in-{person}-1", f"out:re: {person} 1"
    events: list[Event] = [
        Edited(event_key=f"e:{person}:{n}", at=at(n), provider_message_id=asked, parts=(Text(f"edit {n}"),))
        for n in plan.edits
    ]
    events += [
        Reacted(event_key=f"r:{person}:{n}", at=at(n), provider_message_id=asked, emojis=(f"{n}",))
        for n in plan.reactions
    ]
    events += [
        Receipt(event_key=f"s:{person}:{status}", at=T0, provider_message_id=answer, status=status)
        for status in plan.statuses
    ]
    if plan.is_deleted:
        events.append(Deleted(event_key=f"d:{person}", at=at(30), provider_message_id=asked))
    return events


class State(msgspec.Struct, frozen=True):
    text: str
    emojis: tuple[str, ...]
    is_deleted: bool
    status: str


def expected_state(person: str, plan: Changes) -> State:
    newest = f"edit {max(plan.edits)}" if plan.edits else f"{person} 1"
    reports = [Status.SENT, *(Status(status) for status in plan.statuses)]
    return State(
        "" if plan.is_deleted else newest,
        (f"{max(plan.reactions)}",) if plan.reactions else (),
        plan.is_deleted,
        max(reports, key=STATUS_RANK.__getitem__),
    )


async def state_of(world: World, person: str) -> State:
    asked, answer = await world.sql.fetch(
        "SELECT m.*, m.reactions -> 'emojis' AS emojis FROM message m JOIN address_alias a USING (conversation_id)"
        " WHERE a.value = $1 ORDER BY m.position",
        person,
    )
    return State(
        plain_text(decode_parts(asked["parts"])),
        tuple(msgspec.json.decode(asked["emojis"] or b"[]")),
        asked["deleted_at"] is not None,
        answer["status"],
    )


async def apply_all_parked(world: World) -> None:
    await world.sql.execute("UPDATE parked SET due_at = now()")
    async with world.sql.transaction():
        await parking.retry_parked(world.sql, limit=1000)


@bounded
@given(st.lists(all_changes, min_size=1, max_size=PEOPLE), chances)
def test_changes_in_any_order_repeated_and_split_end_in_the_same_state(
    world: World, plans: list[Changes], chance: random.Random
) -> None:
    async def play() -> None:
        people = world.people()
        planned = dict(zip(people, plans, strict=False))
        events: list[Event] = [said(person, 1) for person in planned]
        events += [event for person, plan in planned.items() for event in changes_of(person, plan)]
        events += chance.sample(events, len(events) // 2)
        chance.shuffle(events)
        work = []
        while events:
            share = chance.randint(1, 8)
            webhook, events = events[:share], events[share:]
            work.append(chance.choice(world.both).accept(*webhook))
        await asyncio.gather(*work)
        await world.settle()
        await apply_all_parked(world)
        assert await world.sql.fetchval("SELECT count(*) FROM parked") == 0
        for person, plan in planned.items():
            assert await state_of(world, person) == expected_state(person, plan)

    world.run(play())


@bounded
@given(st.lists(minutes, min_size=1, max_size=PEOPLE), chances)
def test_the_newest_word_on_consent_holds_in_whatever_order_it_came(
    world: World, plans: list[tuple[int, ...]], chance: random.Random
) -> None:
    async def play() -> None:
        planned = dict(zip(world.people(), plans, strict=False))
        await world.both[0].accept(*(said(person, 1) for person in planned))
        events = [
            ConsentChanged(
                event_key=f"c:{person}:{n}",
                at=at(n),
                address=AddressKey("chat", person),
                is_opted_in=n % 2 == 0,
                reason="asked",
            )
            for person, plan in planned.items()
            for n in plan
        ]
        chance.shuffle(events)
        await asyncio.gather(*(chance.choice(world.both).accept(event) for event in events * 2))
        await world.settle()
        for person, conversation in (await world.conversations(list(planned))).items():
            newest = max(planned[person], default=0)
            assert conversation["is_opted_out"] == (newest % 2 == 1)

    world.run(play())


# Control ---------------------------------------------------------------------------------------------------------

Step = Literal["say", "ask", "take_over", "accept", "answer", "give_back", "sweep"]

steps = st.tuples(
    st.sampled_from(["say", "say", "ask", "take_over", "accept", "answer", "give_back", "sweep"]),
    st.integers(0, 1),
    st.integers(0, 20),
)
"""What is done, by which agent or at which process, and how many rounds of the loop later."""

QUIET = Resolution(link="intents", intent="quiet")


async def bot(turn: TurnInput) -> TurnOutcome | None:
    """Answers everything after a moment; asks for a person when that is wanted, and greets when it is back."""
    await asyncio.sleep(0)
    texts = [plain_text(entry.parts) for entry in turn.entries if isinstance(entry, CustomerSaid)]
    back = [str(entry.seq) for entry in turn.entries if isinstance(entry, DeskSaid)]
    words = f"bot {turn.conversation_id} {'+'.join(texts + back)}"
    replies = (Reply((Text(words),)), Reply((Text(f"{words} more"),)))
    return TurnOutcome(
        resolution=QUIET, replies=replies, hand_off="asked" if any("person" in text for text in texts) else ""
    )


class Change(msgspec.Struct, frozen=True):
    """Control changed before ``at_s``, and these messages were being sent by then."""

    at_s: float
    epoch: int
    under_way: frozenset[object]


class Talk:
    """One conversation with a customer and two agents, who do as they please."""

    def __init__(self, world: World, person: str) -> None:
        self.world = world
        self.person = person
        self.written = itertools.count(1)
        self.answers = itertools.count(1)
        self.conversation_id: ConversationId
        self.changes: list[Change] = []
        self.lock = asyncio.Lock()
        self.may_send = asyncio.Event()
        self.may_send.set()

    async def begin(self) -> None:
        await self.say(0)
        found = await self.world.conversations([self.person])
        self.conversation_id = found[self.person]["id"]

    async def say(self, who: int, word: str = "") -> None:
        number = next(self.written)
        await self.world.both[who].accept(said(self.person, number, f"m{number}{word}"))

    async def live(self, plan: Sequence[tuple[Step, int, int]]) -> None:
        for step, who, pause in plan:
            for _ in range(pause):
                await asyncio.sleep(0)
            await self.do(step, who)

    async def do(self, step: Step, who: int) -> None:
        agents, agent = self.world.both[who].agents, ("eva", "ben")[who]
        if step in {"say", "ask"}:
            await self.say(who, " person" if step == "ask" else "")
            return
        if step == "sweep":
            await self.world.sweep()
            return
        if step == "take_over":
            await self.change(agents.take_over(self.conversation_id, agent))
            return
        handoff_id = await self.some_handoff(who)
        if handoff_id is None:
            return
        match step:
            case "accept":
                await self.change(agents.accept(handoff_id, agent))
            case "give_back":
                await self.change(agents.give_back(handoff_id, "solved"))
            case _:
                number = next(self.answers)
                text = (Text(f"agent {self.conversation_id} {number}"),)
                await asyncio.gather(*(agents.say(handoff_id, agent, f"k{number}", text) for _ in range(2)))

    async def some_handoff(self, who: int) -> HandoffId | None:
        """The newest handoff, or for the second agent now and then the first one, which may be long over."""
        async with self.lock:
            order = "asked_at DESC" if next(self.answers) % 3 or not who else "asked_at"
            return await self.world.sql.fetchval(
                f"SELECT id FROM handoff WHERE conversation_id = $1 ORDER BY {order} LIMIT 1", self.conversation_id
            )

    async def change(self, event: Coroutine[object, object, bool]) -> None:
        """Let control change, and note what was being sent by then.

        The provider answers nobody meanwhile: so whatever was let through before the change is still being sent.
        """
        async with self.lock:
            self.may_send.clear()
            if await event:
                changed_at = asyncio.get_running_loop().time()
                epoch = await self.world.sql.fetchval(
                    "SELECT epoch FROM conversation WHERE id = $1", self.conversation_id
                )
                rows = await self.world.sql.fetch(
                    "SELECT message_id, is_sending FROM outbox WHERE conversation_id = $1 FOR UPDATE",
                    self.conversation_id,
                )
                under_way = frozenset(row["message_id"] for row in rows if row["is_sending"])
                self.changes.append(Change(changed_at, epoch, under_way))
            self.may_send.set()

    async def answer_when_allowed(self, recipient: str, text: str) -> None:
        await self.may_send.wait()


@bounded
@given(st.lists(steps, max_size=14), st.lists(steps, max_size=14))
def test_whoever_speaks_up_when_the_bot_says_nothing_stale_and_somebody_owns_the_conversation(
    world: World, first: list[tuple[Step, int, int]], second: list[tuple[Step, int, int]]
) -> None:
    async def play() -> None:
        for each in world.both:
            each.bot.think = bot
        talk = Talk(world, world.people()[0])
        world.client.answer = talk.answer_when_allowed
        await talk.begin()
        await meanwhile(world, all_of([talk.live(first), talk.live(second)]))
        await world.settle()
        await check_nothing_stale(talk)
        await check_owner(talk)
        await check_line(talk)

    world.run(play())


async def check_nothing_stale(talk: Talk) -> None:
    rows = await talk.world.sql.fetch(
        "SELECT m.id, m.parts, m.status, m.position, t.epoch + (t.outcome = 'handed_off')::int AS epoch"
        " FROM message m JOIN turn t ON t.conversation_id = m.conversation_id AND t.id = m.turn_id"
        " WHERE m.conversation_id = $1 AND m.author = 'bot' ORDER BY m.position",
        talk.conversation_id,
    )
    calls: dict[str, list[float]] = defaultdict(list)
    for when, text in talk.world.client.begun:
        calls[text].append(when)
    for row in rows:
        begun = calls[plain_text(decode_parts(row["parts"]))]
        assert len(begun) == (row["status"] == "sent"), "sent once, or withdrawn and not sent"
        assert row["status"] in {"sent", "withdrawn"}
        for change in talk.changes:
            if begun and row["epoch"] < change.epoch and row["id"] not in change.under_way:
                assert begun[0] < change.at_s, "decided before a change of control, and said after it"


async def check_owner(talk: Talk) -> None:
    sql, conversation_id = talk.world.sql, talk.conversation_id
    conversation = await sql.fetchrow("SELECT * FROM conversation WHERE id = $1", conversation_id)
    handoffs = await sql.fetch("SELECT * FROM handoff WHERE conversation_id = $1", conversation_id)
    still_open = [row["id"] for row in handoffs if row["ended_at"] is None]
    assert still_open == ([] if conversation["control"] == "bot" else [conversation["handoff_id"]])
    assert all(row["desk"] == "builtin.main" for row in handoffs), "a desk that will be told"
    kinds = Counter(
        row[0] for row in await sql.fetch("SELECT kind FROM event WHERE conversation_id = $1", conversation_id)
    )
    asked = sum(row["reason"] != "taken_over" for row in handoffs)
    assert kinds["handoff_requested"] == len(handoffs)
    assert kinds["handoff_ended"] == len(handoffs) - len(still_open)
    assert conversation["epoch"] == asked + kinds["handoff_accepted"] + kinds["handoff_ended"]


async def check_line(talk: Talk) -> None:
    """Every entry in exactly one turn; each answer of an agent once and in order; positions without a hole."""
    sql, conversation_id = talk.world.sql, talk.conversation_id
    conversation = await sql.fetchrow("SELECT * FROM conversation WHERE id = $1", conversation_id)
    messages = await sql.fetch("SELECT * FROM message WHERE conversation_id = $1 ORDER BY position", conversation_id)
    entries = await sql.fetch("SELECT seq FROM entry WHERE conversation_id = $1", conversation_id)
    turns = await sql.fetch("SELECT * FROM turn WHERE conversation_id = $1 ORDER BY from_seq", conversation_id)
    everything = list(range(1, conversation["next_seq"]))
    assert sorted([row["seq"] for row in messages if row["seq"]] + [row["seq"] for row in entries]) == everything
    assert [seq for turn in turns for seq in range(turn["from_seq"], turn["to_seq"] + 1)] == everything
    assert [row["position"] for row in messages] == list(range(1, conversation["next_position"]))
    sent = [plain_text(decode_parts(row["parts"])) for row in messages if row["status"] == "sent"]
    assert [text for recipient, text in talk.world.client.calls if recipient == talk.person] == sent
