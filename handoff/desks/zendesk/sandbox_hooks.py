"""How Zendesk sends webhooks: signed, at least once, in no order, again by few rules, and not at all for a while.

It tries again after 409 (three times), after 429 and 503 when they ask for less than a minute (three times too), and
when nobody answers in time (five times). Any other answer, and a connection that does not come about, is the end.
When most of the last minutes' tries failed, it stops for some seconds, and what would leave meanwhile is lost.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import random
import secrets
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Literal, Self

import aiohttp
import msgspec

from channels.sandbox_kit import require_loopback
from handoff.desks.zendesk.sandbox_records import Hook, Json
from handoff.desks.zendesk.sandbox_time import QuickClock, stamp

ANSWER_LIMIT_S = 12.0
CONNECTIONS = 60
KEPT = 20_000

RETRIES_CONFLICT = 3
RETRIES_TIMEOUT = 5
RETRIES_LATER = 3
LONGEST_RETRY_AFTER_S = 60
FIRST_PAUSE_S = 1.0

CIRCUIT_WINDOW_S = 300.0
CIRCUIT_SHARE = 0.7
CIRCUIT_AT_LEAST = 20
CIRCUIT_ERRORS = 1_000
CIRCUIT_PAUSE_S = 5.0

TIMED_OUT = -1
UNREACHED = 0

Fate = Literal["waits", "taken", "failed", "circuit_broken", "lost"]


class Invocation(msgspec.Struct, kw_only=True):
    """One webhook on its way. ``tries`` are the answers' statuses; -1: none in time, 0: no connection.

    ``fate`` is ``lost`` where the sandbox was ordered to lose it.
    """

    id: str
    hook: Hook
    kind: str
    ticket_id: int
    body: bytes
    fate: Fate = "waits"
    tries: list[int] = []

    def described(self) -> Json:
        return {
            "id": self.id,
            "webhook_id": self.hook.id,
            "event_type": self.kind,
            "status": {"taken": "success", "waits": "in_progress"}.get(self.fate, self.fate),
            "status_code": self.tries[-1] if self.tries else None,
        }


class HookSender:
    """Sends while the context is open. ``loses``, ``doubles`` and ``delays`` are shares of all webhooks, 0 to 1.

    What is delayed leaves up to ``delay_s`` seconds (of the sandbox's clock) later, and so after what came later.
    """

    def __init__(
        self, account_id: int, clock: QuickClock, *, seed: int = 1, answer_limit_s: float = ANSWER_LIMIT_S
    ) -> None:
        self._account_id = account_id
        self._clock = clock
        self._chance = random.Random(seed)  # noqa: S311 - what is lost must be the same in every run
        self._answer_limit_s = answer_limit_s
        self._circuits: dict[str, _Circuit] = {}
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self.loses = 0.0
        self.doubles = 0.0
        self.delays = 0.0
        self.delay_s = 2.0
        self.invocations: deque[Invocation] = deque(maxlen=KEPT)

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self._answer_limit_s)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    # ------------------------------------------------------------ sending

    def put(self, hook: Hook, body: bytes, *, kind: str, ticket_id: int) -> None:
        """Send it as soon as can be. An address that is not on this machine is never asked: it is lost."""
        invocation = Invocation(id=secrets.token_hex(12), hook=hook, kind=kind, ticket_id=ticket_id, body=body)
        self.invocations.append(invocation)
        if self._chance.random() < self.loses or not _is_here(hook.endpoint):
            invocation.fate = "lost"
            return
        delay_s = self._chance.random() * self.delay_s if self._chance.random() < self.delays else 0.0
        copies = 2 if self._chance.random() < self.doubles else 1
        task = asyncio.get_running_loop().create_task(self._send(invocation, delay_s, copies))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Return once everything was taken, given up, or lost. Raises what went wrong in the sandbox itself."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _send(self, invocation: Invocation, delay_s: float, copies: int) -> None:
        if delay_s:
            await self._clock.sleep(delay_s)
        invocation.fate = await self._delivered(invocation)
        if invocation.fate == "taken" and copies > 1:
            await self._try(invocation)

    async def _delivered(self, invocation: Invocation) -> Fate:
        circuit = self._circuits.setdefault(invocation.hook.id, _Circuit(self._clock))
        left = {409: RETRIES_CONFLICT, 429: RETRIES_LATER, 503: RETRIES_LATER, TIMED_OUT: RETRIES_TIMEOUT}
        pause_s = FIRST_PAUSE_S
        while True:
            if circuit.is_open:
                return "circuit_broken"
            status, retry_after_s = await self._try(invocation)
            is_taken = 200 <= status <= 299
            circuit.counts(is_error=not is_taken)
            if is_taken:
                return "taken"
            wait_s = _wait_s(status, retry_after_s, pause_s, self._clock)
            if left.get(status, 0) == 0 or wait_s is None:
                return "failed"
            left[status] -= 1
            await self._clock.sleep(wait_s)
            pause_s *= 2

    async def _try(self, invocation: Invocation) -> tuple[int, float | None]:
        if self._session is None:
            raise RuntimeError("the sender is not open")
        hook = invocation.hook
        async with self._slots:
            headers = _headers(hook, invocation, self._account_id, stamp(self._clock.now()))
            sent = self._session.request(
                hook.method, hook.endpoint, data=invocation.body, headers=headers, allow_redirects=False
            )
            status, retry_after_s = UNREACHED, None
            try:
                async with sent as response:
                    await response.read()
                    status, retry_after_s = response.status, _seconds(response.headers.get("Retry-After", ""))
            except TimeoutError:
                status = TIMED_OUT
            except (aiohttp.ClientError, OSError):
                status = UNREACHED
        invocation.tries.append(status)
        return status, retry_after_s


class _Circuit:
    """Breaks when most tries of the last five minutes failed, and is whole again some seconds later."""

    def __init__(self, clock: QuickClock) -> None:
        self._clock = clock
        self._tries: deque[tuple[float, bool]] = deque()
        self._errors = 0
        self._broken_until = 0.0

    @property
    def is_open(self) -> bool:
        return self._clock.monotonic() < self._broken_until

    def counts(self, *, is_error: bool) -> None:
        now = self._clock.monotonic()
        self._tries.append((now, is_error))
        self._errors += is_error
        while self._tries and self._tries[0][0] <= now - CIRCUIT_WINDOW_S:
            self._errors -= self._tries.popleft()[1]
        count = len(self._tries)
        is_mostly_failing = count >= CIRCUIT_AT_LEAST and self._errors / count >= CIRCUIT_SHARE
        if is_error and (is_mostly_failing or self._errors > CIRCUIT_ERRORS):
            self._broken_until = now + CIRCUIT_PAUSE_S


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What the receiver computes too."""
    return base64.b64encode(hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).digest()).decode()


def _headers(hook: Hook, invocation: Invocation, account_id: int, timestamp: str) -> dict[str, str]:
    kinds = {"json": "application/json; charset=utf-8", "xml": "application/xml; charset=utf-8"}
    return {
        **hook.headers,
        **_authentication(hook),
        "Content-Type": kinds.get(hook.format, "application/x-www-form-urlencoded"),
        "User-Agent": "Zendesk Webhook",
        "X-Zendesk-Account-Id": str(account_id),
        "X-Zendesk-Webhook-Id": hook.id,
        "X-Zendesk-Webhook-Invocation-Id": invocation.id,
        "X-Zendesk-Webhook-Signature": signature(hook.secret, timestamp, invocation.body),
        "X-Zendesk-Webhook-Signature-Timestamp": timestamp,
    }


def _authentication(hook: Hook) -> Mapping[str, str]:
    given = hook.authentication or {}
    data = given.get("data")
    values: Mapping[str, object] = data if isinstance(data, dict) else {}
    match given.get("type"):
        case "bearer_token":
            return {"Authorization": f"Bearer {values.get('token', '')}"}
        case "basic_auth":
            pair = f"{values.get('username', '')}:{values.get('password', '')}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        case "api_key":
            return {str(values.get("name", "X-Api-Key")): str(values.get("value", ""))}
        case _:
            return {}


def _wait_s(status: int, retry_after_s: float | None, pause_s: float, clock: QuickClock) -> float | None:
    """How long to wait on the sandbox's clock before the next try; ``None``: there is none.

    ``Retry-After`` is in seconds of whoever asked for it.
    """
    if status not in (429, 503):
        return pause_s
    if retry_after_s is None or retry_after_s >= LONGEST_RETRY_AFTER_S:
        return None
    return clock.lived_s(retry_after_s)


def _seconds(text: str) -> float | None:
    with contextlib.suppress(ValueError):
        return max(0.0, float(text))
    return None


def _is_here(endpoint: str) -> bool:
    try:
        require_loopback(endpoint)
    except ValueError:
        return False
    return True
