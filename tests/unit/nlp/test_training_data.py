"""Reading an author's examples: what is understood, and what is complained about, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.bot_problems import BadBot, Problem
from nlp.training_data import EntityMark, TrainingData, load_training_data, read_training_data

GOOD = """\
version: "3.1"
nlu:
- intent: balance
  examples: |
    - what is my balance
    - balance of [my line](line)
    - balance in [euros]{"entity": "currency", "value": "EUR", "role": "unit"}
    - [ten](amount:10) of [it][{"entity": "thing"}]
- intent: greet
  examples:
  - hello
  - text: |
      - hi there
    metadata: {tone: informal}
- synonym: EUR
  examples: |
    - Euros
    - €uro
- regex: order
  examples: |
    - \\d{5}
- lookup: city
  examples: |
    - Bogotá
    - Lima
"""


def write(folder: Path, name: str, content: str) -> None:
    path = folder / "nlu" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def read(folder: Path, *languages: str) -> tuple[TrainingData, list[Problem]]:
    return read_training_data(folder, languages)


def test_reads_every_kind_of_entry(tmp_path: Path) -> None:
    write(tmp_path, "all.yml", GOOD)
    data, problems = read(tmp_path)
    assert [(each.text, each.intent) for each in data.examples] == [
        ("what is my balance", "balance"),
        ("balance of my line", "balance"),
        ("balance in euros", "balance"),
        ("ten of it", "balance"),
        ("hello", "greet"),
        ("hi there", "greet"),
    ]
    assert data.synonyms == {"euros": "EUR", "uro": "EUR"}
    assert data.regexes == {"order": (r"\d{5}",)}
    assert data.lookups == {"city": ("Bogotá", "Lima")}
    assert all(problem.level == "warning" for problem in problems)


def test_annotations_keep_their_place_in_the_clean_text(tmp_path: Path) -> None:
    write(tmp_path, "all.yml", GOOD)
    examples = {each.text: each for each in read(tmp_path)[0].examples}
    assert examples["balance of my line"].entities == (EntityMark("line", "my line", "my line", 11, 18),)
    assert examples["balance in euros"].entities == (EntityMark("currency", "euros", "EUR", 11, 16, "unit"),)
    assert examples["ten of it"].entities == (
        EntityMark("amount", "ten", "10", 0, 3),
        EntityMark("thing", "it", "it", 7, 9),
    )
    for example in examples.values():
        for mark in example.entities:
            assert example.text[mark.start : mark.end] == mark.text


def test_several_files_are_read_together_and_tell_their_language(tmp_path: Path) -> None:
    write(tmp_path, "talk.es.yml", "nlu:\n- intent: greet\n  examples: |\n    - hola\n")
    write(tmp_path, "en.yml", "nlu:\n- intent: greet\n  examples: |\n    - hello\n")
    write(tmp_path, "more.yml", "nlu:\n- intent: greet\n  examples: |\n    - ok\n")
    data, _ = read(tmp_path, "es", "en")
    assert {each.text: each.language for each in data.examples} == {"hola": "es", "hello": "en", "ok": ""}


def test_the_same_text_in_two_intents_is_shown_with_both_places(tmp_path: Path) -> None:
    write(tmp_path, "a.yml", "nlu:\n- intent: one\n  examples: |\n    - Sí, claro\n")
    write(tmp_path, "b.yml", "nlu:\n- intent: two\n\n  examples: |\n    - other\n    - si, CLARO\n")
    problems = [problem for problem in read(tmp_path)[1] if "si, CLARO" in problem.what]
    assert [(each.file, each.line, each.level) for each in problems] == [("nlu/b.yml", 6, "warning")]
    assert "'one' in nlu/a.yml:4" in problems[0].what


def test_an_intent_with_too_few_examples_is_a_warning_at_its_first_one(tmp_path: Path) -> None:
    write(tmp_path, "a.yml", "nlu:\n- intent: rare\n  examples: |\n    - one\n    - two\n")
    problems = read(tmp_path)[1]
    assert [(each.line, each.level) for each in problems] == [(4, "warning")]
    assert "'rare' has 2 examples" in problems[0].what


@pytest.mark.parametrize(
    ("content", "line", "level", "words"),
    [
        ("nlu:\n- intent: a\n  exmaples: |\n    - x\n", 3, "warning", "does not know the key 'exmaples'"),
        ("nlu:\n- intent: a\n  exmaples: |\n    - x\n", 2, "error", "has no examples"),
        ("nlu:\n- intent: a\n  examples: |\n    - x\n    y\n", 5, "warning", "must begin with '- '"),
        ("nlu:\n- examples: |\n    - x\n", 2, "error", "needs one of intent"),
        ("nlu:\n- regex: r\n  examples: |\n    - (\n", 4, "error", "does not compile"),
        ('nlu:\n- intent: a\n  examples: |\n    - [x]{"value": 1}\n', 4, "error", "annotation of 'x'"),
        ("nlu:\n- intent: a\n  examples: [x\n", 4, "error", "not valid YAML"),
        ("intentions:\n- a\n", 1, "warning", "does not know the key 'intentions'"),
        ("intentions:\n- a\n", 1, "error", "has no 'nlu:' list"),
        ("nlu: a\n", 1, "error", "must be a list"),
        ("nlu:\n- !!python/object/apply:os.system [x]\n", 2, "error", "must be a mapping"),
    ],
)
def test_a_mistake_is_shown_with_its_line(tmp_path: Path, content: str, line: int, level: str, words: str) -> None:
    write(tmp_path, "a.yml", content)
    found = [each for each in read(tmp_path)[1] if words in each.what]
    assert [(each.file, each.line, each.level) for each in found] == [("nlu/a.yml", line, level)]


def test_errors_keep_the_data_from_being_used(tmp_path: Path) -> None:
    with pytest.raises(BadBot, match="holds no examples"):
        load_training_data(tmp_path)


def test_the_fingerprint_depends_on_content_only(tmp_path: Path) -> None:
    write(tmp_path, "x/a.yml", "nlu:\n- intent: a\n  examples: |\n    - Uno\n    - dos\n")
    first = read(tmp_path)[0].fingerprint
    write(tmp_path, "x/a.yml", "nlu:\n- intent: a\n  examples: |\n    - dos\n\n    # twice\n    - Uno\n    - dos\n")
    assert read(tmp_path)[0].fingerprint == first
    write(tmp_path, "x/a.yml", "nlu:\n- intent: a\n  examples: |\n    - dos\n    - tres\n")
    assert read(tmp_path)[0].fingerprint != first
