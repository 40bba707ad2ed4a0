"""What a bag of words misses of a mood: capitals, stretched letters, marks, faces, and words that were turned round.

The signals become words of their own before the text, so that any classifier of words can learn what they
are worth: ``NOT BAD!!!`` reads ``_capitals_ _shouts_ _fine_ not bad!!!``. The lists of :mod:`nlp.moods` hold what
customers write in Spanish, English and Portuguese; a text in another language keeps its words and its marks.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping

from gateway.core.errors import Misconfigured
from nlp.moods import PHRASE_KEYS, mood_of, phrase_at
from nlp.text import MAX_READ_CHARS, fold, for_intents

_TRIPLE = re.compile(r"(.)\1\1", re.DOTALL)  # what is stretched has one, and it is found in a quarter of the time
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_TOKEN = re.compile("[^\\W_]+(?:['\u2019][^\\W_]+)*|[.,;:!?()\u2026\n]")
_FEWEST_CAPITALS = 8
_SHARE_OF_CAPITALS = 0.7
_LATIN_CAPITALS = bytes(code for code in range(256) if chr(code).isupper())
_MOST_SIGNALS = 24
_REACH = 3  # words that a "not" turns round

_FACES: Mapping[str, str] = {
    "_angry_": "😡😠🤬👿💢😤🖕👎💩🤮🤢😾",
    "_upset_": "😢😭😞😔😟🙁☹😩😫😖😣😰😨😱🥺💔😥😓😕",
    "_wry_": "🙄😒🤦🤷😑😐🤡🙃😏",
    "_happy_": "😀😃😄😁😊🙂☺😍🥰😘🤗🤩😎😇🥳🎉✨❤💖💕💙💚💛🧡💜🫶💪🙌👏🙏👌💯🌟⭐😋😻🤝",
    "_laughs_": "😂🤣😆😅😹",
}
_FACE = {face: mark for mark, faces in _FACES.items() for face in faces}
_ANY_FACE = re.compile(f"[{''.join(_FACE)}]")

_PLAIN: Mapping[str, str] = {"good": "_glad_", "bad": "_cross_"}
_TURNED: Mapping[str, str] = {"good": "_lacks_", "bad": "_fine_"}
_MOODS = re.compile("(?:_glad_|_cross_|_lacks_|_fine_) ")
_TURNS = frozenset(
    """
    no not never without hardly barely nobody neither nor cannot dont doesnt didnt isnt wasnt wont cant couldnt wouldnt
    arent aint nunca jamas sin ni nada tampoco nadie nao n nem sem ninguem cero zero
    """.split()  # noqa: SIM905 - forty lines otherwise
)


def read_by(name: str) -> Callable[[str], str]:
    """How a model reads a text before it looks at its words. Raises ``Misconfigured`` for a way that is not known."""
    if name == "intents":
        return for_intents
    if name == "sentiment":
        return lambda text: for_intents(for_sentiment(text))
    raise Misconfigured("models", f"reads texts for '{name[:40]}', which this release does not know; train again")


def without_moods(read: str) -> str:
    """What :func:`for_sentiment` gave without what the lists of words said."""
    return _MOODS.sub("", read)


def for_sentiment(text: str) -> str:
    """A word for each signal, then the folded text with stretched letters cut to two; about 4 µs a text."""
    text = text[:MAX_READ_CHARS]
    folded = fold(text)
    found: list[str] = []
    if _TRIPLE.search(folded) is not None:
        folded, stretched = _STRETCHED.subn(r"\1\1", folded)
        if stretched:
            found.append("_stretched_")
    latin = text.encode("latin-1", "ignore")
    if len(text) - len(latin.translate(None, _LATIN_CAPITALS)) >= _FEWEST_CAPITALS and _is_loud(text):
        found.append("_capitals_")
    _add_marks(found, text)
    if len(latin) < len(text):  # no face is Latin-1
        found += dict.fromkeys(_FACE[face] for face in _ANY_FACE.findall(text))
    if any(map(_may_have_mood, folded.split())):
        _add_moods(found, folded)
    del found[_MOST_SIGNALS:]
    found.append(folded)
    return " ".join(found)


def _add_marks(found: list[str], text: str) -> None:
    if "!!" in text or "¡¡" in text:
        found.append("_shouts_")
    if "?" in text:
        found.append("_presses_" if "??" in text or "?!" in text or "!?" in text else "_asks_")
    if "..." in text or "…" in text:
        found.append("_trails_")


def _is_loud(text: str) -> bool:
    """Whether most of it is in capitals; a code or an abbreviation alone is not."""
    if text[1:].islower():
        return False
    capitals = sum(map(str.isupper, text))
    return capitals >= _FEWEST_CAPITALS and capitals >= _SHARE_OF_CAPITALS * sum(map(str.isalpha, text))


@functools.lru_cache(maxsize=20_000)
def _may_have_mood(chunk: str) -> bool:
    """Whether a word of what stands between two blanks has a mood, or belongs to a phrase that may."""
    return any(token in PHRASE_KEYS or mood_of(token) for token in _TOKEN.findall(chunk))


def _add_moods(found: list[str], folded: str) -> None:
    """A word for each one with a mood, said plainly or after a ``not``, which reaches to the next stop."""
    words = _TOKEN.findall(folded)
    left = place = 0
    while place < len(words):
        word = words[place]
        length, mood = phrase_at(words, place)
        if length:
            place += length
            left = 0
            if mood in _PLAIN:
                found.append(_PLAIN[mood])
            continue
        place += 1
        if word in _TURNS or word.endswith(("n't", "n\u2019t")):
            left = _REACH
        elif mood := mood_of(word):
            found.append((_TURNED if left > 0 else _PLAIN)[mood])
            left -= 1
        else:
            left = left - 1 if word[0].isalnum() else 0
