"""Decides whether what a customer said answers the question that a flow asked, and with which value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta

import msgspec

from config.bot_model import Bot, ChoiceSpec, Collect, SlotValue, Validation
from gateway.dialogue.dates import DateWords
from gateway.dialogue.state import MAX_SLOT_CHARS
from nlp.text import fold, phrase

_NUMBER = re.compile(r"[^\d-]{0,12}?(-?\d{1,12}(?:[.,]\d{3})*(?:[.,]\d{1,2})?|-?\d{1,15})\D{0,20}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_EMAIL_WITHIN = re.compile(r"\S+@\S+\w")
_PHONE = re.compile(r"\+?[\d\s().-]{7,24}")
_THOUSANDS = re.compile(r"[.,](?=\d{3}(?:\D|$))")


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

    @property
    def takes_anything(self) -> bool:
        """Whether any text at all would be an answer."""
        return self._validation.kind == "text" and self._regex is None

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
                return self._matching(_phone(text))
            case "date":
                return self._date(text, moment)
            case "text":
                return self._text(text)

    def value_within(self, text: str) -> SlotValue:
        """The value when exactly one choice is named inside of *text* (``the big one please``), else ``None``."""
        if self._validation.kind == "yes_no":
            words = comparable(text).split()
            return self._yes_no.get(words[0]) if words and len(words) <= 4 else None
        padded = f" {comparable(text)} "
        named = {words: value for words, value in self._choices.items() if f" {words} " in padded}
        longest = {
            value
            for words, value in named.items()
            if not any(words != other and f" {words} " in f" {other} " for other in named)
        }
        if len(longest) > 1:  # a yes or a no before the answer itself is none: "no, the date is wrong"
            longest = {value for words, value in named.items() if words not in self._yes_no and value in longest}
        return next(iter(longest)) if len(longest) == 1 else None

    def choices(self, language: str) -> list[tuple[str, str]]:
        """Label and value of the choices, for buttons."""
        return [(choice.label.get(language) or choice.value, choice.value) for choice in self._validation.choices]

    def _text(self, text: str) -> SlotValue:
        text = text.strip()[:MAX_SLOT_CHARS]
        low, high = self._validation.low, self._validation.high
        if not text or (low is not None and len(text) < low) or (high is not None and len(text) > high):
            return None
        if self._regex is not None:
            found = self._regex.fullmatch(text) or self._regex.fullmatch(fold(text))
            return found[0] if found else None
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
        value = float(_THOUSANDS.sub("", found[1]).replace(",", "."))
        low, high = self._validation.low, self._validation.high
        if (low is not None and value < low) or (high is not None and value > high):
            return None
        if self._validation.kind == "integer" and not value.is_integer():
            return None
        return int(value) if value.is_integer() else value


def comparable(text: str) -> str:
    """How answers are compared: folded words; what has no words (an emoji) as it is."""
    return phrase(text) or text.strip()[:MAX_SLOT_CHARS]


def _choice_words(validation: Validation) -> Mapping[str, str]:
    """Every word for each choice: its value, its labels in all languages, and what the author added."""
    return {comparable(word): choice.value for choice in validation.choices for word in _words_of(choice) if word}


def _words_of(choice: ChoiceSpec) -> tuple[str, ...]:
    return (choice.value, *choice.label.by_language.values(), *choice.also)


def _phone(text: str) -> str | None:
    """Digits with a leading plus where there was one; 7 to 15 digits (E.164)."""
    text = text.strip()
    digits = re.sub(r"\D", "", text)
    if not _PHONE.fullmatch(text) or not 7 <= len(digits) <= 15:
        return None
    return f"+{digits}" if text.startswith("+") else digits
