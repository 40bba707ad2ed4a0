"""What the demo shows around a bot: things worth asking, and the home page of the company that the bot belongs to.

An author may put ``demo.yaml`` (and a drawing, ``demo.svg``) into the bot's folder. Without it the page is made of
what the bot offers anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from config.bot import Bot
from gateway.core.errors import Misconfigured

Texts = dict[str, str]
"""One text by language."""

MAX_STARTERS = 6


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing on the home page. ``price`` may be empty."""

    title: Texts
    text: Texts
    price: Texts = {}


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The home page. ``colour`` is CSS; the pages of a site have three or four ``menu`` entries."""

    headline: Texts
    lead: Texts
    colour: str = ""
    menu: tuple[Texts, ...] = ()
    offers: tuple[Offer, ...] = ()


class Showcase(msgspec.Struct, frozen=True):
    """``starters`` are things to say, by language; ``art`` is a drawing in SVG, empty without one."""

    name: str
    languages: tuple[str, ...]
    starters: Mapping[str, tuple[str, ...]]
    site: Site
    art: bytes


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    starters: dict[str, tuple[str, ...]] = msgspec.field(name="try", default_factory=dict)
    site: Site | None = None


def read_showcase(bot: Bot) -> Showcase:
    """The showcase in the bot's folder. Raises ``Misconfigured`` when ``demo.yaml`` cannot be used."""
    path, art = bot.folder / "demo.yaml", bot.folder / "demo.svg"
    file = _read(path) if path.is_file() else _File()
    return Showcase(
        name=bot.name,
        languages=tuple(bot.languages),
        starters={language: file.starters.get(language) or _labels(bot, language) for language in bot.languages},
        site=file.site or _plain_site(bot),
        art=art.read_bytes() if art.is_file() else b"",
    )


def _read(path: Path) -> _File:
    try:
        return msgspec.yaml.decode(path.read_bytes(), type=_File)
    except msgspec.DecodeError as error:
        raise Misconfigured(str(path), str(error)) from error


def _labels(bot: Bot, language: str) -> tuple[str, ...]:
    return tuple(label.get(language) for label in bot.labels.values())[:MAX_STARTERS]


def _plain_site(bot: Bot) -> Site:
    offers = tuple(
        Offer({language: label.get(language) for language in bot.languages}, {}) for label in bot.labels.values()
    )
    lead = {"es": "Escríbenos: contestamos en el acto.", "en": "Write to us: we answer at once."}
    return Site(dict.fromkeys(bot.languages, bot.name), lead, offers=offers[:MAX_STARTERS])


def text_in(texts: Mapping[str, str], language: str) -> str:
    """The text of that language, else the first there is."""
    return texts.get(language) or next(iter(texts.values()), "")
