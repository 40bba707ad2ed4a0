"""Trains the tagger of annotated entities, and says how good it is on texts that it has not seen.

CRFsuite (N. Okazaki, BSD; wrapped by python-crfsuite, MIT) finds the weights; its own model file is read once and
thrown away, so that what is kept is numbers and names alone.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from nlp.entities.extractor import Extractor
from nlp.entities.reading import Reading
from nlp.entities.tagger import (
    AFTER,
    BEFORE,
    MAX_WORDS,
    OWN,
    Tag,
    Tagger,
    TaggerInfo,
    TaggerWeights,
    features_of,
    hints_of,
    pieces,
)
from nlp.training_data import Example, TrainingData
from nlp.training_data.examples import languages_told

FEWEST_MARKS = 20
"""A kind with fewer annotations is found by its annotated words alone."""

FEWEST_VALUES = 4
"""So is one whose annotations are all the same few words: there is nothing to learn beyond them."""

_MOST_UNMARKED = 3  # examples without annotations for each one that has some
_FOLDS = 4
_MOST_CHECKED = 4_000  # examples; beyond that one fold tells enough
_PARAMETERS: Mapping[str, float] = {
    "c1": 0.05,
    "c2": 0.05,
    "max_iterations": 80,
    "feature.possible_transitions": 1,
}

_LANGUAGES = ("es", "en", "pt")  # of examples that do not tell theirs
_WRITTEN_AT = datetime(2026, 1, 1, tzinfo=UTC)  # which day is meant makes no difference to a hint

Report = Callable[[str], None]


class _Taught(msgspec.Struct, frozen=True):
    """One example as the trainer wants it."""

    features: list[list[str]]
    tags: list[Tag]


def fit(
    data: TrainingData,
    trained_at: datetime,
    report: Report = lambda _line: None,
) -> Tagger | None:
    """A tagger for the kinds with annotations enough; ``None`` when there is none such. Seconds for 5,000 examples."""
    kinds = learnable_kinds(data)
    if not kinds:
        return None
    extractor = Extractor(data, sorted(languages_told(data.examples)) or _LANGUAGES)
    taught = [_taught(example, kinds, extractor) for example in _chosen(data.examples, kinds)]
    metrics = _judged(taught)
    report(f"entities: F1 {metrics['f1']:.1%} on texts it had not seen ({', '.join(sorted(kinds))})")
    info, weights = _trained(taught)
    about = msgspec.structs.replace(
        info, fingerprint=data.fingerprint, trained_at=trained_at.isoformat(timespec="seconds"), metrics=metrics
    )
    return Tagger(about, weights)


def learnable_kinds(data: TrainingData) -> frozenset[str]:
    """The kinds that are annotated often enough, with words that differ."""
    counts: Counter[str] = Counter()
    values: dict[str, set[str]] = {}
    for example in data.examples:
        for mark in example.entities:
            counts[mark.kind] += 1
            values.setdefault(mark.kind, set()).add(mark.text.casefold())
    return frozenset(
        kind for kind, count in counts.items() if count >= FEWEST_MARKS and len(values[kind]) >= FEWEST_VALUES
    )


def _chosen(examples: Sequence[Example], kinds: Collection[str]) -> list[Example]:
    """All with annotations, and some without, by chance but always the same."""
    marked = [each for each in examples if any(mark.kind in kinds for mark in each.entities)]
    unmarked = [each for each in examples if not any(mark.kind in kinds for mark in each.entities)]
    chance = random.Random(17)  # noqa: S311 - which examples are used, nothing secret
    chosen = [*marked, *chance.sample(unmarked, min(len(unmarked), _MOST_UNMARKED * len(marked)))]
    chance.shuffle(chosen)
    return chosen


def _taught(example: Example, kinds: Collection[str], extractor: Extractor) -> _Taught:
    reading = Reading(example.text)
    count = min(len(reading.words), MAX_WORDS)
    tags = [Tag()] * count
    for mark in example.entities:
        if mark.kind not in kinds:
            continue
        begins = True
        for place in range(count):
            start, end = reading.span(reading.words[place].start, reading.words[place].end)
            if mark.start <= start and end <= mark.end:
                tags[place] = Tag(mark.kind, mark.role, mark.group, begins)
                begins = False
    known = extractor.known(reading, example.language or _LANGUAGES[0], _WRITTEN_AT, "UTC")
    return _Taught(features_of(reading, hints_of(reading, known), count), tags)


def _trained(taught: Sequence[_Taught]) -> tuple[TaggerInfo, TaggerWeights]:
    import pycrfsuite

    trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
    trainer.set_params(dict(_PARAMETERS))
    names: dict[Tag, str] = {Tag(): "0"}
    for each in taught:
        if each.tags:
            tags = [names.setdefault(tag, str(len(names))) for tag in each.tags]
            trainer.append(each.features, tags)
            if any(tag.kind for tag in each.tags):
                trainer.append(_with_words_hidden(each), tags)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tags"
        trainer.train(str(path))
        learnt = pycrfsuite.Tagger()
        learnt.open(str(path))
        dumped = learnt.info()
        learnt.close()
    rows = {feature: row for row, feature in enumerate(sorted({feature for feature, _ in dumped.state_features}))}
    emissions = np.zeros((len(rows), len(names)), np.float32)
    for (feature, name), weight in dumped.state_features.items():
        emissions[rows[feature], int(name)] = weight
    transitions = np.zeros((len(names), len(names)), np.float32)
    for (before, after), weight in dumped.transitions.items():
        transitions[int(before), int(after)] = weight
    return TaggerInfo(tags=tuple(names), features=tuple(rows)), TaggerWeights(emissions, transitions)


def _with_words_hidden(taught: _Taught) -> list[list[str]]:
    """The same text with other words in the place of what is annotated: their neighbours must tell them."""
    hidden: list[list[str]] = []
    for place, (names, tag) in enumerate(zip(taught.features, taught.tags, strict=True)):
        after = taught.tags[place + 1] if place + 1 < len(taught.tags) else Tag()
        before = taught.tags[place - 1] if place else Tag()
        told_by = (*(OWN if tag.kind else ()), *(AFTER if after.kind else ()), *(BEFORE if before.kind else ()))
        hidden.append([name for name in names if not name.startswith(told_by)] if told_by else names)
    return hidden


def _judged(taught: Sequence[_Taught]) -> dict[str, float]:
    """F1 of whole entities (kind, role, group and extent right), each text judged by a tagger that had not seen it."""
    right: Counter[str] = Counter()
    told: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for fold in range(_FOLDS if len(taught) <= _MOST_CHECKED else 1):
        tagger = Tagger(*_trained([each for place, each in enumerate(taught) if place % _FOLDS != fold]))
        for each in taught[fold::_FOLDS]:
            expected, got = set(pieces(each.tags)), set(pieces(tagger.tags(each.features)))
            right.update(piece[2].kind for piece in expected & got)
            told.update(piece[2].kind for piece in got)
            wanted.update(piece[2].kind for piece in expected)
    scores = {f"f1:{kind}": _f1(right[kind], told[kind], wanted[kind]) for kind in sorted(wanted)}
    return {"f1": _f1(right.total(), told.total(), wanted.total()), **scores}


def _f1(right: int, told: int, wanted: int) -> float:
    return round(2 * right / (told + wanted), 4) if told + wanted else 0.0
