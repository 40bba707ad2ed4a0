"""Turns a reply's key into parts: the variation, the language, the blanks filled in. All compiled once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from config.bot_localised import Localised
from config.bot_model import Bot, Button, CardSpec, SlotValue, Variation
from config.bot_templates import Engine, Rendered, Values
from gateway.core.messages import AnyPart, Card, Cards, Choice, Media, Option, Parts, Text
from gateway.core.turns import Reply

GetValues = Callable[[], Values]
"""What the blanks are filled with, worked out when the first blank asks."""

_DAY_NAMES = {
    "es": ("el lunes", "el martes", "el miércoles", "el jueves", "el viernes", "el sábado", "el domingo"),
    "en": ("on Monday", "on Tuesday", "on Wednesday", "on Thursday", "on Friday", "on Saturday", "on Sunday"),
    "pt": ("na segunda", "na terça", "na quarta", "na quinta", "na sexta", "no sábado", "no domingo"),
}
_NEAR_DAYS = {"es": ("hoy", "mañana"), "en": ("today", "tomorrow"), "pt": ("hoje", "amanhã")}


class _OptionForm(msgspec.Struct, frozen=True):
    label: Rendered
    spec: Button

    def fill(self, values: GetValues) -> Option:
        spec = self.spec
        return Option(self.label(values), spec.payload, spec.url, spec.asks_for)


class _CardForm(msgspec.Struct, frozen=True):
    title: Rendered
    subtitle: Rendered
    image: str
    options: tuple[_OptionForm, ...]

    def fill(self, values: GetValues) -> Card:
        options = tuple(option.fill(values) for option in self.options)
        return Card(self.title(values), self.subtitle(values), self.image, options)


class _Form(msgspec.Struct, frozen=True):
    """One variation in one language."""

    channels: tuple[str, ...]
    condition: Callable[[Values], bool] | None
    text: Rendered
    image: Rendered
    options: tuple[_OptionForm, ...]
    cards: tuple[_CardForm, ...]
    markup: Literal["plain", "markdown"]
    style: Literal["buttons", "quick_replies", "list"]

    def fill(self, values: GetValues, extra: Sequence[Option]) -> Parts:
        """The parts; *extra* options come before the author's."""
        text = self.text(values)
        options = (*extra, *(option.fill(values) for option in self.options))
        image = self.image(values)
        parts: list[AnyPart] = []
        if image and not options:
            return (Media("image", url=image, caption=text),) if self.markup == "plain" else self._apart(image, text)
        if image:
            parts.append(Media("image", url=image))
        if options:
            parts.append(Choice(text, options, self.style, self.markup))
        elif text:
            parts.append(Text(text, self.markup))
        if self.cards:
            parts.append(Cards(tuple(card.fill(values) for card in self.cards)))
        return tuple(parts)

    def _apart(self, image: str, text: str) -> Parts:
        """A caption has no markup, so formatted words stand below the picture."""
        return (Media("image", url=image), Text(text, self.markup))


class Speaker:
    """Says replies by key. Pure: the same turn, values and key give the same parts."""

    def __init__(self, bot: Bot) -> None:
        engine = Engine()
        self._bot = bot
        self._labels = _choice_labels(bot)
        self._opening: dict[str, tuple[datetime, Mapping[str, object]]] = {}
        self._forms = {
            language: {
                key: tuple(_form(engine, variation, language) for variation in variations)
                for key, variations in bot.replies.items()
            }
            for language in bot.languages
        }

    def knows(self, language: str, key: str) -> bool:
        """Whether the author wrote this reply."""
        return key in self._forms[language]

    def labels(self, slots: Mapping[str, SlotValue], language: str) -> Mapping[str, str]:
        """What the customer chose, in words: the label of each slot's choice."""
        return {
            slot: labels[str(value)].get(language)
            for slot, value in slots.items()
            if (labels := self._labels.get(slot)) is not None and str(value) in labels
        }

    def opening(self, language: str, now: datetime) -> Mapping[str, object]:
        """:func:`opening_words`, worked out once a minute: they change with the minute only."""
        minute = now.replace(second=0, microsecond=0)
        known = self._opening.get(language)
        if known is None or known[0] != minute:
            known = self._opening[language] = (minute, opening_words(self._bot, language, minute))
        return known[1]

    def announcement(
        self, key: str, language: str, agent: str, now: datetime, facts: Mapping[str, object]
    ) -> Parts | None:
        """A reply outside of any turn; ``None`` when the author wrote none."""

        def values() -> Values:
            named = {"agent": agent, "bot_name": self._bot.name, "language": language}
            return {**facts, **self.opening(language, now), **named}

        reply = self.say(key, language, "", 0, values)
        return reply.parts if reply is not None else None

    def say(
        self,
        key: str,
        language: str,
        channel: str,
        pick: int,
        values: Callable[[], Values],
        extra: Sequence[Option] = (),
    ) -> Reply | None:
        """The reply; *pick* chooses among the variations that fit. ``None``: no variation fits, or nothing to say.

        A variation made for this channel goes before those for all.
        """
        fitting = [
            form
            for form in self._forms[language].get(key, ())
            if (not form.channels or channel in form.channels) and (form.condition is None or form.condition(values()))
        ]
        fitting = [form for form in fitting if form.channels] or [form for form in fitting if form.condition] or fitting
        if not fitting:
            return None
        parts = fitting[pick % len(fitting)].fill(values, extra)
        return Reply(parts, key) if parts else None


def opening_words(bot: Bot, language: str, now: datetime) -> dict[str, object]:
    """``is_open`` until ``closes_at``, or when people answer again: ``opens_on`` (*el lunes*), ``opens_at`` (*08:00*).

    ``holiday`` is the name of a holiday that is today.
    """
    local = now.astimezone(bot.time_zone)
    opens = bot.hours.next_opening(local)
    closes = bot.hours.closing(local)
    holiday = bot.hours.holiday(local.date())
    return {
        "is_open": bot.hours.is_open(local),
        "closes_at": f"{closes:%H:%M}" if closes else "",
        "holiday": holiday.get(language) if holiday else "",
        "opens_at": f"{opens:%H:%M}" if opens else "",
        "opens_on": _day_name(language, local, opens) if opens else "",
    }


def _day_name(language: str, today: datetime, day: datetime) -> str:
    main = language.partition("-")[0]
    ahead = (day.date() - today.date()).days
    if main not in _DAY_NAMES or ahead > 6:
        return f"{day:%d/%m/%Y}" if main != "en" else f"{day:%Y-%m-%d}"
    return _NEAR_DAYS[main][ahead] if ahead < 2 else _DAY_NAMES[main][day.weekday()]


def _choice_labels(bot: Bot) -> Mapping[str, Mapping[str, Localised]]:
    found: dict[str, dict[str, Localised]] = {}
    for flow in bot.flows.values():
        for step in flow.collects:
            for choice in step.validation.choices:
                found.setdefault(step.slot, {})[choice.value] = choice.label
    return found


def _form(engine: Engine, variation: Variation, language: str) -> _Form:
    is_markdown = variation.markup == "markdown"

    def compiled(text: Localised) -> Rendered:
        return engine.template(text.get(language), is_markdown=False)

    def option(button: Button) -> _OptionForm:
        return _OptionForm(compiled(button.title), button)

    def card(spec: CardSpec) -> _CardForm:
        return _CardForm(compiled(spec.title), compiled(spec.subtitle), spec.image, tuple(map(option, spec.buttons)))

    return _Form(
        variation.channels,
        engine.condition(variation.condition) if variation.condition else None,
        engine.template(variation.text.get(language), is_markdown=is_markdown),
        compiled(variation.image),
        tuple(map(option, variation.buttons)),
        tuple(map(card, variation.cards)),
        variation.markup,
        variation.style,
    )
