"""``tertulia desk``: a person takes a case, answers, and gives the conversation back to the bot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from config.settings import Settings
from gateway.app.commands.session import uuid_or_exit, with_database
from gateway.app.commands.terminal import complain, out, print_json, print_rows
from gateway.core.desks import DeskMessage
from gateway.core.handoff_reasons import asked_in_words
from gateway.core.ids import HandoffId, MessageId, new_id
from gateway.core.messages import Text, plain_text
from gateway.core.news import News
from gateway.core.ports import AgentPort
from gateway.store import notes
from gateway.store.database import Database
from gateway.store.handoffs import OpenHandoff, conversation_of, list_open, read_messages
from gateway.store.notes import Note

if TYPE_CHECKING:
    from gateway.dialogue.dialogue import Dialogue
    from gateway.router.endpoints import Endpoints

COLUMNS = ("id", "asked_at", "contact_name", "app", "reason", "control", "agent")
STYLES = {"customer": "accent", "bot": "bot", "agent": "agent", "system": "soft"}
SHOWN_MESSAGES = 200


def list_handoffs(config: Path | None, limit: int, *, as_json: bool) -> None:
    async def work(_settings: Settings, database: Database) -> list[OpenHandoff]:
        async with database.begin() as connection:
            return await list_open(connection, limit=limit)

    cases = with_database(config, work)
    if not as_json:
        cases = [msgspec.structs.replace(case, reason=asked_in_words(case.reason)) for case in cases]
    print_rows(cases, COLUMNS, empty="nobody waits for a person", as_json=as_json)


def show_handoff(config: Path | None, handoff: str, *, as_json: bool) -> None:
    handoff_id = HandoffId(uuid_or_exit(handoff))

    async def work(_settings: Settings, database: Database) -> tuple[tuple[DeskMessage, ...], list[Note]]:
        async with database.begin() as connection:
            conversation_id = await conversation_of(connection, handoff_id)
            messages = await read_messages(connection, conversation_id, after=0, limit=SHOWN_MESSAGES)
            first = messages[0].position if len(messages) == SHOWN_MESSAGES else 0
            end = messages[-1].position + 1 if messages else 1
            return messages, await notes.read(connection, conversation_id, first=first, before=end)

    messages, left = with_database(config, work)
    if as_json:
        print_json(messages)
        return
    lines = [(m.position, m.at, STYLES[m.author], m.author.value, plain_text(m.parts)) for m in messages]
    lines += [(note.position, note.at, "warn", "note", f"{note.agent}: {note.text}") for note in left]
    console = out()
    for _, at, style, author, words in sorted(lines, key=lambda line: line[0]):
        console.print(f"[soft]{at:%H:%M}[/] [{style}]{author:8}[/]", end=" ")
        console.print(words, markup=False)


def take_handoff(config: Path | None, handoff: str, agent: str) -> None:
    async def work(settings: Settings, database: Database) -> bool:
        return await (await _agents(settings, database)).accept(handoff_id, agent)

    handoff_id = HandoffId(uuid_or_exit(handoff))
    if not with_database(config, work):
        complain("it is over, or already yours")
    out().print(f"[ok]✓[/] {agent} has it; the bot is silent")


def answer_handoff(config: Path | None, handoff: str, text: str, agent: str) -> None:
    async def work(settings: Settings, database: Database) -> MessageId | None:
        return await (await _agents(settings, database)).say(handoff_id, agent, str(key), (Text(text),))

    handoff_id = HandoffId(uuid_or_exit(handoff))
    key: UUID = new_id()
    if not text.strip():
        complain("an answer has at least one word")
    if with_database(config, work) is None:
        complain("the case is over")
    out().print("[ok]✓[/] on its way")


def give_back_handoff(config: Path | None, handoff: str, reason: str) -> None:
    async def work(settings: Settings, database: Database) -> bool:
        return await (await _agents(settings, database)).give_back(handoff_id, reason)

    handoff_id = HandoffId(uuid_or_exit(handoff))
    if not with_database(config, work):
        complain("it was over before")
    out().print("[ok]✓[/] the bot speaks again")


async def _agents(settings: Settings, database: Database) -> AgentPort:
    """What speaks here, under the same rules as everywhere.

    Other processes are not woken from here: they look for work by themselves within a poll's time.
    """
    from gateway.core.clock import SystemClock
    from gateway.router.agents import Agents
    from gateway.router.policy_guard import PolicyGuard
    from gateway.router.wakes import Wakes

    words = _words(settings)
    endpoints = await _endpoints(settings, database)
    guard = PolicyGuard(endpoints, SystemClock(), opt_in=settings.router.opt_in, fallbacks=words.fallbacks)
    return Agents(database, Wakes(), News(), settings.router.desk, words, guard)


async def _endpoints(settings: Settings, database: Database) -> Endpoints:
    """The accounts that a gateway of these settings serves. Nothing is opened: nothing is sent from here."""
    from channels.discovery import discover
    from config.settings import read_endpoints
    from gateway.app.checkup import configured_name
    from gateway.router.endpoints import Endpoints, OpenAccount
    from gateway.store.accounts import find_accounts
    from gateway.store.blobs import Blobs
    from gateway.store.kept import KeptValues

    read_blob = Blobs(str(settings.data_dir / "blobs")).read
    accounts: list[OpenAccount] = []
    for endpoint in read_endpoints(settings, discover()).served:
        channel, own = endpoint.channel, endpoint.settings
        client = channel.client(own, read_blob, KeptValues(database, configured_name(endpoint)))
        specs = {spec.name: spec for spec in channel.accounts(own)}
        accounts += [
            OpenAccount(account, specs[account.name], channel, own, client)
            for account in await find_accounts(database, channel.name, endpoint.name)
            if account.name in specs
        ]
    return Endpoints(accounts)


def _words(settings: Settings) -> Dialogue:
    """The bot's words, without the model that only understanding needs."""
    from config.bot import load_bot
    from gateway.dialogue.dialogue import Dialogue
    from nlp.intents import Prediction
    from nlp.language import LanguageDetector

    async def classify(_text: str) -> Prediction:
        raise NotImplementedError("nothing is understood here")

    bot = load_bot(settings.bot.folder)
    return Dialogue(bot, classify, LanguageDetector(bot.languages))
