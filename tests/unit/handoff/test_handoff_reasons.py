"""Every reason for which a handoff begins or ends has words, wherever an agent reads it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.core.handoff_reasons import ASKED_WORDS, ENDED_WORDS, Asked, Ended, asked_in_words, counted, ended_in_words

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "gateway/web/desk/page/texts.js").read_text("utf-8")
LANGUAGES = ("es", "en", "pt")


def blocks(name: str) -> list[dict[str, str]]:
    """The lists of that name on the desk's page, one for each language."""
    found = re.findall(rf"^    {name}: \{{\n(.*?)^    \}},", PAGE, flags=re.MULTILINE | re.DOTALL)
    return [dict(re.findall(r'^      "?([\w ,]+)"?: "([^"]+)",$', block, flags=re.MULTILINE)) for block in found]


@pytest.mark.parametrize(("name", "reasons"), [("reasons", Asked), ("ends", Ended)])
def test_the_desks_page_says_each_in_every_language(name: str, reasons: type[Asked | Ended]) -> None:
    lists = blocks(name)
    assert len(lists) == len(LANGUAGES)
    for language, words in zip(LANGUAGES, lists, strict=True):
        assert {reason.value for reason in reasons} <= set(words), f"{name} in {language}"


def test_notes_for_agents_and_the_terminal_have_words_for_each() -> None:
    assert set(ASKED_WORDS) == set(Asked)
    assert set(ENDED_WORDS) == set(Ended)
    assert len(set(ASKED_WORDS.values())) == len(Asked)
    assert len(set(ENDED_WORDS.values())) == len(Ended)
    assert not any("_" in words for words in (*ASKED_WORDS.values(), *ENDED_WORDS.values()))


def test_a_reason_of_somebody_elses_is_shown_as_it_is_and_counted_with_the_others() -> None:
    assert asked_in_words("thread taken") == ended_in_words("thread taken") == "thread taken"
    assert counted("thread taken") == "other"
    assert counted("taken_over") == "taken_over"


def test_no_reason_is_written_out_beside_the_lists() -> None:
    """Where a handoff begins or ends, its reason is a member of the list: mypy then knows that it has words."""
    literal = re.compile(r'(?:\bask_for_person|\bhand_over|\.give_back)\([^)]*"[a-z_]+"')
    areas = (ROOT / "gateway", ROOT / "handoff")
    files = [path for area in areas for path in area.rglob("*.py") if "bench" not in path.parts]
    begun = [path for path in files if re.search(r"ask_for_person|\.give_back", path.read_text("utf-8"))]
    assert len(begun) > 8
    found = [path.name for path in begun for line in path.read_text("utf-8").splitlines() if _names_none(literal, line)]
    assert not found


def _names_none(literal: re.Pattern[str], line: str) -> bool:
    """Whether a reason stands there as a text; what follows a member of the list is its detail."""
    return literal.search(line) is not None and "Asked." not in line and "Ended." not in line
