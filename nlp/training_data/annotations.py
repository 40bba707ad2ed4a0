"""Entities inside an example's line, both ways: ``to [Lima](city)`` is read and written.

Forms (Rasa 3.x, training data format): ``[text](kind)``, ``[text](kind:value)``, ``[text]{"entity": …, "value": …,
"role": …, "group": …}`` and a list of such objects.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import msgspec

from nlp.training_data.examples import EntityMark, Example

_ANNOTATION = re.compile(
    r"\[(?P<text>[^\[\]]+)\]"
    r"(?:\((?P<kind>[^():]+)(?::(?P<value>[^()]+))?\)|(?P<json>\{[^{}]*\}|\[\s*\{[^\[\]]*\}\s*\]))"
)
_HALF = re.compile(r"\](?:\(|\{|\[\s*\{)")
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
"""What a line of a YAML file cannot hold, or what ends a line there."""

_NAME = re.compile(r"[^():\[\]{}]+")
_PLAIN_VALUE = re.compile(r"[^()\[\]{}]+")


class _MarkJson(msgspec.Struct):
    entity: str
    value: str | int | float | bool | None = None
    role: str | None = None
    group: str | None = None


class Annotated(msgspec.Struct, frozen=True):
    """A line taken apart: the clean text, its entities, what is wrong, and what only looks wrong."""

    text: str
    marks: tuple[EntityMark, ...] = ()
    errors: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


class NotWritable(ValueError):
    """An example that cannot be a line of a file; the message says why."""


def read_annotated(line: str) -> Annotated:
    """Take the annotations out of a line, and remember where they were. Linear in the line's length."""
    pieces: list[str] = []
    marks: list[EntityMark] = []
    errors: list[str] = []
    last = length = 0
    for match in _ANNOTATION.finditer(line):
        before = line[last : match.start()]
        length += len(before)
        try:
            marks.extend(_marks(match, length))
        except (msgspec.MsgspecError, RecursionError) as error:
            errors.append(f"the annotation of '{match['text'][:40]}' is not understood: {error}")
        pieces += [before, match["text"]]
        length += len(match["text"])
        last = match.end()
    text = "".join([*pieces, line[last:]])
    doubt = _HALF.search(text)
    if doubt is None:
        return Annotated(text, tuple(marks), tuple(errors))
    near = text[max(0, doubt.start() - 20) : doubt.end() + 20]
    return Annotated(
        text,
        tuple(marks),
        tuple(errors),
        (f"'{near}' looks like an annotation that is not complete, or one in another",),
    )


def _marks(match: re.Match[str], start: int) -> list[EntityMark]:
    text = match["text"]
    end = start + len(text)
    if match["kind"] is not None:
        return [EntityMark(match["kind"].strip(), text, (match["value"] or text).strip(), start, end)]
    decoded = msgspec.json.decode(match["json"].encode(), type=list[_MarkJson] | _MarkJson)
    return [
        EntityMark(each.entity.strip(), text, _value(each, text), start, end, each.role or "", each.group or "")
        for each in (decoded if isinstance(decoded, list) else [decoded])
    ]


def _value(mark: _MarkJson, text: str) -> str:
    if mark.value is None or mark.value == "":
        return text.strip()
    return mark.value if isinstance(mark.value, str) else msgspec.json.encode(mark.value).decode()


def tidy(example: Example) -> Example:
    """The example as one line of a file can hold it, its entities moved along.

    Control characters and line ends are blanks, blanks are squeezed, and brackets that would be read as an annotation
    are parted by one.
    """
    text = example.text
    clean: list[str] = []
    at: list[int] = []
    for char in text:
        is_blank = char.isspace() or _UNWRITABLE.fullmatch(char) is not None
        if is_blank or (char in "([{" and clean and clean[-1] == "]"):
            clean += [" "] if clean and clean[-1] != " " else []
        at.append(len(clean))
        if not is_blank:
            clean.append(char)
    at.append(len(clean))
    tidied = "".join(clean)
    marks = tuple(_moved(mark, tidied, at) for mark in example.entities if 0 <= mark.start < mark.end <= len(text))
    return msgspec.structs.replace(example, text=tidied.rstrip(" "), entities=marks)


def _moved(mark: EntityMark, text: str, at: Sequence[int]) -> EntityMark:
    """The mark in the tidied text, without blanks at its ends; a value that only repeats its text follows it."""
    start, end = at[mark.start], at[mark.end]
    piece = text[start:end]
    start, end = start + len(piece) - len(piece.lstrip(" ")), end - len(piece) + len(piece.rstrip(" "))
    piece = text[start:end]
    value = piece if mark.value.strip() == mark.text.strip() else mark.value
    return msgspec.structs.replace(mark, start=start, end=end, text=piece, value=value)


def one_line(text: str) -> str:
    """A text as ``tidy`` makes it."""
    return tidy(Example(text, "")).text


def write_annotated(example: Example) -> str:
    """The line for an example, such that ``read_annotated`` gives ``tidy(example)`` back: its text and its entities.

    Raises ``NotWritable`` when the text is empty, or an entity cannot be written.
    """
    wanted = tidy(example)
    if not wanted.text:
        raise NotWritable("it has no text")
    if len(wanted.entities) != len(example.entities):
        raise NotWritable("one of its entities lies outside of the text")
    groups = _grouped(wanted.entities)
    try:
        line = _written(wanted.text, groups)
    except UnicodeEncodeError as error:
        raise NotWritable("an entity's name or value is not text") from error
    read = read_annotated(line)
    if read.text != wanted.text or [*read.marks] != [mark for group in groups for mark in group] or read.errors:
        raise NotWritable("its entities cannot be written in a line: brackets are in the way")
    return line


def _grouped(marks: Sequence[EntityMark]) -> list[list[EntityMark]]:
    """The marks in their order, those of the same place together. Raises ``NotWritable`` when two overlap."""
    places: dict[tuple[int, int], list[EntityMark]] = {}
    for mark in sorted(marks, key=lambda each: (each.start, each.end)):
        places.setdefault((mark.start, mark.end), []).append(mark)
    spans = list(places)
    if any(before[1] > after[0] for before, after in itertools.pairwise(spans)):
        raise NotWritable("two of its entities overlap")
    return list(places.values())


def _written(text: str, groups: Sequence[Sequence[EntityMark]]) -> str:
    line: list[str] = []
    last = 0
    for marks in groups:
        start, end = marks[0].start, marks[0].end
        line += [text[last:start], "[", text[start:end], "]", _reference(marks)]
        last = end
    return "".join([*line, text[last:]])


def _reference(marks: Sequence[EntityMark]) -> str:
    """What follows the brackets: the short form where it is enough, else JSON."""
    mark = marks[0]
    if len(marks) == 1 and not (mark.role or mark.group) and _NAME.fullmatch(mark.kind) and mark.kind.strip():
        if mark.value == mark.text:
            return f"({mark.kind})"
        if _PLAIN_VALUE.fullmatch(mark.value) and one_line(mark.value) == mark.value:
            return f"({mark.kind}:{mark.value})"
    objects = [
        {"entity": each.kind}
        | ({"value": each.value} if each.value != each.text else {})
        | ({"role": each.role} if each.role else {})
        | ({"group": each.group} if each.group else {})
        for each in marks
    ]
    return msgspec.json.encode(objects if len(objects) > 1 else objects[0]).decode()
