"""What a reviewer types, understood: one line in, one decision out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

from nlp.learning.suggesting import Reviewed

ENOUGH = 0.3
"""A suggestion below is shown, and not what an empty line accepts."""

SHORTEST_BEGINNING = 3
"""Fewer letters are more likely a slip than an intent."""

_NUMBERS = re.compile(r"-\s*(\d+(?:[\s,]+\d+)*)")
_NEW_INTENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:/[A-Za-z0-9_]+)?")

Act = Literal["accept", "out of scope", "drop", "skip", "quit", "help", "leave out", "unclear"]


class Choice(msgspec.Struct, frozen=True):
    """What to do with a group. ``intent`` when it is accepted; ``left_out`` numbers of texts, from 1.

    ``unclear`` says in ``why`` what was not understood.
    """

    act: Act
    intent: str = ""
    left_out: tuple[int, ...] = ()
    why: str = ""


def default_of(group: Reviewed) -> str:
    """The intent that an empty line accepts; empty: it skips the group."""
    if group.is_foreign or not group.suggestions or group.suggestions[0].confidence < ENOUGH:
        return ""
    return group.suggestions[0].intent


def choose(line: str, group: Reviewed, intents: Collection[str]) -> Choice:
    """The decision in *line*: empty, a letter, ``n NAME``, ``- 2,3``, or an intent (its first three letters may do)."""
    typed = line.strip()
    match typed.lower():
        case "":
            suggested = default_of(group)
            return Choice("accept", suggested) if suggested else Choice("skip")
        case "y" | "yes" | "s\u00ed" | "si" | "sim":
            return _yes(group)
        case "o":
            return Choice("out of scope")
        case "d":
            return Choice("drop")
        case "s":
            return Choice("skip")
        case "q":
            return Choice("quit")
        case "?" | "h" | "help":
            return Choice("help")
    if typed.startswith("-"):
        return _left_out(typed, group)
    head, _, rest = typed.partition(" ")
    if head.lower() == "n":
        return _new(rest.strip(), intents)
    return _known(typed, intents)


def _yes(group: Reviewed) -> Choice:
    """The first suggestion, however weak."""
    if not group.suggestions:
        return Choice("unclear", why="nothing is suggested: type an intent, or n NAME for a new one")
    return Choice("accept", group.suggestions[0].intent)


def _left_out(typed: str, group: Reviewed) -> Choice:
    found = _NUMBERS.fullmatch(typed)
    numbers = tuple(sorted({int(each) for each in re.split(r"[\s,]+", found[1])})) if found else ()
    if not numbers or not all(1 <= number <= len(group.texts) for number in numbers):
        return Choice("unclear", why=f"leave out texts by their numbers, 1 to {len(group.texts)}: - 2,3")
    return Choice("leave out", left_out=numbers)


def _new(name: str, intents: Collection[str]) -> Choice:
    if not _NEW_INTENT.fullmatch(name):
        return Choice("unclear", why="a new intent is a name of letters, digits and _: n opening_hours")
    if name in intents:
        return Choice("unclear", why=f"{name} is there already: type {name}")
    return Choice("accept", name)


def _known(typed: str, intents: Collection[str]) -> Choice:
    if typed in intents:
        return Choice("accept", typed)
    begun = completions(typed, intents) if len(typed) >= SHORTEST_BEGINNING else ()
    if len(begun) == 1:
        return Choice("accept", begun[0])
    if begun:
        return Choice("unclear", why=f"{typed} begins {', '.join(begun[:8])}")
    near = difflib.get_close_matches(typed, sorted(intents), n=3, cutoff=0.5)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    return Choice("unclear", why=f"no intent {typed}{hint} A new one: n {typed.split(maxsplit=1)[0]}")


def completions(typed: str, intents: Collection[str]) -> Sequence[str]:
    """The intents that begin so, sorted."""
    return sorted(intent for intent in intents if intent.startswith(typed))
