"""Holds tickets, database and the channel's log of a handoff against one another: lost, doubled, out of order?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import asyncpg
import msgspec

from gateway.app.bench.handoff_agents import ANSWER
from gateway.app.bench.handoff_customers import chat_of, word_of
from gateway.app.bench.provider import LogEntry

LIMITS = frozenset({"account", "tickets-update", "ticket", "incremental-tickets-cursor", "webhooks"})
"""The limits whose breaking the sandbox writes down."""

_CASES = """
    SELECT count(*) AS cases,
           count(*) FILTER (WHERE h.ended_at IS NULL) AS open,
           count(*) FILTER (WHERE NOT h.told_end) AS untold
    FROM handoff h
"""
_WITH_THE_BOT = "SELECT count(*) FILTER (WHERE control <> 'bot') FROM conversation"
_DEAD = "SELECT count(*) FROM dead_letter"
_EVENTS_WAIT = "SELECT count(*) FROM desk_event WHERE applied_at IS NULL"


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What became of everything. ``explained`` are answers sent again because the gateway was killed while the channel
    had the call: Telegram knows no keys, so whoever is killed there cannot know.
    """

    customers: int
    tickets: int
    customers_without_one_ticket: int
    words: int
    words_lost: int
    words_doubled: int
    tickets_out_of_order: int
    answers: int
    answers_lost: int
    answers_doubled: int
    answers_explained: int
    chats_out_of_order: int
    violations: Mapping[str, int]
    not_with_the_bot: int
    cases_open: int
    ends_untold: int
    events_waiting: int
    dead_letters: int

    def faults(self) -> list[str]:
        """What breaks the contract. Empty: it holds."""
        broken = sum(count for kind, count in self.violations.items() if kind in LIMITS)
        claims = {
            f"{self.customers_without_one_ticket} customers without exactly one ticket": (
                self.customers_without_one_ticket
            ),
            f"{self.words_lost} of {self.words} words of customers lost": self.words_lost,
            f"{self.words_doubled} words of customers doubled": self.words_doubled,
            f"{self.tickets_out_of_order} tickets out of order": self.tickets_out_of_order,
            f"{self.answers_lost} of {self.answers} answers lost": self.answers_lost,
            f"{self.answers_doubled} answers doubled": self.answers_doubled,
            f"{self.chats_out_of_order} chats out of order": self.chats_out_of_order,
            f"{broken} calls beyond Zendesk's limits": broken,
            f"{self.not_with_the_bot} conversations not given back": self.not_with_the_bot,
            f"{self.cases_open} cases open": self.cases_open,
            f"{self.ends_untold} ends that the desk was not told": self.ends_untold,
            f"{self.events_waiting} events not applied": self.events_waiting,
            f"{self.dead_letters} dead letters": self.dead_letters,
        }
        return [claim for claim, count in claims.items() if count]


def tally(
    *,
    customers: int,
    words: int,
    tickets: Mapping[int, Sequence[Sequence[str]]],
    answers: Mapping[int, Sequence[str]],
    log: Sequence[LogEntry],
    ambiguous: Mapping[str, int],
    violations: Sequence[str],
    ends: Ends,
) -> Tally:
    """*tickets*: by customer, what each ticket holds of theirs; *ambiguous*: how often each answer may stand again."""
    sent = _sent_by_chat(log)
    said = {number: [word_of(number, at) for at in range(words)] for number in range(customers)}
    held = {number: Counter(word for one in tickets.get(number, ()) for word in one) for number in said}
    heard = {number: Counter(sent.get(chat_of(number), ())) for number in said}
    repeated = {answer: count - 1 for of_one in heard.values() for answer, count in of_one.items() if count > 1}
    explained = sum(min(count, ambiguous.get(answer, 0)) for answer, count in repeated.items())
    return Tally(
        customers=customers,
        tickets=sum(map(len, tickets.values())),
        customers_without_one_ticket=sum(len(tickets.get(number, ())) != 1 for number in said),
        words=customers * words,
        words_lost=sum(word not in held[number] for number, theirs in said.items() for word in theirs),
        words_doubled=sum(max(0, count - 1) for of_one in held.values() for count in of_one.values()),
        tickets_out_of_order=sum(list(one) != sorted(one) for theirs in tickets.values() for one in theirs),
        answers=sum(map(len, answers.values())),
        answers_lost=sum(answer not in heard[number] for number in said for answer in answers.get(number, ())),
        answers_doubled=sum(repeated.values()) - explained,
        answers_explained=explained,
        chats_out_of_order=sum(not _is_ordered(sent.get(chat_of(number), ())) for number in said),
        violations=dict(Counter(violations)),
        not_with_the_bot=ends.not_with_the_bot,
        cases_open=ends.cases_open,
        ends_untold=ends.ends_untold,
        events_waiting=ends.events_waiting,
        dead_letters=ends.dead_letters,
    )


class Ends(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over the database, all of which should be 0."""

    not_with_the_bot: int
    cases_open: int
    ends_untold: int
    events_waiting: int
    dead_letters: int

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way any more."""
        return not (self.not_with_the_bot or self.cases_open or self.ends_untold or self.events_waiting)


async def ends_of(connection: asyncpg.Connection) -> Ends:
    """How things stand now."""
    cases = await connection.fetchrow(_CASES)
    return Ends(
        not_with_the_bot=int(await connection.fetchval(_WITH_THE_BOT)),
        cases_open=int(cases["open"]),
        ends_untold=int(cases["untold"]),
        events_waiting=int(await connection.fetchval(_EVENTS_WAIT)),
        dead_letters=int(await connection.fetchval(_DEAD)),
    )


def sent_at(log: Sequence[LogEntry]) -> dict[str, int]:
    """When each answer left first, by the provider's log, in nanoseconds of ``time.monotonic_ns``."""
    found: dict[str, int] = {}
    for entry in log:
        for answer in _answers_in(entry):
            found.setdefault(answer, entry.at_ns)
    return found


def _sent_by_chat(log: Sequence[LogEntry]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for entry in log:
        found[entry.chat_id].extend(_answers_in(entry))
    return found


def _answers_in(entry: LogEntry) -> list[str]:
    return ANSWER.findall(entry.text) if entry.method == "sendMessage" and entry.status == 200 else []


def _is_ordered(sent: Sequence[str]) -> bool:
    """Repetitions may stand where they are; nothing new may stand before what is older."""
    firsts = list(dict.fromkeys(sent))
    return firsts == sorted(firsts)
