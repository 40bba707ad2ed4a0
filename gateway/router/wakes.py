"""Wake-ups: what makes polling quick. Losing one costs a poll's delay and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

RESPOND = "respond"
DELIVER = "deliver"
DESKS = "desks"
DESK_EVENTS = "desk events"
MODELS = "models"


class Wakes:
    """Events of this process, and a way to tell the other processes when there is one."""

    def __init__(self, tell_others: Callable[[str], None] = lambda _: None) -> None:
        self._events: dict[str, asyncio.Event] = {}
        self._tell_others = tell_others

    def event(self, topic: str) -> asyncio.Event:
        """Set when something waits under *topic*; whoever waits for it clears it."""
        return self._events.setdefault(topic, asyncio.Event())

    def wake(self, topic: str, key: str = "") -> None:  # noqa: ARG002  one event a topic is enough within a process
        """Something waits, for whichever process can do it."""
        self.heard(topic)
        self._tell_others(topic)

    def heard(self, topic: str) -> None:
        """Another process said so, or this one found out by itself."""
        if topic in self._events:
            self._events[topic].set()
