"""Texts as hurried thumbs write them: some letters missing, doubled, swapped or wrong. Seeded."""

from __future__ import annotations

import random
from collections.abc import Sequence

SHARE = 0.08
"""Of the letters: about one in twelve, far worse than most people write."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def damaged(texts: Sequence[str], seed: int, share: float = SHARE) -> list[str]:
    """Each text with about *share* of its letters replaced, left out, doubled or swapped with the next, evenly."""
    return [_damaged(text, random.Random(f"{seed} {index}"), share) for index, text in enumerate(texts)]  # noqa: S311


def _damaged(text: str, dice: random.Random, share: float) -> str:
    out: list[str] = []
    position = 0
    while position < len(text):
        letter = text[position]
        position += 1
        if not letter.isalpha() or dice.random() >= share:
            out.append(letter)
            continue
        kind = dice.randrange(4)
        if kind == 0:
            out.append(dice.choice(_LETTERS))
        elif kind == 1:
            out.append(letter + letter)
        elif kind == 2 and position < len(text) and text[position].isalpha():
            out.append(text[position] + letter)
            position += 1
    return "".join(out)
