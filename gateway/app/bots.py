"""The bot that the settings name, ready to decide: its folder read, its model loaded or trained."""

from __future__ import annotations

from collections.abc import Sequence

from config.bot import load_bot
from config.settings import Settings
from gateway.core.batcher import Batcher
from gateway.core.metrics import Metrics
from gateway.dialogue.backend import Backend
from gateway.dialogue.dialogue import Dialogue
from nlp.intents import Model, Prediction, load_or_train
from nlp.language import LanguageDetector
from nlp.training_data import load_training_data

PREDICTION_BATCH = 64


def open_dialogue(settings: Settings, metrics: Metrics) -> Dialogue:
    """Read the bot and make its mind. Trains the first time, and again when the examples changed; seconds, blocking.

    Raises ``Misconfigured`` with everything that is wrong in the folder.
    """
    bot = load_bot(settings.bot.folder)
    data = load_training_data(settings.bot.folder, bot.languages)
    model = load_or_train(data, settings.data_dir / "models")

    def observe(action: str, result: str, seconds: float) -> None:
        metrics.action_seconds.labels(action, result).observe(seconds)

    predictions, languages = BatchedPredictions(model, metrics), LanguageDetector(bot.languages, data.examples)
    return Dialogue(bot, predictions, languages, Backend(bot.actions, observe=observe))


class BatchedPredictions:
    """Predicts one text for each caller, and the texts of all who ask at the same moment in one go."""

    def __init__(self, model: Model, metrics: Metrics) -> None:
        self._model = model
        self._metrics = metrics
        self._batcher: Batcher[str, Prediction] = Batcher(self._predict, limit=PREDICTION_BATCH)

    async def __call__(self, text: str) -> Prediction:
        return await self._batcher(text)

    async def _predict(self, texts: Sequence[str]) -> list[Prediction]:
        self._metrics.batch_size.labels("predict").observe(len(texts))
        return self._model.predict(texts)
