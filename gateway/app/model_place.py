"""What the settings say of models, in a module that costs a command nothing to import."""

from __future__ import annotations

import os

from config.settings import Settings
from gateway.core.errors import Misconfigured
from nlp.encoder_names import asks_a_service, named_for_good

ENCODER_KEY = "TERTULIA__MODELS__ENCODER_KEY"
NO_ENCODER = "none"
_SENTIMENT = "sentiment"


def models_url(settings: Settings) -> str:
    """Where the versions are kept."""
    return settings.models.url or str((settings.data_dir / "models").absolute())


def encoder_for_turns(settings: Settings, task: str) -> str:
    """The encoder of what is trained to serve: that of the settings, unless it asks a service."""
    named = settings.models.encoder
    return "" if task == _SENTIMENT or asks_a_service(named) else named_for_good(named)


def encoder_to_train(settings: Settings, task: str, asked: str) -> str:
    """What ``--encoder`` means; empty: the settings'. Raises ``Misconfigured`` where it cannot be used."""
    if task == _SENTIMENT:
        if asked not in ("", NO_ENCODER):
            raise Misconfigured("--encoder", "the sentiment is read without sentence vectors; leave it out")
        return ""
    if asked == NO_ENCODER:
        return ""
    return named_for_good(asked or settings.models.encoder)


def lend_encoder_key(settings: Settings) -> None:
    """Let an encoder of this process and of those that it starts find the settings' key in the environment."""
    if key := settings.models.encoder_key.get_secret_value():
        os.environ[ENCODER_KEY] = key
