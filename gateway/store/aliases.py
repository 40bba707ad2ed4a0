"""Which conversation an address belongs to: looked up, remembered, and made at the first contact.

A person has one lasting name of a kind on an account, and further names (a phone number) that may pass to somebody
else. ``naming`` decides what a batch's names come to, this module asks and writes. Whoever changes what a name stands
for raises the conversation's ``names_version``: what another process remembers is then noticed as old when it writes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID, uuid5

import asyncpg
import msgspec

from gateway.core.errors import TertuliaError
from gateway.core.ids import ContactId, ConversationId
from gateway.core.zones import ZONE, ZONE_HINT, zone_of_phone
from gateway.store import contacts
from gateway.store.contacts import TIME_ZONE
from gateway.store.naming import AliasKey, Named, Naming, Stranger, alias_keys
from gateway.store.rows import Known

PEOPLE = UUID("8e7c2f5e-2f6b-5b7e-9d0a-6d1f5a3c9b41")
"""Under it the names of people become the ids of their contacts."""

FIND = f"""
    SELECT q.account_id, q.kind, q.value, a.conversation_id, a.address_id, d.contact_id, d.recipient, t.name,
           c.names_version, d.traits, {TIME_ZONE}
    FROM unnest($1::int[], $2::text[], $3::text[]) AS q (account_id, kind, value)
    JOIN address_alias a ON a.account_id = q.account_id AND a.kind = q.kind AND a.value = q.value
    JOIN address d ON d.id = a.address_id
    JOIN contact t ON t.id = d.contact_id
    JOIN conversation c ON c.id = a.conversation_id
"""

LOCK_ADDRESSES = "SELECT id FROM address WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"

NAMES = "SELECT address_id, kind, value FROM address_alias WHERE address_id = ANY($1::uuid[])"

CLAIM = """
    INSERT INTO address_alias (account_id, kind, value, address_id, conversation_id)
    SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::uuid[], $5::uuid[])
    ON CONFLICT DO NOTHING
    RETURNING account_id, kind, value
"""

REBIND = """
    UPDATE address_alias a SET address_id = q.address_id, conversation_id = q.conversation_id
    FROM (
        SELECT x.* FROM unnest($1::int[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::uuid[])
             AS x (account_id, kind, value, old_address_id, address_id, conversation_id)
        JOIN address_alias l ON l.account_id = x.account_id AND l.kind = x.kind AND l.value = x.value
        ORDER BY x.account_id, x.kind, x.value FOR UPDATE OF l
    ) q
    WHERE a.account_id = q.account_id AND a.kind = q.kind AND a.value = q.value AND a.address_id = q.old_address_id
    RETURNING a.value
"""

DESCRIBE = """
    UPDATE address d SET recipient = q.recipient, traits = q.traits
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS q (id, recipient, traits)
    WHERE d.id = q.id
"""

OUTDATE = """
    UPDATE conversation c SET names_version = c.names_version + 1
    FROM (SELECT id FROM conversation WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE) u
    WHERE c.id = u.id
    RETURNING c.id, c.names_version
"""

# Somebody's further address finds the contact that the first one made.
INSERT_CONTACTS = """
    INSERT INTO contact (id, name, language, details)
    SELECT id, name, language, details::jsonb
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS x (id, name, language, details)
    ORDER BY id
    ON CONFLICT (id) DO NOTHING
"""

INSERT_ADDRESSES = """
    INSERT INTO address (id, account_id, contact_id, recipient, username, traits)
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[])
"""

INSERT_CONVERSATIONS = """
    INSERT INTO conversation (id, account_id, address_id, contact_id, language)
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::uuid[], $5::text[])
"""


class NamesChanged(TertuliaError):
    """Another process changed what a name stands for, or what we remembered is old. Forget it and try again."""


class AliasCache:
    """The most recently used aliases of this process.

    What it holds may be old: whoever writes to a conversation compares the version, and forgets what is.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: OrderedDict[AliasKey, Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: AliasKey) -> Known | None:
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
        return known

    def put(self, key: AliasKey, known: Known) -> None:
        self._known[key] = known
        if len(self._known) > self._limit:
            self._known.popitem(last=False)

    def forget(self, keys: Iterable[AliasKey]) -> None:
        for key in keys:
            self._known.pop(key, None)


async def find(connection: asyncpg.Connection, keys: Sequence[AliasKey]) -> dict[AliasKey, Known]:
    """What is known of *keys*; the unknown ones are missing from the answer."""
    rows = await connection.fetch(FIND, [k[0] for k in keys], [k[1] for k in keys], [k[2] for k in keys])
    return {(row[0], row[1], row[2]): Known(*tuple(row)[3:]) for row in rows}


class Resolved(msgspec.Struct, frozen=True):
    """The conversation of each item, in order; those that were made just now; and what to remember after commit.

    ``None`` for an item that concerns nobody who is known.
    """

    known: list[Known | None]
    born: list[tuple[Known, Stranger]]
    found: dict[AliasKey, Known]


async def resolve(connection: asyncpg.Connection, items: Sequence[Named], cache: AliasCache) -> Resolved:
    """Find the conversation of each item, and make it where there is none. Names are settled in the order of *items*.

    The alias' unique key decides between two processes that meet the same stranger: the loser waits for the winner's
    commit, raises ``NamesChanged``, and finds the winner's conversation when it tries again.
    """
    remembered = _remembered(items, cache)
    if remembered is not None:
        return Resolved(remembered, [], {})
    keys = sorted({key for item in items for key in alias_keys(item)})
    found = await find(connection, keys)
    disputed = _disputed(items, found)
    names_of: dict[UUID, dict[str, str]] = {}
    if disputed:
        names_of = await _names_of(connection, disputed)
        found = await find(connection, keys)
        if not disputed.issuperset(_disputed(items, found)):
            raise NamesChanged("other addresses are in dispute by now")
    naming = Naming(found, names_of, contact_of)
    places = [naming.place(item) for item in items]
    await _write(connection, naming)
    people = naming.people
    return Resolved(
        [None if place is None else people[place] for place in places],
        [(people[stranger.conversation_id], stranger) for stranger in naming.strangers],
        {key: people[place] for key, place in naming.names.items()},
    )


def contact_of(item: Named) -> ContactId | None:
    """The one contact of all addresses of an account that name the same person; ``None``: a new one."""
    if not item.person:
        return None
    return ContactId(uuid5(PEOPLE, f"{item.account_id}:{item.person}"))


async def outdate(connection: asyncpg.Connection, conversation_ids: Iterable[ConversationId]) -> None:
    """Let every process notice that what it remembers of these conversations is old."""
    await _outdate(connection, list(conversation_ids))


def _remembered(items: Sequence[Named], cache: AliasCache) -> list[Known | None] | None:
    """What this process remembers of every item, when it remembers all of it and nothing is to be changed."""
    known: list[Known | None] = []
    for item in items:
        if item.moves:
            return None
        one = cache.get((item.account_id, item.address.kind, item.address.value))
        if one is None or (item.traits and item.traits != one.traits):
            return None
        for alias in item.aliases:
            other = cache.get((item.account_id, alias.kind, alias.value))
            if other is None or other.conversation_id != one.conversation_id:
                return None
        known.append(one)
    return known


def _disputed(items: Sequence[Named], found: dict[AliasKey, Known]) -> set[UUID]:
    """Addresses that lose a name or get one by somebody else's: nobody else may settle theirs at this moment."""
    disputed: set[UUID] = set()
    for item in items:
        own, *others = alias_keys(item)
        one = found.get(own)
        disputed.update(
            found[key].address_id
            for key in others
            if key in found and (one is None or found[key].address_id != one.address_id)
        )
    return disputed


async def _names_of(connection: asyncpg.Connection, address_ids: set[UUID]) -> dict[UUID, dict[str, str]]:
    """The names of each address, by kind; locked against anybody else's asking."""
    ids = sorted(address_ids)
    await connection.fetch(LOCK_ADDRESSES, ids)
    names: dict[UUID, dict[str, str]] = {}
    for row in await connection.fetch(NAMES, ids):
        names.setdefault(row[0], {})[row[1]] = row[2]
    return names


async def _write(connection: asyncpg.Connection, naming: Naming) -> None:
    await _claim(connection, naming)
    await _rebind(connection, naming)
    if naming.strangers:
        await _create(connection, naming)
    if naming.described:
        changed = [naming.people[place] for place in sorted(naming.described)]
        await connection.execute(
            DESCRIBE, [c.address_id for c in changed], [c.recipient for c in changed], [c.traits for c in changed]
        )
    for one in naming.inferred:
        await contacts.infer(connection, one.contact_id, one.other_id, f"the same {one.kind} came with both")
    for row in await _outdate(connection, naming.outdated):
        place = ConversationId(row[0])
        naming.people[place] = msgspec.structs.replace(naming.people[place], version=row[1])


async def _claim(connection: asyncpg.Connection, naming: Naming) -> None:
    keys = sorted(naming.claims)
    if not keys:
        return
    people = [naming.people[naming.claims[key]] for key in keys]
    rows = await connection.fetch(
        CLAIM,
        [k[0] for k in keys],
        [k[1] for k in keys],
        [k[2] for k in keys],
        [one.address_id for one in people],
        [one.conversation_id for one in people],
    )
    if len(rows) != len(keys):
        raise NamesChanged("another process was quicker to take a name")


async def _rebind(connection: asyncpg.Connection, naming: Naming) -> None:
    keys = sorted(naming.rebound)
    if not keys:
        return
    people = [naming.people[naming.rebound[key][1]] for key in keys]
    rows = await connection.fetch(
        REBIND,
        [k[0] for k in keys],
        [k[1] for k in keys],
        [k[2] for k in keys],
        [naming.rebound[k][0] for k in keys],
        [one.address_id for one in people],
        [one.conversation_id for one in people],
    )
    if len(rows) != len(keys):
        raise NamesChanged("a name passed on to somebody else meanwhile")


async def _create(connection: asyncpg.Connection, naming: Naming) -> None:
    strangers = naming.strangers
    people = [naming.people[stranger.conversation_id] for stranger in strangers]
    accounts = [stranger.item.account_id for stranger in strangers]
    profiles = [stranger.item.profile for stranger in strangers]
    languages = [profile.language for profile in profiles]
    facts = [_details(stranger.item) for stranger in strangers]
    details = [msgspec.json.encode(known).decode() for known in facts]
    await connection.execute(
        INSERT_CONTACTS, [one.contact_id for one in people], [p.name for p in profiles], languages, details
    )
    further = [one for one, stranger in zip(people, strangers, strict=True) if stranger.item.person]
    homes = await contacts.homes(connection, further) if further else {}
    people = [msgspec.structs.replace(one, contact_id=homes.get(one.contact_id, one.contact_id)) for one in people]
    zones = await contacts.time_zones(connection, [one.contact_id for one in people]) if further else {}
    people = [
        msgspec.structs.replace(one, time_zone=zones.get(one.contact_id, contacts.time_zone_in(known)))
        for one, known in zip(people, facts, strict=True)
    ]
    naming.people.update((one.conversation_id, one) for one in people)
    contact_ids, addresses = [one.contact_id for one in people], [one.address_id for one in people]
    await connection.execute(
        INSERT_ADDRESSES,
        addresses,
        accounts,
        contact_ids,
        [one.recipient for one in people],
        [profile.username for profile in profiles],
        [one.traits for one in people],
    )
    await connection.execute(
        INSERT_CONVERSATIONS, [one.conversation_id for one in people], accounts, addresses, contact_ids, languages
    )


def _details(item: Named) -> dict[str, str]:
    """What is told of a stranger; without a time zone among it, the country of their number hints at one."""
    phone = next((key.value for key in (item.address, *item.aliases) if key.kind == "phone"), "")
    if not phone or {ZONE, ZONE_HINT} & item.profile.details.keys():
        return item.profile.details
    hint = zone_of_phone(phone)
    return {**item.profile.details, ZONE_HINT: hint} if hint else item.profile.details


async def _outdate(
    connection: asyncpg.Connection, conversation_ids: Collection[ConversationId]
) -> Sequence[asyncpg.Record]:
    if not conversation_ids:
        return []
    rows: Sequence[asyncpg.Record] = await connection.fetch(OUTDATE, list(conversation_ids))
    return rows
