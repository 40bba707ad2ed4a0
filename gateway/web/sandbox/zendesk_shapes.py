"""What the agents' page of the Zendesk sandbox is told: views, tickets with all that was said, what limits leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Literal

import msgspec

from handoff.desks.zendesk.sandbox_hooks import Invocation
from handoff.desks.zendesk.sandbox_rates import Left
from handoff.desks.zendesk.sandbox_records import Attachment, Comment, Person, Ticket
from handoff.desks.zendesk.sandbox_world import World

VIEWS = ("unassigned", "mine", "open", "solved")
LINES_AT_MOST = 100
COMMENTS_AT_MOST = 200
PREVIEW_CHARS = 140
HOOKS_AT_MOST = 8

Who = Literal["customer", "bot", "agent"]


class Agent(msgspec.Struct, frozen=True):
    id: int
    name: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket in a view. ``preview`` is what was said last, ``by`` whose words those are."""

    id: int
    subject: str
    status: str
    priority: str
    requester: str
    assignee: str
    updated_at: datetime
    preview: str
    by: Who


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One view, the newest change first and at most a hundred; ``counts`` are those of all views."""

    lines: tuple[Line, ...]
    counts: dict[str, int]


class File(msgspec.Struct, frozen=True):
    """``key`` is for the page's own address of it."""

    key: str
    name: str
    mime: str
    size: int


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A comment in plain words. ``is_public`` false: colleagues only."""

    id: int
    author: str
    by: Who
    is_public: bool
    text: str
    at: datetime
    files: tuple[File, ...]


class Requester(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    external_id: str
    email: str
    phone: str
    language: str


class Fact(msgspec.Struct, frozen=True):
    title: str
    value: str


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket in full. ``earlier`` counts the comments before those shown."""

    line: Line
    assignee_id: int
    external_id: str
    group: str
    form: str
    tags: tuple[str, ...]
    fields: tuple[Fact, ...]
    requester: Requester
    said: tuple[Said, ...]
    earlier: int
    followup_of: int
    merged_into: int
    budget: Budget


class Budget(msgspec.Struct, frozen=True):
    """What is left of a limit; ``resets_s`` is 0 while nothing was used."""

    name: str
    total: int
    remaining: int
    resets_s: int


class Hooked(msgspec.Struct, frozen=True):
    """A webhook that went out: what it told of, and what became of it."""

    id: str
    kind: str
    ticket_id: int
    fate: str
    tries: int


class Pulse(msgspec.Struct, frozen=True):
    """What the page hears of all the time. ``revision`` moves with every change to a ticket."""

    revision: int
    budgets: tuple[Budget, ...]
    hooks: tuple[Hooked, ...]


def agent_of(person: Person) -> Agent:
    return Agent(person.id, person.name)


def view(world: World, name: str, agent_id: int) -> View:
    """The view of that name, as that agent sees it. Raises ``LookupError``."""
    if name not in VIEWS:
        raise LookupError(name)
    tickets = [ticket for ticket in world.account.tickets.values() if not ticket.is_deleted]
    counts = {one: sum(map(_fits(one, agent_id), tickets)) for one in VIEWS}
    found = sorted(filter(_fits(name, agent_id), tickets), key=lambda ticket: ticket.updated_at, reverse=True)
    return View(lines=tuple(line(world, ticket) for ticket in found[:LINES_AT_MOST]), counts=counts)


def _fits(name: str, agent_id: int) -> Callable[[Ticket], bool]:
    def fits(ticket: Ticket) -> bool:
        is_over = ticket.status in ("solved", "closed")
        match name:
            case "solved":
                return is_over
            case "unassigned":
                return not is_over and ticket.assignee_id is None
            case "mine":
                return not is_over and ticket.assignee_id == agent_id
            case _:
                return not is_over

    return fits


def line(world: World, ticket: Ticket) -> Line:
    last = _last_words(ticket)
    assignee = world.account.people.get(ticket.assignee_id or 0)
    return Line(
        id=ticket.id,
        subject=ticket.subject,
        status=ticket.status,
        priority=ticket.priority or "",
        requester=world.account.person(ticket.requester_id).name,
        assignee=assignee.name if assignee is not None else "",
        updated_at=ticket.updated_at,
        preview=_shortened(last.plain_body) or ", ".join(file.file_name for file in last.attachments),
        by=_who(world, last.author_id),
    )


def _last_words(ticket: Ticket) -> Comment:
    """What was said last for everybody; where nothing was, the last note."""
    return next((one for one in reversed(ticket.comments) if one.is_public), ticket.comments[-1])


def shown(world: World, ticket: Ticket) -> Shown:
    person, account = world.account.person(ticket.requester_id), world.account
    group, form = account.groups.get(ticket.group_id or 0), account.forms.get(ticket.ticket_form_id or 0)
    return Shown(
        line=line(world, ticket),
        assignee_id=ticket.assignee_id or 0,
        external_id=ticket.external_id or "",
        group=group.name if group is not None else "",
        form=form.name if form is not None else "",
        tags=tuple(ticket.tags),
        fields=tuple(_facts(world, ticket)),
        requester=Requester(
            name=person.name,
            external_id=person.external_id or "",
            email=person.email or "",
            phone=person.phone or "",
            language=person.locale,
        ),
        said=tuple(_said(world, comment) for comment in ticket.comments[-COMMENTS_AT_MOST:]),
        earlier=max(0, len(ticket.comments) - COMMENTS_AT_MOST),
        followup_of=ticket.followup_of,
        merged_into=ticket.merged_into,
        budget=_budget(world, world.rates.ticket.left((account.bot_id, ticket.id))),
    )


def pulse(world: World) -> Pulse:
    """The limits of the account, and the webhooks that went out last, newest first."""
    lefts = (world.rates.account.left(), world.rates.updates.left())
    recent = list(world.sender.invocations)[-HOOKS_AT_MOST:]
    return Pulse(world.revision, tuple(_budget(world, left) for left in lefts), tuple(map(_hooked, reversed(recent))))


def _facts(world: World, ticket: Ticket) -> Iterator[Fact]:
    for number, value in ticket.fields.items():
        field = world.account.fields.get(number)
        if field is not None and value not in (None, ""):
            yield Fact(field.title, str(value))


def _said(world: World, comment: Comment) -> Said:
    return Said(
        id=comment.id,
        author=world.account.person(comment.author_id).name,
        by=_who(world, comment.author_id),
        is_public=comment.is_public,
        text=comment.plain_body,
        at=comment.created_at,
        files=tuple(map(_file, comment.attachments)),
    )


def _who(world: World, author_id: int) -> Who:
    if author_id == world.account.bot_id:
        return "bot"
    return "agent" if world.account.person(author_id).is_staff else "customer"


def _file(attachment: Attachment) -> File:
    return File(attachment.secret, attachment.file_name, attachment.content_type, attachment.size)


def _hooked(invocation: Invocation) -> Hooked:
    return Hooked(invocation.id, invocation.kind, invocation.ticket_id, invocation.fate, len(invocation.tries))


def _budget(world: World, left: Left) -> Budget:
    resets_s = world.clock.waiting_s(left.resets_s) if left.resets_s else 0
    return Budget(left.limit.name, left.limit.count, left.remaining, resets_s)


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= PREVIEW_CHARS else words[: PREVIEW_CHARS - 1].rstrip() + "…"
