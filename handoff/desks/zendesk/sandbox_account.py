"""One Zendesk account: everything that stands in it, how it is found, and how it says no."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import msgspec

from handoff.desks.zendesk.sandbox_records import (
    Attachment,
    Field,
    Form,
    Group,
    Hook,
    Person,
    Role,
    Ticket,
    Trigger,
    Upload,
)

UPLOAD_BYTES = 50_000_000
UPLOAD_LIFE = timedelta(days=3)
KEPT_FILE_BYTES = 300_000_000
FIRST_ID = 1_000

BOT_NAME = "Tertulia"


class Missing(LookupError):
    """What a call names does not exist."""


class Invalid(Exception):
    """What a call wants to set does not fit; ``faults`` says why, by field."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(faults.values()))
        self.faults = dict(faults)


class Conflict(Exception):
    """Somebody else changed it meanwhile."""


class Account(msgspec.Struct, kw_only=True):
    """What outlives a run. Ids of all kinds come from one counter, as large accounts' ids look."""

    id: int = 22_129_848
    next_id: int = FIRST_ID
    next_ticket_id: int = 1
    bot_id: int = 0
    oauth_token: str = ""
    api_token: str = ""
    people: dict[int, Person] = {}
    tickets: dict[int, Ticket] = {}
    uploads: dict[str, Upload] = {}
    fields: dict[int, Field] = {}
    forms: dict[int, Form] = {}
    groups: dict[int, Group] = {}
    hooks: dict[str, Hook] = {}
    triggers: dict[int, Trigger] = {}

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id

    def new_ticket_id(self) -> int:
        number = self.next_ticket_id
        self.next_ticket_id += 1
        return number

    # ------------------------------------------------------------ finding

    def person(self, user_id: int) -> Person:
        """Raises ``Missing``; whoever was merged into another is found as the other."""
        found = self.people.get(user_id)
        if found is None:
            raise Missing("user")
        return self.person(found.merged_into) if found.merged_into else found

    def active_person(self, user_id: int) -> Person | None:
        found = self.people.get(user_id)
        return found if found is not None and found.is_active else None

    def ticket(self, ticket_id: int) -> Ticket:
        """Raises ``Missing``, also for what was deleted."""
        found = self.tickets.get(ticket_id)
        if found is None or found.is_deleted:
            raise Missing("ticket")
        return found

    def staff(self) -> Iterator[Person]:
        return (person for person in self.people.values() if person.is_staff and person.is_active)

    @property
    def default_group(self) -> Group:
        return next(group for group in self.groups.values() if group.is_default)

    @property
    def default_form(self) -> Form:
        return next(form for form in self.forms.values() if form.is_default)


def new_account(now: datetime) -> Account:
    """An account as one finds it after signing up, with a bot that may do everything."""
    account = Account(oauth_token=secrets.token_hex(32), api_token=secrets.token_urlsafe(30))
    group = Group(account.new_id(), "Support", is_default=True)
    account.groups[group.id] = group
    form = Form(account.new_id(), "Default Ticket Form", is_default=True)
    account.forms[form.id] = form
    bot = add_staff(account, BOT_NAME, now, role="admin")
    account.bot_id = bot.id
    return account


def add_staff(account: Account, name: str, now: datetime, *, role: Role = "agent") -> Person:
    """Somebody of that name who answers; the same name is the same person."""
    found = next((person for person in account.staff() if person.name == name), None)
    if found is not None:
        return found
    number = account.new_id()
    person = Person(
        id=number,
        name=name,
        role=role,
        email=f"agent{number}@example.com",
        created_at=now,
        updated_at=now,
        is_verified=True,
    )
    account.people[number] = person
    return person


class Files:
    """The contents of attachments, by the secret of their address; the oldest go when there are too many."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._size = 0

    def add(self, secret: str, content: bytes) -> None:
        self._contents[secret] = content
        self._size += len(content)
        while self._size > KEPT_FILE_BYTES and len(self._contents) > 1:
            self._size -= len(self._contents.pop(next(iter(self._contents))))

    def get(self, secret: str) -> bytes | None:
        return self._contents.get(secret)

    def items(self) -> Iterator[tuple[str, bytes]]:
        return iter(self._contents.items())


def new_attachment(account: Account, name: str, content_type: str, size: int) -> Attachment:
    return Attachment(account.new_id(), name, content_type, size, secrets.token_urlsafe(18))
