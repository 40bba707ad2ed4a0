"""Reads ``outside_window:`` of ``bot.yaml``: the approved templates that stand in when a window has closed."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
import yaml

from config.bot_yaml import Source
from gateway.core.messages import Template

ANY = ""
"""The language of a text that is the same in all of them."""

_KEYS = frozenset({"template", "values", "languages"})
_BLANK = re.compile(r"\{\s*(\w+)\s*(?:\|([^{}]*))?\}")
_KNOWN_BLANKS = frozenset({"name", "bot_name"})
_SHAPE = 'write template: name, values: ["{name|there}"], languages: {es: es_CO}, apps: {whatsapp: {template: …}}'


class StandIn(msgspec.Struct, frozen=True):
    """One template: its name at the provider, what fills its blanks, and the provider's codes of our languages.

    A value is a text by language, under ``ANY`` when it is the same in all.
    """

    template: str
    values: tuple[Mapping[str, str], ...] = ()
    languages: Mapping[str, str] = {}


class OutsideWindow(msgspec.Struct, frozen=True):
    """What goes out instead of a message that comes too late; fits the router's ``Fallbacks``.

    ``apps`` has those with a template of their own; the others use ``default`` (``None``: nothing stands in).
    """

    bot_name: str = ""
    first_language: str = ""
    default: StandIn | None = None
    apps: Mapping[str, StandIn] = {}

    def fallback(self, app: str, language: str, name: str = "") -> Template | None:
        """The template for an app, in the conversation's language, to a person of that name (it may be unknown)."""
        chosen = self.apps.get(app, self.default)
        if chosen is None:
            return None
        spoken = language or self.first_language
        code = _of(chosen.languages, spoken, self.first_language) or spoken.replace("-", "_")
        filled = tuple(self._filled(_of(value, spoken, self.first_language), name) for value in chosen.values)
        return Template(chosen.template, code, filled)

    def _filled(self, text: str, name: str) -> str:
        facts = {"name": name, "bot_name": self.bot_name}
        return _BLANK.sub(lambda blank: facts.get(blank[1], "") or (blank[2] or "").strip() or self.bot_name, text)


NOTHING_OUTSIDE = OutsideWindow()


def read_outside_window(
    source: Source, node: yaml.Node | None, bot_name: str, languages: tuple[str, ...]
) -> OutsideWindow:
    """The templates that ``outside_window:`` names; problems are noted with their lines."""
    if node is None:
        return OutsideWindow(bot_name, languages[0])
    fields = source.mapping(node, "outside_window", _KEYS | {"apps"})
    general = _stand_in(source, fields, "outside_window", StandIn(""), languages)
    apps: dict[str, StandIn] = {}
    for app, own in (source.mapping(fields["apps"], "outside_window, apps") if "apps" in fields else {}).items():
        where = f"outside_window, {app}"
        read = _stand_in(source, source.mapping(own, where, _KEYS), where, general, languages)
        if read.template:
            apps[app] = read
        else:
            source.wrong(own, f"{where} names no template: {_SHAPE}")
    if not general.template and not apps:
        source.wrong(node, f"outside_window names no template: {_SHAPE}")
    return OutsideWindow(bot_name, languages[0], general if general.template else None, apps)


def _stand_in(
    source: Source, fields: Mapping[str, yaml.Node], where: str, general: StandIn, languages: tuple[str, ...]
) -> StandIn:
    """What *fields* say; what they leave out is as in *general*."""
    template = source.text(fields["template"], f"{where}, template") if "template" in fields else general.template
    values, codes = general.values, general.languages
    if "values" in fields:
        members = source.sequence(fields["values"], f"{where}, values")
        values = tuple(_value(source, member, f"{where}, values", languages) for member in members)
    if "languages" in fields:
        known = source.mapping(fields["languages"], f"{where}, languages", languages)
        codes = {language: source.text(code, f"{where}, {language}") for language, code in known.items()}
    return StandIn(template, values, codes)


def _value(source: Source, node: yaml.Node, where: str, languages: tuple[str, ...]) -> Mapping[str, str]:
    texts = source.mapping(node, where, languages) if isinstance(node, yaml.MappingNode) else {ANY: node}
    read = {language: source.text(text, where) for language, text in texts.items()}
    for language, text in read.items():
        for blank in _BLANK.finditer(text):
            if blank[1] not in _KNOWN_BLANKS:
                source.wrong(
                    texts[language], f"{where} does not know {{{blank[1]}}}; it takes {{name}} and {{bot_name}}"
                )
    return read


def _of(texts: Mapping[str, str], language: str, first: str) -> str:
    """The text in a language, in its base language, the one for all, the bot's first, any."""
    for tag in (language, language.partition("-")[0], ANY, first):
        if tag in texts:
            return texts[tag]
    return next(iter(texts.values()), "")
