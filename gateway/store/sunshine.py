"""What the desk for Zendesk messaging remembers: mirrored conversations, what was posted there, what was heard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.ids import ConversationId, HandoffId, MessageId

NEW = "new"
"""Nobody knows who has control at Zendesk."""
OURS = "ours"
PASSED = "passed"
CONFIRMED = "confirmed"
"""Zendesk said itself that its agents have control."""
OVER = "over"

WITH_AGENTS = frozenset({PASSED, CONFIRMED})

EDITS_WITHIN = 100
"""Edited messages are looked for among so many of the newest."""

COLUMNS = """
    s.conversation_id, s.handoff_id, s.external_id, s.user_id, s.talk_id, s.generation, s.stands, s.passes, s.handing,
    s.posted_position, s.posting, s.posting_call, s.posting_at, s.introduced, s.noted, s.heard_until, s.edits_until,
    coalesce(extract(epoch FROM now() - s.making_at), -1)::float AS making_s,
    coalesce(extract(epoch FROM now() - s.posting_at), -1)::float AS posting_s
"""

STAY = text(f"SELECT {COLUMNS} FROM sunshine_stay s WHERE s.desk = :desk AND s.conversation_id = :conversation_id")

STAY_AT = text(f"""
    SELECT {COLUMNS} FROM sunshine_talk t
    JOIN sunshine_stay s ON s.desk = t.desk AND s.conversation_id = t.conversation_id
    WHERE t.desk = :desk AND t.talk_id = :talk_id
""")

STAYS_OF = text(f"""
    SELECT {COLUMNS} FROM sunshine_stay s
    WHERE s.desk = :desk AND s.user_id = :user_id AND s.user_id <> '' LIMIT 100
""")

BEGIN = text("""
    INSERT INTO sunshine_stay (desk, conversation_id, handoff_id, external_id, handing)
    VALUES (:desk, :conversation_id, :handoff_id, :external_id, :handing)
    ON CONFLICT (desk, conversation_id) DO UPDATE SET
        handoff_id = excluded.handoff_id, handing = excluded.handing,
        passes = CASE WHEN sunshine_stay.handoff_id = excluded.handoff_id THEN sunshine_stay.passes ELSE 0 END
""")

KNOW_USER = text("""
    UPDATE sunshine_stay SET user_id = :user_id WHERE desk = :desk AND conversation_id = :conversation_id
""")

BEGIN_TALK = text("""
    UPDATE sunshine_stay SET making_at = clock_timestamp() WHERE desk = :desk AND conversation_id = :conversation_id
""")

NO_TALK = text("""
    UPDATE sunshine_stay SET making_at = NULL WHERE desk = :desk AND conversation_id = :conversation_id
""")

MADE = text("""
    UPDATE sunshine_stay SET talk_id = :talk_id, making_at = NULL, stands = 'new', heard_until = :at
    WHERE desk = :desk AND conversation_id = :conversation_id
""")

KNOW_TALK = text("""
    INSERT INTO sunshine_talk (desk, talk_id, conversation_id, generation)
    SELECT desk, :talk_id, conversation_id, generation FROM sunshine_stay
    WHERE desk = :desk AND conversation_id = :conversation_id
    ON CONFLICT (desk, talk_id) DO NOTHING
""")

LEAVE_TALK = text("""
    UPDATE sunshine_stay SET talk_id = '', generation = generation + 1, stands = 'new', posting = '', posting_call = 0,
        posting_at = NULL, look_at = now(), making_at = NULL, introduced = NULL,
        posted_position = CASE WHEN :from_start THEN 0 ELSE posted_position END
    WHERE desk = :desk AND conversation_id = :conversation_id AND talk_id = :talk_id
""")

FORGET_USER = text("""
    UPDATE sunshine_stay SET user_id = ''
    WHERE desk = :desk AND conversation_id = :conversation_id AND user_id = :user_id
""")

TALKS = text("""
    SELECT talk_id FROM sunshine_talk
    WHERE desk = :desk AND conversation_id = :conversation_id AND generation = :generation LIMIT 100
""")

OWNER = text("SELECT conversation_id FROM sunshine_talk WHERE desk = :desk AND talk_id = :talk_id")

MOVE = text("""
    UPDATE sunshine_stay SET talk_id = :talk_id
    WHERE desk = :desk AND conversation_id = :conversation_id AND talk_id = :of
""")

MERGE_USER = text("""
    UPDATE sunshine_stay SET user_id = :surviving WHERE desk = :desk AND user_id = :discarded AND user_id <> ''
""")

STANDS = text("""
    UPDATE sunshine_stay SET stands = :stands
    WHERE desk = :desk AND conversation_id = :conversation_id AND talk_id = :talk_id AND handoff_id = :handoff_id
      AND stands = ANY(:among)
""")

PASSED_ON = text("""
    UPDATE sunshine_stay SET stands = 'passed', passes = passes + 1, look_at = now()
    WHERE desk = :desk AND conversation_id = :conversation_id AND talk_id = :talk_id
""")

BEGIN_POST = text("""
    UPDATE sunshine_stay SET posting = :marker, posting_call = :call, posting_at = clock_timestamp()
    WHERE desk = :desk AND conversation_id = :conversation_id AND talk_id = :talk_id AND posting_at IS NULL
      AND (:position = 0 OR posted_position < :position)
    RETURNING 1
""")

NOT_POSTED = text("""
    UPDATE sunshine_stay SET posting_at = NULL
    WHERE desk = :desk AND conversation_id = :conversation_id AND posting = :marker
""")

POSTED = text("""
    UPDATE sunshine_stay SET posting_call = :calls, posting_at = NULL,
        posted_position = greatest(posted_position, :position)
    WHERE desk = :desk AND conversation_id = :conversation_id AND posting = :marker
""")

POSTED_UP_TO = text("""
    UPDATE sunshine_stay SET posted_position = greatest(posted_position, :position)
    WHERE desk = :desk AND conversation_id = :conversation_id AND generation = :generation
""")

INTRODUCED = text("""
    UPDATE sunshine_stay SET introduced = :handoff_id
    WHERE desk = :desk AND conversation_id = :conversation_id AND generation = :generation
""")

NOTED = text("""
    UPDATE sunshine_stay SET noted = :generation WHERE desk = :desk AND conversation_id = :conversation_id
""")

HEARD = text("""
    UPDATE sunshine_stay SET heard_until = greatest(heard_until, :until)
    WHERE desk = :desk AND conversation_id = :conversation_id AND talk_id = :talk_id
""")

CLAIM = text("""
    INSERT INTO sunshine_said (desk, message_id, handoff_id) VALUES (:desk, :message_id, :handoff_id)
    ON CONFLICT (desk, message_id) DO UPDATE SET done = sunshine_said.done
    RETURNING handoff_id, done
""")

MOVE_SAID = text("""
    UPDATE sunshine_said SET handoff_id = :handoff_id WHERE desk = :desk AND message_id = :message_id
""")

SETTLE = text("UPDATE sunshine_said SET done = true WHERE desk = :desk AND message_id = :message_id")

SETTLED = text("SELECT message_id FROM sunshine_said WHERE desk = :desk AND message_id = ANY(:ids) AND done")

IS_SAID = text("SELECT 1 FROM agent_key WHERE handoff_id = :handoff_id AND key = :key")

NOW = text("""
    SELECT c.handoff_id, coalesce(h.desk, '') AS desk
    FROM conversation c LEFT JOIN handoff h ON h.id = c.handoff_id WHERE c.id = :id
""")

DUE = text(f"""
    SELECT {COLUMNS} FROM sunshine_stay s
    WHERE s.desk = :desk AND s.stands IN ('new', 'passed', 'confirmed') AND s.look_at <= now()
    ORDER BY s.look_at LIMIT :limit
""")

LOOKED = text("""
    UPDATE sunshine_stay SET look_at = now() + make_interval(secs => :after_s)
    WHERE desk = :desk AND conversation_id = ANY(:ids)
""")

CHANGED = text(f"""
    SELECT m.id, m.position, m.parts::text AS parts, m.deleted_at IS NOT NULL AS is_deleted,
           greatest(m.edited_at, m.deleted_at) AS at
    FROM message m JOIN conversation c ON c.id = m.conversation_id
    WHERE m.conversation_id = :conversation_id AND m.position >= c.next_position - {EDITS_WITHIN}
      AND m.position <= :position AND m.author = 'customer' AND greatest(m.edited_at, m.deleted_at) > :since
    ORDER BY at, m.position LIMIT 20
""")

CHANGES_TOLD = text("""
    UPDATE sunshine_stay SET edits_until = greatest(edits_until, :until)
    WHERE desk = :desk AND conversation_id = :conversation_id
""")


class Stay(msgspec.Struct, frozen=True, kw_only=True):
    """How one conversation of ours stands at Zendesk.

    ``making_s`` and ``posting_s``: for how long a conversation is being made or a message posted; negative: none is.
    """

    conversation_id: ConversationId
    handoff_id: HandoffId
    external_id: str
    user_id: str
    talk_id: str
    generation: int
    stands: str
    passes: int
    handing: bytes
    posted_position: int
    posting: str
    posting_call: int
    posting_at: datetime | None
    introduced: HandoffId | None
    noted: int
    heard_until: datetime
    edits_until: datetime
    making_s: float
    posting_s: float

    @property
    def is_with_agents(self) -> bool:
        return self.stands in WITH_AGENTS


class Changed(msgspec.Struct, frozen=True):
    """A customer's message that was edited or deleted ``at``. ``parts`` is as it is stored."""

    id: MessageId
    position: int
    parts: str
    is_deleted: bool
    at: datetime


class SunshineTables:
    """The statements for one desk."""

    def __init__(self, desk: str) -> None:
        self._desk = desk

    # ------------------------------------------------------------ how a conversation stands

    async def stay(self, connection: AsyncConnection, conversation_id: ConversationId) -> Stay | None:
        row = (await connection.execute(STAY, self._of(conversation_id))).mappings().one_or_none()
        return _stay(row) if row else None

    async def stay_at(self, connection: AsyncConnection, talk_id: str) -> Stay | None:
        """The conversation of ours that is, or once was, at *talk_id*."""
        row = (await connection.execute(STAY_AT, {"desk": self._desk, "talk_id": talk_id})).mappings().one_or_none()
        return _stay(row) if row else None

    async def stays_of(self, connection: AsyncConnection, user_id: str) -> list[Stay]:
        rows = await connection.execute(STAYS_OF, {"desk": self._desk, "user_id": user_id})
        return [_stay(row) for row in rows.mappings()]

    async def begin(
        self,
        connection: AsyncConnection,
        conversation_id: ConversationId,
        handoff_id: HandoffId,
        external_id: str,
        handing: bytes,
    ) -> None:
        """The conversation is in a new case, or a case is begun again."""
        values = {"handoff_id": handoff_id, "external_id": external_id, "handing": handing}
        await connection.execute(BEGIN, {**self._of(conversation_id), **values})

    async def know_user(self, connection: AsyncConnection, conversation_id: ConversationId, user_id: str) -> None:
        await connection.execute(KNOW_USER, {**self._of(conversation_id), "user_id": user_id})

    async def forget_user(self, connection: AsyncConnection, stay: Stay) -> None:
        """The mirrored person is gone: another one is made when it is needed."""
        await connection.execute(FORGET_USER, {**self._of(stay.conversation_id), "user_id": stay.user_id})

    async def begin_talk(self, connection: AsyncConnection, conversation_id: ConversationId) -> None:
        """Zendesk is asked for a conversation now."""
        await connection.execute(BEGIN_TALK, self._of(conversation_id))

    async def no_talk(self, connection: AsyncConnection, conversation_id: ConversationId) -> None:
        """It surely made none."""
        await connection.execute(NO_TALK, self._of(conversation_id))

    async def made(
        self, connection: AsyncConnection, conversation_id: ConversationId, talk_id: str, at: datetime
    ) -> None:
        """The conversation is there; nothing that was said in it before *at* is for the customer."""
        values = {**self._of(conversation_id), "talk_id": talk_id}
        await connection.execute(MADE, {**values, "at": at})
        await connection.execute(KNOW_TALK, values)

    async def leave_talk(self, connection: AsyncConnection, stay: Stay, *, from_start: bool) -> None:
        """It is gone, or full: the next one is made. *from_start*: it shall hold the whole case again."""
        values = {"talk_id": stay.talk_id, "from_start": from_start}
        await connection.execute(LEAVE_TALK, {**self._of(stay.conversation_id), **values})

    async def talks(self, connection: AsyncConnection, stay: Stay) -> frozenset[str]:
        """By which ids the present conversation was ever known."""
        values = {**self._of(stay.conversation_id), "generation": stay.generation}
        return frozenset((await connection.execute(TALKS, values)).scalars())

    async def move(self, connection: AsyncConnection, stay: Stay, talk_id: str) -> bool:
        """The conversation goes on under another id; false when that one is another conversation's of ours."""
        await connection.execute(KNOW_TALK, {**self._of(stay.conversation_id), "talk_id": talk_id})
        owner = (await connection.execute(OWNER, {"desk": self._desk, "talk_id": talk_id})).scalar_one()
        if owner != stay.conversation_id:
            return False
        values = {**self._of(stay.conversation_id), "talk_id": talk_id, "of": stay.talk_id}
        await connection.execute(MOVE, values)
        return True

    async def merge_user(self, connection: AsyncConnection, discarded: str, surviving: str) -> None:
        values = {"desk": self._desk, "discarded": discarded, "surviving": surviving}
        await connection.execute(MERGE_USER, values)

    async def set_stands(self, connection: AsyncConnection, stay: Stay, stands: str, among: Sequence[str]) -> None:
        """Who has control there, unless it stands otherwise than *among* by now, or in another case."""
        values = {"talk_id": stay.talk_id, "handoff_id": stay.handoff_id, "stands": stands, "among": list(among)}
        await connection.execute(STANDS, {**self._of(stay.conversation_id), **values})

    async def passed(self, connection: AsyncConnection, stay: Stay) -> None:
        """Control was given to the agents."""
        await connection.execute(PASSED_ON, {**self._of(stay.conversation_id), "talk_id": stay.talk_id})

    # ------------------------------------------------------------ what is posted

    async def begin_post(
        self, connection: AsyncConnection, stay: Stay, marker: str, call: int, *, position: int = 0
    ) -> bool:
        """Piece number *call* of what is called *marker* is sent now.

        False when the conversation is another by now, or somebody else posts there, or posted up to *position*.
        """
        values = {"talk_id": stay.talk_id, "marker": marker, "call": call, "position": position}
        row = await connection.execute(BEGIN_POST, {**self._of(stay.conversation_id), **values})
        return row.one_or_none() is not None

    async def not_posted(self, connection: AsyncConnection, stay: Stay, marker: str) -> None:
        """It surely is not there."""
        await connection.execute(NOT_POSTED, {**self._of(stay.conversation_id), "marker": marker})

    async def posted(
        self, connection: AsyncConnection, stay: Stay, marker: str, calls: int, *, position: int = 0
    ) -> None:
        """The first *calls* pieces are there; and with them, all of the conversation up to *position*."""
        values = {"marker": marker, "calls": calls, "position": position}
        await connection.execute(POSTED, {**self._of(stay.conversation_id), **values})

    async def posted_up_to(self, connection: AsyncConnection, stay: Stay, position: int) -> None:
        """All of the conversation is there up to *position*."""
        values = {**self._of(stay.conversation_id), "position": position, "generation": stay.generation}
        await connection.execute(POSTED_UP_TO, values)

    async def introduced(self, connection: AsyncConnection, stay: Stay) -> None:
        """Agents were told the facts of the case."""
        values = {"handoff_id": stay.handoff_id, "generation": stay.generation}
        await connection.execute(INTRODUCED, {**self._of(stay.conversation_id), **values})

    async def noted(self, connection: AsyncConnection, stay: Stay) -> None:
        """Agents were told why another conversation began."""
        await connection.execute(NOTED, {**self._of(stay.conversation_id), "generation": stay.generation})

    async def changed(self, connection: AsyncConnection, stay: Stay) -> list[Changed]:
        """Customers' edits and deletions of what is posted already, that were not told, the oldest first."""
        values = {
            "conversation_id": stay.conversation_id,
            "position": stay.posted_position,
            "since": stay.edits_until,
        }
        return [Changed(**row) for row in (await connection.execute(CHANGED, values)).mappings()]

    async def changes_told(self, connection: AsyncConnection, stay: Stay, until: datetime) -> None:
        await connection.execute(CHANGES_TOLD, {**self._of(stay.conversation_id), "until": until})

    # ------------------------------------------------------------ what agents said

    async def heard(self, connection: AsyncConnection, stay: Stay, until: datetime) -> None:
        """All that was said up to then is dealt with."""
        values = {**self._of(stay.conversation_id), "talk_id": stay.talk_id, "until": until}
        await connection.execute(HEARD, values)

    async def claim(
        self, connection: AsyncConnection, message_id: str, handoff_id: HandoffId
    ) -> tuple[HandoffId, bool]:
        """Under which case a message is said (the first claim counts), and whether that is done."""
        values = {"desk": self._desk, "message_id": message_id, "handoff_id": handoff_id}
        row = (await connection.execute(CLAIM, values)).one()
        return row.handoff_id, row.done

    async def move_said(self, connection: AsyncConnection, message_id: str, handoff_id: HandoffId) -> None:
        values = {"desk": self._desk, "message_id": message_id, "handoff_id": handoff_id}
        await connection.execute(MOVE_SAID, values)

    async def settle(self, connection: AsyncConnection, message_id: str) -> None:
        """Nothing is left to do about a message."""
        await connection.execute(SETTLE, {"desk": self._desk, "message_id": message_id})

    async def settled(self, connection: AsyncConnection, ids: Sequence[str]) -> frozenset[str]:
        """Those of the messages about which nothing is left to do."""
        values = {"desk": self._desk, "ids": list(ids)}
        return frozenset((await connection.execute(SETTLED, values)).scalars())

    async def is_said(self, connection: AsyncConnection, handoff_id: HandoffId, key: str) -> bool:
        values = {"handoff_id": handoff_id, "key": key}
        return (await connection.execute(IS_SAID, values)).one_or_none() is not None

    async def current(
        self, connection: AsyncConnection, conversation_id: ConversationId
    ) -> tuple[HandoffId | None, str]:
        """The handoff that a conversation is in, and at which desk."""
        row = (await connection.execute(NOW, {"id": conversation_id})).one()
        return row.handoff_id, row.desk

    # ------------------------------------------------------------ looking by ourselves

    async def due(self, connection: AsyncConnection, *, limit: int) -> list[Stay]:
        """Conversations that agents have, or should have, and that were not looked at for longest."""
        rows = await connection.execute(DUE, {"desk": self._desk, "limit": limit})
        return [_stay(row) for row in rows.mappings()]

    async def looked(self, connection: AsyncConnection, ids: Sequence[ConversationId], after_s: float) -> None:
        """They are looked at again after so long."""
        values = {"desk": self._desk, "ids": list(ids), "after_s": after_s}
        await connection.execute(LOOKED, values)

    def _of(self, conversation_id: ConversationId) -> dict[str, object]:
        return {"desk": self._desk, "conversation_id": conversation_id}


def _stay(row: RowMapping) -> Stay:
    return Stay(**row)
