"""What is counted over the rows, in bounded space, and so that partitions can be added in any order.

Repetitions are counted on a sample: the texts with the smallest hashes, with how often each occurs (k minimum values,
Bar-Yossef et al. 2002, with counts). It is exact up to ``SKETCH_SIZE`` different texts.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from nlp.batch.job import Tally, TaskTally

SKETCH_SIZE = 1_024
_HASH_BYTES = 8
_Key = TypeVar("_Key", str, int)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


class Duplicates(msgspec.Struct, frozen=True):
    """*share* of the texts repeats an earlier one. ``is_exact`` as long as every different text was kept."""

    share: float
    different_texts: int
    is_exact: bool


class Counting:
    """Counts the rows of one partition."""

    def __init__(self, tasks: Sequence[str]) -> None:
        self._texts = 0
        self._tasks = {task: _TaskCounting() for task in tasks}
        self._languages: Counter[str] = Counter()
        self._entities: Counter[str] = Counter()
        self._lengths: Counter[int] = Counter()
        self._longest = 0
        self._sketch: Counter[str] = Counter()
        self._largest_kept = "g"  # after every hexadecimal digit

    def count_text(self, text: str, language: str, entity_kinds: Iterable[str]) -> None:
        self._texts += 1
        self._languages[language] += 1
        self._entities.update(entity_kinds)
        self._lengths[bucket(len(text))] += 1
        self._longest = max(self._longest, len(text))
        self._sample(text)

    def count_label(self, task: str, label: str, confidence: float, score: float, *, is_in_scope: bool) -> None:
        self._tasks[task].count(label, confidence, score, is_in_scope=is_in_scope)

    def tally(self) -> Tally:
        """All that was counted."""
        return Tally(
            texts=self._texts,
            tasks={task: counting.tally() for task, counting in self._tasks.items()},
            languages=_sorted(self._languages),
            entities=_sorted(self._entities),
            lengths=_sorted(self._lengths),
            longest=self._longest,
            sketch=_smallest(self._sketch),
        )

    def _sample(self, text: str) -> None:
        name = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).hexdigest()
        if name > self._largest_kept:
            return
        self._sketch[name] += 1
        if len(self._sketch) >= 2 * SKETCH_SIZE:
            self._sketch = Counter(_smallest(self._sketch))
            self._largest_kept = max(self._sketch)


class _TaskCounting:
    def __init__(self) -> None:
        self._labels: Counter[str] = Counter()
        self._in_scope: Counter[str] = Counter()
        self._out_of_scope = 0
        self._confidence = self._score = 0.0

    def count(self, label: str, confidence: float, score: float, *, is_in_scope: bool) -> None:
        self._labels[label] += 1
        if is_in_scope:
            self._in_scope[label] += 1
        else:
            self._out_of_scope += 1
        self._confidence += confidence
        self._score += score

    def tally(self) -> TaskTally:
        return TaskTally(
            labels=_sorted(self._labels),
            in_scope_labels=_sorted(self._in_scope),
            out_of_scope=self._out_of_scope,
            confidence_sum=round(self._confidence, 6),
            score_sum=round(self._score, 6),
        )


def add(tallies: Iterable[Tally]) -> Tally:
    """The tally of all of them together, whatever their order."""
    counting = Tally()
    for tally in tallies:
        tasks = counting.tasks.keys() | tally.tasks.keys()
        counting = Tally(
            texts=counting.texts + tally.texts,
            tasks={task: _add_task(counting.tasks.get(task), tally.tasks.get(task)) for task in sorted(tasks)},
            languages=_add_counts(counting.languages, tally.languages),
            entities=_add_counts(counting.entities, tally.entities),
            lengths=_add_counts(counting.lengths, tally.lengths),
            longest=max(counting.longest, tally.longest),
            sketch=_smallest(_add_counts(counting.sketch, tally.sketch)),
        )
    return counting


def duplicates(tally: Tally) -> Duplicates:
    """How much is said twice; where it is estimated, within about three points."""
    if not tally.texts:
        return Duplicates(0.0, 0, is_exact=True)
    kept = len(tally.sketch)
    if kept < SKETCH_SIZE:
        return Duplicates(1.0 - kept / tally.texts, kept, is_exact=True)
    share = 1.0 - kept / sum(tally.sketch.values())
    spread = (int(max(tally.sketch), 16) + 1) / 2.0 ** (8 * _HASH_BYTES)
    return Duplicates(share, round((kept - 1) / spread), is_exact=False)


def length_quantiles(tally: Tally) -> dict[str, int]:
    """Characters of a text: quantiles, exact up to 100 and to two digits above, and the longest."""
    found: dict[str, int] = {}
    for share in QUANTILES:
        seen = 0
        for length, count in sorted(tally.lengths.items()):
            seen += count
            if seen >= share * tally.texts:
                found[f"p{share * 100:.0f}"] = length
                break
    return found | {"longest": tally.longest}


def bucket(length: int) -> int:
    """The lower end of the length's bucket: itself up to 100, two digits of it above."""
    step = 1
    while length // step >= 100:
        step *= 10
    return length // step * step


def _add_task(first: TaskTally | None, second: TaskTally | None) -> TaskTally:
    one, other = first or TaskTally(), second or TaskTally()
    return TaskTally(
        labels=_add_counts(one.labels, other.labels),
        in_scope_labels=_add_counts(one.in_scope_labels, other.in_scope_labels),
        out_of_scope=one.out_of_scope + other.out_of_scope,
        confidence_sum=one.confidence_sum + other.confidence_sum,
        score_sum=one.score_sum + other.score_sum,
    )


def _add_counts(one: Mapping[_Key, int], other: Mapping[_Key, int]) -> dict[_Key, int]:
    return _sorted(Counter(one) + Counter(other))


def _sorted(counts: Mapping[_Key, int]) -> dict[_Key, int]:
    return dict(sorted(counts.items()))


def _smallest(sketch: Mapping[str, int]) -> dict[str, int]:
    return {name: sketch[name] for name in heapq.nsmallest(SKETCH_SIZE, sketch)}
