"""Who is who: lasting names win, numbers are recycled, and nobody lands in another's conversation."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Self

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paper_provider import T0
from pipeline_process import Process, StartProcess, process

from gateway.core.ids import new_id
from gateway.core.inbound import AddressKey, AddressMoved, Profile, Received
from gateway.core.messages import Text
from gateway.store import contacts

numbers = itertools.count(1)


def wrote(
    lasting: str = "", phone: str = "", text: str = "hola", *, person: str = "", traits: str = "", name: str = ""
) -> Received:
    """A message of somebody with a lasting name, a phone number, or both."""
    number = next(numbers)
    names = [AddressKey(kind, value) for kind, value in (("bsuid", lasting), ("phone", phone)) if value]
    return Received(
        event_key=f"m{number}",
        at=T0,
        address=names[0],
        aliases=tuple(names[1:]),
        provider_message_id=f"in-{number}",
        parts=(Text(text),),
        person=person,
        traits=traits,
        profile=Profile(name=name),
    )


def moved(kind: str, old: str, new_kind: str, new: str) -> AddressMoved:
    address, alias = AddressKey(kind, old), AddressKey(new_kind, new)
    return AddressMoved(event_key=f"mv{next(numbers)}", at=T0, address=address, alias=alias)


async def names(sql: asyncpg.Connection) -> dict[str, str]:
    """Whose each name is: the first words that were said in the conversation."""
    rows = await sql.fetch(
        "SELECT a.value, (SELECT m.parts #>> '{0,text}' FROM message m WHERE m.conversation_id = a.conversation_id"
        " ORDER BY m.position LIMIT 1) AS first FROM address_alias a"
    )
    return dict(rows)


async def recipients(sql: asyncpg.Connection) -> set[str]:
    return {row[0] for row in await sql.fetch("SELECT recipient FROM address")}


async def test_who_was_known_by_a_number_keeps_the_conversation_under_the_lasting_name(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    await one.accept(wrote(phone="34600", text="first"))
    await one.accept(wrote("B1", "34600", "second"))
    await one.accept(wrote("B1", text="third"))
    assert await names(sql) == {"B1": "first", "34600": "first"}
    assert await recipients(sql) == {"B1"}
    assert await sql.fetchval("SELECT count(*) FROM conversation") == 1
    assert await sql.fetchval("SELECT count(*) FROM contact") == 1
    assert [row[0] for row in await sql.fetch("SELECT seq FROM message ORDER BY seq")] == [1, 2, 3]


async def test_a_number_that_has_a_lasting_name_goes_to_its_new_owner_and_nobody_is_merged(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    await one.accept(wrote("B1", "34600", "old owner"))
    await one.accept(wrote("B2", "34600", "new owner"))
    await one.accept(wrote(phone="34600", text="without a lasting name"))
    assert await names(sql) == {"B1": "old owner", "B2": "new owner", "34600": "new owner"}
    assert await sql.fetchval("SELECT count(DISTINCT contact_id) FROM conversation") == 2
    assert await sql.fetchval("SELECT count(*) FROM contact_merge") == 0
    assert await recipients(sql) == {"B1", "B2"}


async def test_what_another_process_remembers_of_a_number_does_not_misroute(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one, two = await start("one", respond=False), await start("two", respond=False)
    await one.accept(wrote("B1", "34600", "old owner"))
    await two.accept(wrote("B1", "34600"))
    await two.accept(wrote(phone="34600"))
    await one.accept(wrote("B2", "34600", "new owner"))
    await two.accept(wrote(phone="34600", text="to the new owner"))
    last = await sql.fetchval(
        "SELECT a.value FROM message m JOIN address_alias a USING (conversation_id)"
        " WHERE m.parts #>> '{0,text}' = 'to the new owner' AND a.kind = 'bsuid'"
    )
    assert last == "B2"


async def test_the_old_owner_who_writes_again_with_the_number_gets_it_back(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    for lasting in ("B1", "B2", "B1", "B2", "B1"):
        await one.accept(wrote(lasting, "34600", lasting))
    assert await names(sql) == {"B1": "B1", "B2": "B2", "34600": "B1"}
    counts = await sql.fetch("SELECT count(*) FROM message GROUP BY conversation_id ORDER BY 1")
    assert [row[0] for row in counts] == [2, 3]


async def test_a_number_and_a_lasting_name_that_have_both_written_stay_two_conversations_and_raise_a_claim(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    await one.accept(wrote(phone="34600", text="by phone"))
    await one.accept(wrote("B1", text="by name"))
    await one.accept(wrote("B1", "34600", "by both"))
    assert await names(sql) == {"B1": "by name", "34600": "by name"}
    claim = await sql.fetchrow("SELECT evidence, by, decided_at FROM contact_claim")
    assert tuple(claim) == ("inferred", "provider", None)
    assert await sql.fetchval("SELECT count(DISTINCT contact_id) FROM conversation") == 2


async def test_two_processes_that_meet_one_stranger_under_two_names_make_one_conversation(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one, two = await start("one", respond=False), await start("two", respond=False)
    for number in range(12):
        phone, lasting = f"34{number}", f"B{number}"
        events = [wrote(phone=phone), wrote(lasting, phone), wrote(lasting, phone), wrote(phone=phone)]
        await asyncio.gather(*(each.accept(event) for each, event in zip((one, two, two, one), events, strict=True)))
    assert await sql.fetchval("SELECT count(*) FROM message") == 48
    rows = await sql.fetch(
        "SELECT p.conversation_id = b.conversation_id AS is_one FROM address_alias p JOIN address_alias b"
        " ON b.kind = 'bsuid' AND substr(b.value, 2) = substr(p.value, 3) WHERE p.kind = 'phone'"
    )
    assert [row[0] for row in rows] == [True] * 12
    assert await sql.fetchval("SELECT count(*) FROM conversation") == 12


async def test_two_lasting_names_that_claim_one_number_at_once_are_two_people(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one, two = await start("one", respond=False), await start("two", respond=False)
    for number in range(12):
        phone = f"34{number}"
        await one.accept(wrote(phone=phone))
        await asyncio.gather(one.accept(wrote(f"A{number}", phone)), two.accept(wrote(f"B{number}", phone)))
    rows = await sql.fetch(
        "SELECT a.conversation_id = b.conversation_id AS is_one FROM address_alias a JOIN address_alias b"
        " ON a.value LIKE 'A%' AND b.value = 'B' || substr(a.value, 2)"
    )
    assert [row[0] for row in rows] == [False] * 12
    assert await sql.fetchval("SELECT count(*) FROM message") == 36


async def test_a_changed_number_goes_on_in_the_same_conversation_also_within_one_webhook(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    change = moved("phone", "34600", "phone", "34700")
    await one.accept(wrote(phone="34600", text="before"), change, wrote(phone="34700"))
    assert await names(sql) == {"34600": "before", "34700": "before"}
    assert await recipients(sql) == {"34700"}


async def test_a_new_number_of_a_lasting_name_does_not_take_its_place(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    await one.accept(wrote("B1", "34600", "before"), moved("bsuid", "B1", "phone", "34700"))
    assert await names(sql) == {"B1": "before", "34600": "before", "34700": "before"}
    assert await recipients(sql) == {"B1"}


async def test_a_changed_lasting_name_goes_on_in_the_same_conversation(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    await one.accept(wrote("B1", "34600", "before"))
    await one.accept(moved("bsuid", "B1", "bsuid", "B9"))
    await one.accept(wrote("B9", "34600"))
    assert await names(sql) == {"B1": "before", "B9": "before", "34600": "before"}
    assert await recipients(sql) == {"B9"}


async def test_a_changed_number_of_somebody_with_a_lasting_name_moves_the_number_only(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    await one.accept(wrote("B1", "34600", "before"), wrote("B2", "34700", "former owner of the new number"))
    await one.accept(moved("phone", "34600", "phone", "34700"))
    found = await names(sql)
    assert found["34700"] == "before"
    assert await recipients(sql) == {"B1", "B2"}


async def test_a_lasting_name_that_wrote_before_the_move_was_told_keeps_its_conversation(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    await one.accept(wrote("B1", text="before"))
    await one.accept(wrote("B9", text="too early"))
    await one.accept(moved("bsuid", "B1", "bsuid", "B9"))
    assert await names(sql) == {"B1": "before", "B9": "too early"}
    assert await recipients(sql) == {"B9"}
    assert await sql.fetchval("SELECT count(*) FROM contact_claim") == 1


async def test_nobody_is_written_to_at_a_number_that_passed_to_somebody_else(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    await one.accept(wrote("B1", "34600", "old owner"))
    await sql.execute("UPDATE address SET recipient = '34600'")
    await one.accept(wrote("B2", "34600", "new owner"))
    assert await recipients(sql) == {"B1", "B2"}


async def test_a_move_of_somebody_unknown_makes_nobody_known(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start(respond=False)
    await one.accept(moved("phone", "34600", "phone", "34700"))
    assert await sql.fetchval("SELECT count(*) FROM contact") == 0


async def test_what_a_device_can_show_is_kept_and_written_only_when_it_changes(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one, two = await start("one", respond=False), await start("two", respond=False)
    await one.accept(wrote("B1", traits="a"))
    version = await sql.fetchval("SELECT names_version FROM conversation")
    await one.accept(wrote("B1", traits="a"))
    await two.accept(wrote("B1", traits="a"))
    assert await sql.fetchval("SELECT names_version FROM conversation") == version
    await two.accept(wrote("B1", traits="b"))
    await one.accept(wrote("B1"))
    assert await sql.fetchval("SELECT traits FROM address") == "b"
    assert await sql.fetchval("SELECT count(*) FROM message") == 5


async def _two_contacts(one: Process, sql: asyncpg.Connection) -> tuple[object, object]:
    await one.accept(wrote("B1", name="Ana"))
    await one.accept(wrote("B2", name="Anita"))
    rows = await sql.fetch("SELECT id FROM contact ORDER BY name")
    return rows[0][0], rows[1][0]


async def _identities(sql: asyncpg.Connection) -> list[tuple[object, ...]]:
    rows = await sql.fetch(
        "SELECT d.id, d.contact_id, d.recipient, d.evidence, c.id, c.contact_id, c.address_id, t.merged_into, t.name"
        " FROM address d JOIN conversation c ON c.address_id = d.id JOIN contact t ON t.id = d.contact_id ORDER BY d.id"
    )
    return [tuple(row) for row in rows]


async def test_a_merge_moves_addresses_keeps_conversations_and_is_undone_exactly(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    ana, anita = await _two_contacts(one, sql)
    before = await _identities(sql)
    async with sql.transaction():
        merge_id = await contacts.merge(sql, ana, anita, "verified", "test", detail="signed in")  # type: ignore[arg-type]
    assert merge_id is not None
    assert {row[1] for row in await _identities(sql)} == {ana}
    assert [(row[0], row[2], row[6]) for row in await _identities(sql)] == [(r[0], r[2], r[6]) for r in before]
    async with sql.transaction():
        assert await contacts.merge(sql, anita, ana, "verified", "test") is None  # type: ignore[arg-type]
    await one.accept(wrote("B2", text="after the merge"))
    async with sql.transaction():
        assert await contacts.unmerge(sql, merge_id, "test")
        assert not await contacts.unmerge(sql, merge_id, "test")
    assert await _identities(sql) == before


async def test_merges_of_merges_come_apart_in_any_order(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start(respond=False)
    for number in range(3):
        await one.accept(wrote(f"B{number}", name=f"{number}"))
    a, b, c = [row[0] for row in await sql.fetch("SELECT id FROM contact ORDER BY name")]
    before = await _identities(sql)
    for order in ((0, 1), (1, 0)):
        async with sql.transaction():
            merges = [
                await contacts.merge(sql, a, b, "verified", "test"),
                await contacts.merge(sql, c, b, "verified", "test"),
            ]
        assert {row[1] for row in await _identities(sql)} == {c}
        for number in order:
            async with sql.transaction():
                assert await contacts.unmerge(sql, merges[number], "test")  # type: ignore[arg-type]
        assert await _identities(sql) == before


@pytest.mark.parametrize("evidence", ["claimed", "inferred"])
async def test_nothing_but_proof_merges(start: StartProcess, sql: asyncpg.Connection, evidence: str) -> None:
    one = await start(respond=False)
    ana, anita = await _two_contacts(one, sql)
    with pytest.raises(contacts.NotProven):
        await contacts.merge(sql, ana, anita, evidence, "test")  # type: ignore[arg-type]
    with pytest.raises(LookupError):
        await contacts.merge(sql, ana, new_id(), "verified", "test")  # type: ignore[arg-type]


async def test_a_claim_merges_when_somebody_confirms_it_and_only_then(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    ana, anita = await _two_contacts(one, sql)
    for _ in range(2):
        await contacts.claim(sql, ana, anita, "claimed", "customer", detail="says so")  # type: ignore[arg-type]
    (waiting,) = (await contacts.show(sql, ana)).claims  # type: ignore[arg-type]
    async with sql.transaction():
        assert await contacts.decide(sql, waiting.id, "berta", is_confirmed=False) is None
    assert {row[1] for row in await _identities(sql)} == {ana, anita}
    await contacts.claim(sql, anita, ana, "claimed", "customer")  # type: ignore[arg-type]
    (waiting,) = (await contacts.show(sql, ana)).claims  # type: ignore[arg-type]
    async with sql.transaction():
        assert await contacts.decide(sql, waiting.id, "berta", is_confirmed=True) is not None
    assert {row[1] for row in await _identities(sql)} == {anita}
    with pytest.raises(LookupError):
        await contacts.decide(sql, waiting.id, "berta", is_confirmed=True)


async def test_a_further_address_of_a_merged_person_comes_to_the_kept_contact_and_goes_back(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(respond=False)
    await one.accept(wrote("B1", person="visitor", name="V"))
    await one.accept(wrote("B2", name="Kept"))
    visitor, kept = [await sql.fetchval("SELECT id FROM contact WHERE name = $1", name) for name in ("V", "Kept")]
    async with sql.transaction():
        merge_id = await contacts.merge(sql, kept, visitor, "verified", "test")
    assert merge_id is not None
    await one.accept(wrote("B3", person="visitor"))
    assert {row[1] for row in await _identities(sql)} == {kept}
    async with sql.transaction():
        await contacts.unmerge(sql, merge_id, "test")
    owners = dict(await sql.fetch("SELECT recipient, contact_id FROM address"))
    assert owners == {"B1": visitor, "B2": kept, "B3": visitor}


class Truth:
    """A model that knows who really writes: people with a lasting name, and numbers that pass from one to another."""

    def __init__(self) -> None:
        self.owner: dict[str, str] = {}

    def speaker(self, lasting: str, phone: str) -> str:
        """Who wrote, as far as anybody can tell: the lasting name, else the number's last owner, else the number."""
        if lasting:
            if phone:
                self.owner[phone] = lasting
            return lasting
        return self.owner.get(phone, phone)


step = st.tuples(st.sampled_from(["", "B1", "B2", "B3"]), st.sampled_from(["", "P1", "P2"]), st.integers(0, 2)).filter(
    lambda drawn: drawn[0] or drawn[1]  # type: ignore[arg-type,return-value]
)


@given(st.lists(st.lists(step, min_size=1, max_size=4), min_size=1, max_size=6))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_never_two_people_in_one_conversation_never_one_address_in_two(
    identity_world: IdentityWorld, webhooks: list[list[tuple[str, str, int]]]
) -> None:
    identity_world.play(webhooks)


class IdentityWorld:
    """Two processes whose memories differ, and one database for all examples."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._runner = asyncio.Runner()
        self._examples = itertools.count(1)

    def __enter__(self) -> Self:
        self._runner.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._close())
        self._runner.close()

    async def _open(self) -> None:
        self._stack = AsyncExitStack()
        self.processes = [
            await self._stack.enter_async_context(process(self._dsn, name, None, None, {"respond": False}))
            for name in ("one", "two")
        ]
        self.sql = await asyncpg.connect(self._dsn)

    async def _close(self) -> None:
        await self.sql.close()
        await self._stack.aclose()

    def play(self, webhooks: list[list[tuple[str, str, int]]]) -> None:
        self._runner.run(self._play(f"x{next(self._examples)}-", webhooks))

    async def _play(self, prefix: str, webhooks: list[list[tuple[str, str, int]]]) -> None:
        truth, spoken = Truth(), []
        for webhook in webhooks:
            events = []
            for lasting, phone, _ in webhook:
                event = wrote(lasting and prefix + lasting, phone and prefix + phone)
                spoken.append((event.provider_message_id, truth.speaker(lasting, phone)))
                events.append(event)
            await self.processes[webhook[0][2] % 2].accept(*events)
        rows = await self.sql.fetch(
            "SELECT provider_message_id, conversation_id FROM provider_ref WHERE provider_message_id = ANY($1::text[])",
            [ref for ref, _ in spoken],
        )
        place = dict(rows)
        assert len(place) == len(spoken), "nothing is lost or doubled"
        lasting_in: dict[object, set[str]] = {}
        for ref, speaker in spoken:
            if speaker.startswith("B"):
                lasting_in.setdefault(place[ref], set()).add(speaker)
        assert all(len(people) == 1 for people in lasting_in.values()), "two people in one conversation"
        names_of: dict[str, set[object]] = {}
        for ref, speaker in spoken:
            if speaker.startswith("B"):
                names_of.setdefault(speaker, set()).add(place[ref])
        assert all(len(found) == 1 for found in names_of.values()), "one address in two conversations"
        dangling = await self.sql.fetchval(
            "SELECT count(*) FROM address_alias a LEFT JOIN conversation c ON c.id = a.conversation_id"
            " AND c.address_id = a.address_id WHERE c.id IS NULL"
        )
        assert dangling == 0


@pytest.fixture
def identity_world(dsn: str) -> Iterator[IdentityWorld]:
    with IdentityWorld(dsn) as world:
        yield world
