"""Cases written by hand, a desk without a process around it, and a way to kill it at any point."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.core.clock import SystemClock
from gateway.core.desks import Case, CaseContact, CaseRef, DeskMessage, DeskParts
from gateway.core.ids import AccountId, ContactId, ConversationId, HandoffId, MessageId, new_id
from gateway.core.messages import Author, Parts, Text
from gateway.core.metrics import Metrics
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.store.kept import KeptValues
from handoff.desks.zendesk.sandbox import ZendeskSandbox
from handoff.desks.zendesk.settings import ZendeskSettings
from handoff.desks.zendesk.ticketing import ZendeskDesk

START = datetime.now(UTC) - timedelta(hours=1)
NAME = "zendesk.main"


def message(position: int, words: str | Parts, author: Author = Author.CUSTOMER, agent: str = "") -> DeskMessage:
    parts = (Text(words),) if isinstance(words, str) else words
    at = START + timedelta(seconds=position)
    return DeskMessage(MessageId(new_id()), position, at, author, parts, "received", agent)


def case_of(*transcript: DeskMessage, **facts: Any) -> Case:
    given: dict[str, Any] = {
        "handoff_id": HandoffId(new_id()),
        "conversation_id": ConversationId(new_id()),
        "account_id": AccountId(1),
        "desk": NAME,
        "contact": CaseContact(contact_id=ContactId(new_id()), name="Marta Ríos", language="es"),
        "app": "whatsapp",
        "account": "twilio.main.support",
        "reason": "asked",
        "detail": "",
        "asked_at": START,
        "language": "es",
        "is_urgent": False,
        "intent": "bill",
        "confidence": 0.91,
        "slots": {},
        "sentiment": "negative",
        "link": "https://bot.example/desk#1",
        "transcript": tuple(transcript),
    }
    return Case(**{**given, **facts})


def ref(case: Case, reference: str = "") -> CaseRef:
    return CaseRef(
        handoff_id=case.handoff_id,
        conversation_id=case.conversation_id,
        reference=reference,
        is_urgent=case.is_urgent,
        contact=case.contact,
    )


class NoAgents:
    """Nobody acts; what the desk wanted is kept."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[object, ...]]] = []

    async def give_back(self, *arguments: object, **_: object) -> bool:
        self.asked.append(("give_back", arguments))
        return True


@asynccontextmanager
async def desk_of(
    dsn: str, zendesk: ZendeskSandbox, folder: Path, agents: Any = None, **settings: object
) -> AsyncIterator[ZendeskDesk]:
    values: dict[str, object] = {"unclear_wait_s": 0.02, "broken_wait_s": 0.02, **zendesk.settings_values, **settings}
    database = Database(dsn)
    blobs = Blobs(str(folder))
    desk = ZendeskDesk(
        DeskParts(
            name=NAME,
            settings=ZendeskSettings.model_validate(values),
            database=database,
            read_blob=blobs.read,
            agents=agents or NoAgents(),
            clock=SystemClock(),
            metrics=Metrics(),
            public_url="https://bot.example",
            kept=KeptValues(database, f"desks.{NAME}"),
            blobs=blobs,
        )
    )
    await desk.start()
    try:
        yield desk
    finally:
        await desk.close()
        await database.close()


class Killed(BaseException):
    """The process is gone: nothing after this runs."""


class Deaths:
    """Kills a desk at its n-th point: before and after each call to Zendesk, and each transaction's commit."""

    def __init__(self, desk: ZendeskDesk, at: int) -> None:
        self._left = at
        self.has_killed = False
        client: Any = desk._client
        self._wrap(client, "_run")
        database: Any = desk._telling._database
        begin = database.begin

        @asynccontextmanager
        async def begun() -> AsyncIterator[Any]:
            self.point()
            async with begin() as connection:
                yield connection
                self.point()
            self.point()

        database.begin = begun

    def _wrap(self, target: Any, name: str) -> None:
        real = getattr(target, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            self.point()
            answer = await real(*arguments, **options)
            self.point()
            return answer

        setattr(target, name, call)

    def point(self) -> None:
        if self.has_killed:
            raise Killed
        self._left -= 1
        if self._left < 0:
            self.has_killed = True
            raise Killed


def bodies(comments: Sequence[Any]) -> list[str]:
    return [comment.body for comment in comments]
