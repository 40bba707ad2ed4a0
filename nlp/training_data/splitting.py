"""Takes data apart for measuring, and repetitions out of it."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from gateway.core.errors import Misconfigured
from nlp.text import fold, for_intents, phrase
from nlp.training_data.examples import Example, TrainingData, same_text


def split(data: TrainingData, share: float, seed: int = 0) -> tuple[TrainingData, TrainingData]:
    """The data without a *share* of its texts, and that share, evenly over the intents and what is outside.

    Texts that differ only in case, accents, digits or signs stay on one side. The same texts, share and seed give
    the same sides in any order; a text that is added leaves nearly all others where they are. Every intent keeps one
    text at least to learn from. Synonyms, regexes and lookups are on both sides. Raises ``Misconfigured`` when *share*
    does not lie between 0 and 1.
    """
    if not 0.0 <= share < 1.0:
        raise Misconfigured("share", f"is {share:g}; it must be at least 0 and below 1")
    held_out = _held_out([*data.examples, *data.outside], share, seed)

    def side(*, is_held_out: bool) -> TrainingData:
        return msgspec.structs.replace(
            data,
            examples=tuple(each for each in data.examples if (_group(each.text) in held_out) is is_held_out),
            outside=tuple(each for each in data.outside if (_group(each.text) in held_out) is is_held_out),
        )

    return side(is_held_out=False), side(is_held_out=True)


def deduplicate(data: TrainingData) -> TrainingData:
    """Each text once an intent and language; of several that one stays in which the most entities are annotated."""
    return msgspec.structs.replace(data, examples=_once(data.examples), outside=_once(data.outside))


def _once(examples: Iterable[Example]) -> tuple[Example, ...]:
    kept: dict[tuple[str, str, str], Example] = {}
    for example in examples:
        key = (same_text(example.text), example.intent, example.language)
        if key not in kept or len(example.entities) > len(kept[key].entities):
            kept[key] = example
    return tuple(kept.values())


def _held_out(examples: Iterable[Example], share: float, seed: int) -> frozenset[str]:
    """The groups of texts that are kept apart. What is left over of an intent's share goes on to the next intent."""
    intents: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        intents[_group(example.text)][example.intent] += 1
    by_intent: dict[str, list[str]] = defaultdict(list)
    for group, counts in intents.items():
        by_intent[min(counts, key=lambda intent: (-counts[intent], intent))].append(group)
    found: set[str] = set()
    owed = 0.0
    for intent in sorted(by_intent):
        groups = sorted(by_intent[intent], key=lambda group: _rank(group, seed))
        wanted = share * len(groups)
        owed += wanted
        taken = min(int(owed + 0.5), math.ceil(wanted), len(groups) - 1)
        found.update(groups[:taken])
        owed = min(owed - taken, 1.0)
    return frozenset(found)


def _group(text: str) -> str:
    """Texts with the same one are variations of one text."""
    return phrase(for_intents(text)) or fold(text).strip()


def _rank(group: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{group}".encode("utf-8", "surrogatepass")).digest()
