"""Evaluation judges only what a classifier has not seen, and says what an author can use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from gateway.core.errors import Misconfigured
from gateway.core.turns import Candidate
from nlp.evaluation import Evaluation, Plan, Taught, cross_validate, judge_file
from nlp.evaluation.judging import distinct, folds_of, part_of
from nlp.evaluation.junit import Limits, verdicts, write_junit
from nlp.evaluation.plots import draw, specifications
from nlp.evaluation.report import advice_for
from nlp.evaluation.tests_file import read_tests
from nlp.intents import Prediction
from nlp.training_data import Example, TrainingData

WORDS = {
    "bill": ("factura", "recibo", "invoice", "bill", "cargo", "importe"),
    "outage": ("internet", "señal", "signal", "router", "wifi", "línea"),
    "person": ("persona", "agente", "human", "operator", "alguien", "asesora"),
    "stores": ("tienda", "store", "shop", "local", "sucursal", "horario"),
}


def examples(per_label: int = 10) -> tuple[Example, ...]:
    return tuple(
        Example(f"{words[i % len(words)]} {'por favor ' * (i // len(words))}ahora", label)
        for label, words in WORDS.items()
        for i in range(per_label)
    )


class Memory:
    """Knows the label of a word once it saw the word with it, and the texts that it learnt from."""

    def __init__(self, data: TrainingData) -> None:
        self.texts = {example.text for example in (*data.examples, *data.outside)}
        self.outside = data.outside
        self.labels = {example.text.split()[0]: example.intent for example in data.examples}
        self.asked: list[str] = []

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        self.asked += texts
        return [self._predict(text) for text in texts]

    def _predict(self, text: str) -> Prediction:
        label = self.labels.get(text.split(maxsplit=1)[0])
        if label is None:
            return Prediction((Candidate(min(self.labels.values()), 0.3),), 0.1, is_in_scope=False)
        return Prediction((Candidate(label, 0.9),), 0.8, is_in_scope=True)


class School:
    def __init__(self) -> None:
        self.pupils: list[Memory] = []

    def teach(self, data: TrainingData) -> Taught:
        self.pupils.append(Memory(data))
        return Taught(self.pupils[-1], 0.5)


ALL = Plan()


def evaluated(plan: Plan = ALL) -> tuple[Evaluation, School]:
    school = School()
    return cross_validate(TrainingData(examples()), school.teach, plan), school


def test_no_classifier_is_asked_about_what_it_learnt_and_each_text_is_judged_once() -> None:
    evaluation, school = evaluated()
    assert not any(set(pupil.asked) & pupil.texts for pupil in school.pupils)
    folds = school.pupils[:5]
    assert sorted(text for pupil in folds for text in pupil.asked) == sorted({e.text for e in examples()})
    assert evaluation.texts == len(distinct(examples()))


def test_labels_that_are_hidden_play_out_of_scope() -> None:
    evaluation, _ = evaluated()
    assert evaluation.scope is not None
    assert evaluation.scope.source == "hidden labels"
    assert evaluation.scope.in_use.caught == 1.0
    assert evaluation.scope.in_use.threshold == 0.5
    quick, school = evaluated(Plan(hides_labels=False, draws_curves=False))
    assert quick.scope is None
    assert quick.learning is None
    assert len(school.pupils) == 5


def test_examples_out_of_scope_are_judged_as_such_and_count_as_no_label() -> None:
    foreign = tuple(Example(f"xyzzy {letter}", "out_of_scope") for letter in "abcdefghij")
    school = School()
    evaluation = cross_validate(TrainingData(examples(), outside=foreign), school.teach, Plan(draws_curves=False))
    assert all(pupil.outside for pupil in school.pupils)
    assert evaluation.scope is not None
    assert (evaluation.scope.source, evaluation.scope.outside) == ("examples", 10)
    assert evaluation.scope.in_use.caught == 1.0
    assert "out_of_scope" not in {each.label for each in evaluation.labels}


def test_learning_curve_rises_where_words_are_still_missing() -> None:
    evaluation, _ = evaluated()
    assert evaluation.learning is not None
    overall = [point.f1 for point in evaluation.learning.overall]
    assert overall == sorted(overall)
    assert overall[0] < overall[-1]
    assert [point.share for point in evaluation.learning.overall] == [0.25, 0.5, 1.0]
    assert {each.label for each in evaluation.learning.labels} == set(WORDS)


def test_advice_is_more_examples_while_they_help_and_else_to_look_at_the_neighbours() -> None:
    assert advice_for(0.95, 0.2, 5) == "enough"
    assert advice_for(0.7, 0.1, 50) == "more examples"
    assert advice_for(0.7, 0.0, 5) == "more examples"
    assert advice_for(0.7, 0.0, 50) == "look at its confusions"


def test_same_data_in_another_order_gives_the_same_figures() -> None:
    data = TrainingData(examples())
    turned = TrainingData(tuple(reversed(examples())))
    one, other = (cross_validate(each, School().teach, Plan()) for each in (data, turned))
    assert msgspec.structs.replace(one, seconds=0) == msgspec.structs.replace(other, seconds=0)


def test_folds_have_as_many_of_each_label_and_parts_at_least_one() -> None:
    kept = distinct(examples())
    fold_of = folds_of(kept, 5)
    for label in WORDS:
        sizes = [sum(f == fold and e.intent == label for e, f in zip(kept, fold_of, strict=True)) for fold in range(5)]
        assert max(sizes) - min(sizes) <= 1
    assert {e.intent for e in part_of(kept, 0.01)} == set(WORDS)


def test_too_little_to_hold_out_is_told() -> None:
    with pytest.raises(Misconfigured, match="two labels"):
        cross_validate(TrainingData((Example("hola", "greet"),)), School().teach, Plan())


def test_copies_of_a_text_are_judged_once() -> None:
    copies = (Example("Factura  ahora", "bill"), Example("factura 12", "bill"), Example("factura 99", "bill"))
    assert len(distinct(copies)) == 2


def test_tests_that_were_learnt_or_have_unknown_labels_are_told() -> None:
    taught = School().teach(TrainingData(examples()))
    tests = [Example("factura ahora", "bill"), Example("adiós", "goodbye")]
    seen = frozenset({"factura ahora"})
    evaluation = judge_file(
        taught, tests, {}, task="intent", model="v0003", fingerprint="", known=WORDS, seen=seen
    )  # fmt: skip
    assert evaluation.method == "test file"
    assert evaluation.accuracy.value == 0.5
    assert any("'goodbye' (1 tests) is no label" in note for note in evaluation.notes)
    assert any("1 of 2 tests are among the examples" in note for note in evaluation.notes)


def test_confusions_name_the_surest_mistakes() -> None:
    taught = School().teach(TrainingData(examples()))
    tests = [Example("factura ya", "outage"), Example("wifi ya", "outage")]
    evaluation = judge_file(taught, tests, {}, task="intent", model="", fingerprint="", known=WORDS)
    [pair] = evaluation.confusions
    assert (pair.label, pair.predicted, pair.texts, pair.share) == ("outage", "bill", 1, 0.5)
    assert pair.examples[0].text == "factura ya"


def test_json_keeps_its_shape() -> None:
    evaluation, _ = evaluated()
    decoded = msgspec.json.decode(msgspec.json.encode(evaluation))
    assert list(decoded) == [
        "format",
        "task",
        "method",
        "model",
        "fingerprint",
        "folds",
        "texts",
        "accuracy",
        "macro_f1",
        "calibration_error",
        "reliability",
        "labels",
        "confusions",
        "scope",
        "learning",
        "notes",
        "seconds",
    ]
    assert list(decoded["labels"][0]) == ["label", "precision", "recall", "f1", "texts", "examples"]
    assert msgspec.convert(decoded, Evaluation) == evaluation


def test_junit_fails_what_is_beyond_its_limit_and_nothing_else(tmp_path: Path) -> None:
    evaluation, _ = evaluated()
    limits = Limits(accuracy=1.01, f1=0.0, calibration_error=1.0)
    write_junit(evaluation, limits, tmp_path / "reports" / "nlu.xml")
    root = ET.parse(tmp_path / "reports" / "nlu.xml").getroot()
    suite = root.find("testsuite")
    assert suite is not None
    assert suite.get("failures") == "1"
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["accuracy"]
    assert len(suite) == int(suite.get("tests") or 0)


def test_limit_on_scope_without_texts_out_of_scope_is_broken_not_forgotten() -> None:
    evaluation, _ = evaluated(Plan(hides_labels=False, draws_curves=False))
    assert [each.name for each in verdicts(evaluation, Limits(auroc=0.5)) if each.problem] == ["AUROC of scope"]


def test_pictures_are_drawn_as_svg_and_png(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="tertulia[plots] is not installed")
    evaluation, _ = evaluated()
    written = draw(evaluation, tmp_path / "plots")
    assert {path.stem for path in written} == set(specifications(evaluation))
    for path in written:
        content = path.read_bytes()
        assert content.startswith(b"<svg" if path.suffix == ".svg" else b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tests.yml", "nlu:\n- intent: bill\n  examples: |\n    - mi factura\n    - the bill\n"),
        ("tests.csv", '\ufefftext,intent\nmi factura,bill\n"the bill",bill\n'),
        ("tests.jsonl", '{"text": "mi factura", "intent": "bill"}\n\n{"text": "the bill", "label": "bill"}\n'),
    ],
)  # fmt: skip
def test_tests_are_read_from_each_format(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert [(e.text, e.intent) for e in read_tests(tmp_path / name)] == [("mi factura", "bill"), ("the bill", "bill")]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", b"question,intent\nx,y\n", "a.csv:1: "),
        ("a.csv", b"text,intent\nx\n", "a.csv:2: "),
        ("a.jsonl", b'{"text": "x"}\n', "a.jsonl:1: "),
        ("a.jsonl", b'{"text": 3}\n', "a.jsonl:1: "),
        ("a.jsonl", b"", "holds no labelled texts"),
        ("a.csv", b"text,intent\n\xff\xfe,y\n", "UTF-8"),
        ("a.txt", b"x", "ends with .yml, .csv or .jsonl"),
    ],
)
def test_what_is_wrong_with_a_file_of_tests_is_told_with_its_line(
    tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Misconfigured, match=complaint.replace(".", r"\.")):
        read_tests(tmp_path / name)


def test_missing_file_of_tests_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"none\.csv"):
        read_tests(tmp_path / "none.csv")
