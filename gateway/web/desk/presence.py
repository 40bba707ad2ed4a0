"""Who looks at which conversation: every page says so over the bus, again and again, and is forgotten when silent.

Without Redis the pages of other processes are not seen.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from gateway.core.clock import Clock
from gateway.core.ids import ConversationId
from gateway.core.news import News, Passing

AGAIN_S = 15.0
GONE_S = 40.0
"""A page that said nothing for so long is not there any more."""

MOST_LOOKS = 5_000


class Look(msgspec.Struct, frozen=True):
    """A page has a conversation open."""

    conversation_id: ConversationId
    agent: str


class Presence:
    """What the pages of this process say, and what is heard of all. Times are monotonic."""

    def __init__(self, news: News, clock: Clock) -> None:
        self._news = news
        self._clock = clock
        self._own: dict[str, Look] = {}
        self._heard: dict[str, tuple[Look, float]] = {}
        self._again_at = 0.0

    def look(self, page: str, conversation_id: ConversationId | None, agent: str) -> None:
        """A page of this process turns to a conversation, or away from all; without a name nobody hears of it."""
        before = self._own.pop(page, None)
        look = Look(conversation_id, agent) if conversation_id is not None and agent else None
        if before is not None and (look is None or look.conversation_id != before.conversation_id):
            self._say(page, before, is_on=False)
        if look is not None:
            self._own[page] = look
            self._say(page, look, is_on=True)

    def hear(self, passing: Passing) -> bool:
        """Something was said of a page; true when others see something new. Pages that are new are told of ours."""
        page, look = passing.subject, Look(passing.conversation_id, passing.name)
        before = self._heard.get(page)
        if not passing.is_on:
            if before is not None and before[0].conversation_id == look.conversation_id:
                del self._heard[page]
                return True
            return False
        if before is None and len(self._heard) >= MOST_LOOKS:
            return False
        self._heard[page] = (look, self._clock.monotonic())
        if before is None and page not in self._own:
            self._say_all(look.conversation_id)
        return before is None or before[0] != look

    def step(self) -> bool:
        """Say again what is open here, forget who is silent; true when that changed what is seen."""
        now = self._clock.monotonic()
        if now >= self._again_at:
            self._again_at = now + AGAIN_S
            for page, look in tuple(self._own.items()):
                self._say(page, look, is_on=True)
        silent = [page for page, (_, at) in self._heard.items() if now - at > GONE_S]
        for page in silent:
            del self._heard[page]
        return bool(silent)

    def names(self) -> dict[UUID, tuple[str, ...]]:
        """The agents at each conversation that anybody has open, by name."""
        found: dict[UUID, set[str]] = {}
        for look, _ in self._heard.values():
            found.setdefault(look.conversation_id, set()).add(look.agent)
        return {conversation_id: tuple(sorted(names)) for conversation_id, names in found.items()}

    def clear(self) -> None:
        """Nobody is here to see it."""
        self._heard.clear()

    def _say_all(self, conversation_id: ConversationId) -> None:
        for page, look in tuple(self._own.items()):
            if look.conversation_id == conversation_id:
                self._say(page, look, is_on=True)

    def _say(self, page: str, look: Look, *, is_on: bool) -> None:
        self._news.passing(
            Passing(look.conversation_id, "looking", author="agent", name=look.agent, is_on=is_on, subject=page)
        )
