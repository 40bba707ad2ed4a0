"""The account at work: people, tickets, files and search together, and who is told when something happens."""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from gateway.core.clock import Clock
from handoff.desks.zendesk.sandbox_account import Account, Files, new_account, new_attachment
from handoff.desks.zendesk.sandbox_hooks import HookSender
from handoff.desks.zendesk.sandbox_people import People
from handoff.desks.zendesk.sandbox_rates import Plan, Rates
from handoff.desks.zendesk.sandbox_records import Attachment, Json, Ticket
from handoff.desks.zendesk.sandbox_search import Index
from handoff.desks.zendesk.sandbox_tickets import Act, Tickets
from handoff.desks.zendesk.sandbox_time import QuickClock, fine_stamp
from handoff.desks.zendesk.sandbox_triggers import bodies, detail, fires

KEPT_VIOLATIONS = 10_000
EVENT_VERSION = "2022-11-06"
EVENT_TYPE = "zen:event-type:ticket."


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How the account keeps time, in seconds of its own clock, of whose minutes each takes ``minute_s`` of ours.

    ``closes_after_s``: from solved to closed. ``search_lag_s``: until search knows of a change.
    """

    minute_s: float = 60.0
    closes_after_s: float = 600.0
    search_lag_s: float = 30.0
    upload_life_s: float = 3 * 86_400.0
    idempotency_life_s: float = 7_200.0
    export_lag_s: float = 60.0


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A call that broke a rule.

    ``kind`` is the limit's name (``account``, ``tickets-update``, ``ticket``, ``incremental-tickets-cursor``,
    ``webhooks``), or the status of the answer (``400``, ``401``, ``403``, ``413``, ``415``).
    """

    kind: str
    method: str
    path: str
    detail: str = ""


class World:
    """Everything behind the API and behind the workspace's page."""

    def __init__(
        self, clock: Clock, *, pace: Pace, plan: Plan, account: Account | None, files: Files | None, seed: int
    ) -> None:
        self.pace = pace
        self.clock = QuickClock(clock, pace.minute_s)
        self.account = account or new_account(clock.now())
        self.files = files or Files()
        self.rates = Rates(plan, self.clock)
        self.people = People(self.account, self.clock.now)
        self.tickets = Tickets(
            self.account,
            self.people,
            self.clock.now,
            self._heard,
            closes_after=self.clock.lasting(pace.closes_after_s),
        )
        self.index = Index(self.clock.now, self.clock.lasting(pace.search_lag_s))
        self.sender = HookSender(self.account.id, self.clock, seed=seed)
        self.violations: deque[Violation] = deque(maxlen=KEPT_VIOLATIONS)
        self.origin = ""
        """The address of the API, without ``/api/v2``; known when the server is open."""
        self.revision = 0
        self._listeners: set[Callable[[], None]] = set()
        self._attachments = {one.secret: one for one in _attachments(self.account)}
        for ticket in self.account.tickets.values():
            self._learn(ticket)

    @property
    def url(self) -> str:
        return f"{self.origin}/api/v2"

    def described(self, ticket: Ticket) -> Json:
        """As the API tells it."""
        return ticket.described(self.url, self.account.fields)

    # ------------------------------------------------------------ files

    def add_file(self, name: str, content_type: str, content: bytes) -> Attachment:
        attachment = new_attachment(self.account, name, content_type, len(content))
        self.files.add(attachment.secret, content)
        self._attachments[attachment.secret] = attachment
        return attachment

    def attachment(self, secret: str) -> Attachment | None:
        """The file with that secret in its address."""
        return self._attachments.get(secret)

    def upload(self, attachment: Attachment, token: str = "") -> str:
        """Let a comment take the file; the answer is the token that names it there."""
        life = self.clock.lasting(self.pace.upload_life_s)
        return self.tickets.add_upload(attachment, token, life, secrets.token_urlsafe(18)).token

    # ------------------------------------------------------------ who is told

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Hear of every change until the answer is called."""
        self._listeners.add(changed)
        return lambda: self._listeners.discard(changed)

    def changed(self) -> None:
        self.revision += 1
        for listener in tuple(self._listeners):
            listener()

    def _heard(self, act: Act) -> None:
        self._learn(act.ticket)
        self._tell_subscribers(act)
        self._fire(act)
        self.changed()

    def _learn(self, ticket: Ticket) -> None:
        content = {**self.described(ticket), "result_type": "gone" if ticket.is_deleted else "ticket"}
        self.index.learn(ticket.id, content)

    def _tell_subscribers(self, act: Act) -> None:
        hooks = [hook for hook in self.account.hooks.values() if hook.is_active and not hook.is_for_triggers]
        if not hooks:
            return
        described = detail(act.ticket, act.by)
        for told in act.told:
            kind = EVENT_TYPE + told.kind
            body = _envelope(self.account.id, kind, act, told.payload, described)
            for hook in hooks:
                if kind in hook.subscriptions:
                    self.sender.put(hook, body, kind=told.kind, ticket_id=act.ticket.id)

    def _fire(self, act: Act) -> None:
        """Triggers run in their order; each at most once for a change."""
        for trigger in sorted(self.account.triggers.values(), key=lambda one: (one.position, one.id)):
            if not fires(trigger, act):
                continue
            for hook_id, body in bodies(trigger, act, self.account, self.origin):
                hook = self.account.hooks.get(hook_id)
                if hook is not None and hook.is_active and hook.is_for_triggers:
                    self.sender.put(hook, body, kind="trigger", ticket_id=act.ticket.id)


def _attachments(account: Account) -> Iterator[Attachment]:
    for ticket in account.tickets.values():
        for comment in ticket.comments:
            yield from comment.attachments
    for upload in account.uploads.values():
        yield from upload.attachments


def _envelope(account_id: int, kind: str, act: Act, event: Json, described: Json) -> bytes:
    number = secrets.token_hex(16)
    content: Json = {
        "account_id": account_id,
        "id": f"{number[:8]}-{number[8:12]}-4{number[13:16]}-a{number[17:20]}-{number[20:]}",
        "type": kind,
        "subject": f"zen:ticket:{act.ticket.id}",
        "time": fine_stamp(act.audit.created_at),
        "zendesk_event_version": EVENT_VERSION,
        "event": event,
        "detail": described,
    }
    return json.dumps(content, ensure_ascii=False).encode()
