"""The people of an account: found or made by external id or address, known in several ways, merged."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from msgspec import UNSET

from handoff.desks.zendesk.sandbox_account import Account, Invalid, Missing
from handoff.desks.zendesk.sandbox_records import Identity, Person, Role
from handoff.desks.zendesk.sandbox_wire import IdentityInput, UserInput, tags_of

NAME_CHARS = 255
EXTERNAL_ID_CHARS = 255
IDENTITY_TYPES = frozenset({"email", "phone_number", "twitter", "facebook", "google", "agent_forwarding", "messaging"})

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")
LOCALES = frozenset({"en-us", "en-gb", "es", "es-419", "es-es", "pt-br", "pt", "fr", "de", "it"})
"""The languages that the account has switched on."""

_ROLES: tuple[Role, ...] = ("admin", "agent", "end-user")


class People:
    """Acts on the people of *account*. Raises ``Invalid`` and ``Missing``; then nothing has changed."""

    def __init__(self, account: Account, now: Callable[[], datetime]) -> None:
        self._account = account
        self._now = now
        self._by_external_id = {one.external_id: one.id for one in account.people.values() if one.external_id}
        self._by_email = {
            one.value: person.id for person in account.people.values() for one in _emails(person) if person.is_active
        }

    def with_external_id(self, external_id: str) -> Person | None:
        return self._account.active_person(self._by_external_id.get(external_id, 0))

    def with_email(self, email: str) -> Person | None:
        return self._account.active_person(self._by_email.get(email.lower(), 0))

    def create(self, wished: UserInput) -> Person:
        """A new person. An external id or address that somebody has is refused."""
        _require_fitting(wished)
        if not wished.name:
            raise Invalid({"name": "Name: is too short (minimum is 1 characters)"})
        self._require_free(wished, None)
        now = self._now()
        person = Person(id=self._account.new_id(), name="", role="end-user", created_at=now, updated_at=now)
        self._account.people[person.id] = person
        self._fill(person, wished)
        return person

    def create_or_update(self, wished: UserInput) -> tuple[Person, bool]:
        """Whoever has the external id, else the address, brought up to date; else a new person, and true."""
        found = self.with_external_id(wished.external_id) if isinstance(wished.external_id, str) else None
        if found is None and isinstance(wished.email, str):
            found = self.with_email(wished.email)
        if found is None and wished.id is not None:
            found = self._account.active_person(wished.id)
        if found is None:
            return self.create(wished), True
        self.update(found, wished)
        return found, False

    def update(self, person: Person, wished: UserInput) -> None:
        _require_fitting(wished)
        self._require_free(wished, person)
        self._fill(person, wished)

    def delete(self, person: Person) -> None:
        person.is_active = False
        self._forget(person)
        person.updated_at = self._now()

    def merge(self, source: Person, target: Person) -> Person:
        """*source* becomes *target*, who keeps their own name and external id and gains the other identities."""
        if source.is_staff or target.is_staff or source.id == target.id:
            raise Invalid({"base": "User: only end users can be merged, into another"})
        self._forget(source)
        for identity in source.identities:
            identity.is_primary = False
            target.identities.append(identity)
            if identity.type == "email":
                self._by_email[identity.value] = target.id
        source.is_active, source.merged_into, source.identities = False, target.id, []
        for ticket in self._account.tickets.values():
            if ticket.requester_id == source.id:
                ticket.requester_id = target.id
        source.updated_at = target.updated_at = self._now()
        return target

    # ------------------------------------------------------------ identities

    def add_identity(self, person: Person, wished: IdentityInput) -> Identity:
        value = wished.value.lower() if wished.type == "email" else wished.value
        self._require_identity(person, wished.type, value)
        known = next((one for one in person.identities if (one.type, one.value) == (wished.type, value)), None)
        if known is not None:
            return known
        is_first = not any(one.type == wished.type for one in person.identities)
        made = Identity(self._account.new_id(), wished.type, value, wished.verified, wished.primary or is_first)
        person.identities.append(made)
        if made.type == "email":
            self._by_email[value] = person.id
            if made.is_primary:
                person.email = value
        elif made.type == "phone_number" and made.is_primary:
            person.phone = value
        return made

    def remove_identity(self, person: Person, identity_id: int) -> None:
        found = next((one for one in person.identities if one.id == identity_id), None)
        if found is None:
            raise Missing("identity")
        person.identities.remove(found)
        if found.type == "email":
            self._by_email.pop(found.value, None)
            person.email = next((one.value for one in person.identities if one.type == "email"), None)

    def _require_identity(self, person: Person, kind: str, value: str) -> None:
        if kind not in IDENTITY_TYPES:
            raise Invalid({"type": "Type: is not valid"})
        if kind == "email":
            _require_email(value)
            owner = self.with_email(value)
            if owner is not None and owner.id != person.id:
                raise Invalid({"value": f"Value: {value} is already being used by another user"})

    # ------------------------------------------------------------ filling

    def _require_free(self, wished: UserInput, person: Person | None) -> None:
        own = person.id if person is not None else 0
        if isinstance(wished.external_id, str) and wished.external_id:
            owner = self.with_external_id(wished.external_id)
            if owner is not None and owner.id != own:
                raise Invalid({"external_id": "External: has already been taken"})
        if isinstance(wished.email, str) and wished.email:
            owner = self.with_email(wished.email)
            if owner is not None and owner.id != own:
                raise Invalid({"email": f"Email: {wished.email} is already being used by another user"})

    def _fill(self, person: Person, wished: UserInput) -> None:
        if isinstance(wished.name, str):
            person.name = wished.name.strip()
        if wished.external_id is not UNSET:
            self._by_external_id.pop(person.external_id or "", None)
            person.external_id = wished.external_id or None
            if person.external_id:
                self._by_external_id[person.external_id] = person.id
        if isinstance(wished.email, str) and wished.email:
            self.add_identity(person, IdentityInput("email", wished.email, verified=wished.verified is True))
        if isinstance(wished.phone, str) and wished.phone:
            person.phone = wished.phone
            self.add_identity(person, IdentityInput("phone_number", wished.phone, verified=wished.verified is True))
        if isinstance(wished.identities, list):
            for identity in wished.identities:
                self.add_identity(person, identity)
        _fill_plain(person, wished)
        person.updated_at = self._now()

    def _forget(self, person: Person) -> None:
        self._by_external_id.pop(person.external_id or "", None)
        for identity in _emails(person):
            self._by_email.pop(identity.value, None)


def _fill_plain(person: Person, wished: UserInput) -> None:
    if isinstance(wished.role, str):
        person.role = next(role for role in _ROLES if role == wished.role)
    if isinstance(wished.verified, bool):
        person.is_verified = wished.verified
    if isinstance(wished.locale, str):
        person.locale = wished.locale
    if isinstance(wished.time_zone, str):
        person.time_zone = wished.time_zone
    if isinstance(wished.notes, str):
        person.notes = wished.notes
    if isinstance(wished.details, str):
        person.details = wished.details
    if isinstance(wished.tags, (list, str)):
        person.tags = tags_of(wished.tags)
    if isinstance(wished.user_fields, dict):
        person.user_fields = {**person.user_fields, **wished.user_fields}


def _require_fitting(wished: UserInput) -> None:
    if isinstance(wished.name, str) and not wished.name.strip():
        raise Invalid({"name": "Name: is too short (minimum is 1 characters)"})
    if isinstance(wished.name, str) and len(wished.name) > NAME_CHARS:
        raise Invalid({"name": f"Name: is too long (maximum is {NAME_CHARS} characters)"})
    if isinstance(wished.external_id, str) and len(wished.external_id) > EXTERNAL_ID_CHARS:
        raise Invalid({"external_id": f"External: is too long (maximum is {EXTERNAL_ID_CHARS} characters)"})
    if isinstance(wished.role, str) and wished.role not in _ROLES:
        raise Invalid({"role": "Role: is not valid"})
    if isinstance(wished.locale, str) and wished.locale.lower() not in LOCALES:
        raise Invalid({"locale": "Locale: is not valid"})
    if isinstance(wished.email, str) and wished.email:
        _require_email(wished.email)


def _require_email(value: str) -> None:
    if not _EMAIL.match(value):
        raise Invalid({"email": f"Email: {value} is not properly formatted"})


def _emails(person: Person) -> list[Identity]:
    return [one for one in person.identities if one.type == "email"]
