"""What ``tertulia check`` says of a bot's examples, held against its flows: what is taught in vain, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from config.bot_model import Bot, Collect
from config.bot_problems import Problem
from gateway.core.errors import Misconfigured
from nlp.training_data import TrainingData, check_training_data, read_task, read_training_data, task_names


def problems_of_examples(bot: Bot) -> list[Problem]:
    """All that is wrong with the examples of a bot's ``nlu/`` and ``tasks/``. Costs some tenths of a second."""
    from gateway.dialogue.filling import kinds_for

    asked = frozenset(kind for _, step in _questions(bot) for kind in kinds_for(step))
    data, problems = check_training_data(bot.folder, bot.languages, asked)
    return [*problems, *_untaught(bot, data), *_problems_of_tasks(bot.folder, bot.languages)]


def problems_without_bot(folder: Path) -> list[Problem]:
    """What is wrong with the examples where the rest of the bot cannot be loaded."""
    return [*read_training_data(folder)[1], *_problems_of_tasks(folder, ())]


def _problems_of_tasks(folder: Path, languages: tuple[str, ...]) -> Iterator[Problem]:
    for task in task_names(folder):
        try:
            yield from read_task(folder, task, languages)[1]
        except Misconfigured as error:
            yield Problem(f"tasks/{task}", 0, error.detail)


def _questions(bot: Bot) -> Iterator[tuple[str, Collect]]:
    for flow in bot.flows.values():
        for step in flow.steps.values():
            if isinstance(step, Collect):
                yield flow.name, step


def _untaught(bot: Bot, data: TrainingData) -> Iterator[Problem]:
    """Entities that a flow asks for by name, and that nothing can find."""
    from nlp.entities import BUILT_IN

    marks = [mark for example in data.examples for mark in example.entities]
    known = BUILT_IN | data.lookups.keys() | data.regexes.keys() | {mark.kind for mark in marks}
    roles = {(mark.kind, mark.role) for mark in marks}
    for flow, step in _questions(bot):
        entity = step.entity
        if entity is None:
            continue
        place = f"flow '{flow}', step '{step.id}' asks for the entity '{entity.kind}'"
        if entity.kind not in known:
            yield Problem(
                "flows", 0, f"{place}, which no example, lookup or regex teaches: annotate it in nlu/", "warning"
            )
        elif entity.role and (entity.kind, entity.role) not in roles:
            yield Problem(
                "flows", 0, f"{place} in the role '{entity.role}', which no example has: annotate it in nlu/", "warning"
            )
