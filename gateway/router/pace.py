"""How fast an account may send: buckets for the account, each recipient and each group; and the calls under way."""

from __future__ import annotations

from collections import OrderedDict

from gateway.core.channel import Rates

RECIPIENTS_REMEMBERED = 20_000


class Bucket:
    """A token bucket: *per_s* tokens a second, at most *burst* of them saved up. A rate of 0 is without limit."""

    __slots__ = ("_at", "_burst", "_per_s", "_tokens")

    def __init__(self, per_s: float, burst: float, now_s: float, *, is_full: bool = True) -> None:
        self._per_s = per_s
        self._burst = max(1.0, burst)
        self._tokens = self._burst if is_full else 0.0
        self._at = now_s

    def wait_s(self, now_s: float) -> float:
        """Seconds until a token is there; 0 when there is one."""
        if self._per_s <= 0:
            return 0.0
        self._tokens = min(self._burst, self._tokens + (now_s - self._at) * self._per_s)
        self._at = now_s
        missing = 1.0 - self._tokens
        return missing / self._per_s if missing > 1e-9 else 0.0

    def take(self) -> None:
        """Use a token up; call it after ``wait_s`` said 0."""
        if self._per_s > 0:
            self._tokens -= 1.0

    def put_back(self) -> None:
        if self._per_s > 0:
            self._tokens = min(self._burst, self._tokens + 1.0)


class Pace:
    """The rates of one account, kept by the one process that delivers it.

    A new keeper knows nothing of what the last one sent just now: its buckets begin empty and fill from then on, so
    that the rate holds across the change.
    """

    def __init__(self, rates: Rates, now_s: float, *, is_new_keeper: bool = False) -> None:
        self._rates = rates
        self._is_new_keeper = is_new_keeper
        self._began_s = now_s
        self._account = Bucket(rates.per_s, 1.0, now_s, is_full=not is_new_keeper)
        self._recipients: OrderedDict[str, Bucket] = OrderedDict()
        self._paused_until_s = now_s
        self.under_way = 0

    def room(self) -> int:
        """How many more calls may be under way."""
        return max(0, self._rates.concurrency - self.under_way)

    def pause(self, now_s: float, seconds: float) -> None:
        """Nothing goes out for a while."""
        self._paused_until_s = max(self._paused_until_s, now_s + seconds)

    def account_wait_s(self, now_s: float) -> float:
        """Seconds until the account as a whole may send one more."""
        return max(0.0, self._paused_until_s - now_s, self._account.wait_s(now_s))

    def wait_s(self, recipient: str, now_s: float, *, is_group: bool) -> float:
        """Seconds until one more message to this recipient may go."""
        return max(self.account_wait_s(now_s), self._recipient(recipient, now_s, is_group=is_group).wait_s(now_s))

    def take(self, recipient: str, now_s: float, *, is_group: bool) -> None:
        """Use up what one message uses up."""
        self._account.take()
        self._recipient(recipient, now_s, is_group=is_group).take()

    def put_back(self, recipient: str, now_s: float, *, is_group: bool) -> None:
        """The message did not go after all."""
        self._account.put_back()
        self._recipient(recipient, now_s, is_group=is_group).put_back()

    def _recipient(self, recipient: str, now_s: float, *, is_group: bool) -> Bucket:
        bucket = self._recipients.get(recipient)
        if bucket is None:
            rates = self._rates
            per_s = rates.per_group_min / 60 if is_group and rates.per_group_min > 0 else rates.per_recipient_s
            since_s = self._began_s if self._is_new_keeper else now_s
            bucket = Bucket(per_s, rates.recipient_burst, since_s, is_full=not self._is_new_keeper)
            self._recipients[recipient] = bucket
            if len(self._recipients) > RECIPIENTS_REMEMBERED:
                self._recipients.popitem(last=False)
        else:
            self._recipients.move_to_end(recipient)
        return bucket
