"""The tickets of an account: made, answered, solved, closed after a while, merged, deleted; and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
from msgspec import UNSET

from handoff.desks.zendesk.sandbox_account import Account, Conflict, Invalid, Missing
from handoff.desks.zendesk.sandbox_people import People
from handoff.desks.zendesk.sandbox_records import (
    STATUSES,
    Attachment,
    Audit,
    Comment,
    Json,
    Person,
    Status,
    Ticket,
    Upload,
)
from handoff.desks.zendesk.sandbox_time import stamp
from handoff.desks.zendesk.sandbox_wire import CommentInput, RequesterInput, TicketInput, UserInput, tags_of
from handoff.desks.zendesk.sandbox_words import as_html, as_plain, as_rich

COMMENT_CHARS = 65_535
COMMENTS_AT_MOST = 5_000
SUBJECT_CHARS = 65_535
KEPT_TICKETS = 20_000
PRIORITIES = frozenset({"urgent", "high", "normal", "low"})
TYPES = frozenset({"problem", "incident", "question", "task"})
WAITING: tuple[Status, ...] = ("pending", "hold", "solved")
"""Where a word of the requester opens a ticket again."""


class Told(msgspec.Struct, frozen=True):
    """One thing that happened to a ticket, as an event tells it: ``comment_added`` and what belongs to it."""

    kind: str
    payload: Json


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one call did to a ticket. ``changed`` are names of fields; ``before`` are their old values."""

    ticket: Ticket
    by: Person
    audit: Audit
    is_new: bool
    comment: Comment | None
    changed: frozenset[str]
    before: Mapping[str, object]
    told: tuple[Told, ...]


class Hears(Protocol):
    def __call__(self, act: Act) -> None: ...


class Tickets:
    """Acts on the tickets of *account*. Raises ``Invalid``, ``Missing``, ``Conflict``; then nothing has changed.

    *hears* is called after everything that happened. A ticket is closed when *closes_after* passed since it was solved.
    """

    def __init__(
        self,
        account: Account,
        people: People,
        now: Callable[[], datetime],
        hears: Hears,
        *,
        closes_after: timedelta,
    ) -> None:
        self._account = account
        self._people = people
        self._now = now
        self._hears = hears
        self._closes_after = closes_after
        self._by_external_id: dict[str, list[int]] = {}
        for ticket in account.tickets.values():
            self._know(ticket)

    # ------------------------------------------------------------ finding

    def with_external_id(self, external_id: str) -> list[Ticket]:
        """The oldest first; an external id may stand on many."""
        found = (self._account.tickets.get(number) for number in self._by_external_id.get(external_id, ()))
        return [one for one in found if one is not None and not one.is_deleted and one.external_id == external_id]

    def next_closing(self) -> datetime | None:
        """When the next ticket will close by itself."""
        due = [one.solved_at for one in self._account.tickets.values() if one.solved_at and one.status == "solved"]
        return min(due) + self._closes_after if due else None

    def close_due(self) -> None:
        """Close what was solved long enough ago."""
        now, system = self._now(), self._account.person(self._account.bot_id)
        for ticket in list(self._account.tickets.values()):
            is_due = ticket.status == "solved" and ticket.solved_at and ticket.solved_at + self._closes_after <= now
            if is_due and not ticket.is_deleted:
                change = _Change(self, ticket, system, "rule")
                ticket.status = "closed"
                self._finish(change)

    # ------------------------------------------------------------ making and changing

    def create(self, by: Person, wished: TicketInput, *, channel: str = "api") -> Act:
        """A new ticket with its first comment."""
        said = wished.said
        if said is None or not _words(said):
            raise Invalid({"base": "Description: cannot be blank"})
        self._require_fitting(wished, said)
        followed = self._followed(wished)
        requester = self._requester(by, wished)
        number, now = self._account.new_ticket_id(), self._now()
        ticket = Ticket(
            id=number,
            subject="",
            description=_words(said),
            requester_id=requester.id,
            submitter_id=self._submitter(by, wished),
            created_at=now,
            updated_at=now,
            ticket_form_id=self._account.default_form.id,
            channel=channel,
        )
        if followed is not None:
            ticket.followup_of, ticket.channel = followed.id, channel
            ticket.tags, ticket.fields = list(followed.tags), dict(followed.fields)
            followed.followup_ids.append(number)
        self._account.tickets[number] = ticket
        self._forget_oldest()
        author = self._author(said, requester if said.author_id is None and by.id == requester.id else by)
        return self._apply(ticket, by, wished, said, author, channel, is_new=True)

    def update(self, ticket: Ticket, by: Person, wished: TicketInput, *, channel: str = "api") -> Act:
        """Change what is wished, and add the comment."""
        said = wished.said
        if ticket.is_closed:
            raise Invalid({"status": "Status: closed prevents ticket update"})
        if wished.safe_update and wished.updated_stamp != stamp(ticket.updated_at):
            raise Conflict
        self._require_fitting(wished, said)
        if said is not None and len(ticket.comments) >= COMMENTS_AT_MOST:
            raise Invalid({"base": f"Ticket: has more than {COMMENTS_AT_MOST} comments"})
        if wished.status == "new" and ticket.status != "new":
            raise Invalid({"status": "Status: new is not allowed for a ticket that was opened"})
        author = self._author(said, by) if said is not None else by
        return self._apply(ticket, by, wished, said, author, channel, is_new=False)

    def _apply(
        self,
        ticket: Ticket,
        by: Person,
        wished: TicketInput,
        said: CommentInput | None,
        author: Person,
        channel: str,
        *,
        is_new: bool,
    ) -> Act:
        change = _Change(self, ticket, by, channel, is_new=is_new)
        change.custom = wished.custom
        self._fill(ticket, wished)
        if said is not None and (_words(said) or said.tokens):
            change.comment = self._comment(ticket, said, author, change)
        self._move_on(ticket, by, wished, change.comment)
        return self._finish(change)

    def _move_on(self, ticket: Ticket, by: Person, wished: TicketInput, comment: Comment | None) -> None:
        """What follows by itself: an owner opens a new ticket, the requester one that waits, solving needs an owner."""
        if not isinstance(wished.status, str) and ticket.status in WAITING and self._is_requester(ticket, comment):
            ticket.status = "open"
        if ticket.assignee_id is not None and ticket.status == "new":
            ticket.status = "open"
        if ticket.status == "solved" and ticket.assignee_id is None and by.is_staff:
            ticket.assignee_id = by.id
        if ticket.assignee_id is not None and ticket.group_id is None:
            ticket.group_id = self._account.default_group.id

    def _is_requester(self, ticket: Ticket, comment: Comment | None) -> bool:
        if comment is None or comment.author_id != ticket.requester_id:
            return False
        return not self._account.person(comment.author_id).is_staff

    # ------------------------------------------------------------ the rest of a ticket's life

    def delete(self, ticket: Ticket, by: Person) -> Act:
        """Softly: it can be restored for a while."""
        change = _Change(self, ticket, by, "api")
        ticket.is_deleted = True
        change.tell("soft_deleted", {})
        return self._finish(change)

    def restore(self, ticket_id: int, by: Person) -> Act:
        ticket = self._account.tickets.get(ticket_id)
        if ticket is None or not ticket.is_deleted:
            raise Missing("deleted ticket")
        change = _Change(self, ticket, by, "api")
        ticket.is_deleted = False
        change.tell("undeleted", {})
        return self._finish(change)

    def mark_as_spam(self, ticket: Ticket, by: Person) -> Act:
        """It goes away, and whoever asked is suspended; here only the first is done."""
        change = _Change(self, ticket, by, "api")
        ticket.is_spam = ticket.is_deleted = True
        change.tell("marked_as_spam", {})
        return self._finish(change)

    def merge(self, source: Ticket, target: Ticket, by: Person, *, words: str = "", target_words: str = "") -> Act:
        """*source* is closed, each of the two is told in a note where the rest stands. Answers with its act."""
        if source.id == target.id or source.is_closed or target.is_closed:
            raise Invalid({"base": "Ticket: closed tickets, or a ticket and itself, cannot be merged"})
        note = target_words or f"Request #{source.id} “{source.subject}” was closed and merged into this request."
        self.update(target, by, TicketInput(comment=CommentInput(body=note, public=False)), channel="merge")
        change = _Change(self, source, by, "merge")
        closing = words or f"This request was closed and merged into request #{target.id} “{target.subject}”."
        said = CommentInput(body=closing, public=False)
        change.comment = self._comment(source, said, by, change)
        source.status, source.merged_into = "closed", target.id
        source.tags = list(dict.fromkeys((*source.tags, "closed_by_merge")))
        change.tell("merged", {"target_ticket_id": str(target.id)})
        return self._finish(change)

    def make_private(self, ticket: Ticket, comment_id: int, by: Person) -> Act:
        comment = next((one for one in ticket.comments if one.id == comment_id), None)
        if comment is None:
            raise Missing("comment")
        change = _Change(self, ticket, by, "api")
        comment.is_public = False
        change.tell("comment_made_private", {"comment": {"id": str(comment.id)}})
        return self._finish(change)

    # ------------------------------------------------------------ files

    def add_upload(self, attachment: Attachment, token: str, life: timedelta, new_token: str) -> Upload:
        """Keep a file under *token*, or under *new_token* when that is empty."""
        upload = self._account.uploads.get(token)
        now = self._now()
        if token and (upload is None or upload.expires_at <= now):
            raise Invalid({"token": "Token: is not valid"})
        if upload is None:
            upload = Upload(new_token, [], now + life)
            self._account.uploads[new_token] = upload
        upload.attachments.append(attachment)
        return upload

    # ------------------------------------------------------------ what is needed for that

    def _comment(self, ticket: Ticket, said: CommentInput, author: Person, change: _Change) -> Comment:
        markup = as_rich(said.html_body) if said.html_body else as_html(said.body or said.value or "")
        words = as_plain(markup) if said.html_body else (said.body or said.value or "")
        files = [file for token in said.tokens for file in self._account.uploads.pop(token).attachments]
        comment = Comment(
            id=self._account.new_id(),
            author_id=author.id,
            body=words,
            html_body=markup,
            plain_body=words,
            is_public=said.public,
            created_at=change.at,
            audit_id=change.audit_id,
            channel=change.channel,
            attachments=files,
            custom=dict(change.custom),
        )
        ticket.comments.append(comment)
        return comment

    def _fill(self, ticket: Ticket, wished: TicketInput) -> None:
        for name in ("subject", "raw_subject"):
            value = getattr(wished, name)
            if isinstance(value, str):
                ticket.subject = value
        for name in ("assignee_id", "group_id", "brand_id", "external_id", "priority", "type"):
            value = getattr(wished, name)
            if value is not UNSET:
                setattr(ticket, name, value)
        if isinstance(wished.assignee_email, str):
            person = self._people.with_email(wished.assignee_email)
            ticket.assignee_id = person.id if person is not None else None
        if isinstance(wished.ticket_form_id, int):
            ticket.ticket_form_id = wished.ticket_form_id
        if isinstance(wished.requester_id, int):
            ticket.requester_id = wished.requester_id
        if isinstance(wished.status, str):
            ticket.status = next(status for status in STATUSES if status == wished.status)
        _fill_tags(ticket, wished)
        if isinstance(wished.custom_fields, list):
            known = {one.id: one.value for one in wished.custom_fields if one.id in self._account.fields}
            ticket.fields = {**ticket.fields, **known}
        self._know(ticket)

    def _know(self, ticket: Ticket) -> None:
        if ticket.external_id:
            numbers = self._by_external_id.setdefault(ticket.external_id, [])
            if ticket.id not in numbers:
                numbers.append(ticket.id)

    def _author(self, said: CommentInput, otherwise: Person) -> Person:
        return self._account.person(said.author_id) if said.author_id is not None else otherwise

    def _submitter(self, by: Person, wished: TicketInput) -> int:
        return wished.submitter_id if isinstance(wished.submitter_id, int) else by.id

    def _requester(self, by: Person, wished: TicketInput) -> Person:
        if isinstance(wished.requester_id, int):
            return self._account.person(wished.requester_id)
        if isinstance(wished.requester, RequesterInput):
            return self._requested_by(wished.requester)
        return by

    def _requested_by(self, asked: RequesterInput) -> Person:
        """Without an address or external id, somebody new each time."""
        given = {name: value for name in ("name", "email", "external_id", "phone") if (value := getattr(asked, name))}
        if "name" not in given and "email" in given:
            given["name"] = given["email"].partition("@")[0]
        person, _ = self._people.create_or_update(UserInput(**given))
        return person

    def _forget_oldest(self) -> None:
        """A stand-in that runs for weeks keeps what is open, and not every ticket that ever was."""
        tickets = self._account.tickets
        if len(tickets) > KEPT_TICKETS:
            number = next((one.id for one in tickets.values() if one.is_closed or one.is_deleted), 0)
            tickets.pop(number, None)

    def _followed(self, wished: TicketInput) -> Ticket | None:
        if not isinstance(wished.via_followup_source_id, int):
            return None
        followed = self._account.tickets.get(wished.via_followup_source_id)
        if followed is None or not followed.is_closed or followed.is_deleted:
            raise Invalid({"via_followup_source_id": "Followup source: is not a closed ticket"})
        return followed

    def _require_fitting(self, wished: TicketInput, said: CommentInput | None) -> None:
        faults = {**self._reference_faults(wished), **_value_faults(wished)}
        if said is not None:
            faults |= self._comment_faults(said)
        for one in wished.custom_fields if isinstance(wished.custom_fields, list) else ():
            field = self._account.fields.get(one.id)
            if field is not None and field.options and one.value not in ("", None, *field.options):
                faults["base"] = f"{field.title}: {one.value} is not valid"
        if faults:
            raise Invalid(faults)

    def _reference_faults(self, wished: TicketInput) -> dict[str, str]:
        account, faults = self._account, dict[str, str]()
        if isinstance(wished.assignee_id, int):
            person = account.active_person(wished.assignee_id)
            if person is None or not person.is_staff:
                faults["assignee"] = "Assignee: is not an agent who can be assigned"
        if isinstance(wished.requester_id, int) and wished.requester_id not in account.people:
            faults["requester"] = "Requester: is invalid"
        if isinstance(wished.group_id, int) and wished.group_id not in account.groups:
            faults["group"] = "Group: is invalid"
        if isinstance(wished.ticket_form_id, int) and wished.ticket_form_id not in account.forms:
            faults["ticket_form_id"] = "Ticket form: is invalid"
        return faults

    def _comment_faults(self, said: CommentInput) -> dict[str, str]:
        now = self._now()
        if max(len(said.body or ""), len(said.html_body or "")) > COMMENT_CHARS:
            return {"comment": f"Comment: is too long (maximum is {COMMENT_CHARS} characters)"}
        if said.author_id is not None and said.author_id not in self._account.people:
            return {"comment": "Author: is invalid"}
        for token in said.tokens:
            upload = self._account.uploads.get(token)
            if upload is None or upload.expires_at <= now:
                return {"uploads": "Uploads: a token is not valid, expired, or was used"}
        return {}

    def _finish(self, change: _Change) -> Act:
        act = change.done(self._account)
        self._hears(act)
        return act

    def now(self) -> datetime:
        return self._now()

    @property
    def account(self) -> Account:
        return self._account


def _words(said: CommentInput) -> str:
    return as_plain(said.html_body) if said.html_body else (said.body or said.value or "")


def _fill_tags(ticket: Ticket, wished: TicketInput) -> None:
    if wished.tags is not UNSET:
        ticket.tags = tags_of(wished.tags)
    if wished.additional_tags is not UNSET:
        ticket.tags = list(dict.fromkeys((*ticket.tags, *tags_of(wished.additional_tags))))
    if wished.remove_tags is not UNSET:
        gone = set(tags_of(wished.remove_tags))
        ticket.tags = [tag for tag in ticket.tags if tag not in gone]


def _value_faults(wished: TicketInput) -> dict[str, str]:
    faults: dict[str, str] = {}
    if isinstance(wished.status, str) and wished.status not in STATUSES:
        faults["status"] = f"Status: {wished.status} is not valid"
    if isinstance(wished.priority, str) and wished.priority not in PRIORITIES:
        faults["priority"] = f"Priority: {wished.priority} is not valid"
    if isinstance(wished.type, str) and wished.type not in TYPES:
        faults["type"] = f"Type: {wished.type} is not valid"
    if isinstance(wished.subject, str) and len(wished.subject) > SUBJECT_CHARS:
        faults["subject"] = f"Subject: is too long (maximum is {SUBJECT_CHARS} characters)"
    return faults


# ---------------------------------------------------------------- what a call changed

FIELDS: Mapping[str, tuple[str, bool]] = {
    "status": ("status_changed", True),
    "assignee_id": ("agent_assignment_changed", False),
    "group_id": ("group_assignment_changed", False),
    "requester_id": ("requester_changed", False),
    "priority": ("priority_changed", True),
    "type": ("type_changed", True),
    "subject": ("subject_changed", False),
    "external_id": ("external_id_changed", False),
    "ticket_form_id": ("form_changed", False),
    "brand_id": ("brand_changed", False),
}
"""The event that tells of a field's change, and whether its values are written in capitals."""


class _Change:
    """One call's changes to one ticket: what it was before, and what is told when it is done."""

    def __init__(self, tickets: Tickets, ticket: Ticket, by: Person, channel: str, *, is_new: bool = False) -> None:
        self.at = tickets.now()
        self.channel = channel
        self.audit_id = tickets.account.new_id()
        self.comment: Comment | None = None
        self.custom: Mapping[str, object] = {}
        self._ticket = ticket
        self._by = by
        self._is_new = is_new
        self._before = _facts(ticket)
        self._told: list[Told] = [Told("created", {})] if is_new else []

    def tell(self, kind: str, payload: Json) -> None:
        self._told.append(Told(kind, payload))

    def done(self, account: Account) -> Act:
        ticket, after = self._ticket, _facts(self._ticket)
        changed = frozenset(name for name, value in after.items() if value != self._before[name])
        if ticket.status == "solved" and "status" in changed:
            ticket.solved_at = self.at
        events = [*self._comment_events(account), *self._audited(account, changed, after)]
        audit = Audit(self.audit_id, self._by.id, self.channel, self.at, tuple(events), self.custom)
        ticket.audits.append(audit)
        ticket.updated_at = self.at
        told = (*self._told, *self._changes_told(changed, after))
        return Act(
            ticket=ticket,
            by=self._by,
            audit=audit,
            is_new=self._is_new,
            comment=self.comment,
            changed=changed,
            before=self._before,
            told=told,
        )

    def _comment_events(self, account: Account) -> Sequence[Json]:
        if self.comment is None:
            return ()
        comment, author = self.comment, account.person(self.comment.author_id)
        told_author = {"id": str(author.id), "is_staff": author.is_staff, "name": author.name}
        told: Json = {"id": str(comment.id), "body": comment.body, "is_public": comment.is_public}
        self.tell("comment_added", {"comment": {**told, "author": told_author}})
        for file in comment.attachments:
            self.tell("attachment_linked_to_comment", {"comment": {"id": str(comment.id), "attachment": _file(file)}})
        event: Json = {"id": comment.id, "type": "Comment", "author_id": comment.author_id, "body": comment.body}
        event |= {"html_body": comment.html_body, "plain_body": comment.plain_body, "public": comment.is_public}
        event |= {"audit_id": comment.audit_id, "attachments": [_audited_file(file) for file in comment.attachments]}
        return (event,)

    def _audited(self, account: Account, changed: frozenset[str], after: Mapping[str, object]) -> Sequence[Json]:
        kind = "Create" if self._is_new else "Change"
        events: list[Json] = []
        for name in sorted(changed):
            event: Json = {"id": account.new_id(), "type": kind, "field_name": name, "value": after[name]}
            if not self._is_new:
                event["previous_value"] = self._before[name]
            events.append(event)
        return events

    def _changes_told(self, changed: frozenset[str], after: Mapping[str, object]) -> Sequence[Told]:
        if self._is_new:
            return ()
        told = [
            Told(kind, {"current": _told(after[name], is_enum), "previous": _told(self._before[name], is_enum)})
            for name, (kind, is_enum) in FIELDS.items()
            if name in changed
        ]
        if "tags" in changed:
            new, old = _listed(after["tags"]), _listed(self._before["tags"])
            added, removed = [tag for tag in new if tag not in old], [tag for tag in old if tag not in new]
            told.append(Told("tags_changed", {"tags_added": added, "tags_removed": removed}))
        for name in sorted(changed):
            if name.startswith("custom_fields_"):
                field = {"id": name.removeprefix("custom_fields_"), "title": "", "type": ""}
                values: Json = {"current": after[name], "previous": self._before[name]}
                told.append(Told("custom_field_changed", {**values, "custom_field": field}))
        return told


class _Facts(dict[str, object]):
    """A ticket's fields at one time; what it did not have is ``None``."""

    def __missing__(self, name: str) -> object:
        return None


def _facts(ticket: Ticket) -> _Facts:
    facts = _Facts({name: getattr(ticket, name) for name in FIELDS})
    facts["tags"] = tuple(ticket.tags)
    facts.update({f"custom_fields_{number}": value for number, value in ticket.fields.items()})
    return facts


def _told(value: object, is_enum: bool) -> object:
    if value is None:
        return None
    return str(value).upper() if is_enum else str(value)


def _listed(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, tuple) else []


def _file(file: Attachment) -> Json:
    return {"id": str(file.id), "content_type": file.content_type, "filename": file.file_name, "is_public": True}


def _audited_file(file: Attachment) -> Json:
    return {"id": file.id, "file_name": file.file_name, "content_type": file.content_type, "size": file.size}
