"""Through a real gateway: a customer's tomorrow is that of their own clock, told by their browser or by the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import asyncpg
import pytest
from talking_visitor import TalkingVisitor, words
from webchat_gateway import gateway, settings_for

from gateway.store import api_keys
from gateway.store.database import Database

pytestmark = pytest.mark.system

# 25 hours apart, so that their days differ at every moment.
BOTS = "Pacific/Pago_Pago"
THEIRS = "Pacific/Kiritimati"

FILES = {
    "bot.yaml": f"name: Citas\nlanguages: [es]\ntime_zone: {BOTS}\nchain: [commands, flow, intents, handoff]\n",
    "nlu/all.yml": """
nlu:
- intent: book
  examples: |
    - quiero una cita
    - una cita por favor
    - necesito pedir cita
- intent: thanks
  examples: |
    - gracias
    - muchas gracias
    - te lo agradezco
""",
    "replies/all.yml": """
responses:
  utter_default: [{text: "¿Cómo?"}]
  utter_handoff: [{text: "Ya viene alguien."}]
  utter_expired_choice: [{text: "Ya pasó."}]
  utter_flow_cancelled: [{text: "Dejado."}]
  utter_media_received: [{text: "Solo leo."}]
  utter_thanks: [{text: "A ti."}]
  utter_ask_day: [{text: "¿Qué día?"}]
  utter_booked: [{text: "Anotado para {{ slots.day }}."}]
""",
    "flows/book.yml": """
flows:
  book:
    nlu_trigger: [book]
    steps:
      - collect: day
        ask_before_filling: true
        validate: {type: date, min: 0, max: 60}
      - say: utter_booked
""",
}


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    folder = tmp_path / "bot"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def booked(visitor: TalkingVisitor, zone: str) -> None:
    """Ask for tomorrow at five, and see tomorrow's date by that zone's clock."""
    await visitor.says("quiero una cita", "c-1")
    await visitor.sees("¿Qué día?")
    earliest = tomorrow(zone)
    await visitor.says("mañana a las 5", "c-2")
    seen = words(await visitor.sees("Anotado para"))
    assert seen in {f"Anotado para {day}." for day in (earliest, tomorrow(zone))}  # midnight may have passed


def tomorrow(zone: str) -> str:
    return str(datetime.now(ZoneInfo(zone)).date() + timedelta(days=1))


async def test_the_api_tells_whose_clock_it_is(
    http: aiohttp.ClientSession, bot: Path, tmp_path: Path, dsn: str
) -> None:
    database = Database(dsn)
    made = await api_keys.create(database, "crm", ["contacts:write"], [])
    await database.close()
    async with gateway(settings_for(tmp_path / "data", bot=bot), dsn) as url:
        visitor = TalkingVisitor(http, url)
        await visitor.opens(language="es")
        await visitor.connects()
        await visitor.says("gracias", "c-0")
        await visitor.sees("A ti.")
        connection = await asyncpg.connect(dsn)
        contact = await connection.fetchval("SELECT id FROM contact")
        await connection.close()
        headers = {"Authorization": f"Bearer {made.token}"}
        address = f"{url}/api/v1/contacts/{contact}"
        async with http.patch(address, json={"time_zone": THEIRS}, headers=headers) as answer:
            assert (answer.status, (await answer.json())["time_zone"]) == (200, THEIRS)
        await booked(visitor, THEIRS)
        await visitor.leaves()


async def test_a_visitors_browser_tells_whose_clock_it_is(
    http: aiohttp.ClientSession, bot: Path, tmp_path: Path, dsn: str
) -> None:
    async with gateway(settings_for(tmp_path / "data", bot=bot), dsn) as url:
        visitor = TalkingVisitor(http, url)
        await visitor.opens(language="es", time_zone=THEIRS)
        await visitor.connects()
        await booked(visitor, THEIRS)
        await visitor.leaves()
        other = TalkingVisitor(http, url)
        await other.opens(language="es", time_zone="../etc/localtime")
        await other.connects()
        await booked(other, BOTS)
        await other.leaves()
