"""What companies' own systems tell of their customers: where their day begins, and whether their texts may teach."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from gateway.core.clock import Clock
from gateway.core.company import KeyHolder, NotWorkable, Person, Word
from gateway.core.ids import ContactId
from gateway.core.zones import zone_named
from gateway.store import contacts, learning
from gateway.store.contacts import Contact
from gateway.store.database import Database


class People:
    """Fits ``gateway.core.company.PeoplePort``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._lane = database.lane()
        self._clock = clock

    async def person(self, holder: KeyHolder, contact_id: ContactId) -> Person:
        """The customer as they are known now."""
        async with self._lane.transaction() as connection:
            return _person(await _found(connection, holder, contact_id), holder)

    async def set_time_zone(self, holder: KeyHolder, contact_id: ContactId, time_zone: str) -> Person:
        """Checked against the zones that this machine knows."""
        if time_zone and zone_named(time_zone) is None:
            advice = "give a name of the IANA database such as America/Bogota, or nothing"
            raise NotWorkable(422, "bad_time_zone", "there is no such zone", where="$.time_zone", advice=advice)
        async with self._lane.transaction() as connection:
            found = await _found(connection, holder, contact_id)
            await contacts.set_time_zone(connection, found.id, time_zone)
            return _person(await contacts.show(connection, found.id), holder)

    async def note_learning(
        self, holder: KeyHolder, contact_id: ContactId, *, is_given: bool, evidence: str, at: datetime | None
    ) -> Person:
        """A word that the same system told before, with the same evidence, is not written twice."""
        now = self._clock.now()
        if at is not None and at > now:
            raise NotWorkable(422, "bad_time", "that is still to come", where="$.at", advice="leave it out for now")
        source = f"api, {holder.name}"
        async with self._lane.transaction() as connection:
            found = await _found(connection, holder, contact_id)
            if not _is_known(found.learning, (is_given, source, evidence), at):
                await learning.note_word(
                    connection, found.id, is_given=is_given, source=source, evidence=evidence, at=at or now
                )
            return _person(await contacts.show(connection, found.id), holder)


def _is_known(word: contacts.Word | None, told: tuple[bool, str, str], at: datetime | None) -> bool:
    if word is None or (word.is_given, word.source, word.evidence) != told:
        return False
    return at is None or at <= word.at


async def _found(connection: asyncpg.Connection, holder: KeyHolder, contact_id: ContactId) -> Contact:
    """The contact, or the one that it is part of by now."""
    try:
        found = await contacts.show(connection, await contacts.whole(connection, contact_id))
    except LookupError:
        found = None
    if found is None or not any(holder.may_use(each.account) for each in found.addresses):
        advice = "check the id, and which accounts the key may use"
        raise NotWorkable(404, "not_found", "there is no such contact", advice=advice)
    return found


def _person(found: Contact, holder: KeyHolder) -> Person:
    """Of a person's accounts, those that the key may use."""
    word = found.learning
    return Person(
        id=found.id,
        name=found.name,
        language=found.language,
        time_zone=found.time_zone,
        learning=None
        if word is None
        else Word(is_given=word.is_given, source=word.source, evidence=word.evidence, at=word.at),
        accounts=tuple(sorted({each.account for each in found.addresses if holder.may_use(each.account)})),
    )
