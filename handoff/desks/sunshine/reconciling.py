"""Finds what webhooks lost: looks at conversations that agents have, some at a time, those not seen for longest first.

What is found has the keys that its webhooks would have had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
import structlog

from channels.sunshine.wire import Responder
from gateway.core.clock import Clock
from gateway.core.desks import DeskEvent, NotYet
from gateway.core.errors import TertuliaError
from gateway.store.database import Database
from gateway.store.sunshine import CONFIRMED, Stay, SunshineTables
from handoff.desks.sunshine import parse
from handoff.desks.sunshine.client import Listed, SunshineCalls
from handoff.desks.sunshine.failures import Missing
from handoff.desks.sunshine.hearing import unheard
from handoff.desks.sunshine.settings import SunshineDeskSettings
from handoff.desks.sunshine.telling import Telling
from handoff.desks.sunshine.wire import Talk

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 20.0
"""A conversation is looked at no more often than this."""

_encode = msgspec.json.Encoder().encode


class Reconciling:
    """One process at a time."""

    def __init__(
        self,
        desk: str,
        settings: SunshineDeskSettings,
        calls: SunshineCalls,
        database: Database,
        tables: SunshineTables,
        telling: Telling,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._settings = settings
        self._calls = calls
        self._database = database
        self._tables = tables
        self._telling = telling
        self._clock = clock

    async def reconcile(self) -> Sequence[DeskEvent]:
        """Events of what was not heard; ends early where there is no room for calls. Nothing is lost by that."""
        async with self._database.begin() as connection:
            stays = await self._tables.due(connection, limit=self._settings.looks_at_once)
        events: list[DeskEvent] = []
        for stay in stays:
            try:
                events += await self._look(stay)
            except NotYet:
                break
            except TertuliaError as error:
                log.warning("sunshine_not_looked_at", desk=self._desk, reason=type(error).__name__)
            async with self._database.begin() as connection:
                await self._tables.looked(connection, [stay.conversation_id], LOOK_AGAIN_S)
        if events:
            log.info("sunshine_reconciled", desk=self._desk, events=len(events))
        return events

    async def _look(self, stay: Stay) -> list[DeskEvent]:
        """What agents said and who has control; and what the customer changed is told by the way."""
        if not stay.is_with_agents:
            await self._telling.go_on(stay.conversation_id)
            return []
        try:
            talk = await self._calls.talk(stay.talk_id)
            fresh = await unheard(self._calls, stay)
        except Missing:
            return [self._event(stay, parse.REMOVED, "conversation:remove", {"conversation": {"id": stay.talk_id}})]
        said = [listed for listed in fresh if parse.is_agents(listed.message, self._settings)]
        async with self._database.begin() as connection:
            settled = await self._tables.settled(connection, [listed.message.id for listed in said])
        events = [self._said(stay, listed) for listed in said if listed.message.id not in settled]
        events += self._control(stay, talk)
        await self._telling.tell_changes(stay.conversation_id)
        return events

    def _said(self, stay: Stay, listed: Listed) -> DeskEvent:
        at = listed.at or self._clock.now()
        payload = {"conversation": {"id": stay.talk_id}, "message": msgspec.Raw(listed.raw)}
        data = _raw(f"m:{listed.message.id}", "conversation:message", at, payload)
        return DeskEvent(f"m:{listed.message.id}", parse.SAID, at, stay.talk_id, data)

    def _control(self, stay: Stay, talk: Talk) -> list[DeskEvent]:
        """Whether who is active is who we think: asked again when the event is applied."""
        active = talk.active_switchboard_integration
        is_theirs = active is not None and self._settings.switchboard_name not in {active.name, active.id}
        is_offered = self._settings.hands_over == "offer" and talk.pending_switchboard_integration is not None
        if (is_theirs and stay.stands == CONFIRMED) or is_offered:
            return []
        conversation: dict[str, object] = {"id": stay.talk_id}
        if active is not None:
            conversation["activeSwitchboardIntegration"] = _seat(active)
        now = {"conversation": conversation}
        return [self._event(stay, parse.CONTROL, "switchboard:passControl", now, "theirs" if is_theirs else "back")]

    def _event(self, stay: Stay, kind: str, trigger: str, payload: Mapping[str, object], what: str = "") -> DeskEvent:
        """One of our own making, with a name of its own at every look."""
        at = self._clock.now()
        key = f"look:{stay.handoff_id}:{kind}{what}:{at.isoformat()}"
        return DeskEvent(key, kind, at, stay.talk_id, _raw(key, trigger, at, payload))


def _raw(event_id: str, trigger: str, at: datetime, payload: Mapping[str, object]) -> bytes:
    return _encode({"id": event_id, "type": trigger, "createdAt": at, "payload": payload})


def _seat(active: Responder) -> dict[str, str]:
    return {"id": active.id, "name": active.name, "integrationType": active.integration_type}
