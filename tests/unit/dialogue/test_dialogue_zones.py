"""Days and times are those of the contact's own zone, around midnight and when clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from talking import Customer, Oracle

from config.bot import load_bot
from gateway.dialogue import Dialogue
from gateway.dialogue.state import read_state
from nlp.language import LanguageDetector

FILES = {
    "bot.yaml": "name: Citas\nlanguages: [es]\ntime_zone: America/Bogota\nchain: [commands, flow, intents, handoff]\n",
    "nlu/all.yml": "nlu:\n- intent: book\n  examples: |\n    - quiero una cita\n",
    "replies/all.yml": """
responses:
  utter_default: [{text: "¿Cómo?"}]
  utter_handoff: [{text: "Ya viene alguien."}]
  utter_expired_choice: [{text: "Ya pasó."}]
  utter_flow_cancelled: [{text: "Dejado."}]
  utter_media_received: [{text: "Solo leo."}]
  utter_ask_day: [{text: "¿Qué día?"}]
  utter_ask_sure: [{text: "¿Seguro?"}]
""",
    "flows/book.yml": """
flows:
  book:
    nlu_trigger: [book]
    steps:
      - collect: day
        validate: {type: date, min: 0, max: 60}
      - collect: sure
        ask_before_filling: true
        validate: {type: yes_no}
""",
}
ZONES = ("America/Bogota", "Pacific/Kiritimati", "Pacific/Apia", "Europe/Madrid", "America/New_York", "Asia/Kolkata")


@pytest.fixture(scope="module")
def dialogue(tmp_path_factory: pytest.TempPathFactory) -> Dialogue:
    folder: Path = tmp_path_factory.mktemp("zones")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    bot = load_bot(folder)
    return Dialogue(bot, Oracle({"quiero una cita": {"book": 0.95}}), LanguageDetector(("es",)))


async def day_of(dialogue: Dialogue, answer: str, now: datetime, zone: str) -> object:
    customer = Customer(dialogue, now=now, time_zone=zone)
    await customer.says("quiero una cita")
    outcome = await customer.says(answer)
    state, _ = read_state(outcome.state, dialogue._bot, 0)
    return state.slots.get("day")


async def found(dialogue: Dialogue, text: str, now: datetime, zone: str) -> str:
    outcome = await Customer(dialogue, now=now, time_zone=zone).says(text)
    (entity,) = (each for each in outcome.resolution.entities if each.kind == "datetime")
    return entity.value


@pytest.mark.parametrize(
    ("now", "zone", "day"),
    [
        (datetime(2026, 11, 21, 4, 59, 59, tzinfo=UTC), "", "2026-11-21"),  # 23:59:59 of the 20th in Bogotá
        (datetime(2026, 11, 21, 5, 0, tzinfo=UTC), "", "2026-11-22"),
        (datetime(2026, 11, 21, 4, 59, 59, tzinfo=UTC), "Europe/Madrid", "2026-11-22"),
        (datetime(2026, 11, 20, 22, 59, 59, tzinfo=UTC), "Europe/Madrid", "2026-11-21"),
        (datetime(2026, 11, 20, 23, 0, tzinfo=UTC), "Europe/Madrid", "2026-11-22"),
        (datetime(2026, 11, 21, 4, 59, 59, tzinfo=UTC), "Nowhere/At_All", "2026-11-21"),  # the bot's own then
    ],
)
async def test_tomorrow_is_the_contacts_own(dialogue: Dialogue, now: datetime, zone: str, day: str) -> None:
    assert await day_of(dialogue, "mañana", now, zone) == day


@pytest.mark.parametrize(
    ("now", "zone", "value"),
    [
        (datetime(2026, 11, 20, 15, 0, tzinfo=UTC), "", "2026-11-21T17:00-05:00"),
        (datetime(2026, 11, 20, 15, 0, tzinfo=UTC), "Europe/Madrid", "2026-11-21T17:00+01:00"),
        (datetime(2026, 11, 20, 23, 30, tzinfo=UTC), "Europe/Madrid", "2026-11-22T17:00+01:00"),
        # The night in which clocks change: summer time ended on 25 October, and began on 29 March.
        (datetime(2026, 10, 24, 20, 0, tzinfo=UTC), "Europe/Madrid", "2026-10-25T17:00+01:00"),
        (datetime(2026, 10, 23, 20, 0, tzinfo=UTC), "Europe/Madrid", "2026-10-24T17:00+02:00"),
        (datetime(2026, 3, 28, 20, 0, tzinfo=UTC), "Europe/Madrid", "2026-03-29T17:00+02:00"),
        (datetime(2026, 3, 7, 20, 0, tzinfo=UTC), "America/New_York", "2026-03-08T17:00-04:00"),
    ],
)
async def test_a_time_is_that_of_the_contacts_clock(dialogue: Dialogue, now: datetime, zone: str, value: str) -> None:
    assert await found(dialogue, "mañana a las 5 de la tarde", now, zone) == value


async def test_five_without_more_is_a_time_of_the_contacts_own_day(dialogue: Dialogue) -> None:
    value = await found(dialogue, "mañana a las 5", datetime(2026, 11, 20, 23, 30, tzinfo=UTC), "Europe/Madrid")
    assert datetime.fromisoformat(value).replace(tzinfo=None) in {
        datetime(2026, 11, 22, 5),  # noqa: DTZ001 - the clock on the wall
        datetime(2026, 11, 22, 17),  # noqa: DTZ001
    }
    assert value.endswith("+01:00")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 366 * 24 * 12), st.sampled_from(ZONES))
async def test_whatever_the_hour_tomorrow_follows_the_contacts_today(
    dialogue: Dialogue, minutes_5: int, zone: str
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=5 * minutes_5)
    today: date = now.astimezone(ZoneInfo(zone)).date()
    assert await day_of(dialogue, "hoy", now, zone) == str(today)
    assert await day_of(dialogue, "mañana", now, zone) == str(today + timedelta(days=1))
