"""The quick ways to read a text give exactly what the plain ones do, whatever the text."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from nlp import moods, signals
from nlp.language import LanguageDetector
from nlp.signals import for_sentiment
from nlp.spelling import Spelling, open_spelling
from nlp.text import MAX_READ_CHARS, fold, for_intents, phrase, words_of

HOSTILE = (
    "\x00",
    "\x80ÿ",
    "\ud800 saldo",
    "\u202eabc\u200b",
    "½ ª º ² µ \xa8 \xb4 \xb8 \xaf\xa0x",
    "e\u0301l n\u0303o ñandú",
    "İstanbul ΣΑΣ ς ß ﬁ ﷺ",
    "٣٤٥ 12.345,67 ²",
    "a\nb\x85c\x1cd _x_ __",
    "can't won\u2019t isn't good",
    "¡¡QUÉ BIEEEEN!! 😡...",
    "NO ESTÁ NADA MAL, ÑÑÑ ééé",
    "x" * 5_000,
    "ﷺ" * 3_000,
    "mal " * 2_000,
    "saldo " * 50 + "ñ" * 300,
)
_PHRASES = f"{moods._GOOD_PHRASES};{moods._BAD_PHRASES};{moods._CALM_PHRASES}"
_WORDS = f"{moods._GOOD} {moods._BAD} {_PHRASES} no not sin".replace("*", "ito").replace(";", " ").split()
_JOINTS = st.sampled_from((" ", " ", " ", ", ", ". ", "\n", "!! ", "? ", "...", "-", "'", "_", " 😡 ", " 123 "))
_SAID = st.sampled_from(_WORDS).flatmap(lambda word: st.sampled_from((word, word.upper(), word.capitalize())))
CHATS = st.lists(st.tuples(_SAID, _JOINTS), max_size=14).map(lambda pairs: "".join(a + b for a, b in pairs))
LATIN = st.text(st.characters(max_codepoint=0x17F), max_size=60)
TEXTS = st.one_of(st.text(max_size=60), LATIN, CHATS, st.sampled_from(HOSTILE))


def plain_fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text[:MAX_READ_CHARS]).lower())
    return unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]+", "", decomposed))[:MAX_READ_CHARS]


def plain_for_intents(text: str) -> str:
    return re.sub(r"\d", "0", plain_fold(text))


def plain_phrase(text: str) -> str:
    return re.sub(r"[\W_]+", " ", plain_fold(text)).strip()


def plain_for_sentiment(text: str) -> str:
    """Every signal looked for everywhere."""
    text = text[:MAX_READ_CHARS]
    folded, stretched = signals._STRETCHED.subn(r"\1\1", plain_fold(text))
    found = ["_stretched_"] * bool(stretched) + ["_capitals_"] * signals._is_loud(text)
    signals._add_marks(found, text)
    found += dict.fromkeys(signals._FACE[face] for face in signals._ANY_FACE.findall(text))
    signals._add_moods(found, folded)
    return " ".join([*found[: signals._MOST_SIGNALS], folded])


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_a_text_is_folded_as_by_the_long_way(text: str) -> None:
    assert fold(text) == plain_fold(text)
    assert for_intents(text) == plain_for_intents(text)
    assert phrase(text) == plain_phrase(text)
    assert words_of(text) == plain_phrase(text).split()


def test_every_character_of_the_european_alphabets_is_folded_as_by_the_long_way() -> None:
    for text in (f"a{chr(code)}b{chr(code)}" for code in range(0x2200)):
        assert fold(text) == plain_fold(text)
        assert for_intents(text) == plain_for_intents(text)
        assert phrase(text) == plain_phrase(text)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
@example("ME SALVÓ LA VIDA")
@example("AAAbbbccc no está NADA bieeeen")
def test_no_signal_is_missed_where_it_is_not_looked_for(text: str) -> None:
    assert for_sentiment(text) == plain_for_sentiment(text)


def test_every_listed_phrase_and_word_is_looked_for() -> None:
    phrases = [" ".join(phrase.split()) for phrase in _PHRASES.split(";")]
    for text in (*phrases, *_WORDS):
        assert for_sentiment(f"bla {text}, bla") == plain_for_sentiment(f"bla {text}, bla")


@pytest.fixture(scope="module")
def three() -> Spelling:
    found = open_spelling(("es", "en", "pt"))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def library() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(["en", "es", "pt"])
    return identifier


@given(TEXTS)
@settings(max_examples=200, deadline=None)
@example("")
@example("   dos  espacios   al final  ")
@example("supercalifragilisticoespialidoso" * 3)
def test_languages_are_ranked_as_by_the_library_to_the_bit(
    three: Spelling, library: LanguageIdentifier, text: str
) -> None:
    text = text[:200].lower()
    assert three.rank(text) == library.rank(text)
    assert three.rank(text) == library.rank(text)  # now out of memory


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector(("es", "en", "pt"))


def test_a_language_of_two_alphabets_has_one_share() -> None:
    found = open_spelling(("es", "sr"))
    assert found is not None
    [best, other] = found.rank("dobar dan, kako ste danas")
    assert best[0] == "sr"
    assert best[1] + other[1] == pytest.approx(1.0, abs=1e-5)


def test_one_known_language_needs_no_spelling() -> None:
    assert open_spelling(("es", "xx")) is None


def test_what_is_remembered_of_words_stays_bounded(three: Spelling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nlp.spelling._MAX_REMEMBERED", 10)
    for number in range(100):
        three.rank(f"palabra{number} otra{number}")
    assert len(three._remembered) <= 10


@given(TEXTS)
@settings(max_examples=100, deadline=None)
def test_a_choice_without_a_prior_is_the_guess(detector: LanguageDetector, text: str) -> None:
    assert detector.choose(text, "", is_first=True) == (detector.guess(text).language or "es")
