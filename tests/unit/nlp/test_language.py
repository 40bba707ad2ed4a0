"""Language: detected among the bot's own, kept over the conversation."""

from __future__ import annotations

import pytest
from short_chats import CHATS

from nlp.language import LanguageDetector
from nlp.training_data import TrainingData


@pytest.fixture(scope="module")
def detector(telecom: TrainingData) -> LanguageDetector:
    return LanguageDetector(("es", "en"), telecom.examples)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("hola", "es"),
        ("hello", "en"),
        ("saldo", "es"),
        ("my balance", "en"),
        ("gracias!", "es"),
        ("quiero saber cuándo vence mi factura", "es"),
        ("i would like to know when my bill is due", "en"),
        ("no me anda el internet desde ayer a la noche", "es"),
    ],
)
def test_short_and_long_texts_are_told_apart(detector: LanguageDetector, text: str, language: str) -> None:
    assert detector.choose(text, "", is_first=True) == language


@pytest.mark.parametrize("text", ["", "123", "🙂", "???"])
def test_what_has_no_language_takes_the_prior_or_the_default(detector: LanguageDetector, text: str) -> None:
    assert detector.choose(text, "", is_first=True) == "es"
    assert detector.choose(text, "en", is_first=True) == "en"
    assert detector.choose(text, "en", is_first=False) == "en"


def test_a_clear_first_message_overrules_the_profile(detector: LanguageDetector) -> None:
    assert detector.choose("hola", "en", is_first=True) == "es"
    assert detector.choose("internet", "en", is_first=True) == "en"


def test_the_conversation_keeps_its_language_until_a_long_message_says_otherwise(detector: LanguageDetector) -> None:
    assert detector.choose("ok thanks", "es", is_first=False) == "es"
    assert detector.choose("my balance please", "es", is_first=False) == "es"
    assert detector.choose("i would rather continue in english please", "es", is_first=False) == "en"
    assert detector.choose("quiero el paquete de 10 gigas", "es", is_first=False) == "es"


@pytest.mark.parametrize(("tag", "expected"), [("es-419", "es"), ("EN_us", "en"), ("pt-br", ""), ("", ""), ("e", "")])
def test_tags_are_matched_to_the_bots_languages(detector: LanguageDetector, tag: str, expected: str) -> None:
    assert detector.matching(tag) == expected


def test_a_bot_of_one_language_never_changes_it() -> None:
    assert LanguageDetector(("es",)).choose("this is clearly an english text", "en", is_first=True) == "es"


def test_a_language_that_the_library_does_not_know_is_still_chosen_by_its_words(telecom: TrainingData) -> None:
    detector = LanguageDetector(("es", "xx"), telecom.examples)
    assert detector.choose("hola amigo como estas", "", is_first=True) == "es"
    assert detector.choose("hola amigo como estas", "xx", is_first=False) in {"es", "xx"}


@pytest.fixture(scope="module")
def three() -> LanguageDetector:
    return LanguageDetector(("es", "en", "pt"))


def share(detector: LanguageDetector) -> float:
    pairs = [(text, language) for language, texts in CHATS.items() for text in texts]
    return sum(detector.choose(text, "", is_first=True) == language for text, language in pairs) / len(pairs)


def test_short_messages_in_three_languages_are_told_apart_without_any_example(three: LanguageDetector) -> None:
    assert share(three) > 0.93


def test_a_language_without_examples_is_not_taken_for_all_that_is_unknown(telecom: TrainingData) -> None:
    assert share(LanguageDetector(("es", "en", "pt"), telecom.examples)) > 0.91


@pytest.mark.parametrize(
    ("text", "language"),
    [("oi", "pt"), ("não", "pt"), ("obrigado", "pt"), ("ñandú", "es"), ("¿y?", "es"), ("quero cancelar", "pt")],
)
def test_one_word_or_letter_may_tell(three: LanguageDetector, text: str, language: str) -> None:
    assert three.choose(text, "", is_first=True) == language


def test_a_conversation_in_portuguese_stays_so_for_short_spanish_looking_words(three: LanguageDetector) -> None:
    assert three.choose("cancelar", "pt", is_first=False) == "pt"
    assert three.choose("quero cancelar o meu pedido agora", "es", is_first=False) == "pt"


def test_a_bot_of_one_language_does_not_even_load_the_library() -> None:
    assert LanguageDetector(("pt",))._spelling is None
