"""What the Zendesk desk remembers: tickets of cases, which words went where, who is who there, what was spent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.ids import ContactId, ConversationId, HandoffId, MessageId

CASE_COLUMNS = """
    handoff_id, conversation_id, ticket_id, reference, requester_id, made_position, generation, status, updated_at,
    heard_until, goes_on, begun_at
"""

CASE = text(f"SELECT {CASE_COLUMNS} FROM zendesk_case WHERE desk = :desk AND handoff_id = :handoff_id")

CASE_ON = text(f"""
    SELECT {CASE_COLUMNS} FROM zendesk_case WHERE desk = :desk AND ticket_id = :ticket_id
    ORDER BY begun_at DESC, handoff_id DESC LIMIT 1
""")

CASE_NAMED = text(f"""
    SELECT {CASE_COLUMNS} FROM zendesk_case WHERE desk = :desk AND reference = :reference
    ORDER BY begun_at DESC, handoff_id DESC LIMIT 1
""")

CASES_ON = text(f"""
    SELECT DISTINCT ON (ticket_id) {CASE_COLUMNS} FROM zendesk_case
    WHERE desk = :desk AND ticket_id = ANY(:ticket_ids) ORDER BY ticket_id, begun_at DESC, handoff_id DESC
""")

CASE_GOING_ON = text(f"""
    SELECT {CASE_COLUMNS} FROM zendesk_case WHERE desk = :desk AND conversation_id = :conversation_id AND goes_on
    ORDER BY begun_at DESC LIMIT 1
""")

BEGIN_CASE = text(f"""
    INSERT INTO zendesk_case (desk, handoff_id, conversation_id, requester_id, made_position)
    VALUES (:desk, :handoff_id, :conversation_id, :requester_id, :made_position)
    ON CONFLICT (desk, handoff_id) DO UPDATE SET requester_id = excluded.requester_id
    RETURNING {CASE_COLUMNS}, (xmax = 0) AS is_new
""")

ADOPT = text(f"""
    INSERT INTO zendesk_case (desk, handoff_id, conversation_id, ticket_id, reference, requester_id, made_position,
                              status, heard_until)
    SELECT desk, :handoff_id, conversation_id, ticket_id, reference, requester_id, :made_position, status, heard_until
    FROM zendesk_case WHERE desk = :desk AND handoff_id = :of FOR SHARE
    ON CONFLICT (desk, handoff_id) DO UPDATE SET desk = excluded.desk
    RETURNING {CASE_COLUMNS}
""")

STOP_GOING_ON = text("UPDATE zendesk_case SET goes_on = false WHERE desk = :desk AND handoff_id = :handoff_id")

MADE = text("""
    UPDATE zendesk_case SET ticket_id = :ticket_id, reference = CASE WHEN reference = '' THEN :reference ELSE reference
        END, status = :status, heard_until = :at, updated_at = :at
    WHERE desk = :desk AND handoff_id = :handoff_id
""")

NEXT_GENERATION = text("""
    UPDATE zendesk_case SET generation = generation + 1 WHERE desk = :desk AND handoff_id = :handoff_id
""")

# begun_at: an older case of the same person may have been on that ticket before, and is not the one that goes on there.
MOVE = text("""
    UPDATE zendesk_case SET begun_at = now(), tidy_at = now(),
        ticket_id = :ticket_id, status = :status, heard_until = :heard_until,
        old_tickets = CASE WHEN ticket_id = :ticket_id THEN old_tickets ELSE array_append(old_tickets, ticket_id) END
    WHERE desk = :desk AND handoff_id = :handoff_id
""")

STANDS = text("""
    UPDATE zendesk_case SET status = :status, updated_at = greatest(updated_at, :updated_at)
    WHERE desk = :desk AND ticket_id = :ticket_id AND updated_at <= :updated_at
""")

HEARD = text("""
    UPDATE zendesk_case SET heard_until = greatest(heard_until, :until) WHERE desk = :desk AND ticket_id = :ticket_id
""")

GOES_ON = text("UPDATE zendesk_case SET goes_on = true WHERE desk = :desk AND handoff_id = :handoff_id")

STANDING = text("""
    SELECT h.ended_at, h.agent, c.handoff_id AS current_id, c.agent AS current_agent
    FROM handoff h JOIN conversation c ON c.id = h.conversation_id WHERE h.id = :handoff_id
""")

CURRENT = text("SELECT handoff_id FROM conversation WHERE id = :id")

IS_SAID = text("SELECT 1 FROM agent_key WHERE handoff_id = :handoff_id AND key = :key")

OUR_SAYINGS = text("""
    SELECT message_id FROM agent_key WHERE handoff_id = :handoff_id AND key LIKE 'zendesk:%' AND message_id = ANY(:ids)
""")

LOCK_SPENDING = text("SELECT pg_advisory_xact_lock(hashtext('zendesk_spent'), hashtext(:desk))")

SPENT = text("""
    SELECT
        (SELECT count(*) FROM zendesk_spent WHERE desk = :desk AND ticket_id = :ticket_id AND at > n.t - :ticket_s * s)
            AS ticket_count,
        extract(epoch FROM n.t - (SELECT min(at) FROM zendesk_spent
            WHERE desk = :desk AND ticket_id = :ticket_id AND at > n.t - :ticket_s * s)) AS ticket_oldest_s,
        extract(epoch FROM n.t - (SELECT max(at) FROM zendesk_spent
            WHERE desk = :desk AND ticket_id = :ticket_id AND at > n.t - :ticket_s * s)) AS ticket_newest_s,
        (SELECT count(*) FROM zendesk_spent WHERE desk = :desk AND at > n.t - :minute_s * s) AS desk_count,
        extract(epoch FROM n.t - (SELECT min(at) FROM zendesk_spent
            WHERE desk = :desk AND at > n.t - :minute_s * s)) AS desk_oldest_s
    FROM (SELECT clock_timestamp() AS t, interval '1 s' AS s) n
""")

MOST_SPENT = text("""
    SELECT
        (SELECT count(*) FROM zendesk_spent
         WHERE desk = :desk AND at > clock_timestamp() - make_interval(secs => :minute_s)) AS of_account,
        (SELECT coalesce(max(t.n), 0) FROM (
            SELECT count(*) AS n FROM zendesk_spent
            WHERE desk = :desk AND at > clock_timestamp() - make_interval(secs => :ticket_s) GROUP BY ticket_id
        ) t) AS of_ticket
""")

SPEND = text("""
    INSERT INTO zendesk_spent (desk, ticket_id, at)
    VALUES (:desk, :ticket_id, clock_timestamp() + make_interval(secs => :lead_s)) RETURNING id
""")

ANSWERED = text("UPDATE zendesk_spent SET at = least(at, clock_timestamp()) WHERE id = :id")

FORGET_SPENT = text("""
    DELETE FROM zendesk_spent WHERE desk = :desk AND at < clock_timestamp() - make_interval(secs => :keep_s)
""")

UPDATE_COLUMNS = "marker, to_position, content, begun_at, extract(epoch FROM clock_timestamp() - begun_at) AS age_s"

UNFINISHED = text(f"""
    SELECT {UPDATE_COLUMNS} FROM zendesk_update WHERE desk = :desk AND handoff_id = :handoff_id AND done_at IS NULL
    ORDER BY to_position LIMIT 1
""")

TOLD_POSITION = text("""
    SELECT coalesce(max(to_position), 0) FROM zendesk_update
    WHERE desk = :desk AND handoff_id = :handoff_id AND done_at IS NOT NULL
""")

IS_DONE = text("""
    SELECT 1 FROM zendesk_update
    WHERE desk = :desk AND handoff_id = :handoff_id AND marker = :marker AND done_at IS NOT NULL
""")

BEGIN_UPDATE = text("""
    INSERT INTO zendesk_update (desk, handoff_id, marker, to_position, content, begun_at)
    VALUES (:desk, :handoff_id, :marker, :to_position, :content, clock_timestamp())
    ON CONFLICT (desk, handoff_id, marker) DO UPDATE SET begun_at = excluded.begun_at
    WHERE zendesk_update.done_at IS NULL
""")

BROKE_OFF = text("""
    UPDATE zendesk_update SET begun_at = clock_timestamp() - make_interval(secs => :back_s)
    WHERE desk = :desk AND handoff_id = :handoff_id AND marker = :marker AND done_at IS NULL
""")

WITHDRAW_UPDATE = text("""
    DELETE FROM zendesk_update
    WHERE desk = :desk AND handoff_id = :handoff_id AND marker = :marker AND done_at IS NULL
""")

REFUND = text("DELETE FROM zendesk_spent WHERE id = :id")

END_UPDATE = text("""
    UPDATE zendesk_update SET done_at = now(), content = NULL
    WHERE desk = :desk AND handoff_id = :handoff_id AND marker = :marker
""")

CLAIM_COMMENT = text("""
    INSERT INTO zendesk_comment (desk, ticket_id, comment_id, handoff_id) VALUES (:desk, :ticket_id, :id, :handoff_id)
    ON CONFLICT (desk, ticket_id, comment_id) DO UPDATE SET
        handoff_id = coalesce(zendesk_comment.handoff_id, excluded.handoff_id)
    RETURNING handoff_id, done
""")

MOVE_COMMENT = text("""
    UPDATE zendesk_comment SET handoff_id = :handoff_id
    WHERE desk = :desk AND ticket_id = :ticket_id AND comment_id = :id
""")

SETTLE_COMMENT = text("""
    INSERT INTO zendesk_comment (desk, ticket_id, comment_id, handoff_id, done)
    VALUES (:desk, :ticket_id, :id, :handoff_id, true)
    ON CONFLICT (desk, ticket_id, comment_id) DO UPDATE SET done = true
""")

SETTLED = text("""
    SELECT comment_id FROM zendesk_comment
    WHERE desk = :desk AND ticket_id = :ticket_id AND comment_id = ANY(:ids) AND done
""")

CUSTOMER = text("SELECT user_id FROM zendesk_customer WHERE desk = :desk AND contact_id = :contact_id")

KNOW_CUSTOMER = text("""
    INSERT INTO zendesk_customer (desk, contact_id, user_id) VALUES (:desk, :contact_id, :user_id)
    ON CONFLICT (desk, contact_id) DO UPDATE SET user_id = excluded.user_id
""")

FORGET_CUSTOMER = text("DELETE FROM zendesk_customer WHERE desk = :desk AND contact_id = :contact_id")

AGENT = text("""
    SELECT user_id, name, alias, role FROM zendesk_agent
    WHERE desk = :desk AND user_id = :user_id AND read_at > now() - make_interval(secs => :within_s)
""")

KNOW_AGENT = text("""
    INSERT INTO zendesk_agent (desk, user_id, name, alias, role) VALUES (:desk, :user_id, :name, :alias, :role)
    ON CONFLICT (desk, user_id) DO UPDATE SET
        name = excluded.name, alias = excluded.alias, role = excluded.role, read_at = now()
""")

UPLOADS = text("""
    SELECT file, token FROM zendesk_upload
    WHERE desk = :desk AND handoff_id = :handoff_id AND expires_at > now() + interval '5 min'
""")

KNOW_UPLOAD = text("""
    INSERT INTO zendesk_upload (desk, handoff_id, file, token, expires_at)
    VALUES (:desk, :handoff_id, :file, :token, :expires_at)
    ON CONFLICT (desk, handoff_id, file) DO UPDATE SET token = excluded.token, expires_at = excluded.expires_at
""")

FORGET_UPLOADS = text("DELETE FROM zendesk_upload WHERE desk = :desk AND handoff_id = :handoff_id")

ABANDON_CASE = text("""
    DELETE FROM zendesk_case WHERE desk = :desk AND handoff_id = :handoff_id AND ticket_id IS NULL
""")


class ZendeskCase(msgspec.Struct, frozen=True, kw_only=True):
    """One handoff's ticket; ``ticket_id`` is ``None`` while it is being made."""

    handoff_id: HandoffId
    conversation_id: ConversationId
    ticket_id: int | None
    reference: str
    requester_id: int
    made_position: int
    generation: int
    status: str
    updated_at: datetime
    heard_until: datetime
    goes_on: bool
    begun_at: datetime


class Standing(msgspec.Struct, frozen=True):
    """How a handoff stands: over or not, and who has it. ``current_id`` is the conversation's handoff of now."""

    ended_at: datetime | None
    agent: str
    current_id: HandoffId | None
    current_agent: str


class Spent(msgspec.Struct, frozen=True):
    """Updates that count still: how many, and how long ago the oldest and newest, in seconds (0 when none)."""

    ticket_count: int
    ticket_oldest_s: float
    ticket_newest_s: float
    desk_count: int
    desk_oldest_s: float


class Unfinished(msgspec.Struct, frozen=True):
    """An update of which we do not know that it arrived."""

    marker: str
    to_position: int
    content: bytes
    begun_at: datetime
    age_s: float


class KnownAgent(msgspec.Struct, frozen=True):
    user_id: int
    name: str
    alias: str
    role: str


class ZendeskTables:
    """The tables of one desk; every call is made within the caller's transaction."""

    def __init__(self, desk: str) -> None:
        self._desk = desk

    # ------------------------------------------------------------ cases

    async def case(self, connection: AsyncConnection, handoff_id: HandoffId) -> ZendeskCase | None:
        row = (await connection.execute(CASE, self._of(handoff_id))).mappings().one_or_none()
        return _case(dict(row)) if row else None

    async def case_on(self, connection: AsyncConnection, ticket_id: int) -> ZendeskCase | None:
        """The newest case on a ticket; ``None``: none of ours."""
        found = await connection.execute(CASE_ON, {"desk": self._desk, "ticket_id": ticket_id})
        row = found.mappings().one_or_none()
        return _case(dict(row)) if row else None

    async def case_named(self, connection: AsyncConnection, reference: str) -> ZendeskCase | None:
        """The newest case that the rest of the product knows by that name."""
        found = await connection.execute(CASE_NAMED, {"desk": self._desk, "reference": reference})
        row = found.mappings().one_or_none()
        return _case(dict(row)) if row else None

    async def cases_on(self, connection: AsyncConnection, ticket_ids: Sequence[int]) -> dict[int, ZendeskCase]:
        """The newest case on each of these tickets that are ours."""
        values = {"desk": self._desk, "ticket_ids": list(ticket_ids)}
        cases = [_case(dict(row)) for row in (await connection.execute(CASES_ON, values)).mappings()]
        return {case.ticket_id: case for case in cases if case.ticket_id is not None}

    async def begin_case(
        self,
        connection: AsyncConnection,
        handoff_id: HandoffId,
        conversation_id: ConversationId,
        requester_id: int,
        made_position: int,
    ) -> tuple[ZendeskCase, bool]:
        """The case to be made, and whether this is the first try; what the first one would put in stays."""
        values = {
            **self._of(handoff_id),
            "conversation_id": conversation_id,
            "requester_id": requester_id,
            "made_position": made_position,
        }
        row = dict((await connection.execute(BEGIN_CASE, values)).mappings().one())
        is_new = bool(row.pop("is_new"))
        return _case(row), is_new

    async def adopt(
        self, connection: AsyncConnection, handoff_id: HandoffId, of: HandoffId, made_position: int
    ) -> ZendeskCase | None:
        """Put a new handoff on the ticket of an older one; repeating it changes nothing. ``None``: *of* is unknown."""
        values = {**self._of(handoff_id), "of": of, "made_position": made_position}
        row = (await connection.execute(ADOPT, values)).mappings().one_or_none()
        await connection.execute(STOP_GOING_ON, self._of(of))
        return _case(dict(row)) if row else None

    async def going_on(self, connection: AsyncConnection, conversation_id: ConversationId) -> ZendeskCase | None:
        """The ended case of a conversation on whose ticket an agent speaks on."""
        values = {"desk": self._desk, "conversation_id": conversation_id}
        row = (await connection.execute(CASE_GOING_ON, values)).mappings().one_or_none()
        return _case(dict(row)) if row else None

    async def goes_on(self, connection: AsyncConnection, handoff_id: HandoffId) -> None:
        await connection.execute(GOES_ON, self._of(handoff_id))

    async def made(
        self, connection: AsyncConnection, handoff_id: HandoffId, ticket_id: int, status: str, at: datetime
    ) -> None:
        """The ticket is there since *at* (Zendesk's time)."""
        values = {"ticket_id": ticket_id, "reference": str(ticket_id), "status": status, "at": at}
        await connection.execute(MADE, {**self._of(handoff_id), **values})

    async def abandon_case(self, connection: AsyncConnection, handoff_id: HandoffId) -> None:
        """No ticket was asked for: as if it had never begun."""
        await connection.execute(ABANDON_CASE, self._of(handoff_id))

    async def next_generation(self, connection: AsyncConnection, handoff_id: HandoffId) -> None:
        await connection.execute(NEXT_GENERATION, self._of(handoff_id))

    async def move(
        self, connection: AsyncConnection, handoff_id: HandoffId, ticket_id: int, status: str, heard_until: datetime
    ) -> None:
        """The case goes on on another ticket, of which comments after *heard_until* concern it."""
        values = {"ticket_id": ticket_id, "status": status, "heard_until": heard_until}
        await connection.execute(MOVE, {**self._of(handoff_id), **values})

    async def stands(self, connection: AsyncConnection, ticket_id: int, status: str, updated_at: datetime) -> None:
        """What a ticket's status was at *updated_at*; an older word than the one that is known changes nothing."""
        values = {"desk": self._desk, "ticket_id": ticket_id, "status": status, "updated_at": updated_at}
        await connection.execute(STANDS, values)

    async def heard(self, connection: AsyncConnection, ticket_id: int, until: datetime) -> None:
        """All comments of a ticket up to then are dealt with."""
        await connection.execute(HEARD, {"desk": self._desk, "ticket_id": ticket_id, "until": until})

    async def standing(self, connection: AsyncConnection, handoff_id: HandoffId) -> Standing | None:
        row = (await connection.execute(STANDING, {"handoff_id": handoff_id})).mappings().one_or_none()
        return Standing(**row) if row else None

    async def current(self, connection: AsyncConnection, conversation_id: ConversationId) -> HandoffId | None:
        """The handoff that a conversation is in."""
        found: HandoffId | None = (await connection.execute(CURRENT, {"id": conversation_id})).scalar_one_or_none()
        return found

    # ------------------------------------------------------------ what agents said

    async def is_said(self, connection: AsyncConnection, handoff_id: HandoffId, key: str) -> bool:
        values = {"handoff_id": handoff_id, "key": key}
        return (await connection.execute(IS_SAID, values)).one_or_none() is not None

    async def our_sayings(
        self, connection: AsyncConnection, handoff_id: HandoffId, ids: Collection[MessageId]
    ) -> frozenset[UUID]:
        """Those of the messages that agents wrote in Zendesk."""
        rows = await connection.execute(OUR_SAYINGS, {"handoff_id": handoff_id, "ids": list(ids)})
        return frozenset(rows.scalars())

    async def claim_comment(
        self, connection: AsyncConnection, ticket_id: int, comment_id: int, handoff_id: HandoffId
    ) -> tuple[HandoffId, bool]:
        """Under which case a comment is said (the first claim counts), and whether all of it is done."""
        values = {"desk": self._desk, "ticket_id": ticket_id, "id": comment_id, "handoff_id": handoff_id}
        row = (await connection.execute(CLAIM_COMMENT, values)).one()
        return row.handoff_id, row.done

    async def move_comment(
        self, connection: AsyncConnection, ticket_id: int, comment_id: int, handoff_id: HandoffId
    ) -> None:
        values = {"desk": self._desk, "ticket_id": ticket_id, "id": comment_id, "handoff_id": handoff_id}
        await connection.execute(MOVE_COMMENT, values)

    async def settle_comment(
        self, connection: AsyncConnection, ticket_id: int, comment_id: int, handoff_id: HandoffId | None
    ) -> None:
        """Nothing is left to do about a comment."""
        values = {"desk": self._desk, "ticket_id": ticket_id, "id": comment_id, "handoff_id": handoff_id}
        await connection.execute(SETTLE_COMMENT, values)

    async def settled(self, connection: AsyncConnection, ticket_id: int, ids: Sequence[int]) -> frozenset[int]:
        """Those of the comments about which nothing is left to do."""
        values = {"desk": self._desk, "ticket_id": ticket_id, "ids": list(ids)}
        return frozenset((await connection.execute(SETTLED, values)).scalars())

    # ------------------------------------------------------------ what we write

    async def lock_spending(self, connection: AsyncConnection) -> None:
        """Nobody else counts or spends until the transaction ends."""
        await connection.execute(LOCK_SPENDING, {"desk": self._desk})

    async def spent(self, connection: AsyncConnection, ticket_id: int, ticket_s: float, minute_s: float) -> Spent:
        """What counts of a ticket's last *ticket_s* and of the whole desk's last *minute_s*."""
        values = {"desk": self._desk, "ticket_id": ticket_id, "ticket_s": ticket_s, "minute_s": minute_s}
        row = (await connection.execute(SPENT, values)).one()
        return Spent(
            row.ticket_count,
            float(row.ticket_oldest_s or 0.0),
            float(row.ticket_newest_s or 0.0),
            row.desk_count,
            float(row.desk_oldest_s or 0.0),
        )

    async def most_spent(self, connection: AsyncConnection, ticket_s: float, minute_s: float) -> tuple[int, int]:
        """How many updates count of the whole desk's, and of those of the ticket that has most."""
        values = {"desk": self._desk, "ticket_s": ticket_s, "minute_s": minute_s}
        row = (await connection.execute(MOST_SPENT, values)).one()
        return row.of_account, row.of_ticket

    async def spend(self, connection: AsyncConnection, ticket_id: int, lead_s: float) -> int:
        """Count an update that takes *lead_s* at most; returns its number for :meth:`answered`."""
        values = {"desk": self._desk, "ticket_id": ticket_id, "lead_s": lead_s}
        number: int = (await connection.execute(SPEND, values)).scalar_one()
        return number

    async def answered(self, connection: AsyncConnection, number: int, keep_s: float) -> None:
        """The update was answered now; those of *keep_s* ago are forgotten."""
        await connection.execute(ANSWERED, {"id": number})
        await connection.execute(FORGET_SPENT, {"desk": self._desk, "keep_s": keep_s})

    async def unfinished(self, connection: AsyncConnection, handoff_id: HandoffId) -> Unfinished | None:
        row = (await connection.execute(UNFINISHED, self._of(handoff_id))).one_or_none()
        if row is None:
            return None
        return Unfinished(row.marker, row.to_position, bytes(row.content or b""), row.begun_at, float(row.age_s))

    async def told_position(self, connection: AsyncConnection, handoff_id: HandoffId) -> int:
        """Up to where the conversation is surely in the ticket, as updates go."""
        position: int = (await connection.execute(TOLD_POSITION, self._of(handoff_id))).scalar_one()
        return position

    async def is_done(self, connection: AsyncConnection, handoff_id: HandoffId, marker: str) -> bool:
        values = {**self._of(handoff_id), "marker": marker}
        return (await connection.execute(IS_DONE, values)).one_or_none() is not None

    async def begin_update(
        self, connection: AsyncConnection, handoff_id: HandoffId, marker: str, to_position: int, content: bytes
    ) -> None:
        """Write down what will be sent; sending it again only moves its time."""
        values = {**self._of(handoff_id), "marker": marker, "to_position": to_position, "content": content}
        await connection.execute(BEGIN_UPDATE, values)

    async def broke_off(self, connection: AsyncConnection, handoff_id: HandoffId, marker: str, back_s: float) -> None:
        """The call has ended, with nobody knowing how: as if it had begun *back_s* ago."""
        await connection.execute(BROKE_OFF, {**self._of(handoff_id), "marker": marker, "back_s": back_s})

    async def withdraw_update(
        self, connection: AsyncConnection, handoff_id: HandoffId, marker: str, number: int
    ) -> None:
        """It surely was not sent: nothing was written, nothing was spent."""
        await connection.execute(WITHDRAW_UPDATE, {**self._of(handoff_id), "marker": marker})
        await connection.execute(REFUND, {"id": number})

    async def end_update(self, connection: AsyncConnection, handoff_id: HandoffId, marker: str) -> None:
        await connection.execute(END_UPDATE, {**self._of(handoff_id), "marker": marker})

    # ------------------------------------------------------------ people and files

    async def customer(self, connection: AsyncConnection, contact_id: ContactId) -> int | None:
        """The Zendesk user of a contact."""
        values = {"desk": self._desk, "contact_id": contact_id}
        found: int | None = (await connection.execute(CUSTOMER, values)).scalar_one_or_none()
        return found

    async def know_customer(self, connection: AsyncConnection, contact_id: ContactId, user_id: int) -> None:
        values = {"desk": self._desk, "contact_id": contact_id, "user_id": user_id}
        await connection.execute(KNOW_CUSTOMER, values)

    async def forget_customer(self, connection: AsyncConnection, contact_id: ContactId) -> None:
        await connection.execute(FORGET_CUSTOMER, {"desk": self._desk, "contact_id": contact_id})

    async def agent(self, connection: AsyncConnection, user_id: int, within_s: float) -> KnownAgent | None:
        """Who a user of Zendesk is, if that was read in the last *within_s*."""
        values = {"desk": self._desk, "user_id": user_id, "within_s": within_s}
        row = (await connection.execute(AGENT, values)).mappings().one_or_none()
        return KnownAgent(**row) if row else None

    async def know_agent(self, connection: AsyncConnection, agent: KnownAgent) -> None:
        await connection.execute(KNOW_AGENT, {"desk": self._desk, **msgspec.structs.asdict(agent)})

    async def uploads(self, connection: AsyncConnection, handoff_id: HandoffId) -> dict[str, str]:
        """Tokens of files that wait at Zendesk."""
        rows = await connection.execute(UPLOADS, self._of(handoff_id))
        return {row.file: row.token for row in rows}

    async def know_upload(
        self, connection: AsyncConnection, handoff_id: HandoffId, file: str, token: str, expires_at: datetime
    ) -> None:
        values = {**self._of(handoff_id), "file": file, "token": token, "expires_at": expires_at}
        await connection.execute(KNOW_UPLOAD, values)

    async def forget_uploads(self, connection: AsyncConnection, handoff_id: HandoffId) -> None:
        await connection.execute(FORGET_UPLOADS, self._of(handoff_id))

    def _of(self, handoff_id: HandoffId) -> dict[str, object]:
        return {"desk": self._desk, "handoff_id": handoff_id}


def _case(row: dict[str, object]) -> ZendeskCase:
    return ZendeskCase(**row)  # type: ignore[arg-type]  # a row has the columns of the statement
