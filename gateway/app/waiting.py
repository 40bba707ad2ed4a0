"""Puts together what is said to customers of open cases, and what the author's rules want to know of a contact."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Mapping

from config.bot_hours import LocalHours
from config.settings import Settings
from gateway.app.bots import BotFiles
from gateway.core.clock import Clock
from gateway.core.ids import ContactId
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.dialogue import Dialogue
from gateway.dialogue.rules import ContactDetails
from gateway.router.agents import Agents
from gateway.router.loops import poll
from gateway.router.policy_guard import PolicyGuard
from gateway.router.waiting import Waiting, WaitingTimes
from gateway.router.wakes import Wakes
from gateway.store import contacts
from gateway.store.database import Database

LOOK_S = 1.0


def waiting_loops(
    settings: Settings,
    files: BotFiles,
    database: Database,
    agents: Agents,
    guard: PolicyGuard,
    dialogue: Dialogue,
    clock: Clock,
    metrics: Metrics,
    wakes: Wakes,
    news: News,
    no_more: asyncio.Event,
) -> list[Coroutine[None, None, None]]:
    """Nothing in a process that only receives."""
    if not settings.router.respond:
        return []
    handoff = settings.handoff
    times = WaitingTimes(
        tell_every_s=handoff.tell_waiting_every_min * 60,
        remind_s=handoff.customer_remind_min * 60,
        close_s=handoff.customer_close_h * 3600,
    )
    hours = LocalHours(files.bot.hours, files.bot.time_zone)
    waiting = Waiting(times, database, agents, guard, hours, dialogue, clock, metrics, wakes, news)
    return [poll("waiting customers", waiting.step, every_s=LOOK_S, wake=None, stop=no_more)]


def contact_details(database: Database) -> ContactDetails:
    """Reads what is known of a contact, where an author's rule wants to know it."""
    lane = database.lane()

    async def details(contact_id: ContactId, names: Collection[str]) -> Mapping[str, str]:
        async with lane.transaction() as connection:
            return await contacts.details(connection, contact_id, names)

    return details
