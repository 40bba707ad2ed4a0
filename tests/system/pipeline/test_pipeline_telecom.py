"""The sample bot through the real pipeline: looked-up answers, a form ordered once, a person, and a rating."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from paper_provider import said
from pipeline_process import Process, StartProcess

import config
from config.bot import load_bot
from gateway.app.sample_backend import SampleBackend, open_sample_backend
from gateway.core.ids import HandoffId
from gateway.core.messages import Text
from gateway.dialogue import Dialogue
from gateway.dialogue.backend import Backend
from nlp.intents import Prediction, train
from nlp.language import LanguageDetector
from nlp.training_data import load_training_data

TELECOM = Path(config.__file__).parent / "bots" / "telecom"


class Talk:
    """What a customer says, one message after another, and what comes back."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._said = 0

    async def says(self, text: str) -> str:
        """The answer; the paper provider takes one line a call."""
        before = len(self.process.client.calls)
        self._said += 1
        await self.process.accept(said("ana", self._said, text))
        await self.process.finish()
        return "\n".join(reply for _, reply in self.process.client.calls[before:])


@pytest.fixture
async def systems() -> AsyncIterator[tuple[SampleBackend, str]]:
    backend = SampleBackend()
    async with open_sample_backend(backend) as address:
        yield backend, address


@pytest.fixture
async def talk(start: StartProcess, systems: tuple[SampleBackend, str]) -> AsyncIterator[tuple[Talk, SampleBackend]]:
    backend, address = systems
    bot = load_bot(TELECOM)
    data = load_training_data(TELECOM, bot.languages)
    model = train(data)

    async def classify(text: str) -> Prediction:
        return model.predict([text])[0]

    detector = LanguageDetector(bot.languages, data.examples)
    dialogue = Dialogue(bot, classify, detector, Backend(bot.actions, {"BACKEND_URL": address}))
    await dialogue.open()
    yield Talk(await start(bot=dialogue)), backend
    await dialogue.close()


async def test_a_customers_whole_story(talk: tuple[Talk, SampleBackend], sql: asyncpg.Connection) -> None:
    ana, backend = talk
    balance = await ana.says("me dices cuál es mi saldo")
    assert balance.startswith("Línea 3")
    for text in ("quiero cambiar de plan", "plus", "300 555", "300 555 0142", "mañana", "Corregir algo", "La fecha"):
        await ana.says(text)
    summary = await ana.says("pasado mañana")
    assert "Línea: 3005550142" in summary
    done = await ana.says("sí")
    assert "Tu pedido es C-" in done
    turn = await sql.fetchval("SELECT id FROM turn ORDER BY from_seq DESC LIMIT 1")
    assert list(backend.answers) == [f"{turn}:change_plan.order"]
    assert await sql.fetchval("SELECT count(*) FROM conversation WHERE turn_to_seq IS NOT NULL") == 0

    await ana.says("quiero hablar con una persona")
    handoff_id = HandoffId(await sql.fetchval("SELECT id FROM handoff"))
    agents = ana.process.agents
    await agents.accept(handoff_id, "Marta")
    await agents.say(handoff_id, "Marta", "k", (Text("Soy Marta"),))
    await agents.give_back(handoff_id, "solved")
    await ana.process.pipeline.respond.sweep()
    await ana.process.finish()
    assert ana.process.client.calls[-1][1] == "¿Cómo te pareció la atención que recibiste?"
    thanks = await ana.says("excelente")
    assert "contarnos" in thanks
    assert await sql.fetchval("SELECT rating FROM episode ORDER BY opened_at LIMIT 1") == 5
    assert await sql.fetchval("SELECT data FROM event WHERE kind = 'conversation_rated'") == '{"score": 5}'
    bye = await ana.says("Marta fue muy amable")
    assert bye.startswith("Gracias por tu opinión")
    outcomes = [row["outcome"] for row in await sql.fetch("SELECT outcome FROM episode ORDER BY opened_at")]
    assert outcomes == ["solved", "solved"], "the rating leaves no episode open that would count as abandoned"
    assert await sql.fetchval("SELECT episode_id FROM conversation") is None


async def test_when_the_systems_are_away_the_customer_is_told_and_nothing_is_stuck(
    talk: tuple[Talk, SampleBackend], sql: asyncpg.Connection
) -> None:
    ana, backend = talk
    backend.is_away = True
    sorry = await ana.says("me dices cuál es mi saldo")
    assert "no puedo consultar el sistema" in sorry
    backend.is_away = False
    balance = await ana.says("me dices cuál es mi saldo")
    assert balance.startswith("Línea 3")
    assert await sql.fetchval("SELECT count(*) FROM turn WHERE outcome = 'answered'") == 2
