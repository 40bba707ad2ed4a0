"""Adding accepted examples to an author's file: nothing else changes, and nothing is lost."""

from __future__ import annotations

import difflib
import string
import tempfile
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example as given_also
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import Misconfigured
from nlp.training_data import (
    OUT_OF_SCOPE,
    EntityMark,
    Example,
    append_examples,
    read_task,
    read_training_data,
    same_text,
)
from nlp.training_data.annotations import NotWritable, read_annotated, tidy, write_annotated

AUTHORED = """\
# Written by Ana; keep the order.
version: "3.1"

nlu:
  # how people greet
  - intent: greet
    examples: |
      - hola
      # informal
      - buenas

  # money
  - intent: balance
    examples: |
      - cuánto saldo tengo
  - intent: noted
    metadata:
      tone: polite
    examples: |
      - le ruego que me ayude
  - synonym: COP
    examples: |
      - pesos

# the end
"""


def put(folder: Path, content: str, name: str = "nlu/a.yml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    return path


def changes(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines that came and lines that went."""
    found = list(difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True)))
    return [line[2:] for line in found if line[0] == "+"], [line[2:] for line in found if line[0] == "-"]


def texts(folder: Path) -> set[str]:
    return {each.text for each in read_training_data(folder)[0].examples}


def test_a_line_goes_under_its_intent_and_no_other_line_changes(tmp_path: Path) -> None:
    path = put(tmp_path, AUTHORED)
    done = append_examples(tmp_path, "nlu/a.yml", [Example("muy buenas", "greet"), Example("mi saldo", "balance")])
    came, went = changes(AUTHORED, path.read_text())
    assert went == []
    assert came == ["      - muy buenas\n", "      - mi saldo\n"]
    assert [(each.text, each.line) for each in done.written] == [("muy buenas", 11), ("mi saldo", 17)]
    lines = path.read_text().splitlines()
    assert lines[9:11] == ["      - buenas", "      - muy buenas"]


def test_a_new_intent_gets_an_entry_of_its_own_after_the_others(tmp_path: Path) -> None:
    path = put(tmp_path, AUTHORED)
    append_examples(
        tmp_path, "nlu/a.yml", [Example("adiós", "bye"), Example("chao", "bye"), Example("por favor", "noted")]
    )
    came, went = changes(AUTHORED, path.read_text())
    assert went == []
    assert came == [
        "  - intent: bye\n", "    examples: |\n", "      - adiós\n", "      - chao\n",
        "  - intent: noted\n", "    examples: |\n", "      - por favor\n",
    ]  # fmt: skip
    assert path.read_text().endswith("\n# the end\n")


def test_a_file_that_is_not_there_is_made_and_read_by_rasas_rules(tmp_path: Path) -> None:
    append_examples(tmp_path, "nlu/learned.yml", [Example("hola", "greet"), Example("qué tal el clima", OUT_OF_SCOPE)])
    append_examples(tmp_path, "nlu/learned.yml", [Example("buenas", "greet")])
    assert (tmp_path / "nlu/learned.yml").read_text() == (
        'version: "3.1"\nnlu:\n- intent: greet\n  examples: |\n    - hola\n    - buenas\n'
        "- intent: out_of_scope\n  examples: |\n    - qué tal el clima\n"
    )
    assert [each.text for each in read_training_data(tmp_path)[0].outside] == ["qué tal el clima"]


def test_the_language_is_written_where_the_name_does_not_tell_it(tmp_path: Path) -> None:
    append_examples(
        tmp_path, "nlu/learned.yml", [Example("hola", "greet", "es"), Example("hi", "greet", "en")], ("es", "en")
    )
    append_examples(tmp_path, "nlu/learned.yml", [Example("buenas", "greet", "es")], ("es", "en"))
    done = append_examples(
        tmp_path, "nlu/more.es.yml", [Example("chao", "bye", "es"), Example("bye", "bye", "en")], ("es", "en")
    )
    assert "language" not in (tmp_path / "nlu/more.es.yml").read_text()
    assert [each.why for each in done.refused] == ["is in 'en', and the file's name says 'es'"]
    data, _ = read_training_data(tmp_path, ("es", "en"))
    assert {each.text: each.language for each in data.examples} == {
        "hola": "es", "buenas": "es", "hi": "en", "chao": "es",
    }  # fmt: skip
    assert (tmp_path / "nlu/learned.yml").read_text().count("language: es") == 1


def test_what_the_folder_already_has_is_refused_with_its_place(tmp_path: Path) -> None:
    put(tmp_path, AUTHORED)
    put(tmp_path, "text,intent\nMi factura,billing\n", "nlu/b.csv")
    new = [
        Example("HOLA", "greet"),
        Example("mi  factura", "balance"),
        Example("nuevo", "greet"),
        Example("Nuevo", "greet"),
    ]
    done = append_examples(tmp_path, "nlu/a.yml", new)
    assert [each.text for each in done.written] == ["nuevo"]
    assert [each.why for each in done.refused] == [
        "is already an example of 'greet' (nlu/a.yml:8)",
        "is already an example of 'billing' (nlu/b.csv:2)",
        "is already an example of 'greet' (nlu/a.yml, just added)",
    ]


def test_nothing_is_written_when_nothing_is_accepted(tmp_path: Path) -> None:
    done = append_examples(tmp_path, "nlu/a.yml", [Example(" \x00 ", "greet"), Example("x", "")])
    assert done.written == ()
    assert len(done.refused) == 2
    assert list((tmp_path / "nlu").iterdir()) == []


def test_entities_are_written_and_come_back(tmp_path: Path) -> None:
    marks = (EntityMark("city", "Lima", "Lima", 3, 7), EntityMark("city", "Cusco", "PE-CUZ", 10, 15, role="to"))
    for name in ("nlu/a.yml", "nlu/b.jsonl"):
        text = f"de Lima a Cusco {name[4]}"
        done = append_examples(tmp_path, name, [Example(text, "travel", entities=marks)])
        assert done.written[0].entities == marks
    assert (
        '- de [Lima](city) a [Cusco]{"entity":"city","value":"PE-CUZ","role":"to"} a'
        in (tmp_path / "nlu/a.yml").read_text()
    )


def test_line_ends_a_missing_last_one_and_a_mark_stay(tmp_path: Path) -> None:
    before = "\ufeffnlu:\r\n- intent: a\r\n  examples: |\r\n    - uno"
    path = put(tmp_path, before)
    append_examples(tmp_path, "nlu/a.yml", [Example("dos", "a"), Example("tres", "b")])
    assert path.read_bytes().decode() == (before + "\r\n    - dos\r\n- intent: b\r\n  examples: |\r\n    - tres\r\n")


@pytest.mark.parametrize(
    "before",
    [
        "",
        "# only a comment",
        "version: '3.1'\n",
        "nlu:\n",
        "nlu: []\n",
        "nlu:\n- intent: a\n  examples: [uno, dos]\n",
        "nlu:\n- intent: a\n  examples:\n  - text: |\n      uno\n    metadata: {x: y}\n\n\n# end",
        "nlu:\n- {intent: a, examples: '- uno'}\nresponses:\n  utter_a:\n  - text: x\n",
        "nlu:\n- intent: a\n  examples: |-\n    - uno\n\n\n  # lower\n# lowest\n- intent: b\n  examples: |+\n    - x\n",
        "nlu:\n- intent: a\n  examples: |2\n      - uno\n    - dos\n",
        "stories:\n- story: s\n",
    ],
)
def test_whatever_form_the_file_has_it_is_extended_or_left_as_it_was(tmp_path: Path, before: str) -> None:
    path = put(tmp_path, before)
    had = texts(tmp_path)
    what_came: str = ""
    try:
        append_examples(tmp_path, "nlu/a.yml", [Example("nueve", "a"), Example("diez", "z")])
    except Misconfigured as refusal:
        what_came = str(refusal)
    if what_came:
        assert "name another file" in what_came
        assert path.read_text() == before
    else:
        assert texts(tmp_path) == had | {"nueve", "diez"}
        assert changes(before, path.read_text())[1] in ([], [before.splitlines()[-1] if before else ""])
    assert [each.name for each in path.parent.iterdir()] == ["a.yml"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../outside.yml", "a file in nlu/"),
        ("replies/a.yml", "a file in nlu/"),
        ("nlu/../bot.yaml", "a file in nlu/"),
        ("nlu/a.csv", "only"),
        ("tasks/topic.yml", "a file in nlu/"),
        ("nlu/link/a.yml", "outside"),
    ],
)
def test_a_file_elsewhere_is_refused(tmp_path: Path, name: str, words: str) -> None:
    bot = tmp_path / "bot"
    (bot / "nlu").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (bot / "nlu" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Misconfigured, match=words):
        append_examples(bot, name, [Example("x", "a")])
    assert not list(tmp_path.rglob("*.yml"))


@pytest.mark.parametrize(
    "broken", ["nlu: [", "nlu:\n- intent: a\n", "nlu:\n- intent: a\n  examples: >\n    - x\n", "\t"]
)
def test_a_file_with_errors_must_be_mended_first(tmp_path: Path, broken: str) -> None:
    path = put(tmp_path, broken)
    with pytest.raises(Misconfigured, match=r"mended first|another file"):
        append_examples(tmp_path, "nlu/a.yml", [Example("x", "b")])
    assert path.read_text() == broken


def test_what_cannot_be_written_is_misconfigured_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "nlu").write_text("a file")
    with pytest.raises(Misconfigured, match="cannot be written"):
        append_examples(tmp_path, "nlu/a.yml", [Example("x", "a")])


def test_texts_that_are_too_long_and_names_that_are_none_are_refused(tmp_path: Path) -> None:
    rows = [("x" * 2001, "a"), ("x", "a\nb"), ("x", "a" * 129), ("x", " "), ("y" * 2000, "a")]
    done = append_examples(tmp_path, "nlu/a.yml", [Example(*row) for row in rows])
    assert [each.why.split(",")[0] for each in done.refused] == [
        "has 2001 characters",
        "its intent holds a line's end or a character that cannot be printed",
        "its intent is longer than 128 characters",
        "its intent has no name",
    ]
    assert len(done.written) == 1


def test_a_task_takes_examples_too(tmp_path: Path) -> None:
    put(tmp_path, '{"text": "me encanta", "label": "positive"}', "tasks/mood/a.jsonl")
    append_examples(tmp_path, "tasks/mood/a.jsonl", [Example("qué horror", "negative", "es")])
    assert (tmp_path / "tasks/mood/a.jsonl").read_text().splitlines()[1] == (
        '{"text":"qué horror","intent":"negative","language":"es"}'
    )
    assert read_task(tmp_path, "mood")[0].intents == ("negative", "positive")


def test_several_at_once_lose_nothing(tmp_path: Path) -> None:
    def add(worker: int) -> None:
        for number in range(6):
            append_examples(tmp_path, "nlu/a.yml", [Example(f"text {worker} {'x' * number}", f"intent{number}")])

    threads = [threading.Thread(target=add, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_training_data(tmp_path)[0].examples) == 24


HOSTILE = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("[](){}\"':#-|>&*!%@`\n\r\t\x00\u2028\u200b")), max_size=40
)
LABEL = st.one_of(st.text(string.ascii_lowercase + "_/ñ", min_size=1, max_size=8), HOSTILE)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(HOSTILE, LABEL), min_size=1, max_size=4), st.sampled_from(["nlu/a.yml", "nlu/a.jsonl"]))
@given_also([("- a", "no"), ("# b", "1.5"), ("[x](y)", "~"), ("[x][{", "a: b")], "nlu/a.yml")
def test_any_text_is_written_and_read_back_or_refused_with_a_reason(rows: list[tuple[str, str]], name: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        examples = [Example(text, label) for text, label in rows]
        done = append_examples(folder, name, examples)
        assert len(done.written) + len(done.refused) == len(examples)
        assert all(each.why for each in done.refused)
        data, problems = read_training_data(folder)
        assert not done.written or not [each for each in problems if each.level == "error" and each.line]
        read = {(each.text, each.intent) for each in (*data.examples, *data.outside)}
        assert read == {(each.text, each.intent) for each in done.written}
        refused = {same_text(tidy(each.example).text) for each in done.refused}
        kept = {same_text(text) for text, _ in read}
        assert all(same_text(tidy(each).text) in kept | refused for each in examples)


COMMENTS = st.sampled_from(["", "", "\n", "# a note\n", "  # a note\n", "      # deep\n", "\n\n"])


@st.composite
def authored(draw: st.DrawFn) -> str:
    """A file as people write it: any indentation, notes anywhere, blocks of every kind, with or without a last end."""
    outer, inner = draw(st.sampled_from(["", "  ", "    "])), draw(st.sampled_from(["  ", "    ", "      "]))
    text = draw(COMMENTS) + draw(st.sampled_from(["nlu:\n", "version: '3.1'\nnlu:\n", "nlu: # all\n"]))
    for number in range(draw(st.integers(1, 4))):
        key = draw(st.sampled_from(["intent", "label", "synonym", "lookup"]))
        text += f"{outer}- {key}: {draw(st.sampled_from(['a', 'b', 'c/d']))}\n"
        text += draw(
            st.sampled_from(["", f"{outer}  metadata: {{language: es}}\n", f"{outer}  metadata:\n{outer}    x: y\n"])
        )
        if draw(st.booleans()):
            text += f"{outer}  examples: {draw(st.sampled_from(['|', '|-', '|+', '| # so']))}\n"
            for line in range(draw(st.integers(1, 3))):
                gap = draw(st.sampled_from(["", "", "\n", f"{outer}  {inner}# a note\n"]))
                text += f"{outer}  {inner}- text {number} {line}{draw(st.sampled_from(['', ' ', '   ']))}\n{gap}"
        else:
            text += f"{outer}  examples:\n" + "".join(f"{outer}  - list {number} {line}\n" for line in range(2))
        text += draw(COMMENTS)
    text += draw(st.sampled_from(["", "responses:\n  utter_a:\n  - text: x\n", "# the end", "...\n"]))
    text = text if draw(st.booleans()) else text.rstrip("\n")
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


@settings(max_examples=25, deadline=None)
@given(authored())
def test_every_line_an_author_wrote_is_still_there_in_its_order(before: str) -> None:
    new = [Example("brand new", "a"), Example("also new", "c/d", "es"), Example("new too", "fresh")]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        path = put(folder, before)
        had = [(each.text, each.intent) for each in read_training_data(folder, ("es", "en"))[0].examples]
        append_examples(folder, "nlu/a.yml", new, ("es", "en"))
        came, went = changes(before, path.read_bytes().decode())
        last = before.splitlines(keepends=True)[-1]
        assert went in ([], [last] if last + "\n" in came or last + "\r\n" in came else [])
        has = [(each.text, each.intent, each.language) for each in read_training_data(folder, ("es", "en"))[0].examples]
        assert Counter((text, intent) for text, intent, _ in has) == Counter(
            [*had, *((each.text, each.intent) for each in new)]
        )
        assert {("also new", "c/d", "es"), ("new too", "fresh", ""), ("brand new", "a", "")} <= set(has)


@st.composite
def annotated(draw: st.DrawFn) -> Example:
    pieces = draw(st.lists(HOSTILE, min_size=1, max_size=5))
    text = "".join(pieces)
    marks = []
    at = 0
    for number, piece in enumerate(pieces):
        if number % 2 and piece:
            kind, role = draw(st.sampled_from(["city", "a b", "x:y", "ñ"])), draw(st.sampled_from(["", "to"]))
            value = draw(st.one_of(st.just(piece), HOSTILE.filter(bool)))
            marks.append(EntityMark(kind, piece, value, at, at + len(piece), role))
        at += len(piece)
    return Example(text, "a", entities=tuple(marks))


@settings(max_examples=80, deadline=None)
@given(annotated())
def test_an_annotated_line_says_what_the_example_says_or_cannot_be_written(example: Example) -> None:
    try:
        line = write_annotated(example)
    except NotWritable:
        return
    read = read_annotated(line)
    clean = tidy(example)
    assert (read.text, read.marks, read.errors) == (clean.text, clean.entities, ())
    assert "\n" not in line
