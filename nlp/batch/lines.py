"""Files as lines and as records of lines (CSV, JSON), a block at a time: no line is ever larger than a bound.

Where a record begins does not depend on where reading began, as long as that was the beginning of a record: the
planner and the worker see the same ones.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO

import msgspec

BLOCK_BYTES = 1 << 18
MAX_RECORD_BYTES = 1 << 20
"""A longer line, or a longer CSV record of several lines, is put aside unread."""

DELIMITERS = ",;\t|"
_NONE = "\x1f"


class Line(msgspec.Struct, frozen=True):
    """One line without its end. ``content`` is ``None`` when it is too long to be kept, then ``excerpt`` begins it.

    ``number`` counts from 1 in the file, ``offset`` in bytes.
    """

    number: int
    offset: int
    content: bytes | None
    excerpt: bytes = b""


class CsvRecord(msgspec.Struct, frozen=True):
    """One record of a CSV file; ``problem`` says why it has no ``fields``."""

    line: Line
    fields: Sequence[str] = ()
    problem: str = ""


def read_lines(file: IO[bytes], start: int, stop: int | None, first_number: int = 1) -> Iterator[Line]:
    """The lines from byte *start* up to *stop* (``None``: to the end); blank ones too."""
    file.seek(start)
    offset, number, rest, dropped = start, first_number, b"", 0
    left = None if stop is None else stop - start
    excerpt = b""
    while block := file.read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left)):
        left = None if left is None else left - len(block)
        *whole, tail = block.split(b"\n")
        for piece in whole:
            yield _line(number, offset, rest + piece, dropped, excerpt)
            offset += dropped + len(rest) + len(piece) + 1
            number += 1
            rest, dropped = b"", 0
        rest += tail
        if len(rest) > MAX_RECORD_BYTES:
            excerpt = excerpt if dropped else rest[:1_000]
            dropped += len(rest)
            rest = b""
        if left == 0:
            break
    if rest or dropped:
        yield _line(number, offset, rest, dropped, excerpt)


def _line(number: int, offset: int, content: bytes, dropped: int, excerpt: bytes) -> Line:
    if dropped or len(content) > MAX_RECORD_BYTES:
        return Line(number, offset, None, excerpt if dropped else content[:1_000])
    return Line(number, offset, content.removesuffix(b"\r"))


class _Endless(Exception):
    """The lines of one record are more than are kept."""


class CsvRecords:
    """The records of CSV lines. A line that opens a quote which is never closed is put aside alone.

    Undecodable bytes are kept as lone surrogates (``surrogateescape``); who reads a field looks for them.
    """

    def __init__(self, lines: Iterator[Line], delimiter: str, encoding: str) -> None:
        self._lines = lines
        self._again: deque[Line] = deque()
        self._taken: list[Line] = []
        self._taken_bytes = 0
        self._encoding = encoding
        self._reader = csv.reader(self._feed(), delimiter=delimiter, strict=True)

    def __iter__(self) -> Iterator[CsvRecord]:
        while True:
            self._taken, self._taken_bytes = [], 0
            try:
                fields = next(self._reader)
            except StopIteration:
                return
            except (csv.Error, _Endless) as error:
                yield self._put_aside(str(error))
                continue
            if fields:
                yield CsvRecord(self._taken[0], fields)

    def _put_aside(self, problem: str) -> CsvRecord:
        """Give up the first line of what was taken, and read the others again."""
        first, *others = self._taken
        self._again.extendleft(reversed(others))
        return CsvRecord(first, problem=problem)

    def _feed(self) -> _Feed:
        return _Feed(self)

    def take(self) -> str:
        """The next line as text, with its end. Raises ``StopIteration``, and ``_Endless`` at the bounds."""
        line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append(line)
        if line.content is None:
            raise _Endless("the line is too long")
        self._taken_bytes += len(line.content)
        if self._taken_bytes > MAX_RECORD_BYTES:
            raise _Endless("the record is too long")
        return line.content.decode(self._encoding, "surrogateescape") + "\n"


class _Feed:
    """What ``csv.reader`` pulls lines from; unlike a generator it goes on after an error."""

    def __init__(self, records: CsvRecords) -> None:
        self._records = records

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return self._records.take()


def delimiter_of(header: Line, name: str, encoding: str) -> str:
    """The sign that cuts the header into the most columns; a tab for ``.tsv``.

    Where there is one column there is no delimiter: a comma in it is a comma.
    """
    if name.lower().removesuffix(".gz").endswith(".tsv"):
        return "\t"

    def columns(delimiter: str) -> int:
        found = next(iter(CsvRecords(iter([header]), delimiter, encoding)), None)
        return len(found.fields) if found else 0

    best = max(DELIMITERS, key=columns)
    return best if columns(best) > 1 else _NONE
