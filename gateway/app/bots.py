"""The bot that the settings name, ready to decide: its folder read, its model behind it."""

from __future__ import annotations

import msgspec
import structlog

from config.bot import load_bot
from config.bot_model import Bot
from config.settings import Settings
from gateway.app.live_entities import LiveEntities
from gateway.app.live_model import LiveModel
from gateway.core.metrics import Metrics
from gateway.dialogue.backend import Backend
from gateway.dialogue.dialogue import Dialogue
from gateway.dialogue.mood import Feel
from gateway.dialogue.rules import ContactDetails
from nlp.language import LanguageDetector
from nlp.models.versions import INTENT
from nlp.training_data import TrainingData, load_training_data

log = structlog.get_logger(__name__)


class BotFiles(msgspec.Struct, frozen=True):
    """What an author wrote, read and checked."""

    bot: Bot
    data: TrainingData


def read_bot(settings: Settings) -> BotFiles:
    """The bot's folder; blocks. Raises ``Misconfigured`` with everything that is wrong in it."""
    bot = load_bot(settings.bot.folder)
    return BotFiles(bot, load_training_data(settings.bot.folder, bot.languages))


def open_dialogue(
    files: BotFiles,
    model: LiveModel,
    metrics: Metrics,
    feel: Feel | None = None,
    details: ContactDetails | None = None,
) -> Dialogue:
    """The bot's mind, asking *model*, *feel* how customers sound, and *details* what is known of a contact."""

    def observe(action: str, result: str, seconds: float) -> None:
        metrics.action_seconds.labels(action, result).observe(seconds)

    languages = LanguageDetector(files.bot.languages, files.data.examples)
    find = LiveEntities(files.bot, files.data, model)
    return Dialogue(files.bot, model, languages, Backend(files.bot.actions, observe=observe), feel, find, details)


def model_without_database(settings: Settings, files: BotFiles, metrics: Metrics, task: str = INTENT) -> LiveModel:
    """A model of exactly the examples that are there now, for an author who tries them out; blocks.

    The newest stored version of them, else a new one, which is stored and promoted nowhere. Raises ``Misconfigured``.
    """
    from gateway.app.model_place import encoder_for_turns, models_url
    from gateway.core.errors import Misconfigured
    from nlp.models.examples import examples_of
    from nlp.models.process import Order, train
    from nlp.models.serving import load
    from nlp.models.versions import ModelVersions, place_of

    versions, place = ModelVersions(models_url(settings)), place_of(files.bot.name, task)
    data = files.data if task == INTENT else examples_of(settings.bot.folder, task)
    found = versions.by_fingerprint(place, data.fingerprint)
    if found is not None:
        try:
            return LiveModel(load(versions, place, found.version), metrics)
        except Misconfigured as error:
            log.warning("model_not_loaded", version=found.version, reason=error.detail)
    order = Order(
        url=versions.url,
        bot_folder=str(settings.bot.folder),
        place=place,
        by="chat",
        is_quick=True,
        encoder=encoder_for_turns(settings, task),
    )
    return LiveModel(load(versions, place, train(order).version), metrics)
