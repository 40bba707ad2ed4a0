"""A customer says what no link understands, through a real web chat: it waits for review, and the days are summed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from talking_visitor import TalkingVisitor
from test_label_command import BOT, NLU, REPLIES
from webchat_gateway import gateway, settings_for

pytestmark = pytest.mark.system

PATIENCE_S = 20.0


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    folder = tmp_path / "bot"
    strict = BOT.replace("intents, handoff", "intents: {confidence: 0.9, scope: 0}, handoff")
    for name, content in {"bot.yaml": strict, "replies/all.yml": REPLIES, "nlu/all.yml": NLU}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def rows(dsn: str, statement: str, enough: int) -> list[tuple[Any, ...]]:
    """What *statement* finds, once it finds so many rows."""
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while len(found := await connection.fetch(statement)) < enough:
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
    return [tuple(row) for row in found]


async def test_what_a_customer_said_in_vain_is_collected_while_the_gateway_serves(
    http: aiohttp.ClientSession, bot: Path, tmp_path: Path, dsn: str
) -> None:
    settings = settings_for(
        tmp_path / "data", bot=bot, learning__collect="all", learning__sweep_every_s=0.1, learning__train_on_drift=True
    )
    async with gateway(settings, dsn) as url:
        visitor = TalkingVisitor(http, url)
        await visitor.opens()
        await visitor.connects()
        await visitor.says("quiero mi factura", "c-1")
        await visitor.sees("Su factura.")
        await visitor.says("xylófonos 600123456 wagnerianos", "c-2")
        await visitor.sees("No entendí.")
        kept = await rows(dsn, "SELECT text, reason FROM learning_text JOIN learning_source USING (key)", 1)
        days = await rows(dsn, "SELECT * FROM (SELECT sum(turns) AS n FROM understanding_day) x WHERE n = 2", 1)
        readings = await rows(dsn, "SELECT drifted FROM drift_reading", 1)
        await visitor.leaves()
    assert kept == [("xylófonos 000000000 wagnerianos", "unresolved")]
    assert days == [(2,)]
    assert readings == [([],)]
