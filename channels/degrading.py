"""Degrades by rule what an app cannot show, so that a channel's ``render`` only meets parts that it can.

A carousel becomes a list, a list becomes buttons or numbered lines; a place, a contact card or a file of a foreign
kind becomes words. Whatever is lost has a name, and every option stays choosable: the numbers are those of the
options in order, and the dialogue understands them when they are typed back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from channels.formatting import Formatted, Unit, from_markdown, measure, shorten, split, without_lone_surrogates
from gateway.core.messages import (
    AnyPart,
    Card,
    Cards,
    Choice,
    ContactCard,
    Location,
    Media,
    MediaKind,
    Option,
    Parts,
    Reaction,
    Selection,
    Template,
    Text,
    Unsupported,
)

Style = Literal["buttons", "quick_replies", "list"]

_WISHES: dict[str, tuple[Style, ...]] = {
    "buttons": ("buttons", "quick_replies", "list"),
    "quick_replies": ("quick_replies", "buttons", "list"),
    "list": ("list", "buttons", "quick_replies"),
}


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one app can show; 0 of something: it has none. Lengths count ``unit``.

    ``choice_units`` is the longest question beside options. ``url_buttons`` open pages; ``mixes_urls``: beside buttons
    that answer. A card has a title, a subtitle and ``card_buttons``; fewer than ``min_cards`` are no carousel.
    ``asks_for``: what a quick reply can ask the phone for.
    """

    unit: Unit = Unit.CHARACTERS
    choice_units: int = 1024
    buttons: int = 0
    button_units: int = 20
    url_buttons: int = 0
    mixes_urls: bool = False
    quick_replies: int = 0
    quick_reply_units: int = 20
    list_rows: int = 0
    row_units: int = 24
    row_description_units: int = 0
    cards: int = 0
    min_cards: int = 1
    card_buttons: int = 3
    card_title_units: int = 80
    card_subtitle_units: int = 80
    media: frozenset[MediaKind] = frozenset()
    has_location: bool = False
    has_contact: bool = False
    has_templates: bool = False
    has_reactions: bool = False
    asks_for: frozenset[str] = frozenset()


class Fitted(msgspec.Struct, frozen=True):
    """A part that the app can show, and what was lost in making it so. ``None``: nothing of it is left."""

    part: AnyPart | None
    losses: tuple[str, ...] = ()


def fitted(parts: Parts, limits: Limits) -> tuple[Fitted, ...]:
    """*parts* in order, each within *limits*: texts of any length, and nothing else that is beyond them.

    A ``Choice`` comes out with the style that it is to be shown in and has at least one option.
    """
    return tuple(shown for part in parts for shown in _fit(part, limits))


def numbered(options: Iterable[Option]) -> list[Option]:
    """The options that a number typed back stands for, the first one being 1: those with an answer of their own."""
    return [option for option in options if option.label.strip() and not option.url and not option.asks_for]


def _fit(part: AnyPart, limits: Limits) -> Sequence[Fitted]:  # noqa: C901  one case for each kind of part
    match part:
        case Text():
            return [Fitted(part)] if part.text.strip() else []
        case Choice():
            return _fit_choice(part, limits)
        case Cards():
            return _fit_cards(part, limits)
        case Media():
            return _fit_media(part, limits)
        case Location() if not limits.has_location:
            return [Fitted(Text(_place(part)), ("map",))]
        case ContactCard() if not (limits.has_contact and part.phone):
            words = ": ".join(filter(None, (part.name.strip(), part.phone)))
            return [Fitted(Text(words), ("contact card",))] if words else []
        case Template() if not limits.has_templates:
            return [Fitted(None, ("template",))]
        case Reaction() if not limits.has_reactions:
            return [Fitted(None, ("reaction",))]
        case Selection():
            words = part.label or part.value
            return [Fitted(Text(words), ("selection",))] if words.strip() else []
        case Unsupported():
            return [Fitted(None, (part.kind,))]
        case _:
            return [Fitted(part)]


def _place(place: Location) -> str:
    lines = [place.name, place.address, f"https://maps.google.com/?q={place.latitude:.6f},{place.longitude:.6f}"]
    return "\n".join(line for line in lines if line.strip())


# ---------------------------------------------------------------- files

_KINDRED: dict[MediaKind, tuple[MediaKind, ...]] = {
    "animation": ("video", "image", "document"),
    "sticker": ("image", "document"),
    "voice": ("audio", "document"),
    "audio": ("voice", "document"),
    "video": ("document",),
    "image": ("document",),
    "document": (),
}


def _fit_media(media: Media, limits: Limits) -> list[Fitted]:
    """A kind that the app lacks goes as the next of kin; without any, its address and its words."""
    if media.kind in limits.media:
        return [Fitted(media)]
    for kind in _KINDRED[media.kind]:
        if kind in limits.media:
            return [Fitted(msgspec.structs.replace(media, kind=kind), (f"{media.kind} as {kind}",))]
    words = "\n".join(line for line in (media.caption, media.url) if line.strip())
    return [Fitted(Text(words) if words else None, (media.kind,))]


# ---------------------------------------------------------------- choices


def _fit_choice(choice: Choice, limits: Limits) -> list[Fitted]:
    losses: list[str] = []
    options = [_clean(option) for option in choice.options if option.label.strip()]
    shown, spoken = _split_options(options, limits, losses)
    style = _style_for(shown, choice.style, limits)
    if shown and style is None:
        losses.append("options as numbers")
        spoken = [*(f"{n}. {_described(option)}" for n, option in enumerate(numbered(shown), 1)), *spoken]
        spoken += [_spoken(option) for option in shown if option.url or option.asks_for]
        shown = []
    elif style is not None and style != choice.style:
        losses.append(f"{choice.style} as {style}")
    if style is not None:
        spoken += _cut_labels(shown, style, limits)
    question, is_markdown = choice.text, choice.markup == "markdown"
    if not question.strip() and shown:
        question, is_markdown = " / ".join(option.label for option in options), False
    if spoken:
        question = "\n".join([*([question, ""] if question.strip() else []), *spoken])
    if not shown or style is None:
        text = Text(question, "markdown" if is_markdown else "plain")
        return [Fitted(text, tuple(losses))] if question.strip() else []
    within = [_within(option, style, limits, losses) for option in shown]
    return _asked(question, within, style, limits, losses, is_markdown=is_markdown)


def _clean(option: Option) -> Option:
    label = _words(option.label)
    value = option.value if option.value.strip() else "" if option.url or option.asks_for else label
    return msgspec.structs.replace(option, label=label, value=without_lone_surrogates(value))


def _words(text: str) -> str:
    """*text* as any provider takes it, without the space around it."""
    return without_lone_surrogates(text.replace("\0", "\ufffd")).strip()


def _split_options(options: Sequence[Option], limits: Limits, losses: list[str]) -> tuple[list[Option], list[str]]:
    """What can be pressed, and lines for what cannot: links and requests that the app has no button for."""
    answers = [option for option in options if not option.url]
    links = [option for option in options if option.url]
    can_link = 0 < len(links) <= limits.url_buttons and (not answers or limits.mixes_urls)
    if links and not (can_link and all(option.url.startswith(("https://", "http://")) for option in links)):
        losses.append("link as a button")
        return _requests(answers, limits, losses, [_spoken(option) for option in links])
    return _requests(options, limits, losses, [])


def _requests(
    options: Sequence[Option], limits: Limits, losses: list[str], spoken: list[str]
) -> tuple[list[Option], list[str]]:
    foreign = [option for option in options if option.asks_for and option.asks_for not in limits.asks_for]
    losses.extend(f"button that asks for the {option.asks_for}" for option in foreign)
    return [option for option in options if option not in foreign], [*spoken, *(o.label for o in foreign)]


def _style_for(options: Sequence[Option], wish: str, limits: Limits) -> Style | None:
    """The first style, beginning with the wished one, that takes all options with labels that stay distinct."""
    for is_patient in (True, False):  # whole labels in any style go before shortened ones in the wished style
        for style in _WISHES[wish]:
            count, units = _room(style, limits)
            labels = [shorten(option.label, units, limits.unit) for option in options] if count else []
            is_whole = not is_patient or all(measure(option.label, limits.unit) <= units for option in options)
            if 0 < len(options) <= count and is_whole and len(set(labels)) == len(labels) and _takes(style, options):
                return style
    return None


def _takes(style: Style, options: Sequence[Option]) -> bool:
    """Only buttons open pages, only quick replies ask the phone."""
    has_link = any(option.url for option in options)
    asks = any(option.asks_for for option in options)
    return not (has_link and style != "buttons") and not (asks and style != "quick_replies")


def _room(style: Style, limits: Limits) -> tuple[int, int]:
    match style:
        case "buttons":
            return limits.buttons, limits.button_units
        case "quick_replies":
            return limits.quick_replies, limits.quick_reply_units
        case "list":
            return limits.list_rows, limits.row_units


def _within(option: Option, style: Style, limits: Limits, losses: list[str]) -> Option:
    _, units = _room(style, limits)
    label = shorten(option.label, units, limits.unit)
    if label != option.label:
        losses.append("end of a label")
    described = limits.row_description_units if style == "list" else 0
    rest = option.description.strip() or (option.label if label != option.label else "")
    description = shorten(without_lone_surrogates(rest), described, limits.unit) if described and rest else ""
    return msgspec.structs.replace(option, label=label, description=description)


def _cut_labels(options: Sequence[Option], style: Style, limits: Limits) -> list[str]:
    """Labels of which a button shows only the beginning, and nothing else the rest: they are told in the question."""
    _, units = _room(style, limits)
    if style == "list" and limits.row_description_units:
        return []
    return [option.label for option in options if measure(option.label, limits.unit) > units]


def _asked(
    question: str, options: Sequence[Option], style: Style, limits: Limits, losses: list[str], *, is_markdown: bool
) -> list[Fitted]:
    """The options under the last piece of a question that is too long for one message with options."""
    if measure(question, limits.unit) <= limits.choice_units:
        markup: Literal["plain", "markdown"] = "markdown" if is_markdown else "plain"
        return [Fitted(Choice(question, tuple(options), style, markup), tuple(losses))]
    plain = Formatted(from_markdown(question).text if is_markdown else without_lone_surrogates(question))
    pieces = split(plain, limits.choice_units, limits.unit)
    before = [Fitted(Text(piece.text)) for piece in pieces[:-1]]
    return [*before, Fitted(Choice(pieces[-1].text, tuple(options), style), (*losses, "question in one piece"))]


def _spoken(option: Option) -> str:
    return f"{option.label}: {option.url}" if option.url else option.label


def _described(option: Option) -> str:
    return ": ".join(filter(None, (option.label, option.description.strip())))


# ---------------------------------------------------------------- cards


def _fit_cards(carousel: Cards, limits: Limits) -> list[Fitted]:
    cards = [_clean_card(card) for card in carousel.cards]
    cards = [card for card in cards if card.title or card.image_url or card.options]
    if not cards:
        return []
    if limits.cards and len(cards) >= limits.min_cards and all(card.title for card in cards):
        return _side_by_side(cards, limits)
    chosen = _chosen_from(cards, limits)
    if _says_all(chosen, cards):
        first, *others = chosen
        return [Fitted(first.part, ("carousel", *first.losses)), *others]
    return [*_told(cards, limits), *chosen]


def _clean_card(card: Card) -> Card:
    title, subtitle = _words(card.title), _words(card.subtitle)
    image = card.image_url if card.image_url.startswith(("https://", "http://")) else ""
    options = tuple(_clean(option) for option in card.options if option.label.strip())
    return Card(title or subtitle, subtitle if title else "", image, options)


def _side_by_side(cards: Sequence[Card], limits: Limits) -> list[Fitted]:
    """Carousels of at most so many cards; what does not fit onto a card is told after them."""
    shown: list[Fitted] = []
    rest: list[Option] = []
    groups = _groups(cards, limits)
    for group in groups:
        losses: list[str] = ["one carousel"] if len(groups) > 1 and not shown else []
        fitting = tuple(_card_within(card, limits, losses, rest) for card in group)
        shown.append(Fitted(Cards(fitting), tuple(losses)))
    return [*shown, *(_fit_choice(Choice("", tuple(rest), "list"), limits) if rest else [])]


def _groups(cards: Sequence[Card], limits: Limits) -> list[Sequence[Card]]:
    """Even groups, so that none falls below the smallest carousel."""
    count = -(-len(cards) // limits.cards)
    size, longer = divmod(len(cards), count)
    groups, start = [], 0
    for number in range(count):
        stop = start + size + (number < longer)
        groups.append(cards[start:stop])
        start = stop
    return groups


def _card_within(card: Card, limits: Limits, losses: list[str], rest: list[Option]) -> Card:
    title = shorten(card.title, limits.card_title_units, limits.unit)
    subtitle = shorten(card.subtitle, limits.card_subtitle_units, limits.unit)
    if title != card.title or subtitle != card.subtitle:
        losses.append("end of a card's words")
    usable = [option for option in card.options if not option.asks_for]
    options = [
        msgspec.structs.replace(option, label=shorten(option.label, limits.button_units, limits.unit))
        for option in usable[: limits.card_buttons]
    ]
    if len(usable) > limits.card_buttons:
        losses.append("buttons of a card")
        rest.extend(
            msgspec.structs.replace(option, label=f"{card.title}: {option.label}")
            for option in usable[limits.card_buttons :]
        )
    return Card(title, subtitle, card.image_url, tuple(options))


def _told(cards: Sequence[Card], limits: Limits) -> list[Fitted]:
    """Each card as a picture with its words, or, where none has a picture, all of them as one text."""
    words = ["\n".join(filter(None, (card.title, card.subtitle, *_links(card)))) for card in cards]
    if not any(card.image_url for card in cards):
        text = "\n\n".join(line for line in words if line)
        return [Fitted(Text(text), ("carousel",))] if text else []
    shown: list[Fitted] = []
    for card, text in zip(cards, words, strict=True):
        losses = () if shown else ("carousel",)
        if card.image_url and "image" in limits.media:
            shown.append(Fitted(Media("image", url=card.image_url, caption=text), losses))
        elif lines := "\n".join(filter(None, (text, card.image_url))):
            shown.append(Fitted(Text(lines), losses))
    return shown


def _says_all(chosen: Sequence[Fitted], cards: Sequence[Card]) -> bool:
    """Whether the one choice of all cards already tells everything that stands on them."""
    if any(card.image_url or _links(card) or len(numbered(card.options)) != 1 or not card.title for card in cards):
        return False
    part = chosen[-1].part if chosen else None
    if isinstance(part, Choice):
        told = [(option.label, option.description) for option in part.options]
        return told == [(card.title, card.subtitle) for card in cards]
    return isinstance(part, Text)


def _links(card: Card) -> list[str]:
    return [_spoken(option) for option in card.options if option.url]


def _chosen_from(cards: Sequence[Card], limits: Limits) -> list[Fitted]:
    """One choice for the buttons of all cards. Where each card has one, the card's title is its name."""
    answers = [(card, option) for card in cards for option in numbered(card.options)]
    if not answers:
        return []
    is_single = len({id(card) for card, _ in answers}) == len(answers)
    named: Callable[[Card, Option], str] = _by_card if is_single else _by_both
    options = tuple(
        msgspec.structs.replace(option, label=named(card, option), description=card.subtitle)
        for card, option in answers
    )
    labels = {option.label for _, option in answers}
    question = next(iter(labels)) if is_single and len(labels) == 1 else ""
    return _fit_choice(Choice(f"{question}:" if question else "", options, "list"), limits)


def _by_card(card: Card, option: Option) -> str:
    return card.title or option.label


def _by_both(card: Card, option: Option) -> str:
    return f"{card.title}: {option.label}" if card.title else option.label
