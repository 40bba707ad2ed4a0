"""What was not understood is collected once, redacted, of those who agreed, and forgotten when it is time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from desk_world import Case, World

from config.settings import LearningSettings, load_settings
from gateway.app.learning import Collector, DriftWatch, may_learn
from gateway.core.clock import SystemClock
from gateway.core.events import EventKind
from gateway.core.ids import new_id
from gateway.core.metrics import Metrics
from gateway.core.turns import Candidate, Resolution
from gateway.store import consent, contacts, learning
from gateway.store.database import Database
from gateway.store.learning import DayCount, OpenText
from nlp.learning.vocabulary import Vocabulary

pytestmark = pytest.mark.system

UNKNOWN = Resolution(link="none", candidates=(Candidate("bill", 0.2),), reason="not understood", language="es")
FOREIGN = msgspec.structs.replace(UNKNOWN, reason="out of scope")
ASKED = msgspec.structs.replace(UNKNOWN, link="clarify", reason="asked which was meant")
CHOSE = Resolution(link="clarify", intent="bill", confidence=1.0)
KNOWN = Resolution(link="intents", intent="bill", confidence=0.9, candidates=(Candidate("bill", 0.9),))
FLOW = Resolution(link="flow", source="claim")
SILENT = Resolution(link="none", reason="control is with agent")
WORDS = Vocabulary(["mi factura llegó mal"])


def settings(**changed: object) -> LearningSettings:
    return load_settings(env={}).learning.model_copy(update={"collect": "all", **changed})


class Happening(World):
    """Also writes the events that the pipeline writes."""

    async def event(self, kind: EventKind, case: Case, subject: UUID, data: str | None = None) -> None:
        await self._insert(
            "event", id=new_id(), kind=kind.value, conversation_id=case.conversation, subject=subject, data=data
        )

    async def asks(self, case: Case, text: str, resolution: Resolution) -> None:
        turn = await self.turn(case, text, resolution=resolution)
        await self.event(EventKind.TURN_DECIDED, case, turn)

    async def agent_says(self, case: Case, text: str) -> None:
        position = await self.says(case, text, "agent", agent="Ana")
        found = await self.connection.fetchval(
            "SELECT id FROM message WHERE conversation_id = $1 AND position = $2", case.conversation, position
        )
        await self.event(EventKind.MESSAGE_SENT, case, found)

    async def agrees(self, case: Case, *, yes: bool, scope: consent.Scope = "learning") -> None:
        await consent.change(
            self.connection,
            case.conversation,
            is_opted_in=yes,
            scope=scope,
            source="api",
            evidence="form 7",
            at=datetime.now(UTC),
        )


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    opened = Database(dsn)
    yield opened
    await opened.close()


@pytest.fixture
async def world(dsn: str) -> AsyncIterator[Happening]:
    connection = await asyncpg.connect(dsn)
    yield Happening(connection)
    await connection.close()


def collector(database: Database, metrics: Metrics | None = None, **changed: object) -> Collector:
    return Collector(settings(**changed), database, lambda: WORDS, SystemClock(), metrics or Metrics())


async def collect(database: Database, **changed: object) -> list[OpenText]:
    reader = collector(database, **changed)
    while await reader.step():
        pass
    return await kept(database)


async def kept(database: Database) -> list[OpenText]:
    async with database.lane().transaction() as connection:
        return await learning.open_texts(connection, limit=100)


async def test_a_text_that_nobody_understood_is_kept_redacted_and_counted_once(
    database: Database, world: Happening
) -> None:
    marta, luis = await world.conversation("Marta Ríos"), await world.conversation("Luis Gil")
    await world.asks(marta, "soy Marta, ¿arreglan pantallas? 600 123 456", UNKNOWN)
    await world.asks(luis, "Soy Luis, ¿arreglan   pantallas?   600 999 999", FOREIGN)
    [text] = await collect(database)
    assert text.text == "soy X, ¿arreglan pantallas? 000 000 000"
    assert (text.times, text.reasons) == (2, ("unresolved",))
    assert await collect(database) == [text]


async def test_what_was_understood_or_answered_a_question_is_not_kept(database: Database, world: Happening) -> None:
    case = await world.conversation()
    await world.asks(case, "mi factura", KNOWN)
    await world.asks(case, "calle Mayor 3", FLOW)
    await world.asks(case, "12345678Z", UNKNOWN)
    await world.asks(case, "👍", UNKNOWN)
    assert await collect(database) == []


async def test_a_choice_tells_what_the_text_before_had_meant(database: Database, world: Happening) -> None:
    case = await world.conversation()
    await world.asks(case, "lo que me cobraron", ASKED)
    [text] = await collect(database)
    assert (text.reasons, text.chosen) == (("unclear",), "")
    await world.asks(case, "Mi factura", CHOSE)
    [text] = await collect(database)
    assert (text.text, text.reasons, text.chosen) == ("lo que me cobraron", ("clarified",), "bill")


async def test_the_first_answer_of_an_agent_stands_beside_what_was_asked(database: Database, world: Happening) -> None:
    case = await world.conversation("Marta Ríos", reason="asked", agent="Ana")
    await world.asks(case, "la tele no prende", SILENT)
    await world.says(case, "Le atiende Ana", "system")
    await world.agent_says(case, "Hola Marta, apague y encienda el equipo")
    await world.asks(case, "gracias, ya anda", SILENT)
    await world.agent_says(case, "Con gusto")
    [text] = await collect(database)
    assert (text.text, text.reasons) == ("la tele no prende", ("agent",))
    assert text.answer == "Hola X, apague y encienda el equipo"


async def test_without_a_word_on_it_nothing_is_kept_by_default(database: Database, world: Happening) -> None:
    silent, willing, unwilling = [await world.conversation(name) for name in ("A", "B", "C")]
    await world.agrees(willing, yes=True)
    await world.agrees(unwilling, yes=False)
    for number, case in enumerate((silent, willing, unwilling)):
        await world.asks(case, f"pregunta {'abc'[number]}{'abc'[number]}", UNKNOWN)
    assert load_settings(env={}).learning.collect == "consented"
    assert [text.text for text in await collect(database, collect="consented")] == ["pregunta bb"]


async def test_a_yes_holds_for_what_is_said_from_then_on(database: Database, world: Happening) -> None:
    case = await world.conversation()
    await world.asks(case, "pregunta de antes", UNKNOWN)
    await world.agrees(case, yes=True)
    await world.asks(case, "pregunta de después", UNKNOWN)
    assert [text.text for text in await collect(database, collect="consented")] == ["pregunta de después"]


async def test_an_answer_goes_with_the_person_that_it_was_given_to(database: Database, world: Happening) -> None:
    one = await world.conversation("Marta Ríos", reason="asked", agent="Ana")
    other = await world.conversation("Luis Gil")
    await world.asks(one, "la tele no prende", SILENT)
    await world.agent_says(one, "Su deuda impide la conexión")
    await world.asks(other, "La tele no prende", UNKNOWN)
    assert [text.answer for text in await collect(database)] == ["Su deuda impide la conexión"]
    await world.agrees(one, yes=False)
    [text] = await collect(database)
    assert (text.times, text.answer) == (1, "")


async def test_nobody_who_said_no_or_asked_for_silence_is_learnt_from(database: Database, world: Happening) -> None:
    unwilling, silenced = await world.conversation("A"), await world.conversation("B")
    await world.agrees(unwilling, yes=False)
    await world.agrees(silenced, yes=False, scope="all")
    await world.asks(unwilling, "pregunta una", UNKNOWN)
    await world.asks(silenced, "pregunta dos", UNKNOWN)
    assert await collect(database) == []


async def test_agreeing_to_be_learnt_from_is_no_agreement_to_be_written_to(
    database: Database, world: Happening
) -> None:
    case = await world.conversation()
    await world.agrees(case, yes=True)
    async with database.begin() as connection:
        standing = await consent.standing(connection, case.conversation)
    assert not any((standing.is_opted_in, standing.is_marketing_in, standing.is_opted_out))


async def test_who_withdraws_is_forgotten_and_what_others_said_too_stays(database: Database, world: Happening) -> None:
    one, other = await world.conversation("A"), await world.conversation("B")
    for case in (one, other):
        await world.asks(case, "arreglan pantallas", UNKNOWN)
    await world.asks(one, "y teclados", UNKNOWN)
    assert len(await collect(database)) == 2
    await world.agrees(one, yes=False, scope="marketing")
    assert len(await collect(database)) == 2
    await world.agrees(one, yes=False)
    [text] = await collect(database)
    assert (text.text, text.times) == ("arreglan pantallas", 1)


async def test_a_no_said_on_one_channel_counts_on_all_after_a_merge(database: Database, world: Happening) -> None:
    phone, web = await world.conversation("Marta"), await world.conversation("Marta")
    await world.agrees(phone, yes=False)
    ids = [
        await world.connection.fetchval("SELECT contact_id FROM conversation WHERE id = $1", each.conversation)
        for each in (web, phone)
    ]
    await contacts.merge(world.connection, ids[0], ids[1], "verified", "tests")
    await world.asks(web, "pregunta una", UNKNOWN)
    assert await collect(database) == []


@pytest.mark.parametrize(
    ("collect", "agreed", "is_out", "may"),
    [
        ("never", True, False, False),
        ("consented", True, False, True),
        ("consented", None, False, False),
        ("consented", True, True, False),
        ("all", None, False, True),
        ("all", False, False, False),
        ("all", None, True, False),
    ],
)
def test_the_rule_of_consent(collect: str, agreed: bool | None, is_out: bool, may: bool) -> None:
    assert may_learn(collect, agreed, is_opted_out=is_out) is may


async def test_an_event_of_a_transaction_that_still_runs_is_not_passed_over(
    database: Database, world: Happening, dsn: str
) -> None:
    late = await world.conversation("Tarde")
    slow = Happening(await asyncpg.connect(dsn))
    transaction = slow.connection.transaction()
    await transaction.start()
    await slow.asks(late, "pregunta tardía", UNKNOWN)
    await world.asks(await world.conversation(), "pregunta temprana", UNKNOWN)
    assert await collect(database) == []
    await transaction.commit()
    await slow.connection.close()
    assert {text.text for text in await collect(database)} == {"pregunta tardía", "pregunta temprana"}


async def test_two_processes_count_each_turn_once(database: Database, world: Happening) -> None:
    case = await world.conversation()
    await world.asks(case, "mi factura", KNOWN)
    one, other = collector(database), collector(database)
    async with one._lane.transaction() as connection:
        assert await learning.take(connection) is not None
        assert await other.step() is False
    await one.step()
    await other.step()
    async with database.lane().transaction() as connection:
        [day] = await learning.days(connection, datetime.now(UTC).date() - timedelta(days=2))
    assert (day.intent, day.turns, day.words, day.unseen) == ("bill", 1, 2, 0)
    assert day.confidence == pytest.approx(0.9)


async def test_what_was_decided_is_gone_and_not_asked_again(database: Database, world: Happening) -> None:
    case = await world.conversation()
    await world.asks(case, "arreglan pantallas", UNKNOWN)
    [text] = await collect(database)
    async with database.lane().transaction() as connection:
        await learning.decide(connection, [text.key], "accepted", "repairs", "ana")
    await world.asks(case, "Arreglan pantallas", UNKNOWN)
    assert await collect(database) == []
    row = await world.connection.fetchrow("SELECT text, decision, label, by FROM learning_text")
    assert tuple(row or ()) == ("", "accepted", "repairs", "ana")
    assert await world.connection.fetchval("SELECT count(*) FROM learning_source") == 0


async def test_texts_are_forgotten_in_time_and_the_rarest_beyond_the_bound(
    database: Database, world: Happening
) -> None:
    case = await world.conversation()
    for text in ("vieja pregunta", "rara pregunta", "frecuente pregunta", "frecuente pregunta"):
        await world.asks(case, text, UNKNOWN)
    await collect(database)
    await world.connection.execute(
        """UPDATE learning_source SET at = now() - interval '91 days'
           WHERE key = (SELECT key FROM learning_text WHERE text = 'vieja pregunta')"""
    )
    await DriftWatch(settings(max_texts=1), database, SystemClock(), Metrics()).step()
    assert [text.text for text in await kept(database)] == ["frecuente pregunta"]
    assert await world.connection.fetchval("SELECT count(*) FROM learning_text") == 1


async def test_texts_older_than_they_are_kept_are_not_even_taken(database: Database, world: Happening) -> None:
    case = await world.conversation()
    await world.asks(case, "pregunta antigua", UNKNOWN)
    await world.connection.execute("UPDATE turn SET at = now() - interval '91 days'")
    assert await collect(database) == []


async def fill(database: Database, *counts: tuple[int, str, int, float]) -> None:
    """Turns so many days ago, by intent, with their mean confidence."""
    today = datetime.now(UTC).date()
    async with database.lane().transaction() as connection:
        for ago, intent, turns, confidence in counts:
            day = today - timedelta(days=ago)
            one = DayCount(day=day, intent=intent, turns=turns, confidence=turns * confidence, words=turns, unseen=0)
            await learning.count(connection, [one])


class Trainer:
    def __init__(self) -> None:
        self.why: list[str] = []

    async def train_and_shadow(self, why: str) -> None:
        self.why.append(why)


async def drift_events(world: Happening) -> list[Any]:
    rows = await world.connection.fetch("SELECT data FROM event WHERE kind = 'understanding_drifted' ORDER BY id")
    return [msgspec.json.decode(row["data"]) for row in rows]


async def test_drift_is_told_once_by_one_process_and_trains_only_where_allowed(
    database: Database, world: Happening
) -> None:
    await fill(database, (20, "bill", 500, 0.9), (1, "outage", 400, 0.9), (1, "", 100, 0.2))
    trainer, idle = Trainer(), Trainer()
    metrics = Metrics()
    watch = DriftWatch(settings(train_on_drift=True), database, SystemClock(), metrics, trainer)
    other = DriftWatch(settings(train_on_drift=True), database, SystemClock(), Metrics(), idle)
    await watch.step()
    await other.step()
    assert await drift_events(world) == [{"drifted": ["stability", "out_of_scope"]}]
    assert trainer.why == ["drift: stability, out_of_scope"]
    assert idle.why == []
    value = metrics.registry.get_sample_value("tertulia_understanding_drift", {"measure": "out_of_scope"})
    assert value == pytest.approx(0.2)
    await world.connection.execute("UPDATE learning_reader SET due_at = now()")
    await other.step()
    assert len(await drift_events(world)) == 1
    assert idle.why == []
    assert await world.connection.fetchval("SELECT count(*) FROM drift_reading") == 2


async def test_drift_trains_nothing_unless_the_author_allowed_it(database: Database, world: Happening) -> None:
    await fill(database, (20, "bill", 500, 0.9), (1, "outage", 500, 0.9))
    trainer = Trainer()
    await DriftWatch(settings(), database, SystemClock(), Metrics(), trainer).step()
    assert len(await drift_events(world)) == 1
    assert trainer.why == []
