"""Whose clock a turn goes by: what was told, else the browser's, else the country of the number, by every way to it."""

from __future__ import annotations

import asyncpg
from paper_provider import T0
from pipeline_process import Process, StartProcess

from gateway.core.ids import ContactId
from gateway.core.inbound import AddressKey, Profile, Received
from gateway.core.messages import Text
from gateway.core.zones import ZONE_HINT
from gateway.store import contacts


def wrote(
    number: int, address: AddressKey, *aliases: AddressKey, person: str = "", details: dict[str, str] | None = None
) -> Received:
    return Received(
        event_key=f"m{number}",
        at=T0,
        address=address,
        aliases=aliases,
        provider_message_id=f"in-{number}",
        parts=(Text("mañana a las 5"),),
        person=person,
        profile=Profile(name="ana", details=details or {}),
    )


def phone(value: str) -> AddressKey:
    return AddressKey("phone", value)


async def zone_of_turn(process: Process, event: Received) -> str:
    await process.accept(event)
    await process.finish()
    return process.bot.turns[-1].time_zone


async def test_a_numbers_country_hints_where_it_has_one_zone(start: StartProcess) -> None:
    one = await start()
    assert await zone_of_turn(one, wrote(1, phone("573005550142"))) == "America/Bogota"
    assert await zone_of_turn(one, wrote(2, AddressKey("bsuid", "B1"), phone("+51999888777"))) == "America/Lima"
    assert await zone_of_turn(one, wrote(3, phone("34600111222"))) == ""
    assert await zone_of_turn(one, wrote(4, AddressKey("chat", "573005550142"))) == ""  # an id, no number


async def test_the_browser_knows_better_than_the_number_and_the_company_best(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    told = {ZONE_HINT: "Europe/Madrid"}
    assert await zone_of_turn(one, wrote(1, phone("573005550142"), details=told)) == "Europe/Madrid"
    await _tell(sql, "Asia/Tokyo")
    assert await zone_of_turn(one, wrote(2, phone("573005550142"), details=told)) == "Asia/Tokyo"
    await _tell(sql, "")
    assert await zone_of_turn(one, wrote(3, phone("573005550142"), details=told)) == "Europe/Madrid"


async def test_another_process_that_takes_the_conversation_over_knows_it_too(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one, two = await start("one", respond=False), await start("two")
    await one.accept(wrote(1, phone("573005550142")))
    await one.idle()
    await _tell(sql, "Asia/Tokyo")
    await two.pipeline.respond.sweep()
    await two.finish()
    assert [turn.time_zone for turn in two.bot.turns] == ["Asia/Tokyo"]


async def test_somebodys_further_conversation_begins_with_what_is_known(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    assert await zone_of_turn(one, wrote(1, AddressKey("visitor", "v/0"), person="v")) == ""
    await _tell(sql, "Asia/Tokyo")
    assert await zone_of_turn(one, wrote(2, AddressKey("visitor", "v/1"), person="v")) == "Asia/Tokyo"


async def _tell(sql: asyncpg.Connection, zone: str) -> None:
    contact = ContactId(await sql.fetchval("SELECT id FROM contact"))
    async with sql.transaction():
        await contacts.set_time_zone(sql, contact, zone)
