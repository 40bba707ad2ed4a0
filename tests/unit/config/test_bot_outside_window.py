"""The templates that stand in when a window has closed, as authors write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.bot_outside import OutsideWindow, read_outside_window
from config.bot_problems import Problem
from config.bot_yaml import Source
from gateway.core.messages import Template


def read(folder: Path, text: str) -> tuple[OutsideWindow, list[Problem]]:
    (folder / "bot.yaml").write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    source = Source(folder / "bot.yaml", folder, problems)
    root = source.open()
    assert root is not None
    node = source.mapping(root, "bot.yaml").get("outside_window")
    return read_outside_window(source, node, "Faro", ("es", "en")), problems


WHOLE = """
outside_window:
  template: follow_up
  languages: {es: es_CO, en: en_US}
  values: ["{name|amigo}", {es: tu consulta, en: your question}]
  apps:
    messenger: {template: page_follow_up, values: ["{bot_name}"]}
"""


def test_each_app_has_its_template_in_the_conversations_language(tmp_path: Path) -> None:
    outside, problems = read(tmp_path, WHOLE)
    assert problems == []
    assert outside.fallback("whatsapp", "en", "Ana") == Template("follow_up", "en_US", ("Ana", "your question"))
    assert outside.fallback("whatsapp", "es-MX") == Template("follow_up", "es_CO", ("amigo", "tu consulta"))
    assert outside.fallback("messenger", "es", "Ana") == Template("page_follow_up", "es_CO", ("Faro",))
    assert outside.fallback("whatsapp", "", "Ana") == Template("follow_up", "es_CO", ("Ana", "tu consulta"))


def test_without_a_word_of_the_author_nothing_stands_in(tmp_path: Path) -> None:
    outside, problems = read(tmp_path, "name: x")
    assert (outside.fallback("whatsapp", "es"), problems) == (None, [])


def test_a_name_that_holds_a_blank_is_not_filled_again(tmp_path: Path) -> None:
    outside, _ = read(tmp_path, WHOLE)
    template = outside.fallback("whatsapp", "es", "{bot_name}")
    assert template is not None
    assert template.values[0] == "{bot_name}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("outside_window: {values: []}", "names no template"),
        ("outside_window: {template: x, valeus: []}", "valeus"),
        ('outside_window: {template: x, values: ["{nombre}"]}', "does not know {nombre}"),
        ("outside_window: {template: x, languages: {fr: fr}}", "fr"),
        ("outside_window: {apps: {sms: {values: []}}}", "names no template"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    _, problems = read(tmp_path, text)
    assert any(complaint in problem.what for problem in problems), problems
    assert all(problem.line == 1 for problem in problems)
