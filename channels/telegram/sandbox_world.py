"""What the sandbox remembers: who there is, what was said where, which files exist. Shared by API and people."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import deque
from collections.abc import Callable
from datetime import datetime

import msgspec

from gateway.core.clock import Clock

Json = dict[str, object]


class Refusal(Exception):
    """The Bot API says no, in its own words."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters


class StoredFile(msgspec.Struct, frozen=True):
    file_id: str
    unique_id: str
    path: str
    content: bytes
    name: str
    mime: str


class BotMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the bot as a person sees it. ``buttons`` are the labels, ``params`` what the call carried."""

    message_id: int
    chat_id: int
    method: str
    text: str
    buttons: tuple[str, ...]
    params: Json


class LoggedCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call that took effect, in the order in which they did."""

    at: datetime
    method: str
    chat_id: int
    message_id: int
    params: Json


class Chat:
    """A private chat or a group, with everything said in it and the bot's messages that nobody has read yet.

    ``taken_to`` is the last message of a person that the bot has taken; ``keyboard`` stands in the place of the keys.
    """

    def __init__(self, description: Json, first_message_id: int) -> None:
        self.description = description
        self.messages: dict[int, Json] = {}
        self.unread: asyncio.Queue[BotMessage] = asyncio.Queue()
        self.is_blocked = False
        self.is_started = False
        self.migrated_to = 0
        self.taken_to = 0
        self.keyboard: list[list[Json]] = []
        self._next_message_id = first_message_id

    @property
    def id(self) -> int:
        return int(str(self.description["id"]))

    @property
    def is_private(self) -> bool:
        return self.description["type"] == "private"

    def take_message_id(self) -> int:
        taken = self._next_message_id
        self._next_message_id += 1
        return taken


class World:
    """Everything that outlives one request. Message numbers begin at the time of day, so no run repeats another's."""

    def __init__(self, clock: Clock, bot_id: int, username: str) -> None:
        self.clock = clock
        self.bot: Json = {"id": bot_id, "is_bot": True, "first_name": "Sandbox", "username": username}
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, StoredFile] = {}
        self.log: list[LoggedCall] = []
        self.open_queries: dict[str, float] = {}
        self.on_update: Callable[[Json], None] = lambda _: None
        self._listeners: list[Callable[[], None]] = []
        self._next_update_id = secrets.randbelow(1_000_000_000) + 1

    def now_s(self) -> int:
        return int(self.clock.now().timestamp())

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Hear that something looks different now, until the answer is called."""
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed)

    def changed(self) -> None:
        """Something that people see is different now."""
        for listener in tuple(self._listeners):
            listener()

    def taken(self, update: Json) -> None:
        """The bot has an update: what a person said in it is shown as read."""
        message = update.get("message")
        if isinstance(message, dict):
            chat = self.chats.get(int(str(message["chat"]["id"])))
            if chat is not None:
                chat.taken_to = max(chat.taken_to, int(str(message["message_id"])))
                self.changed()

    def add_chat(self, description: Json) -> Chat:
        """The chat of that id, made when it is new."""
        identity = int(str(description["id"]))
        if identity not in self.chats:
            self.chats[identity] = Chat(description, self.now_s())
        return self.chats[identity]

    def emit(self, kind: str, content: Json) -> int:
        """Queue an update for the bot; returns its number."""
        update_id = self._next_update_id
        self._next_update_id += 1
        self.on_update({"update_id": update_id, kind: content})
        return update_id

    def add_file(self, content: bytes, name: str, mime: str) -> StoredFile:
        unique = hashlib.blake2b(content, digest_size=8).hexdigest()
        file_id = f"F{secrets.token_hex(12)}"
        stored = StoredFile(file_id, unique, f"files/{unique}/{name}", content, name, mime)
        self.files[file_id] = stored
        return stored


class Pacer:
    """Telegram's rates: so many a second in all, a short burst and then one a second a chat, 20 a minute a group."""

    def __init__(self, clock: Clock, *, per_s: int = 30, chat_burst: int = 5, group_per_min: int = 20) -> None:
        self._clock = clock
        self._per_s = per_s
        self._chat_burst = chat_burst
        self._group_per_min = group_per_min
        self._all: deque[float] = deque()
        self._by_chat: dict[int, deque[float]] = {}

    def admit(self, chat_id: int) -> None:
        """Count one message to a chat. Raises ``Refusal`` with the seconds to wait when it is one too many."""
        now = self._clock.monotonic()
        window_s, most = (60.0, self._group_per_min) if chat_id < 0 else (float(self._chat_burst), self._chat_burst)
        chat = self._by_chat.setdefault(chat_id, deque())
        for times, span_s, limit in ((self._all, 1.0, self._per_s), (chat, window_s, most)):
            while times and times[0] <= now - span_s:
                times.popleft()
            if len(times) >= limit:
                wait_s = int(times[0] + span_s - now) + 1
                raise Refusal(429, f"Too Many Requests: retry after {wait_s}", retry_after=wait_s)
        self._all.append(now)
        chat.append(now)
