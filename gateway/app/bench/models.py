"""The sample bot's models, trained before anything is measured: a first start would train them beside the load."""

from __future__ import annotations

from pathlib import Path

from config.bot import load_bot
from config.settings import SAMPLE_BOT
from nlp.models.process import Order, train_in_process
from nlp.models.versions import INTENT, SENTIMENT, place_of


async def train_models(folder: Path) -> str:
    """The ``models.url`` of every gateway that is measured. Raises ``GiveUp`` when a training dies."""
    url = str((folder / "models").absolute())
    name = load_bot(SAMPLE_BOT).name
    for task in (INTENT, SENTIMENT):
        place = place_of(name, task)
        await train_in_process(Order(url=url, bot_folder=str(SAMPLE_BOT), place=place, by="bench", is_quick=True))
    return url
