"""Examples in all formats that may stand in one folder: what each gives, and where each is wrong."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.bot_problems import BadBot, Problem
from gateway.core.errors import Misconfigured
from nlp.training_data import (
    OUT_OF_SCOPE,
    EntityMark,
    TrainingData,
    load_examples,
    load_task,
    read_task,
    read_training_data,
    task_names,
)


def put(folder: Path, name: str, content: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def read(folder: Path, *languages: str) -> tuple[TrainingData, list[Problem]]:
    return read_training_data(folder, languages)


def errors(folder: Path) -> list[str]:
    return [str(problem) for problem in read(folder)[1] if problem.level == "error"]


def test_all_formats_stand_side_by_side(tmp_path: Path) -> None:
    put(tmp_path, "nlu/a.yml", "nlu:\n- intent: greet\n  examples: |\n    - hola\n")
    put(tmp_path, "nlu/more/b.csv", "text,intent\nbuenas,greet\n")
    put(tmp_path, "nlu/more/deep/c.jsonl", '{"text": "saldo", "intent": "balance"}\n')
    put(tmp_path, "nlu/d.tsv", "label\ttext\nbalance\tcuánto tengo\n")
    data, problems = read(tmp_path)
    assert [(each.text, each.intent, each.file, each.line) for each in data.examples] == [
        ("hola", "greet", "nlu/a.yml", 4),
        ("cuánto tengo", "balance", "nlu/d.tsv", 2),
        ("buenas", "greet", "nlu/more/b.csv", 2),
        ("saldo", "balance", "nlu/more/deep/c.jsonl", 1),
    ]
    assert not [problem for problem in problems if problem.level == "error"]


@pytest.mark.parametrize(
    "content",
    [
        "text,intent\nhola,greet\n",
        "text;intent\r\nhola;greet\r\n",
        "\ufeffText\tLabel\nhola\tgreet",
        "id|INTENT|note| text \n1|greet||hola\n\n|  ||\n",
        '"text","label"\n"hola","greet"\n',
        "text,intent\nhola,greet\n".encode("utf-16"),
    ],
)
def test_a_csv_is_read_whatever_parts_its_cells(tmp_path: Path, content: str | bytes) -> None:
    put(tmp_path, "nlu/a.csv", content)
    data, problems = read(tmp_path)
    assert [(each.text, each.intent) for each in data.examples] == [("hola", "greet")]
    assert all(problem.level == "warning" for problem in problems)


def test_a_csv_tells_language_notes_and_texts_of_several_lines(tmp_path: Path) -> None:
    put(
        tmp_path, "nlu/a.csv",
        'text,intent,language,source\n"uno, ""dos""\ny tres",greet,es-CO,web\nhi,greet,EN,\nok,greet,,\n',
    )  # fmt: skip
    first, second, third = read(tmp_path, "es", "en")[0].examples
    assert (first.text, first.language, first.line) == ('uno, "dos"\ny tres', "es", 2)
    assert first.metadata == (("source", "web"),)
    assert (second.language, second.line, third.language) == ("en", 4, "")


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("", 1, "first line must name the columns"),
        ("hola,greet\n", 1, "first line must name the columns"),
        ("text,text,intent\na,b,c\n", 1, "names a column twice"),
        ("text,intent\nhola, amigo,greet\n", 2, "put texts that hold ',' in quotes"),
        ("text,intent\na,b\nhola\n", 3, "has fewer cells than the first line names: text, intent"),
        ("text,intent\na,b\n,greet\n", 3, "has no text"),
        ("text,intent\nhola,\n", 2, "has no intent"),
        ('text,intent\na,b\n"hola,greet\nx,y\n', 3, "check the quotes"),
        ('text,intent\na,b\n"hola"x,greet\nx,y\n', 3, "check the quotes"),
        ("text,intent\na,b\nqué,greet\n".encode("cp1252"), 3, "may be Windows-1252"),
        ("text,intent\n" + "x" * 140_000 + ",a\n", 2, "field larger"),
    ],
)
def test_a_mistake_in_a_csv_is_shown_with_its_line(tmp_path: Path, content: str | bytes, line: int, words: str) -> None:
    put(tmp_path, "nlu/a.csv", content)
    found = [each for each in read(tmp_path)[1] if words in each.what]
    assert [(each.file, each.line, each.level) for each in found] == [("nlu/a.csv", line, "error")]


def test_a_broken_row_does_not_take_the_others_along(tmp_path: Path) -> None:
    put(tmp_path, "nlu/a.csv", 'text,intent\na,one\nb\n"c"d,one\ne,one\n')
    put(tmp_path, "nlu/b.jsonl", '{"text": "f", "intent": "one"}\nnonsense\n{"text": "g", "intent": "one"}\n')
    assert [each.text for each in read(tmp_path)[0].examples] == ["a", "e", "f", "g"]
    assert len(errors(tmp_path)) == 3


def test_lines_of_json_tell_entities_and_language(tmp_path: Path) -> None:
    row = {
        "text": "  de Lima a Cusco ", "label": 7, "lang": "es", "ignored": [1],
        "entities": [
            {"start": 12, "end": 17, "entity": "city", "value": 3, "role": "to", "group": "1"},
            {"start": 5, "end": 9, "kind": "city"},
            {"start": 5, "end": 9, "label": "place"},
        ],
        "metadata": {"source": "web", "votes": [1, 2]},
    }  # fmt: skip
    put(tmp_path, "nlu/a.jsonl", b"\xef\xbb\xbf" + json.dumps(row, ensure_ascii=False).encode() + b"\r\n\n")
    (example,) = read(tmp_path)[0].examples
    assert (example.text, example.intent, example.language) == ("de Lima a Cusco", "7", "es")
    assert example.entities == (
        EntityMark("city", "Lima", "Lima", 3, 7),
        EntityMark("place", "Lima", "Lima", 3, 7),
        EntityMark("city", "Cusco", "3", 10, 15, "to", "1"),
    )
    assert example.metadata == (("source", "web"), ("votes", "[1, 2]"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "is not understood"),
        ("[]", "is not understood"),
        ('{"intent": "a"}', "missing required field `text`"),
        ('{"text": "x"}', "neither 'intent' nor 'label'"),
        ('{"text": "x", "intent": ""}', "has no intent"),
        ('{"text": " ", "intent": "a"}', "has no text"),
        ('{"text": "x", "intent": ["a"]}', "is not understood"),
        ('{"text": "\\ud800", "intent": "a"}', "is not understood"),
        ('{"text": "hola", "intent": "a", "entities": [{"start": 2, "end": 9, "entity": "e"}]}', "outside of the text"),
        (
            '{"text": "hola", "intent": "a", "entities": [{"start": -1, "end": 2, "entity": "e"}]}',
            "outside of the text",
        ),
        ('{"text": "hola", "intent": "a", "entities": [{"start": 1, "end": 2}]}', "has no name"),
        (
            '{"text": "hola", "intent": "a", "entities": [{"start": 0, "end": 3, "kind": "e"}, '  # noqa: ISC004
            '{"start": 2, "end": 4, "kind": "f"}]}',
            "overlaps with 'e'",
        ),
        ("[" * 5000, "is not understood"),
    ],
)
def test_a_mistake_in_a_line_of_json_is_shown_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    put(tmp_path, "nlu/a.jsonl", '{"text": "ok", "intent": "a"}\n\n' + line + "\n")
    found = [each for each in read(tmp_path)[1] if words in each.what]
    assert [(each.file, each.line, each.level) for each in found] == [("nlu/a.jsonl", 3, "error")]


def test_what_is_out_of_scope_is_known_in_every_format(tmp_path: Path) -> None:
    put(
        tmp_path,
        "nlu/a.yml",
        "nlu:\n- intent: out_of_scope\n  examples: |\n    - uno\n- intent: a\n  examples: |\n    - z\n",
    )
    put(tmp_path, "nlu/b.csv", "text,intent\ndos,oos\n")
    put(tmp_path, "nlu/c.jsonl", '{"text": "tres", "intent": null}\n{"text": "cuatro", "intent": "None"}\n')
    data, problems = read(tmp_path)
    assert [each.text for each in data.outside] == ["uno", "dos", "tres", "cuatro"]
    assert {each.intent for each in data.outside} == {OUT_OF_SCOPE}
    assert data.intents == ("a",)
    assert not any(OUT_OF_SCOPE in problem.what for problem in problems)


RASA = """\
version: "3.1"
nlu:
- intent: faq/ask_hours
  metadata:
    author: {name: ana}
  examples: |
    - when do you open
    -and on sundays?
    -
- intent: chitchat/ask_name
  examples:
  - text: |
      what is your name
    metadata:
      sentiment: neutral
  - who are you
- intent: fly
  examples: |
    - from [Berlin]{"entity": "city", "role": "departure"} to [LA]{"entity": "city", "role": "arrival", "value": "LAX"}
    - a [large]{"entity": "size", "group": "1"} one
    - [here]{"entity": "place", "value": null} and [there][{"entity": "place"}, {"entity": "far", "value": 2}]
    - at [ten](time:10:30) in [the house](place of birth)
- synonym: LAX
  examples: |
    - Los Ángeles
- regex: zip
  examples: |
    - [0-9]{5}
- lookup: country
  examples: |
    - Perú
    - Chile
responses:
  utter_faq/ask_hours:
  - text: always
stories: []
"""


def test_a_rasa_project_loads_as_it_is(tmp_path: Path) -> None:
    put(tmp_path, "nlu/nlu.yml", RASA)
    put(tmp_path, "nlu/rules.yml", "version: '3.1'\nrules:\n- rule: x\n  steps: []\n")
    put(tmp_path, "nlu/domain.yml", "intents:\n- fly\nentities:\n- city\n")
    data, problems = read(tmp_path)
    assert not [problem for problem in problems if problem.level == "error"]
    assert data.intents == ("chitchat/ask_name", "faq/ask_hours", "fly")
    by_text = {each.text: each for each in data.examples}
    assert "and on sundays?" in by_text
    assert by_text["what is your name"].metadata == (("sentiment", "neutral"),)
    assert by_text["what is your name"].line == 12
    assert by_text["when do you open"].metadata == (("author.name", "ana"),)
    assert by_text["from Berlin to LA"].entities == (
        EntityMark("city", "Berlin", "Berlin", 5, 11, "departure"),
        EntityMark("city", "LA", "LAX", 15, 17, "arrival"),
    )
    assert by_text["a large one"].entities == (EntityMark("size", "large", "large", 2, 7, "", "1"),)
    assert by_text["here and there"].entities == (
        EntityMark("place", "here", "here", 0, 4),
        EntityMark("place", "there", "there", 9, 14),
        EntityMark("far", "there", "2", 9, 14),
    )
    assert by_text["at ten in the house"].entities == (
        EntityMark("time", "ten", "10:30", 3, 6),
        EntityMark("place of birth", "the house", "the house", 10, 19),
    )
    assert data.synonyms == {"los angeles": "LAX"}
    assert data.lookups == {"country": ("Perú", "Chile")}
    told = {(each.file, each.line): each.what for each in problems}
    assert "replies/" in told["nlu/nlu.yml", 34]
    assert "flows" in told["nlu/rules.yml", 3]


def test_lookup_tables_may_be_files(tmp_path: Path) -> None:
    intent = "nlu:\n- intent: a\n  examples: |\n    - x\n"
    put(
        tmp_path,
        "nlu/a.yml",
        intent + "- lookup: city\n  examples: cities.txt\n- lookup: dish\n  examples: |\n    - nlu/x/d.txt\n",
    )
    put(tmp_path, "nlu/cities.txt", "\ufeffLima\r\n\r\n- Cusco\n#1\n".replace("- ", ""))
    put(tmp_path, "nlu/x/d.txt", "ceviche\n")
    put(tmp_path, "nlu/lookups/plan.txt", "Oro\nPlata\nOro\n")
    put(tmp_path, "nlu/stray.txt", "x\n")
    data, problems = read(tmp_path)
    assert data.lookups == {"city": ("Lima", "Cusco", "#1"), "dish": ("ceviche",), "plan": ("Oro", "Plata")}
    told = [str(problem) for problem in problems if ".txt" in problem.file]
    assert told == [
        "nlu/lookups/plan.txt:3: warning: lookup 'plan' already has 'Oro', in nlu/lookups/plan.txt:1: remove one",
        "nlu/stray.txt: warning: is not read: a lookup table stands in lookups/, or is named in a lookup's examples",
    ]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("- intent: c\n  examples: >\n    - x\n    - y\n", "write 'examples: |'"),
        ("- intent: c\n  examples: {a: b}\n", "examples must be"),
        ("- intent: c\n  examples:\n", "has no examples"),
        ("- intent:\n  examples: |\n    - x\n", "intent must be a text"),
        ("- intent: c\n  examples: |\n    - [x]{}\n", "annotation of 'x' is not understood"),
    ],
)
def test_a_mistake_in_an_entry_is_an_error_in_its_file(tmp_path: Path, entry: str, words: str) -> None:
    put(tmp_path, "nlu/a.yml", "nlu:\n- intent: a\n  examples: |\n    - x\n" + entry)
    found = [each for each in read(tmp_path)[1] if words in each.what]
    assert [(each.file, each.level) for each in found] == [("nlu/a.yml", "error")]
    assert found[0].line >= 5


@pytest.mark.parametrize(
    "named", ["none.txt", "../../secret.txt", "../secret.txt", "link.txt", "~/x.txt", "/a/b/c.txt"]
)
def test_a_table_never_reads_outside_of_the_bots_folder(tmp_path: Path, named: str) -> None:
    put(tmp_path, "secret.txt", "secret\n")
    bot = tmp_path / "bot"
    put(bot, "nlu/a.yml", f"nlu:\n- intent: a\n  examples: |\n    - x\n- lookup: c\n  examples: {named}\n")
    (bot / "nlu" / "link.txt").symlink_to(tmp_path / "secret.txt")
    data, problems = read(bot)
    assert data.lookups == {}
    assert f"nlu/a.yml:6: warning: the file '{named}' is not in the bot's folder, so the table is left out" in map(
        str, problems
    )


def test_a_table_is_found_where_a_project_was_moved(tmp_path: Path) -> None:
    put(tmp_path, "nlu/a.yml", "nlu:\n- lookup: city.txt\n  examples: |\n    - data/nlu/tables/city.txt\n")
    put(tmp_path, "nlu/tables/city.txt", "Lima\n")
    assert read(tmp_path)[0].lookups == {"city": ("Lima",)}


def test_files_of_other_kinds_are_told_and_hidden_ones_left_alone(tmp_path: Path) -> None:
    put(tmp_path, "nlu/a.csv", "text,intent\nx,a\n")
    put(tmp_path, "nlu/old.md", "## intent:a\n- x\n")
    put(tmp_path, "nlu/README.md", "Read me.\n")
    put(tmp_path, "nlu/.#a.yml", "nlu: [")
    put(tmp_path, "nlu/.git/b.yml", "nlu: [")
    (tmp_path / "nlu/folder.yml").mkdir()
    told = [(each.file, each.level) for each in read(tmp_path)[1] if each.line == 0]
    assert told == [("nlu/old.md", "warning")]


def test_a_flood_of_problems_is_cut_short_and_counted(tmp_path: Path) -> None:
    put(tmp_path, "nlu/a.csv", "text,intent\n" + "broken\n" * 30 + ",a\n" * 500)
    problems = [each for each in read(tmp_path)[1] if each.file == "nlu/a.csv"]
    assert len(problems) == 51
    assert sum(each.what.startswith("has fewer cells") for each in problems) == 30
    assert problems[0] == Problem("nlu/a.csv", 0, "has 480 more problems like these")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.yml", 'nlu:\n- intent: "a\\0b"\n  examples: |\n    - x\n', "the name of this intent holds"),
        ("a.yml", f"nlu:\n- lookup: {'c' * 129}\n  examples: |\n    - x\n", "is longer than 128 characters"),
        ("a.csv", 'text,intent\nx,"a\nb"\n', "has an intent whose name holds a line's end"),
        ("a.jsonl", '{"text": "x", "intent": "a\\u0000"}\n', "has an intent whose name holds"),
        (
            "a.jsonl",
            '{"text": "x", "intent": "a", "entities": [{"start": 0, "end": 1, "kind": "\\u200b\\n"}]}\n',
            "has a name that holds",
        ),
    ],
)
def test_a_name_that_no_report_could_show_is_refused(tmp_path: Path, name: str, content: str, words: str) -> None:
    put(tmp_path, f"nlu/{name}", content)
    assert any(words in error and f"nlu/{name}:" in error for error in errors(tmp_path))


def test_a_file_of_any_format_is_read_by_itself(tmp_path: Path) -> None:
    put(tmp_path, "tests/a.es.csv", "text,intent\nuno,one\nfuera,oos\n")
    data = load_examples(tmp_path / "tests" / "a.es.csv", ("es", "en"))
    assert [(each.text, each.language, each.file, each.line) for each in data.examples] == [
        ("uno", "es", "a.es.csv", 2)
    ]
    assert [each.text for each in data.outside] == ["fuera"]
    with pytest.raises(BadBot, match=r"b\.yml: cannot be read"):
        load_examples(tmp_path / "b.yml")
    with pytest.raises(Misconfigured, match="ends with"):
        load_examples(tmp_path / "b.txt")


def test_a_language_is_known_by_its_full_name_first(tmp_path: Path) -> None:
    put(tmp_path, "nlu/a.csv", "text,intent,lang\nuno,a,ES_co\ndos,a,es-MX\ntres,a,pt\n")
    assert [each.language for each in read(tmp_path, "es", "es-CO")[0].examples] == ["es-CO", "es", "pt"]


def test_the_examples_of_the_authors_page_are_read_as_it_says(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "bots.md").read_text(encoding="utf-8")
    section = page.partition("## nlu/\n")[2].partition("\n## ")[0]
    for name, kind in (("a.yml", "yaml"), ("b.csv", "csv"), ("c.jsonl", "json")):
        (content,) = re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL)
        put(tmp_path, f"nlu/{name}", content)
    data, problems = read(tmp_path, "es")
    assert not [problem for problem in problems if problem.level == "error"]
    assert data.intents == ("balance", "trip")
    assert [each.text for each in data.outside] == ["va a llover mañana", "will it rain"]
    assert [mark.value for each in data.examples for mark in each.entities] == ["mayo", "COP", "LIM"]
    assert (data.synonyms, data.regexes, data.lookups) == (
        {"pesos": "COP"}, {"order_number": (r"\d{8}",)}, {"city": ("Bogotá",)},
    )  # fmt: skip


def test_a_task_is_a_folder_of_examples(tmp_path: Path) -> None:
    put(tmp_path, "tasks/topic/a.csv", "text,label\nla factura,billing\nno anda,network\n")
    put(tmp_path, "tasks/topic/b.yml", "nlu:\n- label: billing\n  examples: |\n    - el recibo\n")
    put(tmp_path, "tasks/empty/.keep", "")
    assert task_names(tmp_path) == ("empty", "topic")
    assert load_task(tmp_path, "topic").intents == ("billing", "network")
    assert [str(each) for each in read_task(tmp_path, "empty")[1]] == [
        "tasks/empty: holds no examples: add tasks/empty/*.yml (or .csv, .jsonl) with intents"
    ]
    with pytest.raises(BadBot, match="tasks/empty"):
        load_task(tmp_path, "empty")
    with pytest.raises(Misconfigured, match="it has empty, topic"):
        load_task(tmp_path, "tone")
    with pytest.raises(Misconfigured, match="not a task's name"):
        load_task(tmp_path, "../nlu")
    assert task_names(tmp_path / "tasks") == ()


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("nlu:\n- " + "[" * 101 + "]" * 101, 2, "more than 100 lists within one another"),
        ("nlu:\n- &e {intent: a, examples: [x]}\n" + "- *e\n" * 201, 203, "more than 200 references like *name"),
    ],
)
def test_a_file_that_would_grow_without_end_is_refused_with_its_line(
    tmp_path: Path, content: str, line: int, words: str
) -> None:
    put(tmp_path, "nlu/a.yml", content)
    assert f"nlu/a.yml:{line}: is not valid YAML: {words}" in errors(tmp_path)


TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30).map(str.strip).filter(bool)
NAMES = st.text(alphabet=st.characters(categories=["L", "N"], include_characters=" _/-.:"), min_size=1, max_size=9)
ROWS = st.lists(st.tuples(TEXTS, NAMES.map(str.strip).filter(bool)), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(
    ROWS, st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])
)
def test_what_a_spreadsheet_writes_is_read_as_it_was(
    rows: list[tuple[str, str]], delimiter: str, end: str, encoding: str
) -> None:
    sheet = io.StringIO()
    writer = csv.writer(sheet, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "intent"), *rows])
    with tempfile.TemporaryDirectory() as place:
        put(Path(place), "nlu/a.csv", sheet.getvalue().encode(encoding))
        data, problems = read(Path(place))
    found = Counter((each.text, each.intent) for each in (*data.examples, *data.outside))
    outside = {"oos", "out_of_scope", "nlu_fallback", "None"}
    assert found == Counter((text, OUT_OF_SCOPE if label in outside else label) for text, label in rows)
    assert not [problem for problem in problems if problem.level == "error" and problem.line]


@settings(max_examples=40, deadline=None)
@given(ROWS, st.data())
def test_lines_of_json_are_read_as_they_were_with_entities_at_their_places(
    rows: list[tuple[str, str]], data: st.DataObject
) -> None:
    lines = []
    places = []
    for text, label in rows:
        start = data.draw(st.integers(0, len(text) - 1))
        places.append((start, data.draw(st.integers(start + 1, len(text)))))
        mark = {"entity": "e", "start": places[-1][0], "end": places[-1][1]}
        lines.append(json.dumps({"text": text, "intent": label, "entities": [mark]}, ensure_ascii=bool(start % 2)))
    with tempfile.TemporaryDirectory() as place:
        put(Path(place), "nlu/a.jsonl", "\n".join(lines))
        found, _ = read(Path(place))
    examples = sorted((*found.examples, *found.outside), key=lambda each: each.line)
    assert [(each.text, each.line) for each in examples] == [
        (text, line) for line, (text, _) in enumerate(rows, start=1)
    ]
    assert [(each.entities[0].start, each.entities[0].end) for each in examples] == places
    assert [each.entities[0].text for each in examples] == [
        each.text[a:b] for each, (a, b) in zip(examples, places, strict=True)
    ]


PIECES = st.sampled_from(
    ["nlu:", "\n", "- ", "intent: a", "label: b", "examples: |", "  ", "    - ", "[x](y)", "[", "]", "(", "{", "}", '"',
     "text,intent", ",", ";", "\t", '{"text": "x", "intent": "a"}', "\x00", "\ud7ff", "é", "\u2028", "\x85",
     "*a", "&a", "!!x", "%", "lookup: c", "regex: r", "synonym: s", "(a+)+$", "x.txt", "metadata: {a: b}", "\r", "'"]
)  # fmt: skip
HOSTILE = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=40).map(lambda found: "".join(found).encode()))


@settings(max_examples=40, deadline=None)
@given(HOSTILE, st.sampled_from(["a.yml", "a.csv", "a.jsonl", "a.tsv", "lookups/a.txt"]))
def test_any_file_is_read_or_complained_about_and_never_breaks_the_reader(content: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        put(folder, f"nlu/{name}", content)
        data, problems = read(folder, "es", "en")
        assert all(each.text.strip() and each.file == f"nlu/{name}" and each.line > 0 for each in data.examples)
        assert all(each.what and each.file in {"nlu", f"nlu/{name}"} for each in problems)
        for example in data.examples:
            for mark in example.entities:
                assert example.text[mark.start : mark.end] == mark.text
        assert data.fingerprint == read(folder, "es", "en")[0].fingerprint


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yml", "nlu:\n- intent: a\n  examples: |\n    - " + "[a][{" * 20_000),
        ("a.yml", "nlu:\n- intent: a\n  examples: |\n    - " + '[a]{"' * 20_000),
        ("a.yml", "nlu:\n- intent: a\n  examples: |\n    - " + "[" * 100_000 + "](" * 50_000),
        ("a.yml", "nlu: " + "[" * 100_000),
        ("a.yml", "nlu:\n- intent: a\n  examples: |\n    - " + "[a](b) " * 20_000),
        ("a.csv", "text,intent\n" + '"' * 100_000),
        ("a.jsonl", "[" * 100_000 + "\n" + '{"text": "' + "x" * 100_000),
        ("a.yml", "nlu:\n- &e\n  intent: a\n  examples: &x [" + "u, " * 5000 + "v]\n" + "- *e\n" * 5000),
        ("a.yml", "nlu:\n- regex: a\n  examples: |\n    - " + "(" * 50_000 + "\n    - " + "(a{1,9999}){9999}" * 20),
    ],
)
def test_long_hostile_files_are_read_in_a_moment(tmp_path: Path, name: str, content: str) -> None:
    put(tmp_path, f"nlu/{name}", content)
    started = time.process_time()
    read(tmp_path)
    assert time.process_time() - started < 2.0
