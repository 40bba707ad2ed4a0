"""Two gateways on one database: one is stopped past its lease and woken, one is asked to end."""

from __future__ import annotations

import asyncio
import signal

import asyncpg
import pytest
from fault_harness import (
    QUICK_LEASES,
    Person,
    Replies,
    Sender,
    connected,
    holds,
    mail_of,
    replies_in_database,
    unexplained_chats,
)

from gateway.app.bench.audit import settled
from gateway.app.bench.provider import Behaviour
from gateway.app.bench.subjects import ProviderProcess
from gateway.app.bench.updates import updates

pytestmark = pytest.mark.system


_FINGERPRINT = """
    SELECT (SELECT count(*) || md5(string_agg(t::text, '' ORDER BY t.conversation_id, t.from_seq)) FROM turn t),
           (SELECT count(*) || md5(string_agg(m::text, '' ORDER BY m.conversation_id, m.position)) FROM message m),
           (SELECT count(*) || md5(string_agg(s::text, '' ORDER BY s.conversation_id)) FROM dialogue_state s),
           (SELECT count(*) || md5(string_agg(c::text, '' ORDER BY c.id)) FROM conversation c),
           (SELECT count(*) || md5(string_agg(e.id::text || e.kind, '' ORDER BY e.id)) FROM event e)
"""


async def _under_way(connection: asyncpg.Connection) -> int:
    """Conversations whose turn or send is in somebody's hands."""
    return await connection.fetchval(
        """
        SELECT (SELECT count(*) FROM conversation WHERE lease_until > now())
             + (SELECT count(*) FROM outbox WHERE is_sending)
        """
    )


async def test_a_process_that_slept_past_its_lease_commits_nothing(
    make_gateway, provider: ProviderProcess, database_url: str
) -> None:
    sleeper, other = make_gateway(**QUICK_LEASES), make_gateway(**QUICK_LEASES)
    await sleeper.start()
    mail = [update for person in mail_of(120, 240) for update in person]
    async with connected(database_url) as connection, Replies(provider) as replies, Sender([sleeper]) as sender:
        await provider.behave(Behaviour(delay_ms=250))
        async with asyncio.TaskGroup() as group:
            for update in mail[:120]:
                group.create_task(sender.deliver(update))
        sleeper.child.signal(signal.SIGSTOP)
        held = await _under_way(connection)
        sending = [
            row["message_id"] for row in await connection.fetch("SELECT message_id FROM outbox WHERE is_sending")
        ]
        assert held > 0, "nothing was in its hands when it was stopped"
        await provider.behave(Behaviour())
        await other.start()
        async with Sender([other]) as second, asyncio.TaskGroup() as group:
            for update in mail[120:]:
                group.create_task(second.deliver(update))
        found = await settled(connection, 40)
        assert found.is_settled
        before = await connection.fetchrow(_FINGERPRINT)

        sleeper.child.signal(signal.SIGCONT)
        await sleeper.child.answers(sleeper.port, "/readyz")
        awake = next(updates(first=900_000, count=1, people=1, first_chat=77))
        await other.child.stop()
        await sender.deliver(awake)
        assert await replies.more_than(77, 0, 20), "it does not work again after waking"
        await settled(connection, 20)
        fingerprint = _without_newcomer(_FINGERPRINT)
        after = await connection.fetchrow(fingerprint, await _conversation(connection, 77))
        await replies.catch_up()
        expected = await replies_in_database(connection)
        final = await settled(connection, 10)

    assert list(after) == list(before)
    assert final.faults(len(mail) + 1) == []
    assert unexplained_chats(replies, expected, sending) == {}


def _without_newcomer(statement: str) -> str:
    """The fingerprint without one conversation (``$1``)."""
    aliases = {
        "turn t)": "t.conversation_id",
        "message m)": "m.conversation_id",
        "dialogue_state s)": "s.conversation_id",
    }
    aliases |= {"conversation c)": "c.id", "event e)": "e.conversation_id"}
    for table, column in aliases.items():
        statement = statement.replace(table, f"{table[:-1]} WHERE {column} IS DISTINCT FROM $1)")
    return statement


async def _conversation(connection: asyncpg.Connection, chat_id: int) -> object:
    return await connection.fetchval("SELECT conversation_id FROM address_alias WHERE value = $1", str(chat_id))


async def test_a_process_that_is_asked_to_end_loses_nothing_and_hands_over_at_once(
    make_gateway, provider: ProviderProcess, database_url: str
) -> None:
    leaving, staying = (
        make_gateway(router__lease_s=60.0, router__send_lease_s=60.0),
        make_gateway(router__lease_s=60.0, router__send_lease_s=60.0),
    )
    await leaving.start()
    await staying.start()
    async with (
        connected(database_url) as connection,
        Replies(provider) as replies,
        Sender([leaving, staying]) as sender,
    ):
        mail = mail_of(40, 600)
        people = [Person(of_one, sender, replies, deliveries=1) for of_one in mail]
        talks = asyncio.gather(*(person.talk(20) for person in people))
        assert await holds(lambda: len(replies.log) > 150, 30), "it answers too slowly"
        leaving.child.signal(signal.SIGTERM)
        assert await leaving.child.ended(30), "it did not end"
        assert leaving.child.returncode == 0, leaving.child.output()
        # Leases last a minute here: whatever it had kept would be missing until long after the talks' patience.
        await talks
        found = await settled(connection, 20)
        await replies.catch_up()
        expected = await replies_in_database(connection)

    assert found.faults(600) == []
    assert [update for person in people for update in person.unanswered] == []
    assert unexplained_chats(replies, expected, ()) == {}
