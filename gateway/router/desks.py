"""Tells desks what they must know: each case, each message in it, its end. Repeated until the desk has heard."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from gateway.core.desks import Case, CaseContact, CaseRef, DeskMessage, DeskPort
from gateway.core.errors import TertuliaError
from gateway.store import handoffs
from gateway.store.database import Database
from gateway.store.handoffs import PendingHandoff

log = structlog.get_logger(__name__)

TRANSCRIPT_MESSAGES = 200
LONGEST_PAUSE_S = 300.0


class DeskPump:
    """One step tells every desk what is pending; a desk that fails is asked again, ever later."""

    def __init__(self, database: Database, desks: Mapping[str, DeskPort], *, limit: int = 50) -> None:
        self._database = database
        self._desks = desks
        self._limit = limit

    async def step(self) -> bool:
        """Tell what is pending; true when there may be more."""
        async with self._database.begin() as connection:
            pending = await handoffs.take_pending(connection, limit=self._limit)
        for handoff in pending:
            try:
                await self._tell(handoff)
            except TertuliaError as error:
                await self._put_off(handoff, str(error))
            except Exception:
                log.exception("desk_failed", desk=handoff.desk, handoff_id=str(handoff.id))
                await self._put_off(handoff, "unexpected error")
        return len(pending) == self._limit

    async def _tell(self, handoff: PendingHandoff) -> None:
        desk = self._desks.get(handoff.desk) or self._desks.get(f"{handoff.desk}.main")
        if desk is None:
            await self._put_off(handoff, "no such desk is configured")
            return
        async with self._database.begin() as connection:
            messages = await handoffs.read_messages(
                connection, handoff.conversation_id, after=handoff.told_position, limit=TRANSCRIPT_MESSAGES
            )
        reference = handoff.reference
        if handoff.acknowledged_at is None:
            reference = (await desk.open(_case(handoff, messages))).reference
        elif messages:
            await desk.customer_said(_ref(handoff, reference), messages)
        has_ended = handoff.ended_at is not None
        if has_ended:
            await desk.ended(_ref(handoff, reference), handoff.end_reason)
        position = messages[-1].position if messages else handoff.told_position
        async with self._database.begin() as connection:
            await handoffs.told(connection, handoff.id, reference=reference, position=position, told_end=has_ended)

    async def _put_off(self, handoff: PendingHandoff, reason: str) -> None:
        after_s = min(LONGEST_PAUSE_S, 2.0 ** min(handoff.tries, 10))
        log.warning("desk_not_told", desk=handoff.desk, handoff_id=str(handoff.id), reason=reason, after_s=after_s)
        async with self._database.begin() as connection:
            await handoffs.put_off(connection, handoff.id, after_s)


def _ref(handoff: PendingHandoff, reference: str) -> CaseRef:
    return CaseRef(
        handoff_id=handoff.id,
        conversation_id=handoff.conversation_id,
        reference=reference,
        is_urgent=False,
        contact=_contact(handoff),
    )


def _contact(handoff: PendingHandoff) -> CaseContact:
    return CaseContact(contact_id=handoff.contact_id, name=handoff.contact_name, language=handoff.language)


def _case(handoff: PendingHandoff, messages: tuple[DeskMessage, ...]) -> Case:
    return Case(
        handoff_id=handoff.id,
        conversation_id=handoff.conversation_id,
        account_id=handoff.account_id,
        desk=handoff.desk,
        contact=_contact(handoff),
        app=handoff.app,
        account="",
        reason=handoff.reason,
        detail="",
        asked_at=handoff.asked_at,
        language=handoff.language,
        is_urgent=False,
        intent="",
        confidence=0.0,
        slots={},
        sentiment="",
        link="",
        transcript=messages,
    )
