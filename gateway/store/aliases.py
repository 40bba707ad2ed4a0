"""Which conversation an address belongs to: looked up, remembered, and made at the first contact."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from uuid import UUID, uuid5

import asyncpg
import msgspec

from gateway.core.ids import AccountId, AddressId, ContactId, ConversationId, new_id
from gateway.core.inbound import AddressKey
from gateway.store.rows import Known, NewMessage

AliasKey = tuple[AccountId, str, str]

PEOPLE = UUID("8e7c2f5e-2f6b-5b7e-9d0a-6d1f5a3c9b41")
"""Under it the names of people become the ids of their contacts."""

FIND = """
    SELECT q.account_id, q.kind, q.value, a.conversation_id, a.address_id, d.contact_id, d.recipient, t.name
    FROM unnest($1::int[], $2::text[], $3::text[]) AS q (account_id, kind, value)
    JOIN address_alias a ON a.account_id = q.account_id AND a.kind = q.kind AND a.value = q.value
    JOIN address d ON d.id = a.address_id
    JOIN contact t ON t.id = d.contact_id
"""

CLAIM = """
    INSERT INTO address_alias (account_id, kind, value, address_id, conversation_id)
    SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::uuid[], $5::uuid[])
    ON CONFLICT DO NOTHING
    RETURNING account_id, kind, value
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
    INSERT INTO address (id, account_id, contact_id, recipient, username)
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[])
"""

INSERT_CONVERSATIONS = """
    INSERT INTO conversation (id, account_id, address_id, contact_id, language)
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::uuid[], $5::text[])
"""


class AliasCache:
    """The most recently used aliases of this process.

    An alias never changes what it stands for, except by erasure of the contact, which the caller notices because
    the conversation is gone.
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


def alias_keys(account_id: AccountId, address: AddressKey, aliases: Sequence[AddressKey] = ()) -> list[AliasKey]:
    """The keys to look under, the address itself first."""
    return [(account_id, key.kind, key.value) for key in (address, *aliases)]


async def find(connection: asyncpg.Connection, keys: Sequence[AliasKey]) -> dict[AliasKey, Known]:
    """What is known of *keys*; the unknown ones are missing from the answer."""
    rows = await connection.fetch(FIND, [k[0] for k in keys], [k[1] for k in keys], [k[2] for k in keys])
    return {(row[0], row[1], row[2]): Known(*tuple(row)[3:]) for row in rows}


class Resolved(msgspec.Struct, frozen=True):
    """The conversation of each message, in order; those that were made just now; and what to remember after commit."""

    known: list[Known]
    born: list[tuple[Known, NewMessage]]
    found: dict[AliasKey, Known]


async def resolve(connection: asyncpg.Connection, messages: Sequence[NewMessage], cache: AliasCache) -> Resolved:
    """Find the conversation of each message, and make it where there is none.

    The alias' unique key decides between two processes that meet the same stranger: the loser waits for the
    winner's commit and then finds the winner's conversation.
    """
    found: dict[AliasKey, Known] = {}
    missing: set[AliasKey] = set()
    for message in messages:
        for key in alias_keys(message.account_id, message.address, message.aliases):
            known = cache.get(key)
            if known is None:
                missing.add(key)
            else:
                found[key] = known
    born: list[tuple[Known, NewMessage]] = []
    if missing:
        found.update(await find(connection, sorted(missing)))
        strangers = _strangers(messages, found)
        if strangers:
            born = await _create(connection, strangers, found)
        await _add_aliases(connection, messages, found)
    return Resolved([_known_of(message, found) for message in messages], born, found if missing else {})


def _known_of(message: NewMessage, found: dict[AliasKey, Known]) -> Known:
    for key in alias_keys(message.account_id, message.address, message.aliases):
        if key in found:
            return found[key]
    raise LookupError(f"no conversation for an address of account {message.account_id}")


def _strangers(messages: Sequence[NewMessage], found: dict[AliasKey, Known]) -> dict[AliasKey, NewMessage]:
    strangers: dict[AliasKey, NewMessage] = {}
    for message in messages:
        keys = alias_keys(message.account_id, message.address, message.aliases)
        if not any(key in found for key in keys):
            strangers.setdefault(keys[0], message)
    return strangers


async def _create(
    connection: asyncpg.Connection, strangers: dict[AliasKey, NewMessage], found: dict[AliasKey, Known]
) -> list[tuple[Known, NewMessage]]:
    keys = sorted(strangers)
    fresh = {
        key: Known(
            ConversationId(new_id()),
            AddressId(new_id()),
            _contact_of(strangers[key]),
            key[2],
            strangers[key].profile.name,
        )
        for key in keys
    }
    rows = await connection.fetch(
        CLAIM,
        [k[0] for k in keys],
        [k[1] for k in keys],
        [k[2] for k in keys],
        [fresh[k].address_id for k in keys],
        [fresh[k].conversation_id for k in keys],
    )
    won = [(row[0], row[1], row[2]) for row in rows]
    lost = sorted(set(keys) - set(won))
    if lost:
        found.update(await find(connection, lost))
    if not won:
        return []
    ours = [fresh[key] for key in won]
    profiles = [strangers[key].profile for key in won]
    accounts = [key[0] for key in won]
    contacts, addresses = [k.contact_id for k in ours], [k.address_id for k in ours]
    languages = [p.language for p in profiles]
    details = [msgspec.json.encode(p.details).decode() for p in profiles]
    await connection.execute(INSERT_CONTACTS, contacts, [p.name for p in profiles], languages, details)
    await connection.execute(
        INSERT_ADDRESSES, addresses, accounts, contacts, [k.recipient for k in ours], [p.username for p in profiles]
    )
    await connection.execute(
        INSERT_CONVERSATIONS, [k.conversation_id for k in ours], accounts, addresses, contacts, languages
    )
    found.update(zip(won, ours, strict=True))
    return [(fresh[key], strangers[key]) for key in won]


def _contact_of(message: NewMessage) -> ContactId:
    """A new contact; the same one for all addresses of an account that name the same person."""
    if not message.person:
        return ContactId(new_id())
    return ContactId(uuid5(PEOPLE, f"{message.account_id}:{message.person}"))


async def _add_aliases(
    connection: asyncpg.Connection, messages: Sequence[NewMessage], found: dict[AliasKey, Known]
) -> None:
    wanted: dict[AliasKey, Known] = {}
    for message in messages:
        known = _known_of(message, found)
        for key in alias_keys(message.account_id, message.address, message.aliases):
            if key not in found:
                wanted[key] = known
    if not wanted:
        return
    keys = sorted(wanted)
    await connection.fetch(
        CLAIM,
        [k[0] for k in keys],
        [k[1] for k in keys],
        [k[2] for k in keys],
        [wanted[k].address_id for k in keys],
        [wanted[k].conversation_id for k in keys],
    )
    found.update(await find(connection, keys))
