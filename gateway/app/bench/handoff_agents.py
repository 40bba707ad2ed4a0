"""The agents of a measured handoff: they take tickets, answer in numbered words, and solve what they have read."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Mapping

import msgspec

from gateway.app.bench.handoff_customers import number_of
from handoff.desks.zendesk.sandbox import SandboxAgent, ZendeskSandbox
from handoff.desks.zendesk.sandbox_records import Ticket

LOOK_EVERY_S = 0.05
NAMES = ("Ana Agent", "Berta Agent", "Carla Agent", "Dora Agent", "Eva Agent")

WORD = re.compile(r"c\d{5}w\d{3}")
"""What customers write (``handoff_customers.word_of``)."""

ANSWER = re.compile(r"t\d{6}a\d{3}")
"""What agents write: the ticket, and the number of the answer in it."""


class _Case(msgspec.Struct):
    """A ticket as its agent sees it. ``words`` are the customer's, in the order in which they stand there."""

    ticket: Ticket
    agent: SandboxAgent
    customer: int
    due_at: float
    words: list[str]
    read: int = 0
    answers: int = 0
    is_solved: bool = False


class Agents:
    """``answered_at`` is when each answer was written, in nanoseconds of ``time.monotonic_ns``; ``arrived_at`` when
    each word of a customer came to stand in a ticket, in seconds of ``time.time``.
    """

    def __init__(self, zendesk: ZendeskSandbox, *, words: int, answers: int, pause_s: float) -> None:
        self._zendesk = zendesk
        self._words = words
        self._answers = answers
        self._pause_s = pause_s
        self._cases: dict[int, _Case] = {}
        self._staff = itertools.cycle([zendesk.agent(name) for name in NAMES])
        self.answered_at: dict[str, int] = {}
        self.arrived_at: dict[str, float] = {}

    async def work(self, wanted: int, patience_s: float) -> bool:
        """Until so many tickets are solved; false when they are not in time."""
        give_up = time.monotonic() + patience_s
        while self.solved < wanted and time.monotonic() < give_up:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)
        await self.look()
        return self.solved >= wanted

    async def look(self) -> None:
        """Take what is new, read what came, answer what is due."""
        for ticket in self._zendesk.tickets():
            if ticket.id not in self._cases:
                self._cases[ticket.id] = await self._taken(ticket)
            case = self._cases[ticket.id]
            self._read(case)
            if not case.is_solved:
                await self._go_on(case)

    @property
    def solved(self) -> int:
        return sum(case.is_solved for case in self._cases.values())

    @property
    def arrived(self) -> int:
        """How many words of customers stand in tickets, each counted as often as it does."""
        return sum(len(case.words) for case in self._cases.values())

    def words(self) -> Mapping[int, list[list[str]]]:
        """By customer, for each of their tickets: what they wrote, as it stands there."""
        found: dict[int, list[list[str]]] = {}
        for case in self._cases.values():
            found.setdefault(case.customer, []).append(case.words)
        return found

    def answers(self) -> Mapping[int, list[str]]:
        """By customer: what agents wrote to them, in order."""
        found: dict[int, list[str]] = {}
        for case in self._cases.values():
            found.setdefault(case.customer, []).extend(answer_of(case.ticket.id, at) for at in range(case.answers))
        return found

    async def say(self, ticket: Ticket) -> None:
        """One more answer in a ticket, now."""
        await self._answer(self._cases[ticket.id])

    async def _taken(self, ticket: Ticket) -> _Case:
        agent = next(self._staff)
        requester = self._zendesk.world.account.person(ticket.requester_id)
        await agent.takes(ticket)
        return _Case(ticket, agent, number_of(requester.name), time.monotonic() + self._pause_s, [])

    def _read(self, case: _Case) -> None:
        for comment in case.ticket.comments[case.read :]:
            found = WORD.findall(comment.body)
            case.words.extend(found)
            for word in found:
                self.arrived_at.setdefault(word, comment.created_at.timestamp())
        case.read = len(case.ticket.comments)

    async def _go_on(self, case: _Case) -> None:
        if case.answers < self._answers and time.monotonic() >= case.due_at:
            await self._answer(case)
        elif case.answers >= self._answers and len(set(case.words)) >= self._words:
            case.is_solved = True
            await case.agent.solves(case.ticket, self._next(case))

    async def _answer(self, case: _Case) -> None:
        case.due_at = time.monotonic() + self._pause_s
        await case.agent.answers(case.ticket, self._next(case))

    def _next(self, case: _Case) -> str:
        answer = answer_of(case.ticket.id, case.answers)
        case.answers += 1
        self.answered_at[answer] = time.monotonic_ns()
        return answer


def answer_of(ticket_id: int, at: int) -> str:
    """The *at*-th answer in a ticket, like no other."""
    return f"t{ticket_id:06}a{at:03}"
