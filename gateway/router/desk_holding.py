"""Which desks this process tells: the leases that it holds, and until when it may be sure of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from gateway.core.clock import Clock
from gateway.store import desk_leases
from gateway.store.database import Database
from gateway.store.desk_cases import Held

log = structlog.get_logger(__name__)

SURE = 2 / 3
"""So much of a lease's time is counted on; the rest is for a slow answer and for clocks that differ."""


class DeskHolding:
    """One for each process, which is *node*. ``step`` takes and renews; ``lost`` is called with a desk that is not ours
    any more.
    """

    def __init__(
        self,
        database: Database,
        desks: Sequence[str],
        clock: Clock,
        *,
        node: int,
        lease_s: float,
        lost: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._lane = database.lane()
        self._desks = tuple(desks)
        self._clock = clock
        self.node = node
        self._lease_s = lease_s
        self._lost = lost
        self._tokens: dict[str, int] = {}
        self._sure_until: dict[str, float] = {}
        self._is_registered = False

    def on_loss(self, lost: Callable[[str], None]) -> None:
        """From now on *lost* is called, with the desk's name."""
        self._lost = lost

    def held(self, desk: str) -> Held | None:
        """The lease of a desk that this process may tell now; ``None``: it is another's, or nobody can be sure."""
        if self._sure_until.get(desk, 0.0) <= self._clock.monotonic():
            return None
        return Held(desk, self._tokens[desk])

    def is_held(self, held: Held) -> bool:
        """Whether a desk is ours still, by the same lease."""
        return self.held(held.desk) == held

    async def step(self) -> bool:
        """Take what is free, keep what is held. While the database is away, what is held runs out."""
        asked_at = self._clock.monotonic()
        try:
            async with self._lane.transaction() as connection:
                if not self._is_registered:
                    await desk_leases.register(connection, self._desks)
                known = {desk: self._tokens.get(desk, 0) for desk in self._desks}
                taken = await desk_leases.hold(connection, known, node=self.node, lease_s=self._lease_s)
        finally:
            self._drop_what_ran_out()
        self._is_registered = True
        for desk in self._desks:
            self._keep(desk, taken.get(desk), asked_at)
        return False

    async def close(self) -> None:
        """Let other processes go on at once."""
        tokens = {desk: self._tokens[desk] for desk in self._sure_until}
        self._sure_until.clear()
        if tokens:
            async with self._lane.transaction() as connection:
                await desk_leases.release(connection, tokens)

    def _keep(self, desk: str, token: int | None, asked_at: float) -> None:
        was_held = desk in self._sure_until
        if token is None:
            self._sure_until.pop(desk, None)
        else:
            if was_held and token != self._tokens[desk]:
                self._lost(desk)
            self._tokens[desk] = token
            self._sure_until[desk] = asked_at + self._lease_s * SURE
        if was_held != (token is not None):
            log.debug("desk_lease_changed", desk=desk, is_held=token is not None)
            if was_held:
                self._lost(desk)

    def _drop_what_ran_out(self) -> None:
        now = self._clock.monotonic()
        for desk in [desk for desk, until in self._sure_until.items() if until <= now]:
            del self._sure_until[desk]
            log.warning("desk_lease_ran_out", desk=desk)
            self._lost(desk)
