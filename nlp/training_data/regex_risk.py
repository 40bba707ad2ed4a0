"""Finds regexes that take for ever on a text made for it, by trying such texts in a process that may be lost.

Python's ``re`` backtracks: ``(a+)+$`` on thirty letters runs for minutes, and a customer may send them. There is no
well-kept library that finds all such patterns (static ones know nested repetitions, not ``(a|a)*``), so each repetition
of a pattern is pumped up to the longest text that is ever read, in a child whose time is bounded by its own CPU clock.
"""

from __future__ import annotations

import importlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import msgspec

from nlp.text import MAX_READ_CHARS

CPU_S = 0.25
"""More time than this for one text of ``MAX_READ_CHARS`` characters is too much for a turn."""

_WALL_S = 60.0
_MOST_TEXTS = 40
_MOST_SAMPLE_CHARS = 200
_SAMPLES = "aA0 -_.@/\n\t,:;+#"
_ODD_END = "\x00"

# Reads [seconds, [[pattern, [text, …]], …]]; writes a line after each pattern. The kernel ends it when one takes long.
_CHILD = """
import json, re, signal, sys, warnings
warnings.simplefilter("ignore")
seconds, asked = json.load(sys.stdin)
for pattern, texts in asked:
    compiled = re.compile(pattern)
    for text in texts:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        compiled.search(text)
        signal.setitimer(signal.ITIMER_PROF, 0)
    print(flush=True)
"""


def risky(patterns: Sequence[str], cpu_s: float = CPU_S) -> frozenset[str]:
    """Those among *patterns*, which all compile, that take longer than *cpu_s* on some text. Costs 30 ms and more.

    What is found is certain for this machine; what is not found may still be slow on texts that nobody thought of.
    Raises ``OSError`` when they cannot be tried.
    """
    waiting = sorted(set(patterns))
    found: set[str] = set()
    while waiting:
        survived = _survivors(waiting, cpu_s)
        if survived < len(waiting):
            found.add(waiting[survived])
        waiting = waiting[survived + 1 :]
    return frozenset(found)


def _survivors(patterns: Sequence[str], cpu_s: float) -> int:
    """How many of the patterns, from the first, were tried before one took too long."""
    asked = msgspec.json.encode([cpu_s, [(pattern, _texts(pattern)) for pattern in patterns]])
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and text
            [sys.executable, "-I", "-S", "-c", _CHILD], input=asked, capture_output=True, timeout=_WALL_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"").count(b"\n")
    if done.returncode not in {0, -signal.SIGPROF}:
        raise OSError(done.returncode, f"the process that tries regexes ended with {done.returncode}")
    return done.stdout.count(b"\n")


def _texts(pattern: str) -> list[str]:
    """Texts that nearly match: what leads to a repetition, the repeated part to the full length, an odd end."""
    texts: dict[str, None] = {}
    for prefix, part in _pumps(pattern):
        room = MAX_READ_CHARS - len(prefix) - 1
        if part and room > 0:
            texts[prefix + (part * (room // len(part) + 1))[:room] + _ODD_END] = None
        if len(texts) >= _MOST_TEXTS:
            break
    return list(texts)


def _pumps(pattern: str) -> Iterator[tuple[str, str]]:
    yield from (("", char) for char in "a0 ")
    parser = _parser()
    if parser is not None:
        try:
            yield from _Pumping(parser).of(parser.parse(pattern))
        except (re.error, RecursionError):
            return


def _parser() -> ModuleType | None:
    """Python's own reader of patterns; private: were it gone, only the general texts would be tried."""
    try:
        return importlib.import_module("re._parser")
    except ImportError:
        return None


class _Pumping:
    """Walks a parsed pattern and makes up what leads to its repetitions, and what they repeat."""

    def __init__(self, parser: ModuleType) -> None:
        self._many = min(int(parser.MAXREPEAT), 20)

    def of(self, parsed: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
        """What leads to each repetition, and each form of the part that is repeated."""
        for op, given in parsed:
            name = str(op)
            if name.endswith("REPEAT"):
                _, high, part = given
                if int(high) >= self._many:
                    yield from ((prefix, form) for form in self._forms(part))
                yield from self.of(part, prefix)
            elif name in {"SUBPATTERN", "ATOMIC_GROUP"}:
                yield from self.of(given[-1] if name == "SUBPATTERN" else given, prefix)
            elif name == "BRANCH":
                for branch in given[1]:
                    yield from self.of(branch, prefix)
            prefix = (prefix + self._sample([(op, given)]))[:_MOST_SAMPLE_CHARS]

    def _forms(self, parsed: Any) -> Iterator[str]:
        """Texts that a part matches: its first form, and one for each of its alternatives."""
        yield self._sample(parsed)
        for op, given in parsed:
            if str(op) == "SUBPATTERN":
                yield from self._forms(given[-1])
            elif str(op) == "BRANCH":
                yield from (self._sample(branch) for branch in given[1])

    def _sample(self, parsed: Any) -> str:
        """A short text that a part matches, as far as that can be made up."""
        return "".join(self._piece(str(op), given) for op, given in parsed)[:_MOST_SAMPLE_CHARS]

    def _piece(self, name: str, given: Any) -> str:
        if name == "LITERAL":
            return chr(given)
        if name in {"NOT_LITERAL", "ANY"}:
            return next(char for char in _SAMPLES if ord(char) != given)
        if name == "IN":
            return _member(given)
        if name == "BRANCH":
            return self._sample(given[1][0])
        if name == "SUBPATTERN":
            return self._sample(given[-1])
        if name == "ATOMIC_GROUP":
            return self._sample(given)
        if name.endswith("REPEAT"):
            return self._sample(given[2]) * min(max(int(given[0]), 1), _MOST_SAMPLE_CHARS)
        return ""


_CATEGORIES = {"CATEGORY_DIGIT": r"\d", "CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w"}


def _member(items: Any) -> str:
    """A character of a set."""
    is_negated = any(str(op) == "NEGATE" for op, _ in items)
    named = [chr(given if str(op) == "LITERAL" else given[0]) for op, given in items if str(op) in {"LITERAL", "RANGE"}]
    candidates = [*([] if is_negated else named), *_SAMPLES, "é", "!"]
    return next((char for char in candidates if _holds(items, char) is not is_negated), "")


def _holds(items: Any, char: str) -> bool:
    for op, given in items:
        match str(op):
            case "LITERAL":
                is_in = ord(char) == given
            case "RANGE":
                is_in = given[0] <= ord(char) <= given[1]
            case "CATEGORY":
                kind = str(given)
                is_in = ("_NOT_" in kind) is not bool(
                    re.match(_CATEGORIES.get(kind.replace("_NOT_", "_"), r"$^"), char)
                )
            case _:
                is_in = False
        if is_in:
            return True
    return False
