"""``tertulia train`` and ``tertulia models`` as people start them, and the process that trains."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog
from typer.testing import CliRunner, Result

from gateway.app.cli import app
from gateway.core.errors import Misconfigured, TertuliaError
from nlp.models.process import NICE, Order, train_in_process
from nlp.models.versions import ModelPlace, ModelVersions

pytestmark = pytest.mark.system

PLACE = ModelPlace("kiosk")
HELLO = ("hello there", "good morning", "hi friend", "hey you", "greetings to all", "hello again")
BYE = ("goodbye now", "see you later", "farewell", "until tomorrow", "bye bye", "so long")
PLUS = ("great service", "I love it", "well done", "very good")
MINUS = ("awful service", "I hate it", "badly done", "very bad")


def lines(said: tuple[str, ...]) -> str:
    return "".join(f"    - {text}\n" for text in said)


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    folder = tmp_path / "bot"
    for name in ("nlu", "replies", "tests", "tasks/opinion"):
        (folder / name).mkdir(parents=True)
    (folder / "bot.yaml").write_text("name: kiosk\nlanguages: [en]\nchain: [intents]\n")
    texts = "".join(f"  utter_{name}:\n  - text: x\n" for name in ("hello", "bye", "default", "media_received"))
    (folder / "replies/replies.yml").write_text(f"responses:\n{texts}")
    teach(folder, HELLO, BYE)
    (folder / "tests/nlu.csv").write_text("text,intent\nhello friend,hello\ngoodbye friend,bye\nso long now,bye\n")
    rows = [(text, "plus") for text in PLUS] + [(text, "minus") for text in MINUS]
    (folder / "tasks/opinion/texts.csv").write_text("text,label\n" + "".join(f"{t},{label}\n" for t, label in rows))
    return folder


def teach(folder: Path, hello: tuple[str, ...], bye: tuple[str, ...]) -> None:
    said = {"hello": hello, "bye": bye}
    examples = "".join(f"- intent: {name}\n  examples: |\n{lines(texts)}" for name, texts in said.items())
    (folder / "nlu/nlu.yml").write_text(f"nlu:\n{examples}")


class Desk:
    """A shell with settings of its own, without the time that an interpreter takes to start."""

    def __init__(self, folder: Path, bot: Path, dsn: str) -> None:
        self._env = {
            "TERTULIA__DATA_DIR": str(folder / "data"),
            "TERTULIA__BOT__PATH": str(bot),
            "TERTULIA__DATABASE__URL": dsn,
            "COLUMNS": "120",
        }

    def run(self, *arguments: str, code: int = 0) -> Result:
        done = CliRunner().invoke(app, arguments, env=self._env, catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done

    def data(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).stdout)


@pytest.fixture
def desk(tmp_path: Path, bot: Path, dsn: str) -> Iterator[Desk]:
    """Commands set up logging for a process of their own: it is put back."""
    logs, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    yield Desk(tmp_path, bot, dsn)
    structlog.configure(**logs)
    logging.root.handlers[:], logging.root.level = handlers, level


def test_from_training_to_promotion_refusal_and_rollback(desk: Desk, bot: Path) -> None:
    first = desk.data("train", "--promote", "--by", "ana")
    assert (first["version"], first["live"], first["is_promoted"]) == ("v0001", "v0001", True)
    teach(bot, BYE, HELLO)
    refused = desk.data("train", "--promote", code=1)
    assert (refused["version"], refused["live"], refused["is_promoted"]) == ("v0002", "v0001", False)
    assert "is worse on the 3 fixed tests" in refused["figures"]["refusals"][0]
    compared = desk.run("models", "compare", "v0002", code=1).stdout
    assert "fixed tests (3)" in compared
    assert desk.data("models", "promote", "v0002", "--force", "--why", "a try")["previous"] == "v0001"
    states = {row["version"]: row["state"] for row in desk.data("models", "list")}
    assert states == {"v0002": "live", "v0001": "was live"}
    assert desk.data("models", "rollback", "--why", "worse")["live"] == "v0001"
    assert "nothing to roll back to" in desk.run("models", "rollback", code=1).stderr
    history = desk.data("models", "history")
    assert [(each["version"], each["is_forced"], each["undone_why"]) for each in history] == [
        ("v0002", True, "worse"), ("v0001", False, "")
    ]  # fmt: skip
    shown = desk.data("models", "show", "v0001")
    assert (shown["state"], shown["manifest"]["about"]["by"]) == ("live", "ana")
    assert "numpy" in shown["manifest"]["about"]["libraries"]


def test_shadows_unknown_versions_and_other_tasks(desk: Desk) -> None:
    assert "no models yet" in desk.run("models", "list").stdout
    assert desk.data("train", "--quick", "--task", "opinion")["task"] == "opinion"
    assert [row["labels"] for row in desk.data("models", "list", "--task", "opinion")] == [2]
    for arguments in (("promote", "v0007"), ("compare", "v0007"), ("shadow", "start", "v0007")):
        said = desk.run("models", *arguments, code=2).stderr
        assert "v0007" in said
        assert "is not there" in said
    assert "is no version" in desk.run("models", "promote", "../..", code=2).stderr
    assert "no shadow runs" in desk.run("models", "shadow", "show", code=1).stderr
    assert "has no tasks/topic/" in desk.run("train", "--task", "topic", code=2).stderr
    desk.run("models", "promote", "v0001", "--task", "opinion")
    assert (
        "cannot be its own shadow" in desk.run("models", "shadow", "start", "v0001", "--task", "opinion", code=1).stderr
    )


def test_what_is_live_shadowed_or_next_in_a_rollback_is_not_removed(desk: Desk) -> None:
    for _ in range(5):
        desk.run("train", "--quick")
    for version in ("v0001", "v0002"):
        desk.run("models", "promote", version)
    desk.run("models", "shadow", "start", "v0003")
    kept = {"v0001": "needed to roll back to", "v0002": "live", "v0003": "in the shadow"}
    for version, reason in kept.items():
        assert desk.data("models", "remove", version, code=1) == {"removed": [], "kept": {version: reason}}
    assert desk.data("models", "remove", "--keep", "1") == {"removed": ["v0004"], "kept": kept}
    for wrong, said in (((), "name the versions"), (("v0005", "--keep", "1"), "name the versions"), (("v5",), "'v5'")):
        assert said in desk.run("models", "remove", *wrong, code=2).stderr
    assert "nothing was removed" in desk.run("models", "remove", "v0005", "v0009", code=1).stderr
    forced = desk.run("models", "remove", "v0001", "v0002", "v0003", "--force", code=1).stdout
    assert "removed v0001, v0003" in forced
    assert "v0002 stays: it is live; it is never removed" in forced
    assert {row["version"]: row["state"] for row in desk.data("models", "list")} == {"v0005": "", "v0002": "live"}
    assert "no shadow runs" in desk.run("models", "shadow", "show", code=1).stderr
    assert "v0001" in desk.run("models", "rollback", code=2).stderr
    assert desk.data("models", "show")["manifest"]["version"] == "v0002"


def test_an_explanation_names_examples_words_and_doubts(desk: Desk) -> None:
    desk.run("train", "--quick", "--promote")
    said = desk.data("models", "explain", "hello good friend")
    assert (said["version"], said["candidates"][0]["label"]) == ("v0001", "hello")
    assert said["nearest"][0]["intent"] == "hello"
    assert said["nearest"][0]["text"] in HELLO
    assert max(said["words"], key=lambda word: word["weight"])["word"] in {"hello", "good", "friend"}
    shown = desk.run("models", "explain", "zzz qqq", "--version", "v0001").stdout
    for heading in ("out of scope", "why it is turned away", "(the model)", "v0001 of intent"):
        assert heading in shown
    assert "v0007" in desk.run("models", "explain", "hello", "--version", "v0007", code=2).stderr
    assert "no model of opinion" in desk.run("models", "explain", "hello", "--task", "opinion", code=2).stderr


def test_any_text_is_explained(desk: Desk) -> None:
    desk.run("train", "--quick")
    for text in ("", " ", "\0", "\ud800", "x" * 100_000, "hi [bold]you[/] \u202e", "hi " * 30_000):
        assert "v0001 of intent" in desk.run("models", "explain", "--version", "v0001", "--", text).stdout
        said = desk.data("models", "explain", "--version", "v0001", text)
        assert 0 <= said["score"] <= 1


def test_an_encoder_is_kept_with_the_model_and_one_that_is_not_there_is_named(desk: Desk, tmp_path: Path) -> None:
    said = desk.run("train", "--encoder", f"folder:{tmp_path / 'nowhere'}", code=2).stderr
    assert "nowhere is not there; put a sentence model with model.onnx" in said
    assert "'word2vec' is not known" in desk.run("train", "--encoder", "word2vec", code=2).stderr
    assert "without sentence vectors" in desk.run("train", "--task", "sentiment", "--encoder", "minilm", code=2).stderr
    assert "does not wait" in desk.run("train", "--promote", "--encoder", "titan:m", code=2).stderr
    away = desk.run("train", "--encoder", "openai:http://127.0.0.1:9/v1#m", code=2).stderr
    assert "is it running at this address?" in away
    assert "no models yet" in desk.run("models", "list").stdout
    pytest.importorskip("onnxruntime", reason="the extra tertulia[embeddings] is not installed")
    assert desk.data("train", "--quick", "--encoder", "minilm", "--promote")["encoder"] == "minilm"
    about = desk.data("models", "show", "v0001")["manifest"]["about"]
    assert (about["settings"]["encoder"], about["settings"]["dense_size"]) == ("minilm", 384)
    assert "onnxruntime" in about["libraries"]
    assert desk.data("models", "explain", "hello")["version"] == "v0001"
    assert desk.data("train", "--quick", "--encoder", "none")["encoder"] == ""


def trainers_of_ours() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "nlp.models.process" in child.cmdline()]


async def test_a_training_that_is_cancelled_ends_its_process_and_leaves_nothing(tmp_path: Path, bot: Path) -> None:
    order = Order(url=str(tmp_path / "models"), bot_folder=str(bot), place=PLACE, by="t")
    training = asyncio.create_task(train_in_process(order))
    give_up = time.monotonic() + 60
    while not (trainers := trainers_of_ours()) or trainers[0].nice() != NICE:
        assert time.monotonic() < give_up
        await asyncio.sleep(0.05)
    environment = trainers[0].environ()
    assert environment["OPENBLAS_NUM_THREADS"] == "1"
    training.cancel()
    with pytest.raises(asyncio.CancelledError):
        await training
    assert not psutil.pid_exists(trainers[0].pid)
    assert ModelVersions(order.url).names(PLACE) == []


async def test_what_cannot_be_learnt_from_is_said_by_the_one_who_ordered(tmp_path: Path, bot: Path) -> None:
    (bot / "nlu/nlu.yml").write_text(f"nlu:\n- intent: hello\n  examples: |\n{lines(HELLO)}")
    (bot / "replies/replies.yml").write_text(
        "responses:\n  utter_default:\n  - text: x\n  utter_media_received:\n  - text: x\n"
    )
    order = Order(url=str(tmp_path / "models"), bot_folder=str(bot), place=PLACE, by="t")
    with pytest.raises(Misconfigured, match="two or more"):
        await train_in_process(order)
    assert ModelVersions(order.url).names(PLACE) == []


async def test_a_training_process_that_dies_is_an_error_with_a_name(tmp_path: Path, bot: Path) -> None:
    order = Order(url=str(tmp_path / "models"), bot_folder=str(bot), place=PLACE, by="t")
    training = asyncio.create_task(train_in_process(order))
    while not (trainers := trainers_of_ours()):
        await asyncio.sleep(0.05)
    trainers[0].kill()
    with pytest.raises(TertuliaError, match="ended with"):
        await training
