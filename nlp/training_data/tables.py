"""Examples from CSV and from lines of JSON, checked row by row."""

from __future__ import annotations

from config.bot_examples import EntitySpan, LabelledRow, labelled_rows
from config.bot_yaml import Source
from nlp.training_data.examples import EntityMark
from nlp.training_data.gathering import Gathering, bad_name


def read_table(source: Source, gathering: Gathering, language: str) -> None:
    """Put a file's rows into *gathering*; *language* is what its name tells, a row may tell another."""
    for row in labelled_rows(source):
        if not row.text:
            source.note(row.line, "has no text")
        elif row.label == "":
            source.note(row.line, "has no intent; for a text that belongs to none write out_of_scope")
        elif row.label is not None and bad_name(row.label):
            source.note(row.line, f"has an intent whose name {bad_name(row.label)}")
        else:
            told = gathering.language(row.language) if row.language else language
            marks = _marks(source, row)
            gathering.add(row.text, row.label, told, marks, (source.name, row.line), row.metadata)


def _marks(source: Source, row: LabelledRow) -> tuple[EntityMark, ...]:
    """The row's entities; one that does not fit the text, or cuts another, is noted and left out."""
    found: list[EntityMark] = []
    for span in sorted(row.spans, key=lambda each: (each.start, each.end)):
        wrong = _wrong(span, row.text, found)
        if wrong:
            source.note(row.line, f"the entity '{span.kind[:40]}' at {span.start} to {span.end} {wrong}")
            continue
        text = row.text[span.start : span.end]
        found.append(
            EntityMark(span.kind, text, span.value or text.strip(), span.start, span.end, span.role, span.group)
        )
    return tuple(found)


def _wrong(span: EntitySpan, text: str, before: list[EntityMark]) -> str:
    if not span.kind:
        return "has no name: write 'entity'"
    if bad_name(span.kind):
        return f"has a name that {bad_name(span.kind)}"
    if not 0 <= span.start < span.end <= len(text):
        return f"lies outside of the text, which has {len(text)} characters"
    overlaps = before and before[-1].end > span.start and (before[-1].start, before[-1].end) != (span.start, span.end)
    return f"overlaps with '{before[-1].kind}'" if overlaps else ""
