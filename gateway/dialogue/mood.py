"""How the customer sounds, message by message, and when that is reason enough for a person."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from config.bot_model import Bot
from gateway.core.errors import TertuliaError
from gateway.core.handoff_reasons import Asked
from gateway.dialogue.draft import Draft
from nlp.sentiment import NEGATIVE, NEUTRAL, POSITIVE, Feeling

Feel = Callable[[str], Awaitable[Feeling | None]]
"""How one text sounds; ``None`` while there is no model for it."""

_SECONDS_A_DAY = 86_400
_REMEMBERED_DAYS = 1


class Mood:
    """Reads every message of a turn before the chain does, and knows the author's rules. Never stops a turn."""

    def __init__(self, bot: Bot, feel: Feel | None) -> None:
        """Without *feel*, or where the author did not ask for it, nothing is read."""
        self._feel = feel if bot.settings.sentiment else None
        self._after = bot.settings.after_negative
        self._strongly = bot.settings.strongly_negative

    async def hands_over(self, draft: Draft) -> bool:
        """Note how the messages sound; true when a rule asked for a person, and the turn is decided."""
        if self._feel is None or not draft.heard.fragments:
            return False
        feelings = await self._read(self._feel, draft)
        if not feelings:
            return False
        worst = max(feelings, key=lambda one: one.negative)
        self._note(draft, feelings, worst)
        reason = self._reason(draft, worst)
        if not reason:
            return False
        draft.ask_for_person(Asked.SENTIMENT, reason)
        draft.note(f"handoff: sounds negative, {reason}")
        draft.resolve("handoff", confidence=worst.negative, reason=f"sounds negative: {reason}")
        return True

    async def _read(self, feel: Feel, draft: Draft) -> list[Feeling]:
        fragments = draft.heard.fragments
        try:
            if len(fragments) == 1:  # a task of its own would cost more than the reading
                found = [await feel(fragments[0])]
            else:
                found = await asyncio.gather(*map(feel, fragments))
        except (TertuliaError, TimeoutError) as error:
            draft.note(f"sentiment: not available ({type(error).__name__})")
            return []
        return [one for one in found if one is not None]

    def _note(self, draft: Draft, feelings: list[Feeling], worst: Feeling) -> None:
        """The turn sounds as its worst message does; what was said days ago is not held against anybody."""
        labels = [one.label for one in feelings]
        if draft.before.negative and _today(draft) - draft.before.day > _REMEMBERED_DAYS:
            draft.negative = 0
        if NEGATIVE in labels:
            draft.sentiment = NEGATIVE
            draft.negative += labels.count(NEGATIVE)
        elif POSITIVE in labels:
            draft.sentiment = POSITIVE
            draft.negative = 0
        else:
            draft.sentiment = NEUTRAL
        draft.note(f"sentiment: {draft.sentiment}, {worst.negative:.2f} negative")

    def _reason(self, draft: Draft, worst: Feeling) -> str:
        if self._strongly and worst.negative >= self._strongly:
            return "strongly"
        if self._after and draft.sentiment == NEGATIVE and draft.negative >= self._after:
            return f"{draft.negative} times"
        return ""


def _today(draft: Draft) -> int:
    return int(draft.turn.now.timestamp()) // _SECONDS_A_DAY
