"""Reads ``canned.yml``: replies that the author keeps ready for the people at the desk.

They are no templates: ``{name}`` and ``{agent}`` are blanks that the page fills in one pass, and nothing is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
import yaml

from config.bot_yaml import Source

ANY = ""
"""The language of a text that is the same in all of them."""

BLANK = re.compile(r"\{\s*(\w+)\s*(?:\|([^{}]*))?\}")
"""``{name}``, or ``{name|there}`` with what stands where nothing is known."""

BLANKS = frozenset({"name", "agent"})

LONGEST_TEXT = 4_000
_NAME = re.compile(r"[\w][\w.-]{0,39}")
_SHAPE = "write greeting: {es: 'Hola, {name}.', en: 'Hello {name}.'}"


class CannedReply(msgspec.Struct, frozen=True):
    """One reply in one language; ``language`` is ``ANY`` when it is the same in all."""

    name: str
    language: str
    text: str


def read_canned(source: Source, languages: tuple[str, ...]) -> tuple[CannedReply, ...]:
    """The replies of the file, in its order; problems are noted with their lines."""
    root = source.open()
    if root is None:
        return ()
    top = source.mapping(root, "the file", {"canned"})
    if "canned" not in top:
        source.wrong(root, f"has no 'canned:': {_SHAPE} under 'canned:'")
        return ()
    found: list[CannedReply] = []
    for name, node in source.mapping(top["canned"], "canned").items():
        if not _NAME.fullmatch(name):
            source.wrong(node, f"canned reply '{name}': a name has letters, digits, _, - and . only, at most 40")
        found.extend(
            CannedReply(name, language, text) for language, text in _texts(source, name, node, languages).items()
        )
    return tuple(found)


def _texts(source: Source, name: str, node: yaml.Node, languages: tuple[str, ...]) -> Mapping[str, str]:
    where = f"canned reply '{name}'"
    nodes = source.mapping(node, where, languages) if isinstance(node, yaml.MappingNode) else {ANY: node}
    texts = {language: source.text(each, where) for language, each in nodes.items()}
    for language, text in texts.items():
        _check(source, where, nodes[language], text)
    return {language: text for language, text in texts.items() if text}


def _check(source: Source, where: str, node: yaml.Node, text: str) -> None:
    if not text:
        source.wrong(node, f"{where} is empty: {_SHAPE}")
    if len(text) > LONGEST_TEXT:
        source.wrong(node, f"{where} has {len(text)} characters, and may have {LONGEST_TEXT}")
    for blank in BLANK.finditer(text):
        if blank[1] not in BLANKS:
            source.wrong(node, f"{where} does not know {{{blank[1]}}}; it takes {{name}} and {{agent}}")
