"""How much Zendesk takes now: what its answers say, what we asked ourselves, and how long a ticket's words are joined.

Two limits concern updates (for one ticket in ten minutes, for the account in a minute) and are counted in the database;
the third concerns all requests, and the answers' headers say how much of it is left, to others' calls as well.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from gateway.core.desks import NotYet
from gateway.store.zendesk import Spent
from handoff.desks.zendesk.settings import ZendeskRates

MARGIN = 1.05
"""Our windows are a little longer than Zendesk's, whose clock we do not see."""

SHORTEST_S = 0.05


class Room(msgspec.Struct, frozen=True):
    """What an answer's headers said: so many requests left of so many, until the window ends."""

    limit: int
    left: int
    ends_at: float


class RequestBudget:
    """Of one process. Calls that bring an agent's words to a customer may use what is reserved from all others."""

    def __init__(self, rates: ZendeskRates, monotonic: Callable[[], float]) -> None:
        self._rates = rates
        self._monotonic = monotonic
        self._asked: deque[float] = deque()
        self._under_way = 0
        self._room: Room | None = None
        self._shut_until = 0.0

    @property
    def room(self) -> Room | None:
        """What Zendesk said last, if that window has not ended."""
        room = self._room
        return room if room is not None and self._monotonic() < room.ends_at else None

    def begin(self, *, is_urgent: bool = False) -> None:
        """Count a call that leaves now; each is ended by :meth:`end`. Raises ``NotYet`` when there is no room."""
        now = self._monotonic()
        if now < self._shut_until:
            raise NotYet("Zendesk asked us to wait", after_s=self._shut_until - now + SHORTEST_S)
        reserve = self._rates.reserve / (4 if is_urgent else 1)
        if self._left() <= self._limit() * reserve:
            raise NotYet("Zendesk's requests of this minute are used up", after_s=self._until_free(now))
        self._asked.append(now)
        self._under_way += 1

    def end(self) -> None:
        self._under_way -= 1

    def shut(self, after_s: float) -> None:
        """Zendesk refused a call and said when to come again."""
        self._shut_until = max(self._shut_until, self._monotonic() + after_s)

    def told(self, headers: Mapping[str, str]) -> None:
        """Read an answer's headers (names in lower case)."""
        limit = _whole(headers.get("rate-limit") or headers.get("x-rate-limit") or headers.get("ratelimit-limit"))
        left = _whole(
            headers.get("rate-limit-remaining")
            or headers.get("x-rate-limit-remaining")
            or headers.get("ratelimit-remaining")
        )
        if limit is None or left is None:
            return
        resets_s = _number(headers.get("rate-limit-reset") or headers.get("ratelimit-reset"))
        now = self._monotonic()
        after_s = self._rates.minute_s if resets_s is None else min(resets_s, self._rates.minute_s)
        known = self.room
        is_same = known is not None and now + after_s < known.ends_at + self._rates.minute_s / 4
        if known is not None and is_same and left > known.left:
            return  # answers overtake one another
        self._room = Room(limit, left, now + max(after_s, SHORTEST_S))

    def _limit(self) -> int:
        return self._room.limit if self._room is not None else self._rates.requests

    def _left(self) -> int:
        """How many calls may leave; those under way are not yet in what Zendesk said."""
        self._drop_old()
        own = self._limit() - len(self._asked)
        room = self.room
        return own if room is None else min(own, room.left - self._under_way)

    def _drop_old(self) -> None:
        before = self._monotonic() - self._rates.minute_s * MARGIN
        while self._asked and self._asked[0] < before:
            self._asked.popleft()

    def _until_free(self, now: float) -> float:
        ends = [self._asked[0] + self._rates.minute_s * MARGIN] if self._asked else []
        if (room := self.room) is not None:
            ends.append(room.ends_at)
        return max(SHORTEST_S, min(ends, default=now) - now)


def pause_s(spent: Spent, rates: ZendeskRates, *, is_urgent: bool) -> float:
    """How long an update of a ticket should wait, in seconds; what comes in that time is joined to it.

    0 while the budget is ample. Then what is left of it is spread evenly over the time that it must last: a ticket that
    is written to without end is updated every half minute. Urgent cases may take what others leave.
    """
    return max(_ticket_pause_s(spent, rates), _desk_pause_s(spent, rates, is_urgent=is_urgent))


def _ticket_pause_s(spent: Spent, rates: ZendeskRates) -> float:
    usable = allowed(rates.updates_per_ticket, rates.reserve)
    window_s = rates.ticket_s * MARGIN
    if spent.ticket_count >= usable:
        return max(SHORTEST_S, window_s - spent.ticket_oldest_s)
    if spent.ticket_count < usable // 3:
        return 0.0
    left = usable - spent.ticket_count
    even_s = max(0.0, window_s - spent.ticket_oldest_s) / (left + 1)
    return max(0.0, even_s - spent.ticket_newest_s)


def _desk_pause_s(spent: Spent, rates: ZendeskRates, *, is_urgent: bool) -> float:
    usable = allowed(rates.updates, rates.reserve)
    cap = usable if is_urgent else max(1, math.floor(usable * 0.8))
    if spent.desk_count >= cap:
        return max(SHORTEST_S, rates.minute_s * MARGIN - spent.desk_oldest_s)
    half = usable // 2
    if is_urgent or spent.desk_count < half or not spent.ticket_count:
        return 0.0
    share = (spent.desk_count - half + 1) / max(1, cap - half)
    return max(0.0, share * rates.minute_s / 3 - spent.ticket_newest_s)


def allowed(limit: int, reserve: float) -> int:
    """How much of a limit we use ourselves."""
    return max(1, math.floor(limit * (1 - reserve)))


def _whole(value: str | None) -> int | None:
    text = (value or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _number(value: str | None) -> float | None:
    whole, _, part = (value or "").partition(".")
    found = _whole(whole)
    return None if found is None else found + float(f"0.{part}" if part.isdecimal() and part.isascii() else 0)
