"""Texts that are alike, together: so that one decision serves many, and the frequent comes first."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp.text import for_intents

MOST_TEXTS = 2_000
"""Grouping compares each with each: the most frequent so many are grouped, the others wait for the next review."""

FARTHEST = 0.62
"""Texts are grouped while their mean distance is below.

On 600 examples of each sample bot, the texts that are not alone are to 83 and 88 % of their group's main intent; 0.72
groups more of them and mixes more (77 and 85 %), 0.5 leaves half of the texts alone.
"""

FARTHEST_WITH_OPINIONS = 0.55
OPINION_WEIGHT = 0.2
"""How much a classifier's opinion counts beside the words.

With a model that was not taught a third of the intents, as many texts are grouped as above, and to 88 and 89 % right;
at 0.35 new topics fall into those that the model knows.
"""


class Asked(msgspec.Struct, frozen=True):
    """A text and how often it was said."""

    text: str
    times: int = 1


class Group(msgspec.Struct, frozen=True):
    """Numbers of texts that are alike, the one nearest to all first, and how often they were said together."""

    members: tuple[int, ...]
    times: int


def group(texts: Sequence[Asked], opinions: NDArray[np.float64] | None = None) -> list[Group]:
    """The texts as groups, the most frequent group first; every text is in exactly one. The same at every call.

    *opinions*: ``(n, k)`` probabilities of a classifier, where there is one. At most ``MOST_TEXTS`` may be given: 0.5 s
    and 40 MB for so many. Average linkage on cosine distances of TF-IDF rows of words and character n-grams.
    """
    if len(texts) > MOST_TEXTS:
        raise ValueError(f"{len(texts)} texts are more than {MOST_TEXTS}")
    if len(texts) < 2:
        return [Group((index,), asked.times) for index, asked in enumerate(texts)]
    likeness = _likeness([for_intents(asked.text) for asked in texts])
    farthest = FARTHEST
    if opinions is not None:
        farthest = FARTHEST_WITH_OPINIONS
        likeness = (1.0 - OPINION_WEIGHT) * likeness + OPINION_WEIGHT * _agreement(opinions)
    labels = _linked(likeness, farthest)
    members: dict[int, list[int]] = {}
    for index, label in enumerate(labels.tolist()):
        members.setdefault(label, []).append(index)
    groups = [_grouped(found, likeness, texts) for found in members.values()]
    return sorted(groups, key=lambda each: (-each.times, -len(each.members), texts[each.members[0]].text))


def _agreement(opinions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosines between rows of probabilities."""
    lengths = np.linalg.norm(opinions, axis=1, keepdims=True)
    rows = np.divide(opinions, lengths, out=np.zeros_like(opinions), where=lengths > 0)
    agreement: NDArray[np.float64] = rows @ rows.T
    return agreement


def nearest(texts: Sequence[str], examples: Sequence[str], most: int = 3) -> list[list[tuple[int, float]]]:
    """For each text, the numbers of the examples that are most like it with their cosine, the nearest first."""
    if not texts or not examples:
        return [[] for _ in texts]
    rows = _rows([for_intents(text) for text in (*examples, *texts)])
    known, asked = rows[: len(examples)], rows[len(examples) :]
    found: list[list[tuple[int, float]]] = []
    for start in range(0, len(texts), 256):
        cosines = (asked[start : start + 256] @ known.T).toarray()
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :most]
        values = np.take_along_axis(cosines, order, axis=1)
        pairs = zip(order.tolist(), values.tolist(), strict=True)
        found += [[(i, float(v)) for i, v in zip(*each, strict=True) if v > 0] for each in pairs]
    return found


def _grouped(found: list[int], likeness: NDArray[np.float64], texts: Sequence[Asked]) -> Group:
    """The text with most in common with the others stands for them."""
    inner = likeness[np.ix_(found, found)].sum(axis=1)
    order = sorted(range(len(found)), key=lambda i: (-round(float(inner[i]), 9), -texts[found[i]].times, found[i]))
    return Group(tuple(found[i] for i in order), sum(texts[index].times for index in found))


def _linked(likeness: NDArray[np.float64], farthest: float) -> NDArray[np.int64]:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    distances = np.clip(1.0 - likeness, 0.0, 1.0)
    np.fill_diagonal(distances, 0.0)
    tree = linkage(squareform(distances, checks=False), method="average")
    labels: NDArray[np.int64] = fcluster(tree, farthest, criterion="distance").astype(np.int64)
    return labels


def _likeness(texts: Sequence[str]) -> NDArray[np.float64]:
    rows = _rows(texts)
    likeness: NDArray[np.float64] = (rows @ rows.T).toarray()
    return likeness


def _rows(texts: Sequence[str]):  # type: ignore[no-untyped-def]  # noqa: ANN202  a sparse matrix of scipy
    """TF-IDF rows of length 1 (or 0): words and their pairs count half, character n-grams the other half."""
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    blocks = []
    for options in ({"token_pattern": r"\w+"}, {"analyzer": "char_wb", "ngram_range": (3, 4)}):
        reader = TfidfVectorizer(lowercase=False, sublinear_tf=True, **options)
        try:
            blocks.append(reader.fit_transform(texts))
        except ValueError:  # none of the texts holds a word
            continue
    return normalize(sparse.hstack(blocks, format="csr")) if blocks else sparse.csr_matrix((len(texts), 1))
