"""Decides whether what a customer said answers the question that a flow asked, and with which value."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date, timedelta

import msgspec

from config.bot_model import Bot, ChoiceSpec, Collect, SlotValue, Validation
from gateway.dialogue.state import MAX_SLOT_CHARS
from nlp.entities import Entity, as_text
from nlp.entities.dates import DateWords
from nlp.entities.found import Value
from nlp.text import fold, phrase

_NUMBER = re.compile(r"[^\d-]{0,12}?(-?\d{1,12}(?:[.,]\d{3})*(?:[.,]\d{1,2})?|-?\d{1,15})\D{0,20}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_EMAIL_WITHIN = re.compile(r"\S+@\S+\w")
_PHONE = re.compile(r"\+?[\d\s().-]{7,24}")
_PHONE_WITHIN = re.compile(r"(?<!\w)\+?\(?\d[\d\s().-]{5,20}\d(?!\w)")
_THOUSANDS = re.compile(r"[.,](?=\d{3}(?:\D|$))")
_REFUSAL = re.compile(
    r"(?:no (?:quiero|necesito|me interesa|me gusta)|i (?:don t|dont|do not) (?:want|need|like)|nao quero)\b"
)
_ASKING = re.compile(
    r"(?:y |and |pero |but |a |en |de |para )?"
    r"(?:cuant[oa]s?|cual(?:es)?|como|cuando|donde|por que|quien|how|what|when|where|which|why|who|quanto|qual"
    r"|que (?:es|son|hay|trae|tal|tiene|incluye|pasa|cuesta|vale|significa|diferencia|horario|plan))\b"
)
_REQUEST = re.compile(
    r"(?:me (?:das?|pones?|puedes? dar|puede dar|regalas?)|puedo|podria|quisiera|can i|could i|may i|posso)\b"
)
_WISH = re.compile(
    r"(?:por favor |please |hola |oye |mejor |pues )?"
    r"(?:quier[oe]|kiero|quisiera|necesito|prefiero|deseo|me gustaria|me puedes?|puedo|podria|puede|pas[ae]me|me pasas?"
    r"|pon(?:ga)?me|comuni(?:ca|que)me|transfier[ae]me|hablar con|i (?:want|need|prefer)|i d like|i would like|let me"
    r"|can i|could i|may i|put me|connect me|transfer me|get me|(?:talk|speak) to|please|quero|preciso|gostaria)\b"
)
_CORRECTING = re.compile(
    r"\s*(?:(?:no|nao|oh|ay)\s*[,.;:]|(?:no\s+)?(?:mejor|perd[oó]n|digo|quise|era|me equivoqu[eé]|rather|sorry|i meant"
    r"|i mean|actually|make it|melhor|quis dizer)\b)",
    re.IGNORECASE,
)
MAX_CHOICE_CHARS = 40
"""How far around a number the words of a choice are looked for."""

_BRIEF_WORDS = 3
_SHORT_WORDS = 6
_TOLD_WORDS = 9


class Moment(msgspec.Struct, frozen=True):
    """When and in which language something was said: what a day is counted from."""

    today: date
    language: str


class Question:
    """One ``collect`` step, compiled."""

    def __init__(self, step: Collect, bot: Bot, dates: DateWords) -> None:
        self.step = step
        self._dates = dates
        self._validation = step.validation
        self._regex = re.compile(step.validation.regex) if step.validation.regex else None
        self._choices = _choice_words(step.validation)
        self._yes_no = dict.fromkeys(map(comparable, bot.words.yes), True) | dict.fromkeys(
            map(comparable, bot.words.no), False
        )
        self._nameable = tuple(
            (f" {words} ", words, value) for words, value in self._choices.items() if words not in self._yes_no
        )
        self._unsure = tuple(f"{comparable(word)} " for word in bot.words.unsure)

    @property
    def takes_anything(self) -> bool:
        """Whether any text at all would be an answer."""
        return self.is_text and self._regex is None

    @property
    def is_text(self) -> bool:
        """Whether the customer's own words are wanted, be it in the author's pattern."""
        return self._validation.kind == "text"

    @property
    def has_choices(self) -> bool:
        """Whether there is a list of answers."""
        return bool(self._choices)

    def is_one_of_choices(self, text: str) -> bool:
        """Whether the text as a whole names one of the answers that are offered."""
        return comparable(text) in self._choices

    def value_of(self, text: str, moment: Moment) -> SlotValue:
        """The value when *text* as a whole is a good answer, else ``None``."""
        match self._validation.kind:
            case "choice":
                return self._choices.get(comparable(text))
            case "yes_no":
                return self._yes_no.get(comparable(text))
            case "number" | "integer":
                return self._number(text)
            case "email":
                found = _EMAIL_WITHIN.search(text)
                return self._matching(found[0].lower() if found and _EMAIL.fullmatch(found[0]) else None)
            case "phone":
                return self._matching(_phone(text) or _phone_within(text))
            case "date":
                return self._date(text, moment)
            case "text":
                return self._text(text)

    def value_of_entity(self, entity: Entity, moment: Moment) -> SlotValue:
        """The value when what was found is a good answer, else ``None``."""
        match self._validation.kind:
            case "number" | "integer":
                return self._bounded(_number_in(entity.value))
            case "text":
                return self._text(as_text(entity.value)) or self._text(entity.text)
            case _:
                value = self.value_of(entity.text, moment)
                return self.value_of(as_text(entity.value), moment) if value is None else value

    def is_part_of_choice(self, text: str, start: int, end: int) -> bool:
        """Whether ``text[start:end]`` begins or ends words that name a choice: the 5 of ``5 GB``."""
        after = f"{comparable(text[start : end + MAX_CHOICE_CHARS])} "
        before = f" {comparable(text[max(0, start - MAX_CHOICE_CHARS) : end])}"
        return any(
            after.startswith(f"{words} ") or before.endswith(f" {words}") for words in self._choices if " " in words
        )

    def value_within(self, text: str) -> SlotValue:
        """The value when exactly one choice is named inside of *text* (``the big one please``), else ``None``."""
        return None if is_asking(text) else self.value_mentioned(text)

    def value_mentioned(self, text: str) -> SlotValue:
        """The same, also of a question: one that begins a flow (``when does primary start?``) names its topic."""
        said = comparable(text)
        if self._validation.kind != "choice" or _REFUSAL.match(said):
            return None
        named = self._named(said)
        longest = {
            value
            for words, value in named.items()
            if not any(words != other and f" {words} " in f" {other} " for other in named)
        }
        return next(iter(longest)) if len(longest) == 1 and not self._is_contrary(said, longest) else None

    def leaning(self, text: str) -> SlotValue:
        """What a short sentence leans to by the yes or the no that it begins with, else ``None``.

        It may well be about another thing (``no tengo señal``): whoever asks for this has ruled that out.
        """
        said = comparable(text)
        if is_asking(text) or self.is_unsure(text) or len(said.split()) > _SHORT_WORDS or self._named(said):
            return None
        known: Mapping[str, SlotValue] = self._yes_no if self._validation.kind == "yes_no" else self._choices
        begun = [words for words in self._yes_no if words in known and said.startswith(f"{words} ")]
        return known[max(begun, key=len)] if begun else None

    def is_like_an_answer(self, text: str) -> bool:
        """Whether a choice is named, be it in a question, or a yes or a no said."""
        return bool(self._named(comparable(text))) or self.leaning(text) is not None

    def is_unsure(self, text: str) -> bool:
        """Whether it says, and nothing else, that the customer does not know: ``no me acuerdo`` is no *no*."""
        said = f"{comparable(text)} "
        return said.startswith(self._unsure) and said.count(" ") <= _BRIEF_WORDS + 1

    def correction(self, text: str, moment: Moment) -> SlotValue:
        """The value when *text*, said while something else is asked for, corrects this answer, else ``None``."""
        kind = self._validation.kind
        is_meant = is_correcting(text) or (is_brief(text) and not self._begins_with_yes_or_no(text))
        if kind == "choice":
            value = self.value_within(text)
            is_named = self.says_little_else(text) and not self._begins_with_yes_or_no(text)
            return value if is_meant or is_named else None
        if kind not in {"date", "email", "phone"} or not is_meant or is_asking(text):
            return None
        return self.value_of(text, moment)

    def says_little_else(self, text: str) -> bool:
        """Whether, besides the choices that are named, there are but a few words."""
        said = comparable(text)
        named = self._named(said)
        return bool(named) and len(said.split()) - max(len(words.split()) for words in named) <= _BRIEF_WORDS

    def choices(self, language: str) -> list[tuple[str, str]]:
        """Label and value of the choices, for buttons."""
        return [(choice.label.get(language) or choice.value, choice.value) for choice in self._validation.choices]

    def _named(self, said: str) -> Mapping[str, str]:
        """The choices within, by the words that name them; a yes or a no before the answer itself is none."""
        padded = f" {said} "
        return {words: value for sought, words, value in self._nameable if sought in padded}

    def _begins_with_yes_or_no(self, text: str) -> bool:
        """``no tengo señal`` answers, or tells of something; what corrects says ``no, la señal``."""
        return comparable(text).partition(" ")[0] in self._yes_no

    def _is_contrary(self, said: str, values: Collection[SlotValue]) -> bool:
        """``no está bien`` names what stands for a yes, and begins with a no."""
        begun = said.partition(" ")[0]
        if self._yes_no.get(begun) is not False:
            return False
        return any(self._choices.get(words) in values for words, is_yes in self._yes_no.items() if is_yes)

    def _text(self, text: str) -> SlotValue:
        text = text.strip()[:MAX_SLOT_CHARS]
        low, high = self._validation.low, self._validation.high
        if not text or (low is not None and len(text) < low) or (high is not None and len(text) > high):
            return None
        if self._regex is not None:
            found = self._regex.fullmatch(text) or self._regex.fullmatch(fold(text))
            return _meant(found) if found else None
        return text

    def _matching(self, value: str | None) -> str | None:
        """The value when the author's pattern, where there is one, fits it as a whole."""
        return value if value is None or self._regex is None or self._regex.fullmatch(value) else None

    def _date(self, text: str, moment: Moment) -> str | None:
        """The day as ``2026-12-15``; ``low`` and ``high`` are days from today."""
        day = self._dates.read(text, moment.language, moment.today)
        low, high = self._validation.low, self._validation.high
        if day is None or (low is not None and day < moment.today + timedelta(days=low)):
            return None
        return None if high is not None and day > moment.today + timedelta(days=high) else day.isoformat()

    def _number(self, text: str) -> SlotValue:
        found = _NUMBER.fullmatch(text.strip()[:60])
        if found is None:
            return None
        return self._bounded(float(_THOUSANDS.sub("", found[1]).replace(",", ".")))

    def _bounded(self, value: float | None) -> SlotValue:
        if value is None:
            return None
        low, high = self._validation.low, self._validation.high
        if (low is not None and value < low) or (high is not None and value > high):
            return None
        if self._validation.kind == "integer" and not value.is_integer():
            return None
        return int(value) if value.is_integer() else value


def is_asking(text: str) -> bool:
    """Whether a sentence is itself a question: ``how much is the big one`` does not choose it; a request may."""
    said = comparable(text)
    is_sentence = len(said.split()) > _BRIEF_WORDS
    return is_sentence and (("?" in text and not _REQUEST.match(said)) or _ASKING.match(said) is not None)


def is_correcting(text: str) -> bool:
    """Whether it begins as corrections do: ``no, …``, ``perdón, …``, ``I meant …``."""
    return _CORRECTING.match(text) is not None


def is_wishing(text: str) -> bool:
    """Whether it has the form of a wish: ``quiero hablar con …``, ``… please``. What happened is told otherwise."""
    said = comparable(text)
    return _WISH.match(said) is not None or said.endswith((" por favor", " please"))


def is_brief(text: str) -> bool:
    """At most three words."""
    return len(comparable(text).split()) <= _BRIEF_WORDS


def is_short(text: str) -> bool:
    """At most six words."""
    return len(comparable(text).split()) <= _SHORT_WORDS


def is_told(text: str) -> bool:
    """Whether it is long enough to be a story of its own."""
    return len(comparable(text).split()) >= _TOLD_WORDS


def comparable(text: str) -> str:
    """How answers are compared: folded words; what has no words (an emoji) as it is."""
    return phrase(text) or text.strip()[:MAX_SLOT_CHARS]


def _choice_words(validation: Validation) -> Mapping[str, str]:
    """Every word for each choice: its value, its labels in all languages, and what the author added."""
    return {comparable(word): choice.value for choice in validation.choices for word in _words_of(choice) if word}


def _words_of(choice: ChoiceSpec) -> tuple[str, ...]:
    return (choice.value, *choice.label.by_language.values(), *choice.also)


def _number_in(value: Value) -> float | None:
    """The number that an entity is, or the amount of money without its currency."""
    number = value.get("amount") if isinstance(value, Mapping) else value
    return float(number) if isinstance(number, int | float) else None


def _phone(text: str) -> str | None:
    """Digits with a leading plus where there was one; 7 to 15 digits (E.164)."""
    text = text.strip()
    digits = re.sub(r"\D", "", text)
    if not _PHONE.fullmatch(text) or not 7 <= len(digits) <= 15:
        return None
    return f"+{digits}" if text.startswith("+") else digits


def _phone_within(text: str) -> str | None:
    """The one number inside of a sentence (``mi número es el 300 555 0142``)."""
    found = _PHONE_WITHIN.findall(text[:MAX_SLOT_CHARS])
    return _phone(found[0]) if len(found) == 1 else None


def _meant(found: re.Match[str]) -> str:
    """The group ``value`` where the author's pattern has one (a name without ``her name is``), else all of it."""
    return found.groupdict().get("value") or found[0]
