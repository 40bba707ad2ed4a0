"""What finders ask before they read a text saves work and never changes what is found."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.bot import load_bot
from config.settings import SAMPLE_BOT
from nlp.entities import (
    Entity,
    Extractor,
    amounts,
    codes,
    dates,
    documents,
    durations,
    moments,
    numbers,
    reachable,
    times,
)
from nlp.entities.dates import DateWords
from nlp.entities.documents import KINDS, Documents
from nlp.entities.numbers import Numbers
from nlp.entities.reading import Reading
from nlp.training_data import TrainingData, load_training_data

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
TODAY = date(2026, 11, 20)
ZONE = "America/Bogota"
LANGUAGES = ("es", "en", "pt")
COUNTRIES = ("", "CO", "BR", "PY", "UY", "CL", "US")

_WORD_LIST = (
    "la las as das pelas at around de entre from between y a e to and el the dia of del hasta desde h hs hrs am pm p.m "
    "a.m. m mil k millon medio media meia half quarter past tarde manana mañana noche evening in en da una un uma one "
    "cinco five dos diez ten mediodia noon hoy today lunes monday segunda feira primero first primermayo may mayo de "
    "dezembro enero semana mes hora horas min hour day dias ago hace dentro cedula cc ci id doc documento nit rut cpf "
    "cnpj dni curp pasaporte passport pedido orden factura nota fiscal code pesos reais usd soles bs q l que viene "
    "proximo antes este fin contrato cita madrid servicio line clientedoc expid social security call numero com www"
)
WORDS = _WORD_LIST.split()
SIGNS = (*"        ,.-/:_@#$+'(?\n", "", ". ", ", ", "° ")
_NUMBER_LIST = (
    "5 12 30 31 007 2026 1.500 1'500.000 0,5 17:30 17h30 9am 15/12 5.12 05-12-2026 2026-12-05 24/7 20k 5gb 48213 30004 "
    "123456 1020304 10203040 1020304050 20-12345678-9 529.982.247-25 52998224725 12.345.678-5 12345678z x1234567l "
    "v-12345678 b12345674 4111111111111111 3005550142 +573005550142 ab123456 p-48213 ord-2024-00123 80069563-1 "
    "11222333000181 11.222.333/0001-81 ab1234cdef1269 gode561231gr8 ٣ ١٢٣٤٥ 12٣45 \uff13\uff10\uff10 ½ ² -5 1.2.3"
)
NUMBERS = _NUMBER_LIST.split()
MESSAGES = (
    "quiero 2 paquetes de 5 GB para el viernes a las 5 de la tarde",
    "mi cédula es 1020304050 y el pedido 100234, llámame al 300 555 0142",
    "meu cpf é 529.982.247-25, paguei R$ 30,50 às 17h30",
    "del 5 al 10 de mayo, entre las 3 y las 5",
    "half past five tomorrow, or 3 days ago",
    "escriba a ana@example.com o mire www.example.com/a y https://example.com",
    "me cobraron el 3 de noviembre 20 mil pesos por hora y media",
    "una de la tarde 30000",
    "uma da tarde",
    "veinte de diciembre, the 3rd",
    "ci 30004 quiero consultar mi saldo por favor, doc 30002",
    "quiero pagar con mi identificación de Madrid, número 30002",
)

AROUND_A_WORD = (
    "{} 5", "5 {}", "5{}", "{} 48213", "{} 1020304", "{} ab1234", "a.{}", "{}.abc", "{} hora", "2 millones y {}",
    "{} cinco", "cinco de la {}", "a las 5 de la {}", "{} 2 a 4 pm", "{} 5 al 10 de mayo", "5 {} mayo", "{} de mayo",
    "{}", "2 y {}", "2 e {}",
)  # fmt: skip
FINDERS = (amounts, codes, dates, documents, durations, moments, numbers, reachable, times)


class EveryWord(frozenset[str]):
    """Says of any words that some of them are there."""

    def isdisjoint(self, _other: object) -> bool:
        return False

    def __contains__(self, _word: object) -> bool:
        return True

    def __and__(self, _other: object) -> EveryWord:
        return self


class EverySign(str):
    """Says of any sign that it is there."""

    __slots__ = ()

    def __contains__(self, _sign: object) -> bool:
        return True

    def isascii(self) -> bool:
        return False


class OpenReading(Reading):
    """A text of which no finder is told that it need not look."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.folded = EverySign(self.folded)
        self.clues = EveryWord(self.vocabulary)
        self.first_digit, self.longest_number, self.short_numbers = 0, 99, 99


class AllRules(Documents):
    """Tries each rule on each number."""

    def _fitting(self, _compact: str) -> Sequence[documents._Rule]:
        return self._rules


class Both:
    """An extractor with its shortcuts and the same one without."""

    def __init__(self, country: str) -> None:
        self._short = Extractor(TrainingData(()), LANGUAGES, country=country)
        self._long = Extractor(TrainingData(()), LANGUAGES, country=country)
        self._long._documents = AllRules(country)
        self._dates = DateWords(LANGUAGES, country)

    def found(self, text: str, language: str) -> tuple[tuple[Entity, ...], tuple[Entity, ...]]:
        """What is found in a text, and what would be found by looking for everything."""
        short = self._short.extract(text, language, AT, ZONE)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("nlp.entities.extractor.Reading", OpenReading)
            return short, self._long.extract(text, language, AT, ZONE)

    def days(self, text: str, language: str) -> tuple[date | None, date | None]:
        """The day that an answer names, and what it would be by looking for everything."""
        short = self._dates.read(text, language, TODAY)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("nlp.entities.dates.Reading", OpenReading)
            return short, self._dates.read(text, language, TODAY)


@pytest.fixture(scope="module")
def both() -> dict[str, Both]:
    return {country: Both(country) for country in COUNTRIES}


def assembled(chosen: random.Random) -> str:
    """A text of words, numbers and signs that finders look for, in no order."""
    pieces = (
        chosen.choice(chosen.choice((WORDS, NUMBERS))) + chosen.choice(SIGNS) for _ in range(chosen.randint(1, 10))
    )
    return "".join(pieces)


def disturbed(text: str, chosen: random.Random) -> str:
    """A message with words and numbers put into it."""
    words = text.split(" ")
    for _ in range(chosen.randint(1, 3)):
        words.insert(chosen.randint(0, len(words)), chosen.choice(chosen.choice((WORDS, NUMBERS, NUMBERS))))
    return " ".join(words)


def many_texts() -> Iterator[str]:
    chosen = random.Random(7)
    examples = [example.text for example in load_training_data(SAMPLE_BOT, load_bot(SAMPLE_BOT).languages).examples]
    yield from MESSAGES
    yield from chosen.sample(examples, min(200, len(examples)))
    yield from (disturbed(chosen.choice(examples), chosen) for _ in range(700))
    yield from (disturbed(chosen.choice(MESSAGES), chosen) for _ in range(400))
    yield from (assembled(chosen) for _ in range(1_500))


def test_no_shortcut_changes_what_is_found(both: dict[str, Both]) -> None:
    kinds: set[str] = set()
    for place, text in enumerate(many_texts()):
        country, language = COUNTRIES[place % len(COUNTRIES)], LANGUAGES[place % len(LANGUAGES)]
        short, whole = both[country].found(text, language)
        assert short == whole, (country, language, text)
        kinds.update(entity.kind for entity in whole)
    assert kinds >= {"number", "amount", "date", "time", "datetime", "period", "phone", "document", "code", "url"}


def known_words() -> list[str]:
    """The words that stand in the patterns of the finders, and the names of documents."""
    patterns = [each.pattern for module in FINDERS for each in vars(module).values() if isinstance(each, re.Pattern)]
    return sorted({word for text in patterns for word in re.findall(r"(?<![\\\w<])[a-z]+(?=[\W\d]|$)", text)})


def test_no_shortcut_misses_a_word_of_a_pattern(both: dict[str, Both]) -> None:
    words = known_words()
    assert {"pm", "noche", "das", "quarter", "protocolo", "www", "curp", "ago", "cents"} <= set(words)
    for word in words:
        for place, around in enumerate(AROUND_A_WORD):
            text, language = around.format(word), LANGUAGES[place % len(LANGUAGES)]
            short, whole = both["CO"].found(text, language)
            assert short == whole, (language, text)


def test_no_shortcut_changes_the_day_that_an_answer_names(both: dict[str, Both]) -> None:
    days = 0
    for place, text in enumerate(islice(many_texts(), 0, None, 3)):
        short, whole = both["CO"].days(text, LANGUAGES[place % len(LANGUAGES)])
        assert short == whole, text
        days += whole is not None
    assert days > 50


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.one_of(st.sampled_from((*WORDS, *NUMBERS, *SIGNS)), st.text(max_size=4)), max_size=14),
    st.sampled_from(LANGUAGES),
    st.sampled_from(COUNTRIES),
)
def test_no_shortcut_changes_what_is_found_in_any_string(
    both: dict[str, Both], pieces: list[str], language: str, country: str
) -> None:
    for text in ("".join(pieces), " ".join(pieces)):
        short, whole = both[country].found(text, language)
        assert short == whole


@given(st.text(alphabet="0123456789ABCKVXZÑ&٣", min_size=1, max_size=39))
def test_a_rule_that_fits_is_tried(compact: str) -> None:
    tried = {(rule.kind.name, rule.kind.country) for rule in Documents("UY")._fitting(compact)}
    fitting = {(kind.name, kind.country) for kind in KINDS if re.fullmatch(kind.shape, compact)}
    assert fitting <= tried if len(compact) >= 5 else not tried


@given(st.lists(st.sampled_from((*WORDS, "_", " ", "-", "1", "security", "social")), max_size=8))
def test_the_words_that_name_a_document_are_all_seen(pieces: list[str]) -> None:
    nearby = " ".join(pieces[:4]) + "".join(pieces[4:])
    names = documents._NAMES.findall(nearby)
    for kind in KINDS:
        assert bool(set(kind.words.split("|")) & set(names)) == bool(re.search(rf"\b(?:{kind.words})\b", nearby))


@given(st.text(alphabet="0123456789 ٣a.", max_size=40))
def test_the_digits_of_a_text_are_counted(text: str) -> None:
    reading, runs = Reading(text), re.findall(r"\d+", text)
    assert reading.digit_count == sum(map(len, runs))
    assert reading.longest_number == max(map(len, runs), default=0)
    assert reading.short_numbers == sum(len(run) <= 2 for run in runs)
    assert not runs or text[reading.first_digit] == runs[0][0]


def test_a_zone_that_is_none_is_told_whatever_the_text() -> None:
    for text in ("", "hola", "mañana a las 5"):
        with pytest.raises((KeyError, ValueError)):
            Extractor(TrainingData(()), LANGUAGES).extract(text, "es", AT, "No/Such")


def test_numbers_can_be_read_more_than_once_from_a_text() -> None:
    reading = Reading("veinte mil y 30")
    reading.keep_clues(frozenset({"mil", "veinte"}))
    assert [number.value for number in Numbers("CO").find(reading, "es")] == [20_000, 30]
