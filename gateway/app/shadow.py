"""Asks a candidate what the live model was asked, after the answer, and counts where the two differ.

Turns wait in a short queue of this process, as texts in memory only; what does not fit is counted and let go. What is
kept of a difference are labels, confidences and ids.
"""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from gateway.app.live_model import LiveModel, ShadowSlot
from gateway.core.ids import ConversationId, MessageId
from gateway.core.metrics import Metrics
from gateway.core.ports import BeforeCalling, DialoguePort
from gateway.core.turns import CustomerSaid, TurnInput, TurnOutcome
from gateway.dialogue.hearing import hear
from gateway.store.models import Difference
from nlp.models.gate import answers
from nlp.models.registry import ModelRegistry

SHADOW_BATCH = 64


class _Asked(msgspec.Struct, frozen=True):
    message_id: MessageId
    conversation_id: ConversationId
    text: str


class Shadow:
    """Takes turns that were decided; ``step`` is a loop's."""

    def __init__(
        self, registry: ModelRegistry, live: LiveModel, slot: ShadowSlot, metrics: Metrics, *, limit: int
    ) -> None:
        self._registry = registry
        self._live = live
        self._slot = slot
        self._metrics = metrics
        self._limit = limit
        self._waiting: deque[_Asked] = deque()
        self._dropped = 0

    def __len__(self) -> int:
        """Turns that wait to be compared."""
        return len(self._waiting)

    def offer(self, turn: TurnInput, outcome: TurnOutcome) -> None:
        """A turn was decided. Costs nothing while no shadow runs, and next to nothing when one does."""
        if self._slot.loaded is None or not outcome.resolution.model:
            return
        if len(self._waiting) >= self._limit:
            self._dropped += 1
            return
        said = [entry for entry in turn.entries if isinstance(entry, CustomerSaid)]
        text = " ".join(hear(turn.entries).spoken)
        if said and text:
            self._waiting.append(_Asked(said[-1].message_id, turn.conversation_id, text))

    async def step(self) -> bool:
        """Compare what waits, some at a time; true when there is more. Raises ``Unavailable``; then it is let go."""
        candidate, live = self._slot.loaded, self._live.loaded
        if candidate is None:
            self._waiting.clear()
            self._dropped = 0
            return False
        asked = [self._waiting.popleft() for _ in range(min(SHADOW_BATCH, len(self._waiting)))]
        dropped, self._dropped = self._dropped, 0
        if not asked and not dropped:
            return False
        texts = [each.text for each in asked]
        theirs, ours = await asyncio.to_thread(lambda: (answers(live.model, texts), answers(candidate.model, texts)))
        differences = [
            Difference(each.message_id, each.conversation_id, one.label, one.confidence, two.label, two.confidence)
            for each, one, two in zip(asked, theirs, ours, strict=True)
            if one.label != two.label
        ]
        count = self._metrics.shadow_turns
        count.labels("differed").inc(len(differences))
        count.labels("agreed").inc(len(asked) - len(differences))
        count.labels("dropped").inc(dropped)
        pointers = self._registry.pointers
        await pointers.note_shadow(candidate.version, live.version, differences, compared=len(asked), dropped=dropped)
        return bool(self._waiting)


class ShadowedDialogue:
    """The bot's mind, with its turns shown to the shadow; fits ``DialoguePort``."""

    def __init__(self, dialogue: DialoguePort, shadow: Shadow) -> None:
        self._dialogue = dialogue
        self._shadow = shadow
        self.bot_version = dialogue.bot_version

    async def decide(self, turn: TurnInput, before_calling: BeforeCalling | None = None) -> TurnOutcome:
        outcome = await self._dialogue.decide(turn, before_calling)
        self._shadow.offer(turn, outcome)
        return outcome

    def failed(self, turn: TurnInput, error: str) -> TurnOutcome:
        return self._dialogue.failed(turn, error)
