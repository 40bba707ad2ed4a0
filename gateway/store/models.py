"""Which model is live and why: the pointer with its history, the claim to train, and what a shadow differed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.errors import TertuliaError
from gateway.core.events import EventKind
from gateway.core.ids import ConversationId, MessageId, lowest_id
from gateway.core.messages import Author, Parts, Text, decode_parts
from gateway.store.database import Database

SAMPLES_OF_A_PAIR = 20
"""Examples that are kept of one pair of labels."""

POINTER = text("""
    SELECT version, shadow, shadow_since, changes FROM model_pointer WHERE bot = :bot AND task = :task
""")

POINTERS = text("SELECT bot, task, version, shadow, shadow_since, changes FROM model_pointer ORDER BY bot, task")

LOCK = text("""
    INSERT INTO model_pointer (bot, task) VALUES (:bot, :task)
    ON CONFLICT (bot, task) DO UPDATE SET bot = excluded.bot
    RETURNING version, shadow, shadow_since, changes
""")

POINT = text("""
    UPDATE model_pointer
    SET version = :version, changes = changes + 1,
        shadow = CASE WHEN shadow = :version THEN '' ELSE shadow END,
        shadow_since = CASE WHEN shadow = :version THEN NULL ELSE shadow_since END
    WHERE bot = :bot AND task = :task
""")

SET_SHADOW = text("""
    UPDATE model_pointer
    SET shadow = :version, shadow_since = CASE WHEN :version <> '' THEN now() END, changes = changes + 1
    WHERE bot = :bot AND task = :task
""")

PROMOTED = text("""
    INSERT INTO model_promotion (bot, task, version, previous, by, why, is_forced, figures)
    VALUES (:bot, :task, :version, :previous, :by, :why, :is_forced, :figures)
""")

STANDING = text("""
    SELECT number, version FROM model_promotion
    WHERE bot = :bot AND task = :task AND undone_at IS NULL
    ORDER BY number DESC LIMIT 2
""")

UNDO = text("""
    UPDATE model_promotion SET undone_at = now(), undone_by = :by, undone_why = :why WHERE number = :number
""")

HISTORY = text("""
    SELECT number, version, previous, by, why, is_forced, figures, at, undone_at, undone_by, undone_why
    FROM model_promotion WHERE bot = :bot AND task = :task ORDER BY number DESC LIMIT :limit
""")

WAS_UNDONE = text("""
    SELECT undone_at IS NOT NULL FROM model_promotion
    WHERE bot = :bot AND task = :task AND version = :version ORDER BY number DESC LIMIT 1
""")

CLAIM = text("""
    INSERT INTO model_training (bot, task, owner, until)
    VALUES (:bot, :task, :owner, now() + make_interval(secs => :lease_s))
    ON CONFLICT (bot, task) DO UPDATE SET owner = excluded.owner, until = excluded.until
    WHERE model_training.until < now() OR model_training.owner = excluded.owner
    RETURNING owner
""")

GIVE_BACK = text("DELETE FROM model_training WHERE bot = :bot AND task = :task AND owner = :owner")

RECENT_TEXTS = text(f"""
    WITH newest AS (
        SELECT id, kind, conversation_id, subject FROM event ORDER BY xid DESC, id DESC LIMIT :events
    )
    SELECT said.parts
    FROM newest e CROSS JOIN LATERAL (
        SELECT m.parts::text AS parts FROM message m
        WHERE m.conversation_id = e.conversation_id AND m.id = e.subject AND m.author = '{Author.CUSTOMER.value}'
          AND m.consent = '' AND m.deleted_at IS NULL
        LIMIT 1  -- one at a time along the key: a join of the two would read every message there is
    ) said
    WHERE e.kind = '{EventKind.MESSAGE_RECEIVED}' AND e.id >= :since
    LIMIT :limit
""")

EVENTS_A_TEXT = 20
"""How many events are looked through for each text: a message and its answer make about eight."""

COUNT_SHADOW = text("""
    INSERT INTO model_shadow_count AS c (bot, task, version, live, compared, differed, dropped)
    VALUES (:bot, :task, :version, :live, :compared, :differed, :dropped)
    ON CONFLICT (bot, task, version, live) DO UPDATE
    SET compared = c.compared + excluded.compared, differed = c.differed + excluded.differed,
        dropped = c.dropped + excluded.dropped
""")

COUNT_PAIR = text("""
    INSERT INTO model_shadow_pair AS p (bot, task, version, live, live_label, shadow_label, times)
    VALUES (:bot, :task, :version, :live, :live_label, :shadow_label, :times)
    ON CONFLICT (bot, task, version, live, live_label, shadow_label) DO UPDATE SET times = p.times + excluded.times
    RETURNING times
""")

ADD_SAMPLE = text("""
    INSERT INTO model_shadow_sample (bot, task, version, live, message_id, conversation_id, live_label,
                                     live_confidence, shadow_label, shadow_confidence)
    VALUES (:bot, :task, :version, :live, :message_id, :conversation_id, :live_label, :live_confidence, :shadow_label,
            :shadow_confidence)
    ON CONFLICT DO NOTHING
""")

SHADOW_COUNTS = text("""
    SELECT live, compared, differed, dropped FROM model_shadow_count
    WHERE bot = :bot AND task = :task AND version = :version ORDER BY live
""")

SHADOW_PAIRS = text("""
    SELECT live, live_label, shadow_label, times FROM model_shadow_pair
    WHERE bot = :bot AND task = :task AND version = :version
    ORDER BY times DESC, live_label, shadow_label LIMIT :limit
""")

SHADOW_SAMPLES = text("""
    SELECT live, message_id, conversation_id, live_label, live_confidence, shadow_label, shadow_confidence, at
    FROM model_shadow_sample WHERE bot = :bot AND task = :task AND version = :version
    ORDER BY at DESC, message_id DESC LIMIT :limit
""")

FORGET_SHADOW = tuple(
    text(f"DELETE FROM {table} WHERE bot = :bot AND task = :task AND version = :version")
    for table in ("model_shadow_count", "model_shadow_pair", "model_shadow_sample")
)


class PointerMoved(TertuliaError):
    """Somebody else changed the live version first; ``live`` is what it is now."""

    def __init__(self, live: str) -> None:
        super().__init__(
            f"the live version is {live or 'none'} by now: somebody else changed it meanwhile; look again, then repeat"
        )
        self.live = live


class Pointer(msgspec.Struct, frozen=True):
    """What is live and what runs beside it; empty: nothing. ``changes`` grows with every change."""

    version: str = ""
    shadow: str = ""
    shadow_since: datetime | None = None
    changes: int = 0


class Promotion(msgspec.Struct, frozen=True):
    """One line of the history. ``previous`` was live before it."""

    number: int
    version: str
    previous: str
    by: str
    why: str
    is_forced: bool
    figures: msgspec.Raw
    at: datetime
    undone_at: datetime | None
    undone_by: str
    undone_why: str


class Difference(msgspec.Struct, frozen=True):
    """What the two models made of one message; an empty label is out of scope."""

    message_id: MessageId
    conversation_id: ConversationId
    live_label: str
    live_confidence: float
    shadow_label: str
    shadow_confidence: float


class ShadowCount(msgspec.Struct, frozen=True):
    """How often a shadow was held against one live version. ``dropped`` were too many to compare."""

    live: str
    compared: int
    differed: int
    dropped: int


class ShadowPair(msgspec.Struct, frozen=True):
    live: str
    live_label: str
    shadow_label: str
    times: int


class ShadowSample(msgspec.Struct, frozen=True):
    live: str
    message_id: UUID
    conversation_id: UUID
    live_label: str
    live_confidence: float
    shadow_label: str
    shadow_confidence: float
    at: datetime


class ShadowReport(msgspec.Struct, frozen=True):
    """All that is known of one shadow, the most frequent pairs and the newest examples first."""

    version: str
    counts: tuple[ShadowCount, ...]
    pairs: tuple[ShadowPair, ...]
    samples: tuple[ShadowSample, ...]


class ModelPointers:
    """The pointer of one bot and task, as the database has it. Raises ``Unavailable`` when that is away."""

    def __init__(self, database: Database, bot: str, task: str) -> None:
        self._database = database
        self._place = {"bot": bot, "task": task}

    async def read(self) -> Pointer:
        """What is live now."""
        async with self._database.begin() as connection:
            row = (await connection.execute(POINTER, self._place)).one_or_none()
        return Pointer() if row is None else _pointer(row)

    async def promote(
        self, version: str, *, expected: str, by: str, why: str, is_forced: bool, figures: bytes = b"{}"
    ) -> None:
        """Make *version* live, if *expected* is live still. Raises ``PointerMoved``; the same version again is no news.

        Of two at once one waits for the other, and then finds out.
        """
        async with self._database.begin() as connection:
            live = await self._lock(connection)
            if live.version != expected:
                raise PointerMoved(live.version)
            if live.version == version:
                return
            said = {"version": version, "by": by, "why": why, "is_forced": is_forced, "figures": figures}
            await connection.execute(PROMOTED, {**self._place, **said, "previous": live.version})
            await connection.execute(POINT, {**self._place, "version": version})

    async def roll_back(self, *, by: str, why: str, expected: str | None = None) -> Pointer:
        """Take the newest promotion back, and what it replaced is live again; repeated, the one before it.

        Raises ``LookupError`` when nothing was live before, ``PointerMoved`` when *expected* is not live.
        """
        async with self._database.begin() as connection:
            live = await self._lock(connection)
            if expected is not None and live.version != expected:
                raise PointerMoved(live.version)
            standing = (await connection.execute(STANDING, self._place)).all()
            if len(standing) < 2:
                raise LookupError("there is nothing to roll back to: no other version was live before this one")
            await connection.execute(UNDO, {"number": standing[0].number, "by": by, "why": why})
            await connection.execute(POINT, {**self._place, "version": standing[1].version})
            return await self._lock(connection)

    async def history(self, limit: int = 100) -> list[Promotion]:
        """The promotions, newest first, those that were taken back too."""
        async with self._database.begin() as connection:
            rows = (await connection.execute(HISTORY, {**self._place, "limit": limit})).all()
        return [_promotion(row) for row in rows]

    async def was_undone(self, version: str) -> bool:
        """Whether its last promotion was rolled back: somebody did not want it."""
        async with self._database.begin() as connection:
            row = (await connection.execute(WAS_UNDONE, {**self._place, "version": version})).scalar_one_or_none()
        return bool(row)

    async def set_shadow(self, version: str) -> None:
        """Run *version* beside the live one from now on; empty: none. What it differed in before is forgotten."""
        async with self._database.begin() as connection:
            await self._lock(connection)
            if version:
                for statement in FORGET_SHADOW:
                    await connection.execute(statement, {**self._place, "version": version})
            await connection.execute(SET_SHADOW, {**self._place, "version": version})

    async def claim_training(self, owner: UUID, lease_s: float) -> bool:
        """Whether *owner* may train now; again before *lease_s* is over, it goes on."""
        values = {**self._place, "owner": owner, "lease_s": lease_s}
        async with self._database.begin() as connection:
            return (await connection.execute(CLAIM, values)).one_or_none() is not None

    async def give_back_training(self, owner: UUID) -> None:
        async with self._database.begin() as connection:
            await connection.execute(GIVE_BACK, {**self._place, "owner": owner})

    async def note_shadow(
        self, version: str, live: str, differences: Sequence[Difference], *, compared: int, dropped: int
    ) -> None:
        """Add what was compared since the last time. Of each pair the first few are kept as examples."""
        ours = {**self._place, "version": version, "live": live}
        pairs: dict[tuple[str, str], list[Difference]] = {}
        for each in differences:
            pairs.setdefault((each.live_label, each.shadow_label), []).append(each)
        counts = {"compared": compared, "differed": len(differences), "dropped": dropped}
        async with self._database.begin() as connection:
            await connection.execute(COUNT_SHADOW, {**ours, **counts})
            for (live_label, shadow_label), members in sorted(pairs.items()):
                pair = {"live_label": live_label, "shadow_label": shadow_label, "times": len(members)}
                times = (await connection.execute(COUNT_PAIR, {**ours, **pair})).scalar_one()
                room = SAMPLES_OF_A_PAIR - (times - len(members))
                for each in members[: max(0, room)]:
                    await connection.execute(ADD_SAMPLE, {**ours, **msgspec.structs.asdict(each)})

    async def shadow_report(self, version: str, limit: int = 50) -> ShadowReport:
        """What was noted of *version*, at most *limit* pairs and as many examples."""
        ours = {**self._place, "version": version, "limit": limit}
        async with self._database.begin() as connection:
            counts = (await connection.execute(SHADOW_COUNTS, ours)).all()
            pairs = (await connection.execute(SHADOW_PAIRS, ours)).all()
            samples = (await connection.execute(SHADOW_SAMPLES, ours)).all()
        return ShadowReport(
            version,
            tuple(ShadowCount(**row._mapping) for row in counts),  # noqa: SLF001
            tuple(ShadowPair(**row._mapping) for row in pairs),  # noqa: SLF001
            tuple(ShadowSample(**row._mapping) for row in samples),  # noqa: SLF001
        )

    async def recent_texts(self, since: datetime, limit: int) -> list[str]:
        """What customers wrote since then, the newest first, at most *limit*; read along an index, kept nowhere."""
        values = {"since": lowest_id(since), "limit": limit, "events": limit * EVENTS_A_TEXT}
        async with self._database.begin() as connection:
            rows = (await connection.execute(RECENT_TEXTS, values)).all()
        found = (_words(decode_parts(row.parts)) for row in rows)
        return [words for words in found if words]

    async def _lock(self, connection: AsyncConnection) -> Pointer:
        return _pointer((await connection.execute(LOCK, self._place)).one())


async def all_pointers(database: Database) -> Mapping[tuple[str, str], Pointer]:
    """What is live, by bot and task."""
    async with database.begin() as connection:
        rows = (await connection.execute(POINTERS)).all()
    return {(row.bot, row.task): _pointer(row) for row in rows}


def _words(parts: Parts) -> str:
    return " ".join(part.text for part in parts if isinstance(part, Text)).strip()


def _pointer(row: Row[tuple[object, ...]]) -> Pointer:
    return Pointer(row.version, row.shadow, row.shadow_since, row.changes)


def _promotion(row: Row[tuple[object, ...]]) -> Promotion:
    return Promotion(**{**row._mapping, "figures": msgspec.Raw(bytes(row.figures))})  # noqa: SLF001
