"""The bot knows its intents from whatever format their examples have."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from config.bot import check_bot, load_bot
from config.bot_model import GoTo

ECHO = Path(__file__).parents[2] / "bots" / "echo"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ECHO, tmp_path / "bot"))


def put(folder: Path, name: str, content: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def test_intents_of_tables_are_known_and_what_is_out_of_scope_is_none_of_them(folder: Path) -> None:
    put(folder, "nlu/more.csv", "label,text\nprice,how much\nnothing,oos\noos,how is the weather\n")
    put(folder, "nlu/rest.jsonl", '{"text": "open?", "intent": "hours"}\n{"text": "x", "intent": null}\n')
    put(folder, "nlu/out.yml", "nlu:\n- intent: out_of_scope\n  examples: |\n    - sing a song\n")
    assert load_bot(folder).intents == {"greet", "goodbye", "price", "nothing", "hours"}
    assert [(each.file, each.line) for each in check_bot(folder)] == [
        ("nlu/more.csv", 2),
        ("nlu/more.csv", 3),
        ("nlu/rest.jsonl", 1),
    ]
    assert all("nothing answers the intent" in each.what for each in check_bot(folder))


def test_retrieval_intents_are_answered_by_the_replies_that_rasa_names_so(folder: Path) -> None:
    put(folder, "nlu/faq.yml", "nlu:\n- intent: faq/hours\n  examples: |\n    - when do you open\n")
    put(folder, "replies/faq.yml", "responses:\n  utter_faq/hours:\n    - text: Always.\n")
    assert check_bot(folder) == []
    assert load_bot(folder).answers["faq/hours"] == GoTo("reply", "utter_faq/hours")


def test_the_examples_of_tasks_are_part_of_the_bots_version(folder: Path) -> None:
    before = load_bot(folder).version
    put(folder, "tasks/topic/a.csv", "text,label\nx,y\n")
    assert load_bot(folder).version != before
    assert load_bot(folder).intents == {"greet", "goodbye"}


def test_a_folder_with_tables_alone_holds_intents(folder: Path) -> None:
    (folder / "nlu/en.yml").unlink()
    put(folder, "nlu/a.csv", "text,intent\nhi,greet\nbye,goodbye\n")
    assert check_bot(folder) == []
    (folder / "nlu/a.csv").unlink()
    assert "holds no intents" in "\n".join(map(str, check_bot(folder)))
