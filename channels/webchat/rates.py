"""How often one visitor or address may do a thing: buckets of tokens, as many as fit a bound, on the clock's time."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from gateway.core.clock import Clock


class Buckets:
    """Each key may do *burst* things at once and *per_s* a second for ever; *per_s* 0 is without limit.

    At most *limit* keys are remembered; the one that was not seen for the longest is forgotten first, whose bucket is
    most likely full again.
    """

    def __init__(self, per_s: float, burst: int, clock: Clock, *, limit: int = 50_000) -> None:
        self._interval_s = 1 / per_s if per_s > 0 else 0.0
        self._tolerance_s = (burst - 1) * self._interval_s
        self._clock = clock
        self._limit = limit
        # When the bucket is full again, by key: one number is all that a bucket needs.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def wait_s(self, key: str) -> float:
        """Take a token; 0 when there was one, else the seconds until there is one (nothing is taken then)."""
        if not self._interval_s:
            return 0.0
        now = self._clock.monotonic()
        full_at = max(self._full_at.get(key, now), now)
        wait_s = full_at - now - self._tolerance_s
        if wait_s > 1e-9:
            return wait_s
        self._full_at[key] = full_at + self._interval_s
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._limit:
            self._full_at.popitem(last=False)
        return 0.0


def address_key(address: str) -> str:
    """An IP address as a key: of IPv6 its /64, because one customer has all of that. Empty: no address."""
    bare = address.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(bare)
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
