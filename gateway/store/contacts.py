"""One person on several channels: merging contacts on proof, and taking it back.

A contact owns addresses; a merge moves them to the contact that is kept, and remembers which. Conversations stay with
their addresses, so a reply goes to where the person wrote, whatever is merged. The other contact's row stays, empty,
with what was known of it: taking the merge back is moving the same addresses back.

Tables are touched in this order: contact, contact_merge, address, conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from gateway.core.errors import TertuliaError
from gateway.core.ids import AddressId, ContactId, ConversationId, new_id
from gateway.core.inbound import Profile
from gateway.core.zones import ZONE, ZONE_HINT
from gateway.store.rows import Known

Evidence = Literal["verified", "claimed", "inferred"]

TIME_ZONE = f"coalesce(nullif(t.details ->> '{ZONE}', ''), t.details ->> '{ZONE_HINT}', '')"
"""The time zone of contact ``t``."""

TIME_ZONES = f"SELECT t.id, {TIME_ZONE} FROM contact t WHERE t.id = ANY($1::uuid[])"

DETAILS = """
    SELECT d.key, d.value FROM contact t, jsonb_each_text(t.details) d WHERE t.id = $1 AND d.key = ANY($2::text[])
"""

# What other processes remember of the contact is old then, as with a name.
SET_TIME_ZONE = f"""
    UPDATE contact SET details = CASE WHEN $2 = '' THEN details - '{ZONE}'
                                      ELSE details || jsonb_build_object('{ZONE}', $2::text) END
    WHERE id = $1 AND coalesce(details ->> '{ZONE}', '') <> $2
    RETURNING id
"""

OUTDATE = """
    UPDATE conversation c SET names_version = c.names_version + 1
    FROM (SELECT id FROM conversation WHERE contact_id = $1 ORDER BY id FOR UPDATE) u
    WHERE c.id = u.id
"""

# Both roots are locked in one order, so that merges of the same people wait for one another.
ROOTS = """
    WITH RECURSIVE up AS (
        SELECT id AS asked, id, merged_into FROM contact WHERE id = ANY($1::uuid[])
        UNION ALL
        SELECT up.asked, c.id, c.merged_into FROM up JOIN contact c ON c.id = up.merged_into
    )
    SELECT asked, id FROM up WHERE merged_into IS NULL
"""

LOCK = "SELECT id, merged_into FROM contact WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"

INSERT_MERGE = """
    INSERT INTO contact_merge (id, kept, merged, evidence, detail, by, addresses)
    SELECT $1, $2, $3, $4, $5, $6, coalesce(array_agg(id ORDER BY id), '{}') FROM address WHERE contact_id = $3
    RETURNING addresses
"""

SET_ROOT = "UPDATE contact SET merged_into = $2 WHERE id = $1"

MOVE_ADDRESSES = """
    UPDATE address SET contact_id = $3 WHERE id = ANY($1::uuid[]) AND contact_id = $2 RETURNING id
"""

MOVE_CONVERSATIONS = """
    UPDATE conversation c SET contact_id = $3, names_version = c.names_version + 1
    FROM (SELECT id FROM conversation WHERE contact_id = $2 AND address_id = ANY($1::uuid[]) ORDER BY id FOR UPDATE) u
    WHERE c.id = u.id
"""

UNDO = """
    UPDATE contact_merge SET undone_at = now(), undone_by = $2 WHERE id = $1 AND undone_at IS NULL
    RETURNING kept, merged, addresses
"""

MERGE_EXISTS = "SELECT kept, merged FROM contact_merge WHERE id = $1"

# Somebody's further address after a merge: it comes to the contact that is kept, and goes back with the others.
ADD_TO_MERGE = "UPDATE contact_merge SET addresses = addresses || $2::uuid[] WHERE merged = $1 AND undone_at IS NULL"

INSERT_CLAIM = """
    INSERT INTO contact_claim (id, contact_id, other_id, evidence, detail, by)
    SELECT $1, $2, $3, $4, $5, $6
    WHERE NOT EXISTS (
        SELECT 1 FROM contact_claim
        WHERE decided_at IS NULL AND (contact_id, other_id) IN (($2, $3), ($3, $2))
    )
"""

DECIDE_CLAIM = """
    UPDATE contact_claim SET decided_at = now(), decided_by = $2, is_confirmed = $3
    WHERE id = $1 AND decided_at IS NULL
    RETURNING contact_id, other_id, detail
"""

CONTACT = f"""
    SELECT t.id, t.name, t.language, t.created_at, t.merged_into, {TIME_ZONE} AS time_zone
    FROM contact t WHERE t.id = $1
"""

IS_NAMED = "SELECT t.name <> '' FROM address d JOIN contact t ON t.id = d.contact_id WHERE d.id = $1"

DESCRIBE = """
    UPDATE contact t SET name = CASE t.name WHEN '' THEN $2::text ELSE t.name END,
                         language = CASE t.language WHEN '' THEN $3::text ELSE t.language END
    FROM address d
    WHERE d.id = $1 AND t.id = d.contact_id AND (t.name = '' OR t.language = '')
"""

SET_USERNAME = "UPDATE address SET username = $2 WHERE id = $1"

ADDRESSES = """
    SELECT d.id, a.channel || '.' || a.endpoint || '.' || a.name AS account, a.app, d.evidence, d.recipient,
           c.id AS conversation_id, c.control, c.heard_at,
           (SELECT coalesce(array_agg(l.kind || ':' || l.value ORDER BY l.kind, l.value), '{}')
            FROM address_alias l WHERE l.address_id = d.id) AS names
    FROM address d
    JOIN account a ON a.id = d.account_id
    LEFT JOIN conversation c ON c.contact_id = d.contact_id AND c.address_id = d.id
    WHERE d.contact_id = $1 ORDER BY d.created_at, d.id
"""

MERGES = """
    SELECT id, kept, merged, evidence, detail, by, at, undone_at, undone_by FROM contact_merge
    WHERE kept = $1 OR merged = $1 ORDER BY at, id
"""

CLAIMS = """
    SELECT id, contact_id, other_id, evidence, detail, by, at FROM contact_claim
    WHERE (contact_id = $1 OR other_id = $1) AND decided_at IS NULL ORDER BY at, id
"""

LEARNING = """
    SELECT s.is_opted_in, s.source, s.evidence, s.at FROM conversation c
    JOIN consent s ON s.conversation_id = c.id AND s.scope = 'learning'
    WHERE c.contact_id = $1 ORDER BY s.at DESC, s.id DESC LIMIT 1
"""


class NotProven(TertuliaError):
    """Two contacts are merged on verified evidence only; put the rest down as a claim, for somebody to confirm."""


class ContactAddress(msgspec.Struct, frozen=True):
    """Where a contact is reached; ``names`` as ``kind:value``."""

    id: AddressId
    account: str
    app: str
    evidence: str
    recipient: str
    conversation_id: ConversationId | None
    control: str | None
    heard_at: datetime | None
    names: list[str]


class Merge(msgspec.Struct, frozen=True):
    """A merge that stands, or was undone."""

    id: UUID
    kept: ContactId
    merged: ContactId
    evidence: str
    detail: str
    by: str
    at: datetime
    undone_at: datetime | None
    undone_by: str


class Claim(msgspec.Struct, frozen=True):
    """Two contacts that may be one person; nobody decided yet."""

    id: UUID
    contact_id: ContactId
    other_id: ContactId
    evidence: str
    detail: str
    by: str
    at: datetime


class Word(msgspec.Struct, frozen=True):
    """What a person said of a scope of consent, who wrote it down (``source``), and what shows it (``evidence``)."""

    is_given: bool
    source: str
    evidence: str
    at: datetime


class Contact(msgspec.Struct, frozen=True):
    """Everything that is known of one person's identity. ``merged_into``: who it is part of now.

    ``time_zone`` is empty where nobody knows it; then the bot's is used. ``learning`` is the person's newest word on
    whether their texts may teach the bot, ``None`` when they never said one.
    """

    id: ContactId
    name: str
    language: str
    created_at: datetime
    merged_into: ContactId | None
    addresses: list[ContactAddress]
    merges: list[Merge]
    claims: list[Claim]
    time_zone: str = ""
    learning: Word | None = None


async def merge(
    connection: asyncpg.Connection, kept: ContactId, merged: ContactId, evidence: Evidence, by: str, *, detail: str = ""
) -> UUID | None:
    """Make two contacts one. Returns the merge's id, for :func:`unmerge`; ``None`` when they are one already.

    *by* says who decided, *detail* what proves it. Raises ``NotProven`` unless the evidence is verified, and
    ``LookupError`` for an unknown contact.
    """
    if evidence != "verified":
        raise NotProven(f"{evidence} is no proof that two contacts are one person; make it a claim and confirm it")
    kept, merged = await _locked_roots(connection, kept, merged)
    if kept == merged:
        return None
    merge_id = new_id()
    moved = await connection.fetchval(INSERT_MERGE, merge_id, kept, merged, evidence, detail, by)
    await connection.execute(SET_ROOT, merged, kept)
    await _move(connection, moved, merged, kept)
    return merge_id


async def unmerge(connection: asyncpg.Connection, merge_id: UUID, by: str) -> bool:
    """Take a merge back, exactly; false when it was taken back before. Raises ``LookupError`` for an unknown one."""
    ends = await connection.fetchrow(MERGE_EXISTS, merge_id)
    if ends is None:
        raise LookupError(f"there is no merge {merge_id}")
    await _locked_roots(connection, ends[0], ends[1])
    row = await connection.fetchrow(UNDO, merge_id, by)
    if row is None:
        return False
    root = (await _roots(connection, [row["kept"]]))[row["kept"]]
    await connection.execute(SET_ROOT, row["merged"], None)
    await _move(connection, row["addresses"], root, row["merged"])
    return True


async def claim(
    connection: asyncpg.Connection,
    contact_id: ContactId,
    other_id: ContactId,
    evidence: Evidence,
    by: str,
    *,
    detail: str = "",
) -> None:
    """Put down that two contacts may be one person. One claim waits for a pair at a time."""
    await connection.execute(INSERT_CLAIM, new_id(), contact_id, other_id, evidence, detail, by)


async def infer(connection: asyncpg.Connection, contact_id: ContactId, other_id: ContactId, detail: str) -> None:
    """A claim that follows from what a provider told, and could be a number that changed hands."""
    await claim(connection, contact_id, other_id, "inferred", "provider", detail=detail)


async def decide(connection: asyncpg.Connection, claim_id: UUID, by: str, *, is_confirmed: bool) -> UUID | None:
    """A person confirmed a claim, which makes it proven and merges, or turned it down. Returns the merge's id.

    Raises ``LookupError`` when no such claim waits.
    """
    row = await connection.fetchrow(DECIDE_CLAIM, claim_id, by, is_confirmed)
    if row is None:
        raise LookupError(f"no claim {claim_id} waits for a decision")
    if not is_confirmed:
        return None
    detail = f"claim {claim_id} confirmed: {row['detail']}"
    return await merge(connection, row["contact_id"], row["other_id"], "verified", by, detail=detail)


async def homes(connection: asyncpg.Connection, further: Iterable[Known]) -> dict[ContactId, ContactId]:
    """Which contacts of addresses that are being made are part of another one by now; the merges take note of them."""
    addresses: dict[ContactId, list[AddressId]] = {}
    for one in further:
        addresses.setdefault(one.contact_id, []).append(one.address_id)
    merged = {row[0] for row in await connection.fetch(LOCK, sorted(addresses)) if row[1] is not None}
    for contact_id in sorted(merged):
        await connection.execute(ADD_TO_MERGE, contact_id, addresses[contact_id])
    if not merged:
        return {}
    return await _roots(connection, merged)


async def is_named(connection: asyncpg.Connection, address_id: AddressId) -> bool:
    """Whether the contact of an address has a name."""
    return bool(await connection.fetchval(IS_NAMED, address_id))


async def describe(connection: asyncpg.Connection, address_id: AddressId, profile: Profile) -> None:
    """Write down what a provider told of a person, where nothing is known yet."""
    await connection.execute(DESCRIBE, address_id, profile.name, profile.language)


async def set_username(connection: asyncpg.Connection, address_id: AddressId, username: str) -> None:
    """What the person is called on this address. Apart from :func:`describe`, which locks another table's row."""
    await connection.execute(SET_USERNAME, address_id, username)


async def show(connection: asyncpg.Connection, contact_id: ContactId) -> Contact:
    """A contact with its addresses, merges, and the claims that wait. Raises ``LookupError`` for an unknown one."""
    row = await connection.fetchrow(CONTACT, contact_id)
    if row is None:
        raise LookupError(f"there is no contact {contact_id}")
    word = await connection.fetchrow(LEARNING, contact_id)
    return Contact(
        id=row["id"],
        name=row["name"],
        language=row["language"],
        created_at=row["created_at"],
        merged_into=row["merged_into"],
        addresses=[ContactAddress(*found) for found in await connection.fetch(ADDRESSES, contact_id)],
        merges=[Merge(*found) for found in await connection.fetch(MERGES, contact_id)],
        claims=[Claim(*found) for found in await connection.fetch(CLAIMS, contact_id)],
        time_zone=row["time_zone"],
        learning=None if word is None else Word(*word),
    )


def time_zone_in(details: Mapping[str, str]) -> str:
    """As ``TIME_ZONE`` finds it."""
    return details.get(ZONE) or details.get(ZONE_HINT, "")


async def time_zones(connection: asyncpg.Connection, ids: Iterable[ContactId]) -> dict[ContactId, str]:
    """The time zone of each contact, as it was told."""
    return {ContactId(row[0]): row[1] for row in await connection.fetch(TIME_ZONES, list(ids))}


async def whole(connection: asyncpg.Connection, contact_id: ContactId) -> ContactId:
    """The contact that this one is part of now, itself if it was never merged. Raises ``LookupError``."""
    found = await _roots(connection, [contact_id])
    if contact_id not in found:
        raise LookupError(f"there is no contact {contact_id}")
    return found[contact_id]


async def set_time_zone(connection: asyncpg.Connection, contact_id: ContactId, time_zone: str) -> None:
    """Put down where a contact's day begins and ends, which the next turn knows; empty: nobody knows.

    Of merged contacts it is the one that was kept. Raises ``LookupError`` for an unknown contact.
    """
    root, _ = await _locked_roots(connection, contact_id, contact_id)
    if await connection.fetchval(SET_TIME_ZONE, root, time_zone) is not None:
        await connection.execute(OUTDATE, root)


async def _roots(connection: asyncpg.Connection, ids: Iterable[ContactId]) -> dict[ContactId, ContactId]:
    return {ContactId(row[0]): ContactId(row[1]) for row in await connection.fetch(ROOTS, sorted(ids))}


async def _locked_roots(
    connection: asyncpg.Connection, one: ContactId, other: ContactId
) -> tuple[ContactId, ContactId]:
    """The contacts that two are part of now, locked; looked up again until nothing moved while waiting."""
    while True:
        roots = await _roots(connection, {one, other})
        for asked in (one, other):
            if asked not in roots:
                raise LookupError(f"there is no contact {asked}")
        locked = await connection.fetch(LOCK, sorted(set(roots.values())))
        if all(row[1] is None for row in locked):
            return roots[one], roots[other]


async def _move(
    connection: asyncpg.Connection, addresses: list[UUID], from_contact: ContactId, to_contact: ContactId
) -> None:
    """Give these addresses, and their conversations, to another contact; those that moved on meanwhile stay."""
    moved = [row[0] for row in await connection.fetch(MOVE_ADDRESSES, addresses, from_contact, to_contact)]
    await connection.execute(MOVE_CONVERSATIONS, moved, from_contact, to_contact)


async def details(connection: asyncpg.Connection, contact_id: ContactId, names: Iterable[str]) -> dict[str, str]:
    """What is known of a contact under these names, as text (``true``, ``12``); what is not known is left out."""
    rows = await connection.fetch(DETAILS, contact_id, list(names))
    return {row["key"]: row["value"] for row in rows if row["value"] is not None}
