"""Real gateways, a real database, a stand-in for Telegram's servers: what the fault tests are made of."""

from __future__ import annotations

import asyncio
import contextlib
import html
import random
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Self
from uuid import UUID

import aiohttp
import asyncpg
import msgspec

from gateway.app.bench.audit import became
from gateway.app.bench.processes import Child, tertulia
from gateway.app.bench.provider import LogEntry
from gateway.app.bench.subjects import WEBHOOK_PATH, Gateway, ProviderProcess
from gateway.app.bench.updates import Update, updates
from gateway.core.messages import decode_parts, plain_text

SECRET = "a-secret-of-the-fault-tests"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
QUICK_LEASES = {"router__lease_s": 2.0, "router__send_lease_s": 3.0, "channels__telegram__main__read_timeout_s": 2.0}
"""What a process that is gone held becomes free soon, so that a test need not wait a minute."""

ECHO_BOT = Path(__file__).parents[1] / "bots" / "echo"
"""Answers ``/start`` with one reply and every other text with two, the first of which repeats it."""


class Answer(msgspec.Struct, frozen=True):
    """What a webhook was answered; status 0 when the connection broke."""

    status: int
    retry_after: str = ""
    body: str = ""


class Sender:
    """Telegram's side of the webhook: sends again what was not answered with 2xx, never more than one at a time
    for a chat, and (as happens) some updates more than once."""

    def __init__(
        self, targets: Sequence[Gateway], *, secret: str = SECRET, connections: int = 40, timeout_s: float = 20.0
    ) -> None:
        self._targets = tuple(targets)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._secret = secret
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._late: set[asyncio.Task[None]] = set()
        self.refusals: list[Answer] = []
        self.acknowledged: set[int] = set()

    def turn_to(self, *targets: Gateway) -> None:
        """Send to these from now on, as a load balancer does that found another one dead."""
        self._targets = targets

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=self._connections)
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def post(
        self, gateway: Gateway, body: bytes | BytesIO, *, path: str = WEBHOOK_PATH, secret: str | None = None
    ) -> Answer:
        """One attempt."""
        headers = {"Content-Type": "application/json", SECRET_HEADER: self._secret if secret is None else secret}
        assert self._session is not None
        try:
            url = f"http://127.0.0.1:{gateway.port}{path}"
            async with self._session.post(url, data=body, headers=headers) as response:
                text = await response.text()
                return Answer(response.status, response.headers.get("Retry-After", ""), text)
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            return Answer(0)

    async def deliver(self, update: Update, *, patience_s: float = 120.0) -> None:
        """Send an update until it is acknowledged, to any of the gateways. Raises ``TimeoutError``."""
        body = update.encode(int(time.time()))
        pause_s = 0.1
        async with asyncio.timeout(patience_s):
            while True:
                answer = await self.post(random.choice(self._targets), body)
                if 200 <= answer.status < 300:
                    self.acknowledged.add(update.update_id)
                    return
                self.refusals.append(answer)
                await asyncio.sleep(min(float(answer.retry_after or pause_s), 0.5))
                pause_s = min(pause_s * 2, 0.5)

    def deliver_again(self, update: Update, after_s: float) -> None:
        """Send it once more later, as a lost acknowledgement would make Telegram do."""

        async def later() -> None:
            await asyncio.sleep(after_s)
            await self.deliver(update)

        task = asyncio.create_task(later())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def stragglers(self) -> None:
        """Wait until every repeated delivery was acknowledged too."""
        while self._late:
            await asyncio.gather(*self._late)


class Replies:
    """Follows the provider's log and tells who was answered."""

    def __init__(self, provider: ProviderProcess) -> None:
        self._provider = provider
        self._changed = asyncio.Condition()
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.log: list[LogEntry] = []
        self.by_chat: dict[str, list[LogEntry]] = defaultdict(list)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def count(self, chat_id: int) -> int:
        return len(self.by_chat.get(str(chat_id), ()))

    async def more_than(self, chat_id: int, count: int, patience_s: float) -> bool:
        """Wait until a chat got more than *count* replies; false when it does not in time."""
        return await self._follows(lambda: self.count(chat_id) > count, patience_s)

    async def answer(self, update: Update, patience_s: float) -> bool:
        """Wait until the echo bot's own answer to this update arrived; false when it does not in time."""
        wanted = as_read(echo_of(update))
        chat = self.by_chat[str(update.chat_id)]
        return await self._follows(lambda: any(as_read(entry.text) == wanted for entry in chat[-6:]), patience_s)

    async def _follows(self, claim: Callable[[], bool], patience_s: float) -> bool:
        try:
            async with asyncio.timeout(patience_s), self._changed:
                await self._changed.wait_for(claim)
        except TimeoutError:
            return False
        return True

    async def catch_up(self) -> None:
        """Read the log to its end."""
        async with self._reading:  # who follows and who asks at the same moment would each add what is new
            new = await self._provider.log(len(self.log))
            self.log.extend(new)
            for entry in new:
                if entry.method == "sendMessage" and entry.status == 200:
                    self.by_chat[entry.chat_id].append(entry)
        if new:
            async with self._changed:
                self._changed.notify_all()

    async def _follow(self) -> None:
        while True:
            await self.catch_up()
            await asyncio.sleep(0.02)


class Person:
    """Writes one message after another, the next when the last was answered."""

    def __init__(self, mail: Sequence[Update], sender: Sender, replies: Replies, *, deliveries: int = 3) -> None:
        self._mail = mail
        self._sender = sender
        self._replies = replies
        self._deliveries = deliveries
        self.unanswered: list[int] = []

    async def talk(self, patience_s: float) -> None:
        """Everything, in order; an answer that does not come in time is noted, and the talk goes on."""
        for update in self._mail:
            await self._sender.deliver(update)
            for _ in range(random.randrange(self._deliveries)):
                self._sender.deliver_again(update, random.uniform(0, 2))
            if not await self._replies.answer(update, patience_s):
                self.unanswered.append(update.update_id)


def mail_of(people: int, messages: int, *, first: int = 1) -> list[list[Update]]:
    """*messages* distinct updates in all, shared out between *people*, each of whom begins with ``/start``."""
    mail: dict[int, list[Update]] = defaultdict(list)
    for update in updates(first=first, count=messages, people=people):
        is_first = update.chat_id not in mail
        mail[update.chat_id].append(msgspec.structs.replace(update, text="/start") if is_first else update)
    return list(mail.values())


def echo_of(update: Update) -> str:
    """What the echo bot says to it, and to nothing else."""
    return "I am listening." if update.text == "/start" else f"Heard: {update.text}"


def not_repeated(expected: Mapping[str, Sequence[Reply]], mail: Iterable[Sequence[Update]]) -> list[int]:
    """Chats in which the echo bot's answers are not one for each message, in the order in which they were written."""
    wrong = []
    for of_one in mail:
        chat_id = of_one[0].chat_id
        said = [reply.text for reply in expected.get(str(chat_id), ()) if reply.text.startswith("Heard: ")]
        if said != [echo_of(update) for update in of_one[1:]]:
            wrong.append(chat_id)
    return wrong


class Killer:
    """Ends a gateway with SIGKILL again and again, and remembers what was being sent each time."""

    def __init__(self, gateway: Gateway, connection: asyncpg.Connection) -> None:
        self._gateway = gateway
        self._connection = connection
        self.kills = 0
        self.sending: dict[UUID, int] = defaultdict(int)

    async def rage(self, *, every_s: tuple[float, float], most: int, until: asyncio.Event) -> None:
        """Kill and start again until told to stop, *most* times at most; the gateway runs at the end."""
        while not until.is_set() and self.kills < most:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), random.uniform(*every_s))
                return
            self._gateway.child.kill()
            self.kills += 1
            for message_id in await being_sent(self._connection):
                self.sending[message_id] += 1
            await self._gateway.start()


async def being_sent(connection: asyncpg.Connection) -> list[UUID]:
    """What was being sent when the last gateway on this database died: read when nothing of it commits any more."""
    gone = "SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> $1)"

    async def is_alone() -> bool:
        return bool(await connection.fetchval(gone, connection.get_server_pid()))

    assert await became(is_alone, 10, 0.01), "a transaction of the dead gateway does not end"
    return [row["message_id"] for row in await connection.fetch("SELECT message_id FROM outbox WHERE is_sending")]


class Reply(msgspec.Struct, frozen=True):
    """A reply as the database has it."""

    message_id: UUID
    text: str
    status: str


async def replies_in_database(connection: asyncpg.Connection) -> dict[str, list[Reply]]:
    """Every reply that should have reached its chat, in the order of its conversation."""
    rows = await connection.fetch(
        """
        SELECT d.recipient, m.id, m.parts::text AS parts, m.status
        FROM message m
        JOIN conversation c ON c.id = m.conversation_id
        JOIN address d ON d.id = c.address_id
        WHERE m.author <> 'customer'
        ORDER BY m.conversation_id, m.position
        """
    )
    found: dict[str, list[Reply]] = defaultdict(list)
    for row in rows:
        found[row["recipient"]].append(Reply(row["id"], plain_text(decode_parts(row["parts"])), row["status"]))
    return found


def as_read(text: str) -> str:
    """A text without the provider's markup, white space made even, so that both sides can be compared."""
    return " ".join(html.unescape(re.sub(r"</?[a-zA-Z][^>]*>", "", text)).replace("*", "").replace("_", "").split())


def is_explained(sent: Sequence[str], expected: Sequence[Reply], ambiguous: Mapping[UUID, int]) -> bool:
    """Whether a chat's log is its replies in order, none missing, and none repeated more often than it was ambiguous.

    A repeat may stand only right after the first sending: a later reply must not have overtaken it. An ambiguous
    reply that failed in the end may be missing.
    """
    states = _skip_failed({(0, 0)}, expected, ambiguous)  # replies accounted for, repeats of the last one
    for text in map(as_read, sent):
        following: set[tuple[int, int]] = set()
        for done, repeats in states:
            if done < len(expected) and as_read(expected[done].text) == text:
                following.add((done + 1, 0))
            if done and as_read(expected[done - 1].text) == text and repeats < _times(expected[done - 1], ambiguous):
                following.add((done, repeats + 1))
        states = _skip_failed(following, expected, ambiguous)
    return any(done == len(expected) for done, _ in states)


def _skip_failed(
    states: set[tuple[int, int]], expected: Sequence[Reply], ambiguous: Mapping[UUID, int]
) -> set[tuple[int, int]]:
    """The states, and those reached by passing over replies that were ambiguous and given up."""
    reached = set(states)
    for start, _ in states:
        done = start
        while done < len(expected) and expected[done].status == "failed" and _times(expected[done], ambiguous):
            done += 1
            reached.add((done, 0))
    return reached


def _times(reply: Reply, ambiguous: Mapping[UUID, int]) -> int:
    return ambiguous.get(reply.message_id, 0)


def unexplained_chats(
    replies: Replies, expected: Mapping[str, Sequence[Reply]], ambiguous: Mapping[UUID, int]
) -> dict[str, tuple[list[str], list[Reply]]]:
    """Chats whose log is not their replies in order, each with both sides."""
    wrong = {}
    for chat in {*replies.by_chat, *expected}:
        sent = [entry.text for entry in replies.by_chat.get(chat, ())]
        wanted = [reply for reply in expected.get(chat, []) if reply.status != "withdrawn"]
        if not is_explained(sent, wanted, ambiguous):
            wrong[chat] = (sent, wanted)
    return wrong


def repeats(replies: Replies) -> int:
    """Sends beyond the first of each of the echo bot's answers, which are all different."""
    said = [(entry.chat_id, entry.text) for entries in replies.by_chat.values() for entry in entries]
    echoes = [each for each in said if each[1].startswith("Heard: ")]
    return len(echoes) - len(set(echoes))


async def figure(gateway: Gateway, token: str, name: str, label: str) -> float:
    """What a gateway counts under *name* with *label* (``step="deliver"``)."""
    headers = {"Authorization": f"Bearer {token}"}
    address = f"http://127.0.0.1:{gateway.port}/metrics"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(address) as response:
        assert response.status == 200, response.status
        text = await response.text()
    return sum(
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + "{") and label in line
    )


async def command(gateway: Gateway, *arguments: str, log: Path, patience_s: float = 60.0) -> tuple[int, str]:
    """Run ``tertulia`` with a gateway's settings: its exit code, and what it wrote."""
    log.unlink(missing_ok=True)
    child = Child(
        f"tertulia {arguments[0]}", tertulia(*arguments), log=log, env={"TERTULIA_CONFIG": str(gateway.config)}
    )
    async with child:
        assert await child.ended(patience_s), f"tertulia {' '.join(arguments)} did not end:\n{child.output()}"
        return child.returncode or 0, child.output(10_000)


@contextlib.asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def holds(claim: Callable[[], bool], patience_s: float) -> bool:
    """Ask until a plain claim holds; false when it does not in time."""

    async def ask() -> bool:
        return claim()

    return await became(ask, patience_s, 0.02)
