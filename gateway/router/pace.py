"""How fast an account may send: what is planned ahead for the account, each recipient and each group, and what began.

Two things keep a rate. A *bucket* plans: it spreads the calls over the second and gives each its moment. A *log* of
the calls that really began has the last word, so that no span of time holds more of them than the provider allows,
however late a busy process woke up for some of them.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Mapping

from gateway.core.channel import Rates

RECIPIENTS_REMEMBERED = 20_000

AHEAD_S = 0.25
"""How far ahead calls are given their moment: what is more urgent never waits longer behind them."""

SMOOTH_S = 0.1
"""How much of an account's rate may go at once: a late moment is caught up with, a burst is not sent as one."""

ROUNDING_S = 1e-9


class Bucket:
    """A token bucket: *per_s* tokens a second, at most *burst* of them saved up. A rate of 0 is without limit."""

    __slots__ = ("_at", "_burst", "_per_s", "_tokens")

    def __init__(self, per_s: float, burst: float, now_s: float, *, tokens: float | None = None) -> None:
        self._per_s = per_s
        self._burst = max(1.0, burst)
        self._tokens = self._burst if tokens is None else tokens
        self._at = now_s

    def wait_s(self, now_s: float) -> float:
        """Seconds until a token is there; 0 when there is one."""
        if self._per_s <= 0:
            return 0.0
        self._fill(now_s)
        missing = 1.0 - self._tokens
        wait_s = self._at - now_s + (missing / self._per_s if missing > ROUNDING_S else 0.0)
        return wait_s if wait_s > ROUNDING_S else 0.0

    def take(self, at_s: float) -> None:
        """Use up a token at a moment that may lie ahead; there must be one by then."""
        if self._per_s > 0:
            self._fill(at_s)
            self._tokens -= 1.0

    def book(self, now_s: float) -> float:
        """Use up the next token, also one that is still to come; answers when that is."""
        at_s = now_s + self.wait_s(now_s)
        if self._per_s > 0:
            self._tokens -= 1.0
        return at_s

    def ready(self, now_s: float, within_s: float) -> int:
        """How many tokens there are now and will come within that time."""
        self._fill(now_s)
        return max(0, int(self._tokens + (now_s + within_s - self._at) * self._per_s + ROUNDING_S))

    def level(self, now_s: float) -> float:
        """How many tokens there are."""
        self._fill(now_s)
        return self._tokens

    def put_back(self) -> None:
        if self._per_s > 0:
            self._tokens = min(self._burst, self._tokens + 1.0)

    def _fill(self, now_s: float) -> None:
        if now_s > self._at:
            self._tokens = min(self._burst, self._tokens + (now_s - self._at) * self._per_s)
            self._at = now_s


class Log:
    """The last calls that began: no span of *span_s* (without its end) holds more than *most* of them."""

    __slots__ = ("_began", "span_s")

    def __init__(self, per_s: float, span_s: float = 1.0) -> None:
        most = max(1, int(per_s * span_s + ROUNDING_S))
        self._began: deque[float] = deque(maxlen=most)
        self.span_s = most / per_s

    def wait_s(self, now_s: float) -> float:
        """Seconds until one more may begin."""
        if len(self._began) < (self._began.maxlen or 0):
            return 0.0
        wait_s = self._began[0] + self.span_s - now_s
        return wait_s if wait_s > ROUNDING_S else 0.0

    def add(self, now_s: float) -> None:
        """One more begins."""
        self._began.append(now_s)


def _hidden(recipient: str) -> str:
    """A name that says nobody's name."""
    return hashlib.blake2b(recipient.encode(), digest_size=8).hexdigest()


class Recipient:
    """What one recipient may still get: as planned, and after what really began."""

    __slots__ = ("began", "log", "plan")

    def __init__(self, plan: Bucket, began: Bucket, log: Log | None) -> None:
        self.plan = plan
        self.began = began
        self.log = log

    def wait_s(self, now_s: float) -> float:
        """Seconds until one more may begin, after those that began."""
        wait_s = self.began.wait_s(now_s)
        return wait_s if self.log is None else max(wait_s, self.log.wait_s(now_s))

    def begin(self, now_s: float) -> None:
        self.began.take(now_s)
        if self.log is not None:
            self.log.add(now_s)


class Pace:
    """The rates of one account, kept by the one process that delivers it.

    A new keeper does not know what the last one sent just now: its buckets begin as empty as if the last one had used
    up all that it might, so that the rate holds across the change. What the last one left behind (*levels*, as
    :meth:`levels` gave them) spares the people that: who is not named there was not written to lately.
    """

    def __init__(
        self, rates: Rates, now_s: float, *, is_new_keeper: bool = False, levels: Mapping[str, float] | None = None
    ) -> None:
        self._rates = rates
        self._past = levels
        self._is_new_keeper = is_new_keeper
        self._began_s = now_s
        burst = max(1.0, rates.per_s * SMOOTH_S)
        self._account = Bucket(rates.per_s, burst, now_s, tokens=1.0 - burst if is_new_keeper else None)
        self._log = Log(rates.per_s) if rates.per_s > 0 else None
        self._heavy_log = Log(rates.heavy_per_s) if rates.heavy_per_s > 0 else None
        self._heavy_from_s = now_s + (self._heavy_log.span_s if self._heavy_log and is_new_keeper else 0.0)
        self._heavy_promised_s = self._heavy_from_s
        self._recipients: OrderedDict[str, Recipient] = OrderedDict()
        self._paused_until_s = now_s
        self.under_way = 0
        self.calling = 0

    def levels(self, now_s: float) -> dict[str, float]:
        """What each person may still get who may not get all, under a hash of the name: for the next keeper."""
        found: dict[str, float] = {}
        for recipient, state in self._recipients.items():
            level = min(state.plan.level(now_s), state.began.level(now_s))
            if level < max(1, self._rates.recipient_burst):
                found[_hidden(recipient)] = level
        if self._is_new_keeper and self._past is not None:
            gone_s = now_s - self._began_s
            burst = max(1, self._rates.recipient_burst)
            for name, level in self._past.items():
                if name not in found and level + gone_s * self._rates.per_recipient_s < burst:
                    found[name] = level + gone_s * self._rates.per_recipient_s
        return found

    def room(self) -> int:
        """How many more messages may be in hand: calls under way, and those whose moment was planned."""
        ahead = int(self._rates.per_s * AHEAD_S)
        return max(0, self._rates.concurrency + ahead - self.under_way)

    def pause(self, now_s: float, seconds: float) -> None:
        """Nothing goes out for a while."""
        self._paused_until_s = max(self._paused_until_s, now_s + seconds)

    def paused_s(self, now_s: float) -> float:
        """Seconds until the pause is over."""
        return max(0.0, self._paused_until_s - now_s)

    def slots(self, now_s: float) -> int:
        """How many calls of the account may be planned now: those whose moment comes soon enough."""
        if self._rates.per_s <= 0:
            return self._rates.concurrency
        return self._account.ready(now_s, AHEAD_S)

    def slot_wait_s(self, now_s: float) -> float:
        """Seconds until one more call may be planned."""
        return max(self.paused_s(now_s), self._account.wait_s(now_s) - AHEAD_S)

    def account_wait_s(self, now_s: float) -> float:
        """Seconds until the account as a whole may send one more."""
        return max(self.paused_s(now_s), self._account.wait_s(now_s))

    def recipient_wait_s(self, recipient: str, now_s: float, *, is_group: bool) -> float:
        """Seconds until this recipient may get one more."""
        if not self._minds_recipients(is_group=is_group):
            return 0.0
        state = self._recipient(recipient, is_group=is_group, now_s=now_s)
        return max(state.plan.wait_s(now_s), state.wait_s(now_s))

    def wait_s(self, recipient: str, now_s: float, *, is_group: bool) -> float:
        """Seconds until one more call to this recipient may begin."""
        return max(self.account_wait_s(now_s), self.recipient_wait_s(recipient, now_s, is_group=is_group))

    def book(self, recipient: str, now_s: float, *, is_group: bool) -> float:
        """Use up what one call uses up; answers the moment at which it may begin, at the earliest now."""
        at_s = self._account.book(now_s)
        if self._minds_recipients(is_group=is_group):
            at_s = max(at_s, now_s + self.recipient_wait_s(recipient, now_s, is_group=is_group))
            self._recipient(recipient, is_group=is_group, now_s=now_s).plan.take(at_s)
        return at_s

    def put_back(self, recipient: str, now_s: float, *, is_group: bool) -> None:
        """The call that was booked did not begin after all."""
        self._account.put_back()
        if self._minds_recipients(is_group=is_group):
            self._recipient(recipient, is_group=is_group, now_s=now_s).plan.put_back()

    def begin_wait_s(self, recipient: str, now_s: float, *, is_group: bool) -> float:
        """Seconds until a call whose moment has come may really begin; 0 nearly always."""
        wait_s = self.paused_s(now_s)
        if self._log is not None:
            wait_s = max(wait_s, self._log.wait_s(now_s))
        if self._minds_recipients(is_group=is_group):
            wait_s = max(wait_s, self._recipient(recipient, is_group=is_group, now_s=now_s).wait_s(now_s))
        return wait_s

    def heavy_wait_s(self, now_s: float) -> float:
        """Seconds until one more heavy call may begin."""
        if self._heavy_log is None:
            return 0.0
        return max(0.0, self._heavy_log.wait_s(now_s), self._heavy_from_s - now_s)

    def promise_heavy_s(self, now_s: float) -> float:
        """Seconds after which a heavy call that cannot begin now should come back: each has a moment of its own."""
        at_s = max(self._heavy_promised_s, now_s + self.heavy_wait_s(now_s))
        self._heavy_promised_s = at_s + 1.0 / self._rates.heavy_per_s
        return at_s - now_s

    def begin(self, recipient: str, now_s: float, *, is_group: bool, is_heavy: bool) -> None:
        """A call begins; ``end`` follows when its answer is there."""
        self.calling += 1
        if self._log is not None:
            self._log.add(now_s)
        if is_heavy and self._heavy_log is not None:
            self._heavy_log.add(now_s)
        if self._minds_recipients(is_group=is_group):
            self._recipient(recipient, is_group=is_group, now_s=now_s).begin(now_s)

    def end(self) -> None:
        """A call has its answer."""
        self.calling -= 1

    def is_busy(self) -> bool:
        """Whether as many calls are under way as may be."""
        return self.calling >= self._rates.concurrency

    def _minds_recipients(self, *, is_group: bool) -> bool:
        return self._rates.per_recipient_s > 0 or (is_group and self._rates.per_group_min > 0)

    def _recipient(self, recipient: str, *, is_group: bool, now_s: float) -> Recipient:
        state = self._recipients.get(recipient)
        if state is None:
            state = self._recipients[recipient] = self._new_recipient(recipient, is_group=is_group, now_s=now_s)
            if len(self._recipients) > RECIPIENTS_REMEMBERED:
                self._recipients.popitem(last=False)
        else:
            self._recipients.move_to_end(recipient)
        return state

    def _new_recipient(self, recipient: str, *, is_group: bool, now_s: float) -> Recipient:
        rates, burst = self._rates, float(max(1, self._rates.recipient_burst))
        since_s = self._began_s if self._is_new_keeper else now_s
        if is_group and rates.per_group_min > 0:
            per_s, tokens = rates.per_group_min / 60, 1.0 - burst
            log = Log(per_s, 60.0)
        else:
            per_s, tokens, log = rates.per_recipient_s, 0.0, None
        known = tokens if self._is_new_keeper else None
        if known is not None and self._past is not None:
            known = self._past.get(_hidden(recipient))
            known = tokens if known is not None and log is not None else known
        return Recipient(Bucket(per_s, burst, since_s, tokens=known), Bucket(per_s, burst, since_s, tokens=known), log)
