"""Who looks at a conversation hears that it changed: sockets of visitors, pages of agents, of this process and others.

News only say *look again*: what there is to see is read from the database. So one that is lost costs the delay of a
poll, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from gateway.core.ids import ConversationId


class Passing(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that is seen now or never, and is not stored.

    ``typing``: ``author`` (named ``name``) began (``is_on``) or ceased to write. ``delta``: ``text`` is the next piece
    of the answer that will come as message ``subject``. ``seen``: a person at a desk looks at the conversation.
    ``looking``: for colleagues only, the desk's page ``subject`` of the agent ``name`` has it open, or leaves it.
    """

    conversation_id: ConversationId
    kind: Literal["typing", "delta", "seen", "looking"]
    author: str = ""
    name: str = ""
    is_on: bool = True
    subject: str = ""
    text: str = ""


What = Literal["said", "decided", "marked"]
"""What happened to a conversation: somebody's words are there to be seen, a turn was decided, a status moved."""


class Bulletin(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one process tells the others at a time: conversations that changed, or something passing."""

    what: What = "said"
    changed: tuple[ConversationId, ...] = ()
    passing: tuple[Passing, ...] = ()


Changed = Callable[[ConversationId], None]
Passed = Callable[[Passing], None]


class Listener(msgspec.Struct, frozen=True):
    changed: dict[What, Changed]
    passed: Passed


class News:
    """Told after commits, heard by whoever listens. Listeners return at once and never raise."""

    def __init__(self, tell_others: Callable[[Bulletin], None] | None = None) -> None:
        self._tell_others = tell_others
        self._listeners: list[Listener] = []

    @property
    def reaches_others(self) -> bool:
        """Whether other processes hear what is told here; if not, they find out by polling."""
        return self._tell_others is not None

    def listen(
        self, changed: Changed, passed: Passed, *, decided: Changed | None = None, marked: Changed | None = None
    ) -> Callable[[], None]:
        """Hear everything from now on, until the answer is called.

        Who does not tell apart what happened is called with *changed* for all of it.
        """
        listener = Listener({"said": changed, "decided": decided or changed, "marked": marked or changed}, passed)
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def changed(self, conversation_ids: Iterable[ConversationId], what: What = "said") -> None:
        """Something that was committed changed what one sees of these conversations."""
        if not self._listeners and self._tell_others is None:
            return
        bulletin = Bulletin(what, tuple(conversation_ids))
        if bulletin.changed:
            self._say(bulletin)

    def passing(self, passing: Passing) -> None:
        """Something happens that is worth seeing now."""
        self._say(Bulletin(passing=(passing,)))

    def heard(self, bulletin: Bulletin) -> None:
        """Another process said so."""
        for listener in tuple(self._listeners):
            changed = listener.changed[bulletin.what]
            for conversation_id in bulletin.changed:
                changed(conversation_id)
            for passing in bulletin.passing:
                listener.passed(passing)

    def _say(self, bulletin: Bulletin) -> None:
        self.heard(bulletin)
        if self._tell_others is not None:
            self._tell_others(bulletin)
