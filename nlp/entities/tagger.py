"""Finds annotated entities by their words and their neighbourhood: a linear-chain CRF, predicted with numpy alone.

Lafferty, McCallum, Pereira 2001. A tag says that an entity begins or goes on, with its kind, role and group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp.entities.found import Span
from nlp.entities.reading import Reading

OUTSIDE = "O"
MAX_WORDS = 120
"""Words of a text that are tagged."""

OWN = ("w=", "p3=", "s3=", "s2=", "-1w=", "w+1=", "n=", "h=")
AFTER, BEFORE = ("+1=", "w+1=", "+2="), ("-1=", "-1w=", "-2=")
"""How the names of features begin that tell of a word itself, of the one after it, and of the one before it."""

_LEAST_CONFIDENCE = 0.4
_MOST_WEIGHT = 50.0  # exp of more would overflow; no weight that was learnt comes near


class Tag(NamedTuple):
    """What a word is a part of; ``kind`` empty: of nothing."""

    kind: str = ""
    role: str = ""
    group: str = ""
    begins: bool = False


class TaggerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a tagger is and how good: ``metrics`` hold F1 on texts it had not seen, as a whole and by ``f1:<kind>``.

    ``tags`` and ``features`` name the columns and the rows of the weights.
    """

    tags: tuple[Tag, ...]
    features: tuple[str, ...]
    fingerprint: str = ""
    trained_at: str = ""
    metrics: Mapping[str, float] = {}

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that it finds."""
        return frozenset(tag.kind for tag in self.tags if tag.kind)


class TaggerWeights(msgspec.Struct, frozen=True):
    """``emissions``: (features, tags); ``transitions``: (tags, tags), from the row's tag to the column's."""

    emissions: NDArray[np.float32]
    transitions: NDArray[np.float32]


class Tagger:
    """Tags words. Holds nothing of a text; 60 to 200 µs for a message of some words."""

    def __init__(self, info: TaggerInfo, weights: TaggerWeights) -> None:
        self.info = info
        self.weights = weights
        self._rows = {feature: row for row, feature in enumerate(info.features)}
        self._nothing = len(info.features)
        self._emissions = np.vstack((weights.emissions, np.zeros((1, len(info.tags))))).astype(np.float64)
        self._transitions = np.clip(weights.transitions.astype(np.float64), -_MOST_WEIGHT, _MOST_WEIGHT)
        self._likely = np.exp(self._transitions)
        self._outside = info.tags.index(Tag())

    def find(self, reading: Reading, hints: Sequence[str]) -> Iterator[Span]:
        """Entities with the words themselves as values; *hints* say what else each word was found to be."""
        count = min(len(reading.words), MAX_WORDS)
        if not count:
            return
        scores = self._scores(features_of(reading, hints, count))
        path = self._best(scores)
        if all(tag == self._outside for tag in path):
            return
        sure = self._marginals(scores)
        for first, last, tag in pieces([self.info.tags[number] for number in path]):
            start, end = reading.words[first].start, reading.words[last].end
            confidence = float(min(sure[place, path[place]] for place in range(first, last + 1)))
            if confidence >= _LEAST_CONFIDENCE:
                value = reading.written(start, end)
                yield Span(tag.kind, value, start, end, round(confidence, 3), "annotated", tag.role, tag.group)

    def tags(self, features: Sequence[Sequence[str]]) -> list[Tag]:
        """The likeliest tags of n words with their features -> n tags."""
        return [self.info.tags[number] for number in self._best(self._scores(features))] if features else []

    def _scores(self, features: Sequence[Sequence[str]]) -> NDArray[np.float64]:
        """(words, tags). A word of which nothing is known has the row of zeros."""
        rows = [[self._rows[name] for name in names if name in self._rows] or [self._nothing] for names in features]
        ends = np.cumsum([0, *map(len, rows[:-1])])
        scores: NDArray[np.float64] = np.add.reduceat(self._emissions[list(chain.from_iterable(rows))], ends, axis=0)
        return scores

    def _best(self, scores: NDArray[np.float64]) -> list[int]:
        """The likeliest sequence of tags (Viterbi)."""
        total = scores[0]
        came_from: list[NDArray[np.intp]] = []
        for row in scores[1:]:
            step = total[:, None] + self._transitions
            came_from.append(step.argmax(axis=0))
            total = step.max(axis=0) + row
        path = [int(total.argmax())]
        for back in reversed(came_from):
            path.append(int(back[path[-1]]))
        return path[::-1]

    def _marginals(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(words, tags): how probable each tag is at each word (forward and backward, scaled word by word)."""
        seen = np.exp(scores - scores.max(axis=1, keepdims=True))
        ahead, behind = seen.copy(), np.ones_like(seen)
        ahead[0] /= ahead[0].sum()
        for place in range(1, len(seen)):
            ahead[place] *= ahead[place - 1] @ self._likely
            ahead[place] /= ahead[place].sum()
        for place in range(len(seen) - 2, -1, -1):
            step = self._likely @ (seen[place + 1] * behind[place + 1])
            behind[place] = step / step.sum()
        joint = ahead * behind
        result: NDArray[np.float64] = joint / joint.sum(axis=1, keepdims=True)
        return result


def features_of(reading: Reading, hints: Sequence[str], count: int) -> list[list[str]]:
    """For each word what is seen of it and around it."""
    texts = [_generalised(word.text) for word in reading.words[: count + 2]]
    seen: list[list[str]] = []
    for place in range(count):
        word = texts[place]
        before = texts[place - 1] if place else "<"
        after = texts[place + 1] if place + 1 < len(texts) else ">"
        names = [
            "*",
            f"w={word}",
            f"-1={before}",
            f"+1={after}",
            f"p3={word[:3]}",
            f"s3={word[-3:]}",
            f"s2={word[-2:]}",
        ]
        names += [
            f"-1={before}",
            f"+1={after}",
            f"-1w={before} {word}",
            f"w+1={word} {after}",
            f"n={min(len(word), 9)}",
        ]
        names.append(f"-2={texts[place - 2] if place > 1 else '<'} {before}")
        names.append(f"+2={after} {texts[place + 2] if place + 2 < len(texts) else '>'}")
        if word.startswith("0"):
            names.append("digits")
        if reading.written(reading.words[place].start, reading.words[place].start + 1).isupper():
            names.append("upper")
        if hint := hints[place] if place < len(hints) else "":
            names.append(f"h={hint}")
        seen.append(names)
    return seen


def hints_of(reading: Reading, spans: Sequence[Span]) -> list[str]:
    """For each word the kind of the find that it is a part of (empty: none); offsets are of the folded text."""
    hints = [""] * len(reading.words)
    if not spans:
        return hints
    for place, word in enumerate(reading.words):
        for span in spans:
            if span.start <= word.start and word.end <= span.end:
                hints[place] = span.kind
                break
    return hints


def _generalised(word: str) -> str:
    """One number is as good as another."""
    return "0" * len(word) if word.isdigit() else word


def pieces(tags: Sequence[Tag]) -> Iterator[tuple[int, int, Tag]]:
    """(first word, last word, tag) of each entity."""
    first = -1
    for place, tag in enumerate((*tags, Tag())):
        open_tag = tags[first] if first >= 0 else Tag()
        if first >= 0 and (tag.begins or tag[:3] != open_tag[:3]):
            yield first, place - 1, open_tag
            first = -1
        if tag.kind and first < 0:
            first = place
