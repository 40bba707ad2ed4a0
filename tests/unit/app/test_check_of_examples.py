"""``tertulia check`` tells all that is wrong with examples, wherever and in whatever format they stand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.app.cli import app

ECHO = Path(__file__).parents[2] / "bots" / "echo"
LINES = ("how much is it", "the price please", "what does it cost", "is it expensive", "tell me the price")


@pytest.fixture
def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TERTULIA_CONFIG", raising=False)
    monkeypatch.setenv("TERTULIA__BOT__PATH", str(tmp_path / "bot"))
    folder = Path(shutil.copytree(ECHO, tmp_path / "bot"))
    for intent, last in (("greet", "hey there"), ("goodbye", "so long")):
        put(folder, f"nlu/{intent}.csv", f"text,intent\n{last},{intent}\n")
    return folder


def put(folder: Path, name: str, content: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def check() -> tuple[list[tuple[str, str, str]], int]:
    """What is said of the bot's files, and the exit code."""
    result = CliRunner().invoke(app, ["check", "--json"])
    found = [(each["level"], each["what"], each["advice"]) for each in json.loads(result.output)]
    return [each for each in found if each[1].startswith(("nlu", "tasks", "replies", "flows"))], result.exit_code


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("nlu/p.yml", "nlu:\n- intent: price\n  examples: |\n" + "".join(f"    - {line}\n" for line in LINES)),
        ("nlu/p.csv", "text;intent\r\n" + "".join(f"{line};price\r\n" for line in LINES)),
        ("nlu/p.jsonl", "".join(json.dumps({"text": line, "intent": "price"}) + "\n" for line in LINES)),
    ],
)
def test_each_format_is_checked_together_with_the_rest_of_the_bot(bot: Path, name: str, content: str) -> None:
    put(bot, name, content)
    first = {"nlu/p.yml": 2, "nlu/p.csv": 2, "nlu/p.jsonl": 1}[name]
    [(level, place, advice)], code = check()
    assert (level, place, code) == ("warn", f"{name}:{first}", 0)
    assert advice.startswith("nothing answers the intent 'price'")
    put(bot, "replies/p.yml", "responses:\n  utter_price:\n    - text: Ten.\n")
    assert check() == ([], 0)


def test_entities_are_compared_with_what_the_flows_ask_for(bot: Path) -> None:
    flow = (bot / "flows/repeat.yml").read_text()
    put(bot, "nlu/e.yml", "nlu:\n- intent: greet\n  examples: |\n    - I am [Ana](person)\n    - say [x](word)\n")
    put(bot, "flows/repeat.yml", flow.replace("collect: line\n", "collect: line\n        entity: word\n"))
    assert check() == (
        [("warn", "nlu/e.yml:4", "no flow asks for the entity 'person': write 'entity: person' where it is collected")],
        0,
    )
    put(bot, "flows/repeat.yml", flow.replace("collect: line\n", "collect: line\n        entity: wrod\n"))
    [(_, _, untaught), *_] = [each for each in check()[0] if each[1] == "flows"]
    assert untaught.startswith(
        "flow 'repeat', step 'line' asks for the entity 'wrod', which no example, lookup or regex"
    )
    to = "collect: line\n        entity: {name: word, role: to}\n"
    put(bot, "flows/repeat.yml", flow.replace("collect: line\n", to))
    assert [place for _, place, what in check()[0] if "in the role 'to', which no example has" in what] == ["flows"]
    put(bot, "flows/repeat.yml", flow.replace("collect: line\n", "collect: line\n        entity: email\n"))
    assert [place for _, place, _ in check()[0]] == ["nlu/e.yml:4", "nlu/e.yml:5"]


def test_a_regex_that_hangs_is_found(bot: Path) -> None:
    put(bot, "nlu/r.yml", "nlu:\n- regex: line\n  examples: |\n    - (\\d+)+x\n")
    found, code = check()
    assert [(level, place) for level, place, what in found if "takes more than" in what] == [("warn", "nlu/r.yml:4")]
    assert code == 0


def test_tasks_are_checked_too_and_an_error_there_fails_the_check(bot: Path) -> None:
    put(bot, "tasks/topic/a.csv", "text,label\nthe bill,billing\nthe bill,network\n")
    put(bot, "tasks/mood/a.jsonl", "nonsense\n")
    put(bot, "tasks/No Name/a.csv", "text,label\n")
    found, code = check()
    assert code == 1
    assert [(level, place) for level, place, _ in found] == [
        ("bad", "tasks/No Name"), ("bad", "tasks/mood"), ("bad", "tasks/mood/a.jsonl:1"),
        ("warn", "tasks/topic/a.csv:2"), ("warn", "tasks/topic/a.csv:3"), ("warn", "tasks/topic/a.csv:3"),
    ]  # fmt: skip


def test_a_bot_that_cannot_be_loaded_still_hears_of_its_examples(bot: Path) -> None:
    (bot / "replies/replies.yml").unlink()
    put(bot, "nlu/broken.csv", "hello\n")
    found, code = check()
    assert code == 1
    assert ("bad", "nlu/broken.csv:1") in [(level, place) for level, place, _ in found]
