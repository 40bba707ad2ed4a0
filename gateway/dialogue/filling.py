"""Fills a flow's slots with what was found in the customer's words, and says what of it a turn's record keeps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from config.bot_model import AnswerKind, Bot, Collect, SlotValue
from gateway.core import turns
from gateway.dialogue.answering import Moment, Question
from nlp.entities import Entity, Extractor, as_text
from nlp.entities.tagger import Tagger
from nlp.training_data import TrainingData

FindEntities = Callable[[str, str, datetime, str], Sequence[Entity]]
"""The entities of a text in a language, said at a moment by somebody whose days are those of a time zone."""

MAX_RECORDED = 20
"""Entities of one turn that are recorded, and looked at for slots."""

HIDDEN = "•••"
"""Stands in a record for the value of what tells who somebody is."""

_MAX_CHARS = 200
_FITTING: Mapping[AnswerKind, frozenset[str]] = {
    "number": frozenset({"number", "amount"}),
    "integer": frozenset({"number"}),
    "email": frozenset({"email"}),
    "phone": frozenset({"phone"}),
    "date": frozenset({"date", "datetime"}),
}


def entity_finder(bot: Bot, data: TrainingData, tagger: Tagger | None = None) -> FindEntities:
    """Finds what is built in and what *data* teach.

    Raises ``Misconfigured`` when a pattern of the author's does not compile.
    """
    return Extractor(data, bot.languages, country=bot.country, tagger=tagger).extract


def no_entities(_text: str, _language: str, _at: datetime, _time_zone: str) -> Sequence[Entity]:
    """For a turn whose words nobody reads."""
    return ()


def kinds_for(step: Collect) -> frozenset[str]:
    """The kinds of entities that answer a question: what its author named, else what its type says."""
    return frozenset({step.entity.kind}) if step.entity is not None else _FITTING.get(step.validation.kind, frozenset())


def are_rivals(step: Collect, other: Collect) -> bool:
    """Whether one find could answer both questions: then it answers only the one that is asked."""
    if step.slot == other.slot or not kinds_for(step) & kinds_for(other):
        return False
    one, two = step.entity, other.entity
    if one is None or two is None:
        return True
    has_own_role = bool(one.role and two.role) and one.role != two.role
    return not (has_own_role or (bool(one.group and two.group) and one.group != two.group))


def value_named(question: Question, entities: Sequence[Entity], moment: Moment) -> SlotValue:
    """The one good answer among what was found; ``None``: there is none, or several that differ."""
    values: list[SlotValue] = []
    for entity in entities:
        value = question.value_of_entity(entity, moment) if _fits(question.step, entity) else None
        if value is not None and value not in values:
            values.append(value)
    return values[0] if len(values) == 1 else None


def without_parts_of_choices(entities: Sequence[Entity], text: str, choices: Collection[Question]) -> Sequence[Entity]:
    """Leave out the numbers that only name a choice: of ``2 packs of 5 GB`` the 2 stays."""
    return [
        entity
        for entity in entities
        if entity.kind != "number"
        or not any(question.is_part_of_choice(text, entity.start, entity.end) for question in choices)
    ]


def recorded(entity: Entity) -> turns.Entity:
    """As a turn's record keeps it: what tells who somebody is stays with the message alone."""
    return turns.Entity(
        kind=entity.kind,
        value=HIDDEN if entity.is_personal else as_text(entity.value)[:_MAX_CHARS],
        text="" if entity.is_personal else entity.text[:_MAX_CHARS],
        start=entity.start,
        end=entity.end,
        confidence=round(entity.confidence, 3),
        role=entity.role,
        group=entity.group,
        source=entity.source,
    )


def _fits(step: Collect, entity: Entity) -> bool:
    wanted = step.entity
    if entity.kind not in kinds_for(step):
        return False
    return wanted is None or (wanted.role in {"", entity.role} and wanted.group in {"", entity.group})
