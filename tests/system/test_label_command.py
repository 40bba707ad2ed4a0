"""``tertulia label`` and ``evaluate``: as people and scripts call them, on a real database."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import typer.testing
from desk_world import World

from gateway.app.cli import app
from gateway.core.ids import ConversationId, new_id
from gateway.store import learning
from gateway.store.learning import NewText
from nlp.training_data import OUT_OF_SCOPE, load_training_data

pytestmark = pytest.mark.system

BOT = """\
name: Taller
languages: [es]
time_zone: America/Bogota
chain: [commands, intents, handoff]
answers:
  hours: utter_hours
  bill: utter_bill
"""

REPLIES = """\
responses:
  utter_hours: [{text: De 9 a 18.}]
  utter_bill: [{text: Su factura.}]
  utter_default: [{text: No entendí.}]
  utter_handoff: [{text: Le paso.}]
  utter_media_received: [{text: Gracias.}]
"""

NLU = """\
nlu:
- intent: hours
  examples: |
    - a qué hora abren
    - horario de atención
    - cuándo cierran
    - abren los domingos
    - están abiertos hoy
- intent: bill
  examples: |
    - mi factura
    - quiero mi factura
    - copia de la factura
    - cuánto debo
    - el recibo de este mes
"""

SAID = (
    ("¿arreglan pantallas?", 3),
    ("arreglan pantallas rotas", 2),
    ("me mandan la factura a casa", 1),
    ("quién ganó el partido", 1),
)

Run = Callable[..., typer.testing.Result]


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    folder = tmp_path / "bot"
    for name, content in {"bot.yaml": BOT, "replies/all.yml": REPLIES, "nlu/all.yml": NLU}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def run(tmp_path: Path, bot: Path, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("TERTULIA__DATABASE__URL", dsn)
    monkeypatch.setenv("TERTULIA__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TERTULIA__BOT__PATH", str(bot))
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments: str, typed: str = "", code: int = 0) -> typer.testing.Result:
        result = typer.testing.CliRunner().invoke(app, list(arguments), input=typed)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return call


@pytest.fixture
def waiting(dsn: str) -> None:
    asyncio.run(_put(dsn))


async def _put(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    texts = [
        NewText(
            conversation_id=ConversationId(new_id()),
            seq=1,
            normal=text,
            text=text,
            language="es",
            reason="unresolved",
            at=datetime.now(UTC),
        )
        for text, times in SAID
        for _ in range(times)
    ]
    await learning.add(connection, texts)
    await connection.close()


def left(run: Run) -> set[str]:
    """The texts that still wait."""
    groups = json.loads(run("label", "--json").stdout)
    return {text["text"] for group in groups for text in group["texts"]}


def learnt(bot: Path) -> dict[str, str]:
    data = load_training_data(bot, ("es",))
    return {each.text: each.intent for each in (*data.examples, *data.outside) if each.file.endswith("learned.yml")}


@pytest.mark.usefixtures("waiting")
def test_a_review_by_pipe_writes_what_was_accepted_and_the_rest_comes_again(run: Run, bot: Path) -> None:
    before = (bot / "nlu" / "all.yml").read_bytes()
    result = run("label", typed="n repairs\nq\n")
    assert "2 examples of repairs" in result.stdout
    assert learnt(bot) == {"¿arreglan pantallas?": "repairs", "arreglan pantallas rotas": "repairs"}
    assert left(run) == {"me mandan la factura a casa", "quién ganó el partido"}
    assert (bot / "nlu" / "all.yml").read_bytes() == before
    run("label", typed="bil\no\n")
    assert learnt(bot) == {
        "¿arreglan pantallas?": "repairs",
        "arreglan pantallas rotas": "repairs",
        "me mandan la factura a casa": "bill",
        "quién ganó el partido": OUT_OF_SCOPE,
    }
    assert left(run) == set()
    assert "Nothing waits" in run("label").stdout


@pytest.mark.usefixtures("waiting")
def test_what_is_left_out_skipped_or_misspelt_stays(run: Run, bot: Path) -> None:
    result = run("label", typed="- 2\nn repairs\nbilll!\ns\nd\n")
    assert "no intent billl!" in result.stdout
    assert list(learnt(bot).values()) == ["repairs"]
    assert left(run) == {"arreglan pantallas rotas", "me mandan la factura a casa"}


@pytest.mark.usefixtures("waiting")
def test_what_the_folder_has_is_not_written_twice(run: Run, bot: Path, dsn: str) -> None:
    run("label", typed="n repairs\nq\n")
    once = (bot / "nlu" / "learned.yml").read_bytes()

    async def forget_decisions() -> None:  # as after a kill between the file and the database
        connection = await asyncpg.connect(dsn)
        await connection.execute("DELETE FROM learning_text WHERE decision <> ''")
        await connection.close()
        await _put(dsn)

    asyncio.run(forget_decisions())
    result = run("label", typed="repairs\nq\n")
    assert "was not added" in result.stdout
    assert (bot / "nlu" / "learned.yml").read_bytes() == once
    assert "arreglan pantallas rotas" not in left(run)


@pytest.mark.usefixtures("waiting")
def test_groups_are_listed_as_json_and_exported_for_another_tool(run: Run, tmp_path: Path) -> None:
    groups = json.loads(run("label", "--json").stdout)
    assert [group["times"] for group in groups] == [5, 1, 1]
    assert groups[0]["texts"][0]["reasons"] == ["unresolved"]
    assert any(near["intent"] == "bill" for group in groups for near in group["nearest"])
    run("label", "--export", str(tmp_path / "review.csv"))
    with (tmp_path / "review.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["text"] for row in rows} == {text for text, _ in SAID}
    run("label", "--export", str(tmp_path / "review.jsonl"))
    assert len((tmp_path / "review.jsonl").read_bytes().splitlines()) == len(SAID)
    run("label", "--export", str(tmp_path / "review.xlsx"), code=2)


@pytest.mark.usefixtures("waiting")
def test_the_sample_bot_is_not_taught(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERTULIA__BOT__PATH", "")
    assert "copy it" in run("label", typed="o\n", code=2).stderr


def test_evaluation_ends_with_an_error_when_a_limit_does_not_hold(run: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    result = run("evaluate", "--quick", "--folds", "2", "--junit", str(report), "--min-accuracy", "1", code=1)
    assert "of 100 texts are understood" in result.stdout
    assert "accuracy:" in result.stderr
    assert 'failures="1"' in report.read_text(encoding="utf-8")
    found = json.loads(run("evaluate", "--quick", "--folds", "2", "--json").stdout)
    assert (found["method"], found["texts"]) == ("cross-validation", 10)


def test_a_file_of_tests_is_judged_by_the_model_that_is_named(run: Run, bot: Path, tmp_path: Path) -> None:
    tests = tmp_path / "tests.csv"
    tests.write_text("text,intent\nhorario de hoy,hours\nla factura,bill\nreceta de pan,oos\n", encoding="utf-8")
    assert "tertulia train" in run("evaluate", "--test", str(tests), code=2).stderr
    run("train", "--quick", "--promote")
    found = json.loads(run("evaluate", "--test", str(tests), "--json").stdout)
    assert (found["method"], found["model"], found["texts"]) == ("test file", "v0001", 2)
    assert found["scope"]["outside"] == 1
    assert json.loads(run("evaluate", "--test", str(tests), "--model", "v0001", "--json").stdout)["model"] == "v0001"
    assert "has learnt from" in run("evaluate", "--model", "v0001", code=2).stderr
    shutil.rmtree(bot / "nlu")
    run("evaluate", code=2)


def test_drift_is_told_as_a_table_and_as_json(run: Run, dsn: str) -> None:
    assert "Too few turns" in run("evaluate", "--drift").stdout

    async def fill() -> None:
        connection = await asyncpg.connect(dsn)
        for ago, intent, turns in ((10, "bill", 400), (1, "bill", 100), (1, "hours", 300)):
            await connection.execute(
                """INSERT INTO understanding_day (day, intent, turns, confidence, words, unseen)
                   VALUES ((now() AT TIME ZONE 'UTC')::date - $1::int, $2, $3::int, $3::int * 0.9::float8,
                           $3::int, 0)""",
                ago,
                intent,
                turns,
            )
        await connection.close()

    asyncio.run(fill())
    told = run("evaluate", "--drift").stdout
    assert "Customers' words have moved: share of intents." in told
    assert "hours" in told
    found = json.loads(run("evaluate", "--drift", "--json").stdout)
    assert found["drifted"] == ["stability"]
    assert found["now"]["shares"] == {"bill": 0.25, "hours": 0.75}


def test_a_persons_word_on_learning_is_written_down_with_its_evidence(run: Run, dsn: str) -> None:
    async def person() -> tuple[UUID, UUID]:
        world = World(await asyncpg.connect(dsn))
        case = await world.conversation("Marta")
        contact = await world.connection.fetchval(
            "SELECT contact_id FROM conversation WHERE id = $1", case.conversation
        )
        await world.connection.close()
        return contact, case.conversation

    async def ledger() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(dsn)
        rows = await connection.fetch("SELECT scope, is_opted_in, source, evidence FROM consent ORDER BY recorded_at")
        await connection.close()
        return [tuple(row) for row in rows]

    contact, _ = asyncio.run(person())
    run("contacts", "learning", str(contact), "--by", "Berta", "--evidence", "form 7")
    run("contacts", "learning", str(contact), "--by", "Berta", "--evidence", "call of May 2", "--refuse")
    run("contacts", "learning", str(contact), "--by", "Berta", "--evidence", " ", code=1)
    assert asyncio.run(ledger()) == [
        ("learning", True, "command, Berta", "form 7"),
        ("learning", False, "command, Berta", "call of May 2"),
    ]
