"""The replies that an author keeps ready for the desk: read by language, with their mistakes named by line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from config.bot import check_bot, load_bot
from config.bot_canned import CannedReply

TELECOM = Path(__file__).parents[3] / "config" / "bots" / "telecom"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the sample bot, to be changed."""
    return Path(shutil.copytree(TELECOM, tmp_path / "bot"))


def test_a_reply_is_had_in_each_language_and_one_for_all_stands_under_none(folder: Path) -> None:
    (folder / "canned.yml").write_text(
        "canned:\n  hola: {es: 'Hola, {name|tú}.', en: Hello}\n  link: https://x.example\n"
    )
    assert load_bot(folder).canned == (
        CannedReply("hola", "es", "Hola, {name|tú}."),
        CannedReply("hola", "en", "Hello"),
        CannedReply("link", "", "https://x.example"),
    )


def test_a_bot_without_the_file_has_none_and_the_file_does_not_make_another_bot(folder: Path) -> None:
    version = load_bot(folder).version
    (folder / "canned.yml").unlink()
    bot = load_bot(folder)
    assert (bot.canned, bot.version) == ((), version)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("canned:\n  hola: {es: 'Hola {phone}'}\n", "does not know {phone}"),
        ("canned:\n  hola: {fr: Salut}\n", "does not know the key 'fr'"),
        ("canned:\n  hola: ''\n", "is empty"),
        ("canned:\n  'dos palabras': x\n", "a name has letters"),
        ("replies:\n  hola: x\n", "does not know the key 'replies'"),
        (f"canned:\n  hola: {'x' * 4001}\n", "may have 4000"),
        ("canned: [", "is not valid YAML"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_line(folder: Path, content: str, complaint: str) -> None:
    (folder / "canned.yml").write_text(content)
    found = [problem for problem in check_bot(folder) if problem.file == "canned.yml"]
    assert any(complaint in problem.what for problem in found), found
    assert all(problem.line > 0 for problem in found)


def test_what_looks_like_a_template_of_the_authors_stays_the_words_that_it_is(folder: Path) -> None:
    (folder / "canned.yml").write_text("canned:\n  hola: '{{ 7 * 7 }} {% if x %}'\n")
    assert load_bot(folder).canned[0].text == "{{ 7 * 7 }} {% if x %}"
