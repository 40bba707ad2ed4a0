"""The questions around a handoff as every app shows them: each answer can be chosen, by a button, a row or a number."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

import config
from channels.discovery import discover, read_settings
from channels.specimen import specimen_of
from config.bot import Bot, load_bot
from gateway.core.ids import AccountId, ConversationId, MessageId, TurnId, new_id
from gateway.core.messages import Author, Choice, Outgoing, Parts
from gateway.core.turns import DeskSaid, TurnInput
from gateway.dialogue import Dialogue
from gateway.dialogue.speaking import Speaker
from nlp.intents import Prediction
from nlp.language import LanguageDetector
from nlp.training_data import load_training_data

BOTS = Path(config.__file__).parent / "bots"
CHANNELS = {name: channel for name, channel in discover().items() if specimen_of(name).has_provider}
"""Web chat is not among them: its page draws the parts themselves, as they are stored."""

RECIPIENTS: Mapping[str, str] = {"whatsapp": "ES.1234567890", "telegram": "42", "twilio": "whatsapp:+573001234567"}
VALUES: Mapping[str, object] = {"agent": "Marta", "opens_on": "mañana", "opens_at": "08:00", "name": "Ana"}


@pytest.fixture(scope="module", params=["telecom", "school"])
def bot(request: pytest.FixtureRequest) -> Bot:
    return load_bot(BOTS / request.param)


@pytest.fixture(scope="module")
def dialogue(bot: Bot) -> Dialogue:
    async def classify(text: str) -> Prediction:
        raise AssertionError(text)

    examples = load_training_data(bot.folder, bot.languages).examples
    return Dialogue(bot, classify, LanguageDetector(bot.languages, examples))


async def rating(dialogue: Dialogue, language: str, channel: str) -> Parts:
    """What the bot asks when a person gave the conversation back."""
    now = datetime(2026, 11, 20, 15, tzinfo=UTC)
    turn = TurnInput(
        turn_id=TurnId(new_id()),
        conversation_id=ConversationId(new_id()),
        channel=channel,
        app=channel,
        entries=(DeskSaid(1, now, "given_back", "solved", "Marta"),),
        state=b"",
        language=language,
        name="Ana",
        now=now,
    )
    (asked,) = [reply for reply in (await dialogue.decide(turn)).replies if reply.key == "utter_ask_score"]
    return asked.parts


def question(bot: Bot, key: str, language: str, channel: str) -> Parts:
    reply = Speaker(bot).say(key, language, channel, 0, lambda: VALUES)
    assert reply is not None
    return reply.parts


def assert_every_answer_can_be_chosen(parts: Parts, channel_name: str, language: str) -> None:
    """By its value on a button or a row; where the app has neither, the labels stand there to be typed."""
    channel = CHANNELS[channel_name]
    settings = read_settings(channel, "main", specimen_of(channel_name).settings_values)
    (choice,) = [part for part in parts if isinstance(part, Choice)]
    for account in channel.accounts(settings):
        calls = channel.render(
            settings,
            Outgoing(
                MessageId(new_id()),
                ConversationId(new_id()),
                AccountId(1),
                RECIPIENTS.get(channel_name, "1234567890"),
                Author.BOT,
                parts,
                account=account.external,
                app=account.app,
                language=language,
            ),
        )
        shown = msgspec.json.encode([call.params for call in calls], enc_hook=str).decode()
        for number, option in enumerate(choice.options, start=1):
            is_shown = option.label in shown or option.label[:18] in shown
            assert is_shown, f"{channel_name} ({account.app}) does not show {number} {option.label}: {shown}"
            is_choosable = option.value in shown or f"{number}" in shown
            assert is_choosable, f"{channel_name} ({account.app}): {option.label} cannot be chosen"


@pytest.mark.parametrize("language", ["es"])
@pytest.mark.parametrize("channel_name", CHANNELS)
async def test_every_app_lets_the_customer_choose(
    bot: Bot, dialogue: Dialogue, channel_name: str, language: str
) -> None:
    for key in ("utter_offer_message", "utter_reopen"):
        parts = question(bot, key, language, channel_name)
        assert_every_answer_can_be_chosen(parts, channel_name, language)
    asked = await rating(dialogue, language, channel_name)
    (choice,) = [part for part in asked if isinstance(part, Choice)]
    assert len(choice.options) == 5
    assert_every_answer_can_be_chosen(asked, channel_name, language)
