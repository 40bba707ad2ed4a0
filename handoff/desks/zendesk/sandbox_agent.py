"""A person who answers: what they do in the workspace, as Zendesk tells of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from handoff.desks.zendesk.sandbox_records import Comment, Person, Ticket
from handoff.desks.zendesk.sandbox_tickets import Act
from handoff.desks.zendesk.sandbox_wire import CommentInput, TicketInput
from handoff.desks.zendesk.sandbox_world import World

WEB = "web"


class AgentFile(msgspec.Struct, frozen=True):
    """A file that an agent attaches."""

    name: str
    content: bytes
    mime: str = "image/png"


class SandboxAgent:
    """One agent. A ticket is given as itself or by its number.

    What agents do takes nothing from the limits here; at Zendesk their updates count among the hundred a minute.

    Raises ``LookupError`` for a ticket that is not there, and ``sandbox_account.Invalid`` for what Zendesk does not
    allow; then nothing has changed.
    """

    def __init__(self, world: World, person: Person) -> None:
        self._world = world
        self.person = person

    @property
    def id(self) -> int:
        return self.person.id

    async def takes(self, ticket: Ticket | int) -> None:
        """Assign it to oneself; a new one is open then."""
        self._update(ticket, TicketInput(assignee_id=self.id))

    async def answers(
        self,
        ticket: Ticket | int,
        text: str = "",
        *,
        html: str = "",
        files: Sequence[AgentFile] = (),
        uploads: Sequence[str] = (),
        status: str = "",
    ) -> Comment:
        """Answer for everybody to see, in plain words or in HTML; *status* is set with it.

        *uploads* are tokens of :meth:`uploads`, besides *files*.
        """
        tokens = (*uploads, *map(self.uploads, files))
        return self._says(ticket, CommentInput(body=text, html_body=html or None, uploads=list(tokens)), status)

    async def notes(
        self,
        ticket: Ticket | int,
        text: str,
        *,
        files: Sequence[AgentFile] = (),
        uploads: Sequence[str] = (),
        status: str = "",
    ) -> Comment:
        """Write what only colleagues see."""
        tokens = (*uploads, *map(self.uploads, files))
        return self._says(ticket, CommentInput(body=text, public=False, uploads=list(tokens)), status)

    def uploads(self, file: AgentFile) -> str:
        """Put a file aside for a comment; the answer is the token that names it there."""
        return self._world.upload(self._world.add_file(file.name, file.mime, file.content))

    async def pends(self, ticket: Ticket | int) -> None:
        self._update(ticket, TicketInput(status="pending"))

    async def holds(self, ticket: Ticket | int) -> None:
        self._update(ticket, TicketInput(status="hold"))

    async def opens(self, ticket: Ticket | int) -> None:
        self._update(ticket, TicketInput(status="open"))

    async def solves(self, ticket: Ticket | int, text: str = "") -> None:
        """Solve it, with a last word if there is one."""
        comment = CommentInput(body=text) if text else None
        self._update(ticket, TicketInput(status="solved", comment=comment))

    async def assigns(self, ticket: Ticket | int, other: SandboxAgent | None) -> None:
        """Give it to somebody else, or to nobody."""
        self._update(ticket, TicketInput(assignee_id=other.id if other is not None else None))

    async def tags(self, ticket: Ticket | int, *tags: str) -> None:
        self._update(ticket, TicketInput(additional_tags=list(tags)))

    async def deletes(self, ticket: Ticket | int) -> None:
        self._world.tickets.delete(self.ticket(ticket), self.person)

    async def restores(self, ticket: Ticket | int) -> None:
        self._world.tickets.restore(ticket if isinstance(ticket, int) else ticket.id, self.person)

    async def marks_as_spam(self, ticket: Ticket | int) -> None:
        self._world.tickets.mark_as_spam(self.ticket(ticket), self.person)

    async def merges(self, source: Ticket | int, target: Ticket | int) -> None:
        """*source* is closed, *target* goes on."""
        self._world.tickets.merge(self.ticket(source), self.ticket(target), self.person)

    def ticket(self, ticket: Ticket | int) -> Ticket:
        return self._world.account.ticket(ticket if isinstance(ticket, int) else ticket.id)

    def _says(self, ticket: Ticket | int, comment: CommentInput, status: str) -> Comment:
        wished = TicketInput(comment=comment, status=status) if status else TicketInput(comment=comment)
        said = self._update(ticket, wished).comment
        if said is None:
            raise ValueError("there is nothing to say")
        return said

    def _update(self, ticket: Ticket | int, wished: TicketInput) -> Act:
        return self._world.tickets.update(self.ticket(ticket), self.person, wished, channel=WEB)
