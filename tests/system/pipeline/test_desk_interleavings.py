"""Two nodes, a bot, a customer, an outside desk with two agents, lost and doubled webhooks, and processes that die.

Whatever the order: one speaker at a time, each word once and in order on both sides, and nobody without an owner.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import asyncpg
import msgspec
import pytest
from desk_side import Side
from desk_world import Words
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from paper_provider import T0, PaperClient, said
from pipeline_process import Echo, Process, process

from gateway.core.channel import WebhookRequest
from gateway.core.desks import Case, CaseRef, DeskEvent, DeskMessage, Told
from gateway.core.errors import Retry
from gateway.core.ids import HandoffId, MessageId
from gateway.core.messages import Author, Text, decode_parts, plain_text
from gateway.core.ports import AgentPort
from gateway.core.turns import CustomerSaid, Reply, Resolution, TurnInput, TurnOutcome

T = TypeVar("T")

DESK = "outside.main"
AGENTS = ("eva", "ben")
QUIET = Resolution(link="intents", intent="quiet")
IN_TIME_S = 30.0


class Ticket(msgspec.Struct):
    """What the desk keeps of one case. ``shown`` is what its agents see, ``written`` what they wrote."""

    reference: str
    handoff_id: HandoffId
    shown: list[tuple[int, MessageId]] = []
    written: list[tuple[str, str]] = []
    is_solved: bool = False
    ends: int = 0


class OutsideDesk:
    """Idempotent as the contract asks, and slow, failing, or cut off when the test wants."""

    name = DESK
    concurrency = 8

    def __init__(self) -> None:
        self.tickets: dict[str, Ticket] = {}
        self.news: list[DeskEvent] = []
        self.fails = 0
        self.hold: asyncio.Event | None = None

    def of(self, agents: AgentPort) -> OutsideDeskOfNode:
        return OutsideDeskOfNode(self, agents)

    async def call(self) -> None:
        if self.fails:
            self.fails -= 1
            raise Retry("the desk is down")
        await asyncio.sleep(0)

    async def after(self) -> None:
        """The answer is on its way: who dies now does not know that it was done."""
        if self.hold is not None:
            await self.hold.wait()

    def happened(self, ticket: Ticket, kind: str, data: str) -> None:
        number = len(self.news) + 1
        at = T0.replace(microsecond=number)
        self.news.append(DeskEvent(f"n{number}", kind, at, ticket.reference, data.encode()))

    def open_tickets(self) -> list[Ticket]:
        return [ticket for ticket in self.tickets.values() if not ticket.is_solved]


class OutsideDeskOfNode:
    """The desk as one process speaks with it; fits ``DeskPort``."""

    def __init__(self, desk: OutsideDesk, agents: AgentPort) -> None:
        self._desk = desk
        self._agents = agents
        self.name = desk.name
        self.concurrency = desk.concurrency

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def open(self, case: Case) -> Told:
        await self._desk.call()
        reference = f"T-{case.handoff_id}"
        ticket = self._desk.tickets.setdefault(reference, Ticket(reference, case.handoff_id))
        self._show(ticket, case.transcript)
        await self._desk.after()
        return Told(reference)

    async def customer_said(self, case: CaseRef, messages: Sequence[DeskMessage]) -> None:
        await self._desk.call()
        self._show(self._desk.tickets[case.reference], messages)
        await self._desk.after()

    async def ended(self, case: CaseRef, reason: str) -> None:
        await self._desk.call()
        ticket = self._desk.tickets[case.reference]
        ticket.is_solved = True
        ticket.ends += 1
        await self._desk.after()

    def _show(self, ticket: Ticket, messages: Sequence[DeskMessage]) -> None:
        known = {message_id for _, message_id in ticket.shown}
        ticket.shown += [(m.position, m.message_id) for m in messages if m.message_id not in known]

    def verify(self, request: WebhookRequest) -> None: ...

    def parse(self, request: WebhookRequest) -> Sequence[DeskEvent]:
        return ()

    async def apply(self, event: DeskEvent) -> None:
        found = await self._agents.find(self.name, event.reference)
        if found is None:
            raise Retry("not ours yet")
        agent, _, text = event.data.decode().partition("|")
        match event.kind:
            case "comment":
                await self._say_up_to(self._desk.tickets[event.reference], found.handoff_id, text)
            case "assigned":
                await self._agents.accept(found.handoff_id, agent)
            case _:
                await self._agents.give_back(found.handoff_id, "solved")

    async def _say_up_to(self, ticket: Ticket, handoff_id: HandoffId, last: str) -> None:
        """Webhooks overtake one another: what was written before is said before."""
        for agent, text in ticket.written:
            await self._agents.say(handoff_id, agent, text, (Text(text),))
            if text == last:
                return

    async def reconcile(self) -> Sequence[DeskEvent]:
        return tuple(self._desk.news)

    async def customer_typing(self, case: CaseRef, is_typing: bool) -> None: ...


async def bot(turn: TurnInput) -> TurnOutcome | None:
    """Answers after a moment, and asks for a person when that is wanted."""
    await asyncio.sleep(0)
    texts = [plain_text(entry.parts) for entry in turn.entries if isinstance(entry, CustomerSaid)]
    wants = any("person" in text for text in texts)
    return TurnOutcome(resolution=QUIET, replies=(Reply((Text("bot"),)),), hand_off="asked" if wants else "")


class Node(msgspec.Struct):
    pipeline: Process
    side: Side


class World:
    """Two nodes over one database; a node that died is replaced by a new one."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._numbers = itertools.count(1)
        self.client = PaperClient()
        self.desk: OutsideDesk
        self.nodes: list[Node] = []
        self.sql: asyncpg.Connection

    def run(self, play: Coroutine[object, object, T]) -> T:
        async def in_time() -> T:
            async with asyncio.timeout(IN_TIME_S):
                return await play

        return self._runner.run(in_time())

    async def open(self) -> None:
        self.sql = await asyncpg.connect(self.dsn)
        self._stack.push_async_callback(self.sql.close)
        self.pipelines = [
            await self._stack.enter_async_context(
                process(self.dsn, name, self.client, Echo(), {"words": Words(), "desk": DESK})
            )
            for name in ("one", "two")
        ]
        for pipeline in self.pipelines:
            pipeline.bot.think = bot

    def begin(self) -> str:
        """A new example: a person of its own, a desk that knows nothing, and nodes that just came up."""
        self.desk = OutsideDesk()
        self.run(self._begin())
        return f"p{next(self._numbers)}"

    async def _begin(self) -> None:
        await self._stop_nodes()
        for table in ("desk_event", "agent_key", "handoff", "timer", "desk_lease"):
            await self.sql.execute(f"DELETE FROM {table}")
        self.nodes = [await self._node(pipeline) for pipeline in self.pipelines]

    async def _node(self, pipeline: Process) -> Node:
        node = next(self._numbers)
        side = Side(self.dsn, {DESK: self.desk.of(pipeline.agents)}, node)
        await side.holding.step()
        return Node(pipeline, side)

    async def _stop_nodes(self) -> None:
        for node in self.nodes:
            await node.side.close()
        self.nodes = []

    async def kill(self, number: int) -> None:
        """Cut everything off, give nothing back; the lease and the claims run out; another process comes up."""
        node = self.nodes[number]
        for running in (*node.side.pump._running.values(), *node.side.inbox._running.values()):
            for task in list(running.values() if isinstance(running, dict) else running):
                task.cancel()
        await asyncio.sleep(0)
        await node.side.database.close()
        await self.sql.execute("UPDATE desk_lease SET until = '-infinity'")
        await self.sql.execute("UPDATE desk_event SET due_at = now() WHERE applied_at IS NULL")
        self.nodes[number] = await self._node(node.pipeline)

    async def round(self) -> None:
        """What the loops of both nodes do now and then."""
        for node in self.nodes:
            await node.side.holding.step()
            await node.side.pump.step()
            await node.side.inbox.step()
            await node.pipeline.pipeline.respond.sweep()
            await node.pipeline.pipeline.deliver.sweep()
        await asyncio.sleep(0.002)

    async def settle(self) -> None:
        """Return when nothing is left to read, to tell, to apply or to send."""
        while True:
            await self.sql.execute("UPDATE handoff SET due_at = now() WHERE due_at < 'infinity'")
            await self.sql.execute("UPDATE desk_event SET due_at = now() WHERE applied_at IS NULL AND tries > 0")
            await self.round()
            for node in self.nodes:
                await node.pipeline.idle(IN_TIME_S)
            if not await self.sql.fetchval(
                "SELECT EXISTS (SELECT 1 FROM outbox)"
                " OR EXISTS (SELECT 1 FROM conversation WHERE lease_until IS NOT NULL)"
                " OR EXISTS (SELECT 1 FROM handoff WHERE due_at < 'infinity')"
                " OR EXISTS (SELECT 1 FROM desk_event WHERE applied_at IS NULL AND gave_up_at IS NULL)"
            ):
                return

    def close(self) -> None:
        async def end() -> None:
            await self._stop_nodes()
            await self._stack.aclose()

        self._runner.run(end())
        self._runner.close()


class Conversation(RuleBasedStateMachine):
    """One customer, and everybody who may speak with them."""

    world: World

    @initialize()
    def begin(self) -> None:
        self.person = self.world.begin()
        self.words = itertools.count(1)
        self.world.run(self.customer_writes_to(0, ""))
        self.world.run(self.world.settle())
        found = "SELECT conversation_id FROM address_alias WHERE value = $1"
        self.id = self.world.run(self.world.sql.fetchval(found, self.person))

    async def customer_writes_to(self, node: int, word: str) -> None:
        number = next(self.words)
        await self.world.nodes[node].pipeline.accept(said(self.person, number, f"m{number}{word}"))

    async def at_once(self, *works: Coroutine[object, object, Any]) -> None:
        """Things that happen at the same moment, while the nodes do their work."""
        await asyncio.gather(*works, self.world.round())

    nodes = st.integers(0, 1)

    @rule(node=nodes, wants_person=st.booleans())
    def the_customer_writes(self, node: int, wants_person: bool) -> None:
        self.world.run(self.at_once(self.customer_writes_to(node, " person" if wants_person else "")))

    @rule(node=nodes, agent=st.sampled_from(AGENTS))
    def an_agent_steps_in_unasked_while_the_customer_writes(self, node: int, agent: str) -> None:
        take = self.world.nodes[node].pipeline.agents.take_over(self.id, agent)
        self.world.run(self.at_once(take, self.customer_writes_to(1 - node, "")))

    @precondition(lambda self: self.world.desk.tickets)
    @rule(agent=st.sampled_from(AGENTS), data=st.data())
    def an_agent_writes_in_a_ticket(self, agent: str, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(list(self.world.desk.tickets.values())))
        text = f"agent {next(self.words)}"
        ticket.written.append((agent, text))
        self.world.desk.happened(ticket, "comment", f"{agent}|{text}")

    @precondition(lambda self: self.world.desk.tickets)
    @rule(agent=st.sampled_from(AGENTS), kind=st.sampled_from(["assigned", "solved"]), data=st.data())
    def a_ticket_changes(self, agent: str, kind: str, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(list(self.world.desk.tickets.values())))
        ticket.is_solved = ticket.is_solved or kind == "solved"
        self.world.desk.happened(ticket, kind, f"{agent}|")

    @precondition(lambda self: self.world.desk.news)
    @rule(data=st.data(), node=nodes)
    def webhooks_come_in_any_order_and_twice(self, data: st.DataObject, node: int) -> None:
        """Those that are not drawn are lost, or come later."""
        drawn = data.draw(st.lists(st.sampled_from(self.world.desk.news), min_size=1, max_size=4))
        accepts = [
            self.world.nodes[(node + number) % 2].side.inbox.accept(DESK, [event]) for number, event in enumerate(drawn)
        ]
        self.world.run(self.at_once(*accepts))

    @precondition(lambda self: self.world.desk.tickets)
    @rule(data=st.data())
    def it_is_closed_at_two_places_while_an_agent_answers(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(list(self.world.desk.tickets.values())))
        one, two = (node.pipeline.agents for node in self.world.nodes)
        text = f"agent {next(self.words)}"
        ticket.written.append(("eva", text))
        self.world.run(
            self.at_once(
                one.give_back(ticket.handoff_id, "solved"),
                two.give_back(ticket.handoff_id, "returned"),
                one.say(ticket.handoff_id, "eva", text, (Text(text),)),
            )
        )

    @precondition(lambda self: self.world.desk.tickets)
    @rule(data=st.data())
    def two_agents_take_it_at_the_same_moment(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(list(self.world.desk.tickets.values())))
        works = [
            node.pipeline.agents.accept(ticket.handoff_id, agent, instead_of="")
            for node, agent in zip(self.world.nodes, AGENTS, strict=True)
        ]
        self.world.run(self.at_once(*works))

    @rule(times=st.integers(1, 3))
    def the_desk_is_down_for_a_while(self, times: int) -> None:
        self.world.desk.fails = times

    @rule(node=nodes)
    def a_node_dies_between_the_desks_deed_and_our_commit(self, node: int) -> None:
        async def play() -> None:
            self.world.desk.hold = asyncio.Event()
            for each in self.world.nodes:
                await each.side.pump.step()
            await asyncio.sleep(0.01)
            await self.world.kill(node)
            self.world.desk.hold.set()
            self.world.desk.hold = None

        self.world.run(play())

    @rule()
    def everything_calms_down(self) -> None:
        self.world.run(self.world.settle())
        self.world.run(self.check())

    def teardown(self) -> None:
        if not hasattr(self, "id"):
            return

        async def end() -> None:
            for node in self.world.nodes:
                await self.world.sql.execute("UPDATE desk_lease SET reconcile_at = '-infinity'")
                await node.side.inbox.reconcile()  # what webhooks lost
            await self.world.settle()
            await self.check()

        self.world.run(end())

    async def check(self) -> None:
        sql = self.world.sql
        conversation = await sql.fetchrow("SELECT * FROM conversation WHERE id = $1", self.id)
        handoffs = await sql.fetch("SELECT * FROM handoff WHERE conversation_id = $1 ORDER BY asked_at", self.id)
        messages = await sql.fetch("SELECT * FROM message WHERE conversation_id = $1 ORDER BY position", self.id)
        await self.check_owner(conversation, handoffs)
        check_speakers(messages)
        self.check_sent(messages)
        self.check_agents_words(messages)
        self.check_tickets(handoffs, messages)

    async def check_owner(self, conversation: asyncpg.Record, handoffs: list[asyncpg.Record]) -> None:
        still_open = [row for row in handoffs if row["ended_at"] is None]
        current = [] if conversation["control"] == "bot" else [conversation["handoff_id"]]
        assert [row["id"] for row in still_open] == current, "who waits has exactly one case that is open"
        assert all(row["acknowledged_at"] is not None for row in still_open), "and a desk that knows of it"
        kinds = "SELECT subject, count(*) FROM event WHERE kind = 'handoff_ended' AND conversation_id = $1 GROUP BY 1"
        ended = dict(await self.world.sql.fetch(kinds, self.id))
        assert ended == {row["id"]: 1 for row in handoffs if row["ended_at"] is not None}, "each ends exactly once"

    def check_sent(self, messages: list[asyncpg.Record]) -> None:
        calls = [text for recipient, text in self.world.client.calls if recipient == self.person]
        sent = [plain_text(decode_parts(row["parts"])) for row in messages if row["status"] == "sent"]
        assert calls == sent, "the customer reads each of our words once, in their order"

    def check_agents_words(self, messages: list[asyncpg.Record]) -> None:
        heard = [plain_text(decode_parts(row["parts"])) for row in messages if row["author"] == Author.AGENT]
        assert len(set(heard)) == len(heard), "each once"
        for ticket in self.world.desk.tickets.values():
            order = [text for _, text in ticket.written]
            places = [order.index(text) for text in heard if text in order]
            assert places == sorted(places), "in the order of the desk"

    def check_tickets(self, handoffs: list[asyncpg.Record], messages: list[asyncpg.Record]) -> None:
        tickets = {ticket.handoff_id: ticket for ticket in self.world.desk.tickets.values()}
        assert len(tickets) == len(self.world.desk.tickets), "one ticket a case"
        assert set(tickets) == {row["id"] for row in handoffs}
        for row in handoffs:
            shown = [position for position, _ in tickets[row["id"]].shown]
            last = row["end_position"] or len(messages)
            assert shown == list(range(shown[0], last + 1)), "everything until the end, in order, and nothing after it"
            assert row["told_end"] == (row["ended_at"] is not None)
            assert (tickets[row["id"]].ends > 0) == row["told_end"]


def check_speakers(messages: list[asyncpg.Record]) -> None:
    """The announcements are stored with each change of control: between them only one side speaks."""
    is_with_agent = False
    for row in messages:
        if row["reply_key"] in {"utter_agent_joined", "utter_agent_left"}:
            is_with_agent = row["reply_key"] == "utter_agent_joined"
        if row["author"] == Author.BOT:
            assert not is_with_agent, "the bot spoke while an agent had the conversation"
        if row["author"] == Author.AGENT:
            assert is_with_agent, "an agent spoke while the bot had the conversation"


def test_whatever_happens_at_the_same_moment_one_speaks_and_every_word_arrives_once_in_order(dsn: str) -> None:
    world = World(dsn)
    world.run(world.open())
    Conversation.world = world
    try:
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            Conversation,
            settings=settings(
                max_examples=6,
                stateful_step_count=15,
                deadline=None,
                phases=(Phase.explicit, Phase.generate),  # shrinking would repeat minutes of real work
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
    finally:
        world.close()


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")
