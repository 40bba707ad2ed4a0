"""Finds entities with the tagger of the model that serves: when that is swapped, so is the tagger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from config.bot_model import Bot
from gateway.app.live_model import LiveModel
from gateway.core.errors import Misconfigured
from nlp.entities import Entity, Extractor
from nlp.entities.storage import unpack
from nlp.models.serving import LoadedModel
from nlp.training_data import TrainingData

log = structlog.get_logger(__name__)


class LiveEntities:
    """Fits ``gateway.dialogue.filling.FindEntities``."""

    def __init__(self, bot: Bot, data: TrainingData, model: LiveModel) -> None:
        """Raises ``Misconfigured`` when a pattern of the author's does not compile."""
        self._model = model
        self._extractor = Extractor(data, bot.languages, country=bot.country)
        self._loaded: LoadedModel | None = None
        # What is loaded at first use is loaded now.
        self("+57 300 555 0142", bot.languages[0], datetime.now(UTC), bot.time_zone.key)

    def __call__(self, text: str, language: str, at: datetime, time_zone: str) -> Sequence[Entity]:
        if self._model.loaded is not self._loaded:
            self._take(self._model.loaded)
        return self._extractor.extract(text, language, at, time_zone)

    def _take(self, loaded: LoadedModel) -> None:
        """Unpack the tagger of another version, in some ms; one that cannot be read leaves the one before."""
        self._loaded = loaded
        try:
            self._extractor = self._extractor.with_tagger(unpack(loaded.besides))
        except Misconfigured as error:
            log.warning("tagger_not_loaded", version=loaded.version, reason=error.detail)
