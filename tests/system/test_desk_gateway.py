"""The desk in a real gateway: a customer asks for a person on their app, and what an agent does reaches them there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import asyncpg
from fault_harness import Sender

from config.settings import load_settings
from gateway.app.bench.audit import became
from gateway.app.bench.provider import LogEntry
from gateway.app.bench.subjects import ProviderProcess
from gateway.app.bench.updates import Update
from gateway.web.access import ensure_access_token

CHAT = 4711
SAMPLE_BOT = load_settings(env={}).bot.folder


async def test_who_speaks_is_announced_to_the_customer_in_order_and_once(
    make_gateway, provider: ProviderProcess, database_url: str, tmp_path: Path
) -> None:
    gateway = make_gateway(bot__path=str(SAMPLE_BOT))
    await gateway.start()
    headers = {"Authorization": f"Bearer {ensure_access_token(tmp_path / 'data').value}"}
    url = f"http://127.0.0.1:{gateway.port}/desk"
    async with Sender([gateway]) as sender, aiohttp.ClientSession(headers=headers) as agent:
        await sender.deliver(Update(1, CHAT, 1, "quiero hablar con una persona"))
        async with agent.ws_connect(f"{url}/socket") as socket:
            case = await _first_case(socket)
        for key in ("answer-one", "answer-one", "answer-two"):
            answer = {"agent": "Berta", "key": key, "text": f"Soy Berta, {key}"}
            await _post(agent, f"{url}/api/handoffs/{case}/answer", answer)
        await sender.deliver(Update(2, CHAT, 2, "cuál es mi saldo"))
        assert await became(lambda: _read(database_url, 2), 20), "the bot reads on while it is silent"
        for _ in range(2):
            await _post(agent, f"{url}/api/handoffs/{case}/give-back", {"agent": "Berta"})
        said = await _until(provider, "Vuelvo a ser el asistente")
    start = next(at for at, text in enumerate(said) if "Berta" in text)
    assert said[start : start + 4] == [
        "Ahora hablas con Berta.",
        "Soy Berta, answer-one",
        "Soy Berta, answer-two",
        "Berta dejó la conversación.",
    ]
    assert not any("saldo" in text for text in said[start:])
    assert sum("Berta dejó" in text for text in said) == 1


async def _first_case(socket: aiohttp.ClientWebSocketResponse) -> str:
    async with asyncio.timeout(30):
        while True:
            frame = await socket.receive_json()
            if frame["type"] == "cases" and frame["cases"]:
                return str(frame["cases"][0]["id"])


async def _post(agent: aiohttp.ClientSession, url: str, body: dict[str, str]) -> None:
    async with agent.post(url, json=body) as answer:
        assert answer.status in (200, 409), await answer.text()


async def _read(dsn: str, turns: int) -> bool:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval("SELECT count(*) FROM turn") >= turns
    finally:
        await connection.close()


async def _until(provider: ProviderProcess, words: str) -> list[str]:
    """What the customer got, in order, until these words came."""

    def is_message(entry: LogEntry) -> bool:
        return entry.method == "sendMessage" and entry.chat_id == str(CHAT)

    async with asyncio.timeout(30):
        while True:
            said = [entry.text for entry in await provider.log() if is_message(entry)]
            if any(words in text for text in said):
                return said
            await asyncio.sleep(0.05)
