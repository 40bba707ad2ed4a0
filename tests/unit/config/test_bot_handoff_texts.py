"""The bots that come along have words for every turn of a handoff, and ``check`` tells who lacks some."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from config.bot import ANNOUNCEMENTS, check_bot, load_bot
from config.settings import SAMPLE_BOT

AROUND = (
    *(key for key in ANNOUNCEMENTS if "_opted_" not in key),  # the product has words of its own for these
    *("utter_handoff", "utter_handoff_closed", "utter_given_back", "utter_reopen", "utter_handoff_reopened"),
    *("utter_offer_message", "utter_leave_message", "utter_message_left", "utter_kept_bot"),
    *("utter_ask_score", "utter_rating_done", "utter_expired_choice"),
)


@pytest.mark.parametrize("name", ["telecom", "school"])
def test_each_bot_that_comes_along_says_all_of_it_in_all_its_languages(name: str) -> None:
    folder = SAMPLE_BOT.parent / name
    bot = load_bot(folder)
    assert {"es", "en"} <= set(bot.languages)
    assert [key for key in AROUND if key not in bot.replies] == []
    for key in AROUND:
        for variation in bot.replies[key]:
            assert set(variation.text.by_language) >= set(bot.languages), key
    assert [problem for problem in check_bot(folder) if "reply" in str(problem)] == []


def test_check_names_what_is_not_told_and_a_text_that_lacks_a_language(tmp_path: Path) -> None:
    folder = tmp_path / "bot"
    shutil.copytree(SAMPLE_BOT.parent / "school", folder)
    texts = folder / "replies" / "handoff.yml"
    written = texts.read_text("utf-8")
    start, end = written.index("  utter_handoff_still_there:"), written.index("  utter_handoff_closed_quiet:")
    one_language = written[end:].replace('        en: "', '        # en: "', 1)
    texts.write_text(written[:start] + one_language, "utf-8")
    told = [str(problem) for problem in check_bot(folder)]
    assert any("utter_handoff_still_there" in problem and "is not told" in problem for problem in told), told
    assert any("utter_handoff_closed_quiet" in problem and "en" in problem for problem in told), told
