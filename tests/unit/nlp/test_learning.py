"""Texts are made anonymous, grouped and suggested for; drift is measured; a reviewer's line is one decision."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.turns import Candidate
from nlp.intents import Prediction
from nlp.learning.choosing import choose, default_of
from nlp.learning.drift import Day, Limits, Reading, index_by_chance, read_drift, stability
from nlp.learning.grouping import MOST_TEXTS, Asked, group, nearest
from nlp.learning.redaction import MAX_CHARS, is_worth_keeping, redact
from nlp.learning.suggesting import Collected, Reviewed, Suggestion, suggest
from nlp.learning.vocabulary import Vocabulary
from nlp.text import for_intents
from nlp.training_data import Example


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("escriban a ana.perez+1@mail.example.com ya", "escriban a name@example.org ya"),
        ("llámenme al +54 9 11 2345-6789", "llámenme al +00 0 00 0000-0000"),
        ("mi dni 12345678Z", "mi dni 00000000X"),
        ("rfc GODE561231GR8 por favor", "rfc XXXX000000XX0 por favor"),
        ("ES91 2100 0418 4502 0005 1332", "ES00 0000 0000 0000 0000 0000"),
        ("mira https://shop.example/u/ana?t=1 no abre", "mira https://example.org no abre"),
        ("soy @anita_p en las redes", "soy @X en las redes"),
        ("Soy Ana, de Ríos", "Soy X, de X"),
        ("me llamo Julia Paz y tengo un problema", "me llamo X y tengo un problema"),
        ("my name is John Smith", "my name is X"),
        ("meu nome é João e quero a fatura", "meu nome é X e quero a fatura"),
        ("quiero 300 megas por 25,50 euros", "quiero 300 megas por 25,50 euros"),
        ("dos\n líneas\x00\u200b", "dos líneas"),
    ],
)
def test_what_tells_who_wrote_is_taken_out_and_the_rest_stays(text: str, redacted: str) -> None:
    assert redact(text, ("Ana Ríos", "")) == redacted


def test_a_name_goes_however_it_is_written_and_inside_other_words_stays() -> None:
    assert redact("ANA, ána y Anabel; anagrama", ["Ana de la Cruz"]) == "X, X y Anabel; anagrama"
    assert redact("la factura de la luz", ["Ana de la Cruz"]) == "la factura de la luz"


def test_redacted_numbers_read_the_same_to_the_classifier() -> None:
    text = "mi pedido 123456789 no llegó"
    assert for_intents(redact(text)) == for_intents(text)


@given(st.text(max_size=300), st.lists(st.text(max_size=20), max_size=3))
def test_any_string_is_redacted_to_one_line_without_long_numbers_and_again_to_the_same(
    text: str, names: list[str]
) -> None:
    redacted = redact(text, names)
    assert "\n" not in redacted
    assert len(redacted) <= MAX_CHARS
    assert redact(redacted) == redacted


@pytest.mark.parametrize("piece", ["a", "a-", "1-a", "a.", "@", "\ud800", "me llamo ", "1 ", "٣", "www."])
def test_hostile_texts_are_redacted_in_bounded_time(piece: str) -> None:
    started = time.perf_counter()
    redact(piece * 100_000, ["Ana"])
    assert time.perf_counter() - started < 1.0


def test_marks_numbers_and_signs_are_not_worth_keeping() -> None:
    assert not any(map(is_worth_keeping, ("", "X X", "0000-0000", "👍", "a")))
    assert is_worth_keeping("no anda")


REPAIRS = ["¿arreglan pantallas?", "arreglan pantallas rotas", "¿me arreglan pantallas?", "arreglan pantalla"]
PARKING = ["¿tienen estacionamiento?", "tienen estacionamiento gratis", "estacionamiento tienen"]


def asked(texts: Sequence[str]) -> list[Asked]:
    return [Asked(text) for text in texts]


def test_texts_that_are_alike_come_together_and_the_most_frequent_group_first() -> None:
    texts = [PARKING[0], REPAIRS[0], PARKING[1], REPAIRS[1], REPAIRS[2], "zapatos azules", REPAIRS[3], PARKING[2]]
    groups = group(asked(texts))
    assert [sorted(texts[i] for i in each.members) for each in groups[:2]] == [sorted(REPAIRS), sorted(PARKING)]
    assert groups[-1].members == (5,)


def test_a_model_that_tells_texts_apart_keeps_them_apart_and_joins_what_is_near() -> None:
    texts = asked(["no me llega la factura", "no me llega la señal", "la factura no llegó"])
    split = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert (0, 2) in [tuple(sorted(each.members)) for each in group(texts, split)]
    nothing = np.zeros((3, 2))
    assert sorted(index for each in group(texts, nothing) for index in each.members) == [0, 1, 2]


def test_every_text_is_in_one_group_whatever_it_is_and_always_the_same() -> None:
    texts = ["", "?", "👍", "hola", "Hola", "\x00", "hola que tal", "a" * 5_000]
    groups = group(asked(texts))
    assert sorted(index for each in groups for index in each.members) == list(range(len(texts)))
    assert groups == group(asked(texts))
    assert group([]) == []
    assert group([Asked("hola", 4)])[0].times == 4


def test_as_many_texts_as_are_grouped_at_once_take_seconds_and_more_are_refused() -> None:
    random = np.random.default_rng(0)
    words = ["factura", "plan", "móvil", "señal", "pagar", "cambiar", "ayer", "nunca", "roto", "nuevo"]
    texts = [" ".join(random.choice(words, 6)) + f" {i}" for i in range(MOST_TEXTS)]
    started = time.perf_counter()
    group(asked(texts))
    assert time.perf_counter() - started < 10
    with pytest.raises(ValueError, match="more than"):
        group(asked([*texts, "otra"]))


def test_nearest_examples_are_the_most_alike_first() -> None:
    [found] = nearest(["arreglan pantallas de móvil"], [PARKING[0], REPAIRS[1], "hola"], most=2)
    assert found[0][0] == 1
    assert nearest([], ["hola"]) == []
    assert nearest(["hola"], []) == [[]]


class Opinion:
    """A model that is always of the same opinion."""

    def __init__(self, *candidates: Candidate, is_in_scope: bool = True) -> None:
        self.prediction = Prediction(candidates, 0.5, is_in_scope)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        return [self.prediction] * len(texts)


def collected(text: str, times: int = 1, chosen: str = "") -> Collected:
    return Collected(key=text, text=text, times=times, chosen=chosen, reasons=("unresolved",))


def test_a_group_is_suggested_what_the_model_thinks_and_shown_what_is_near() -> None:
    model = Opinion(Candidate("repairs", 0.6), Candidate("bill", 0.4))
    examples = [Example("arreglan la pantalla", "repairs"), Example("mi factura", "bill")]
    [found] = suggest([collected(text) for text in REPAIRS], model, examples)
    assert found.times == 4
    assert [(each.intent, each.confidence) for each in found.suggestions] == [("repairs", 0.6), ("bill", 0.4)]
    assert found.nearest[0].intent == "repairs"
    assert default_of(found) == "repairs"


def test_what_customers_chose_counts_more_than_an_unsure_model() -> None:
    [found] = suggest([collected("lo del cobro", 3, chosen="bill")], Opinion(Candidate("plans", 0.9)), [])
    assert found.suggestions[0].intent == "bill"


def test_a_group_out_of_scope_has_no_default_and_without_a_model_choices_alone_suggest() -> None:
    [foreign] = suggest([collected("receta de pan")], Opinion(Candidate("bill", 0.9), is_in_scope=False), [])
    assert foreign.is_foreign
    assert default_of(foreign) == ""
    [untaught] = suggest([collected("lo del cobro", chosen="bill")], None, [])
    assert untaught.suggestions[0] == Suggestion("bill", 1.0)


INTENTS = {"bill", "bill_copy", "repairs", "plans"}


def reviewed(*suggestions: Suggestion) -> Reviewed:
    texts = (collected("uno"), collected("dos"), collected("tres"))
    return Reviewed(texts=texts, times=3, suggestions=suggestions, is_foreign=False, nearest=(), answers=())


SURE = reviewed(Suggestion("bill", 0.8))


@pytest.mark.parametrize(
    ("line", "act", "intent"),
    [
        ("\n", "accept", "bill"),
        ("repairs", "accept", "repairs"),
        (" rep ", "accept", "repairs"),
        ("bill", "accept", "bill"),
        ("n parking", "accept", "parking"),
        ("y", "accept", "bill"),
        ("re", "unclear", ""),
        ("o", "out of scope", ""),
        ("d", "drop", ""),
        ("s", "skip", ""),
        ("Q", "quit", ""),
        ("?", "help", ""),
        ("- 1, 3", "leave out", ""),
        ("bil", "unclear", ""),
        ("reparis", "unclear", ""),
        ("n bill", "unclear", ""),
        ("n dos palabras", "unclear", ""),
        ("- 4", "unclear", ""),
        ("- x", "unclear", ""),
        ("\x00", "unclear", ""),
    ],
)
def test_a_line_is_one_decision(line: str, act: str, intent: str) -> None:
    choice = choose(line, SURE, INTENTS)
    assert (choice.act, choice.intent) == (act, intent)
    assert bool(choice.why) is (act == "unclear")


def test_an_empty_line_skips_what_nothing_is_suggested_for_with_confidence() -> None:
    assert choose("", reviewed(), INTENTS).act == "skip"
    assert choose("", reviewed(Suggestion("bill", 0.2)), INTENTS).act == "skip"
    assert choose("yes", reviewed(Suggestion("bill", 0.2)), INTENTS).intent == "bill"
    assert choose("yes", reviewed(), INTENTS).act == "unclear"


def test_a_misspelt_intent_is_told_with_what_is_near() -> None:
    assert "repairs" in choose("reparis", SURE, INTENTS).why


AT = datetime(2026, 3, 29, 12, tzinfo=UTC)


def day(ago: int, intent: str, turns: int = 9, confidence: float = 0.9, unseen: float = 0.0) -> Day:
    words = turns * 10
    return Day(
        day=AT.date() - timedelta(days=ago),
        intent=intent,
        turns=turns,
        confidence=turns * confidence,
        words=words,
        unseen=round(words * unseen),
    )


def read(*days: Day) -> Reading:
    return read_drift(days, AT, window_days=7, baseline_days=28, fewest_turns=200, limits=Limits())


def test_the_same_shares_are_no_drift_and_days_are_on_one_side_only() -> None:
    reading = read(
        day(0, "bill", 100), day(6, "plans", 300), day(7, "bill", 200), day(34, "plans", 600), day(35, "x", 9)
    )
    assert reading.enough
    assert (reading.now.turns, reading.before.turns) == (400, 800)
    assert reading.drifted == ()
    assert sum(shift.weight for shift in reading.shifts) == pytest.approx(0.0)


def test_stability_index_is_that_of_its_definition() -> None:
    before, now = {"bill": 0.5, "plans": 0.5}, {"bill": 0.8, "plans": 0.2}
    expected = sum((now[k] - before[k]) * np.log(now[k] / before[k]) for k in before)
    assert sum(shift.weight for shift in stability(before, now)) == pytest.approx(expected)
    assert np.isfinite([shift.weight for shift in stability({"bill": 1.0}, {"new": 1.0})]).all()
    assert stability({}, now) == ()


@pytest.mark.parametrize(
    ("now", "drifted"),
    [
        (day(1, "plans", 400), "stability"),
        (day(1, "", 100), "out_of_scope"),
        (day(1, "bill", 4_000, confidence=0.7), "confidence"),
        (day(1, "bill", 4_000, unseen=0.2), "unseen_words"),
    ],
)
def test_each_measure_is_over_its_limit_by_itself(now: Day, drifted: str) -> None:
    assert read(day(20, "bill", 400), day(1, "bill", 400), now).drifted == (drifted,)


def test_chance_alone_is_no_drift_however_many_intents_there_are() -> None:
    random = np.random.default_rng(3)
    shares = random.dirichlet(np.ones(40))
    indices = []
    for _ in range(200):
        before, now = random.multinomial(800, shares) / 800, random.multinomial(200, shares) / 200
        names = [f"i{number}" for number in range(40)]
        shifts = stability(dict(zip(names, before, strict=True)), dict(zip(names, now, strict=True)))
        indices.append(sum(shift.weight for shift in shifts))
    assert np.mean(indices) > 0.2
    assert np.mean(np.array(indices) > max(0.25, index_by_chance(40, 800, 200))) < 0.03
    assert index_by_chance(40, 80_000, 20_000) < 0.01
    assert index_by_chance(1, 10, 10) == 0.0


def test_few_turns_conclude_nothing() -> None:
    reading = read(day(20, "bill", 199), day(1, "plans", 400))
    assert not reading.enough
    assert reading.drifted == ()
    assert read().drifted == ()


def test_better_is_no_drift() -> None:
    before = (day(20, "bill", 300, confidence=0.5, unseen=0.5), day(20, "", 200))
    assert read(*before, day(1, "bill", 500, confidence=0.95)).drifted == ()


def test_a_period_names_its_days() -> None:
    reading = read()
    assert (reading.now.since, reading.now.until) == (date(2026, 3, 23), date(2026, 3, 29))
    assert (reading.before.since, reading.before.until) == (date(2026, 2, 23), date(2026, 3, 22))


def test_vocabulary_reads_words_as_the_classifier_does() -> None:
    words = Vocabulary(["Mi factura llegó 123"])
    assert words.count("MI FACTURA llego 999 dron") == (5, 1)
    assert words.count("") == (0, 0)
