"""Two gateways on one database: one is stopped past its lease and woken, one is asked to end."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from fault_harness import (
    QUICK_LEASES,
    Person,
    Replies,
    Sender,
    connected,
    figure,
    holds,
    mail_of,
    not_repeated,
    replies_in_database,
    unexplained_chats,
)

from gateway.app.bench.audit import became, settled
from gateway.app.bench.provider import Behaviour
from gateway.app.bench.subjects import Gateway, ProviderProcess
from gateway.app.bench.updates import updates
from gateway.web.access import ensure_access_token

pytestmark = pytest.mark.system


_FINGERPRINT = """
    SELECT (SELECT count(*) || md5(string_agg(t::text, '' ORDER BY t.conversation_id, t.from_seq)) FROM turn t),
           (SELECT count(*) || md5(string_agg(m::text, '' ORDER BY m.conversation_id, m.position)) FROM message m),
           (SELECT count(*) || md5(string_agg(s::text, '' ORDER BY s.conversation_id)) FROM dialogue_state s),
           (SELECT count(*) || md5(string_agg(c::text, '' ORDER BY c.id)) FROM conversation c),
           (SELECT count(*) || md5(string_agg(e.id::text || e.kind, '' ORDER BY e.id)) FROM event e)
"""


async def test_a_process_that_slept_past_its_lease_commits_nothing(
    make_gateway, provider: ProviderProcess, database_url: str, tmp_path: Path
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
        assert await _server_is_done(connection), "a transaction of the stopped process does not end"
        sending = await _is_sending(connection)
        assert sending, "nothing was in its hands when it was stopped"
        await provider.behave(Behaviour())
        await other.start()
        async with Sender([other]) as second, asyncio.TaskGroup() as group:
            for update in mail[120:]:
                group.create_task(second.deliver(update))
        found = await settled(connection, 40)
        assert found.is_settled
        assert await _nobody_holds_anything(connection)
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
        token = ensure_access_token(tmp_path / "data").value
        refused = await figure(sleeper, token, "tertulia_lease_losses_total", 'step="deliver"')
        await replies.catch_up()
        expected = await replies_in_database(connection)
        final = await settled(connection, 10)

    assert list(after) == list(before)
    assert refused == len(sending), "it did not even try"
    assert final.faults(len(mail) + 1) == []
    assert unexplained_chats(replies, expected, dict.fromkeys(sending, 1)) == {}


async def _nobody_holds_anything(connection: asyncpg.Connection) -> bool:
    """Wait until the last lease of a conversation was given back or taken over."""

    async def is_free() -> bool:
        return await connection.fetchval("SELECT NOT EXISTS (SELECT 1 FROM conversation WHERE lease_until IS NOT NULL)")

    return await became(is_free, 10)


async def _server_is_done(connection: asyncpg.Connection) -> bool:
    """Wait until the server has ended what it was doing for the gateway: a commit under way counts or it does not."""

    async def is_done() -> bool:
        return await connection.fetchval(
            "SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = 'tertulia'"
            " AND datname = current_database() AND state <> 'idle')"
        )

    return await became(is_done, 15)


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


async def test_a_process_that_is_stopped_within_a_transaction_holds_nobody_up_and_commits_nothing(
    make_gateway, provider: ProviderProcess, database_url: str
) -> None:
    sleeper, other = make_gateway(**QUICK_LEASES), make_gateway(**QUICK_LEASES)
    await sleeper.start()
    await other.start()
    mail = mail_of(60, 900)
    gateways = [sleeper, other]
    async with (
        connected(database_url) as connection,
        Replies(provider) as replies,
        Sender(gateways, timeout_s=3) as sender,
    ):
        people = [Person(of_one, sender, replies) for of_one in mail]
        talks = asyncio.gather(*(person.talk(25) for person in people))
        assert await holds(lambda: len(replies.log) > 100, 30), "it answers too slowly"
        frozen = await _stop_within_a_transaction(sleeper, connection)
        sender.turn_to(other)
        sending = dict.fromkeys(await _is_sending(connection), 1)
        await talks
        await sender.stragglers()
        found = await settled(connection, 20)
        assert await _nobody_holds_anything(connection)
        before = await connection.fetchrow(_FINGERPRINT)
        sleeper.child.signal(signal.SIGCONT)
        await sleeper.child.answers(sleeper.port, "/readyz")
        await other.child.stop()
        after = await connection.fetchrow(_FINGERPRINT)
        await replies.catch_up()
        expected = await replies_in_database(connection)

    assert frozen, "it was never caught within a transaction that writes"
    assert [update for person in people for update in person.unanswered] == []
    assert found.faults(900) == []
    assert list(after) == list(before)
    assert not_repeated(expected, mail) == []
    assert unexplained_chats(replies, expected, sending) == {}


_OPEN_FOR_LONG = """
    SELECT count(*) FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.state LIKE 'idle in transaction%'
      AND EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'transactionid' AND l.granted)
      AND a.state_change < now() - interval '0.08 s'
"""


async def _stop_within_a_transaction(sleeper: Gateway, connection: asyncpg.Connection) -> bool:
    """Stop a process where it has written and not yet committed; try until that is so."""
    for _ in range(200):
        sleeper.child.signal(signal.SIGSTOP)
        await asyncio.sleep(0.1)  # the other one's transactions end meanwhile
        if await connection.fetchval(_OPEN_FOR_LONG):
            return True
        sleeper.child.signal(signal.SIGCONT)
        await asyncio.sleep(random.uniform(0.005, 0.03))
    return False


async def _is_sending(connection: asyncpg.Connection) -> list[UUID]:
    return [row["message_id"] for row in await connection.fetch("SELECT message_id FROM outbox WHERE is_sending")]


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
    assert unexplained_chats(replies, expected, {}) == {}
