"""The people of the sandbox: what they do with the app becomes an update for the bot."""

from __future__ import annotations

import asyncio
import secrets

import msgspec

from channels.formatting import Unit, measure
from channels.telegram.sandbox_api import described_file
from channels.telegram.sandbox_world import BotMessage, Chat, Json, World


class _Place:
    """A chat as those in it see it."""

    def __init__(self, world: World, chat: Chat) -> None:
        self._world = world
        self.chat = chat

    @property
    def id(self) -> int:
        return self.chat.id

    async def next_reply(self, *, timeout_s: float = 5.0) -> BotMessage:
        """The bot's next unread message here. Raises ``TimeoutError``."""
        async with asyncio.timeout(timeout_s):
            return await self.chat.unread.get()

    @property
    def has_unread(self) -> bool:
        return not self.chat.unread.empty()


class Group(_Place):
    """A group or supergroup with the bot in it."""

    def migrates(self, writer: Person) -> Group:
        """The group gets a new id; calls to the old one are told so. Returns the new group."""
        identity = self.id - 1_000_000_000_000 if self.id > -1_000_000_000_000 else self.id - 1
        new = self._world.add_chat({**self.chat.description, "id": identity, "type": "supergroup"})
        note = writer.message(self.chat, {"migrate_to_chat_id": identity})
        self.chat.migrated_to = identity
        self._world.emit("message", note)
        return Group(self._world, new)

    def adds_bot(self, by: Person) -> None:
        """The bot joins (again)."""
        self.chat.is_blocked = False
        self._world.emit("my_chat_member", by.membership(self.chat, "left", "member"))

    def removes_bot(self, by: Person) -> None:
        """The bot is thrown out: sending here is refused from now on."""
        self.chat.is_blocked = True
        self._world.emit("my_chat_member", by.membership(self.chat, "member", "kicked"))


class Person(_Place):
    """A customer with the app in their hand. What they do is sent to the bot's webhook as an update."""

    def __init__(self, world: World, user: Json, chat: Chat) -> None:
        super().__init__(world, chat)
        self.user = user

    def speaks(self, language: str) -> None:
        """From now on their app is set to that language."""
        self.user["language_code"] = language

    async def writes(self, text: str, *, group: Group | None = None, reply_to: int = 0) -> int:
        """Send a text, in the private chat or in a group; returns the message's number."""
        return self._say({"text": text, **_marked(text)}, group, reply_to)

    async def starts(self, payload: str = "") -> int:
        """Press Start, perhaps behind a deep link."""
        return await self.writes(f"/start {payload}".strip())

    async def presses(self, label: str, *, on: BotMessage | None = None) -> str:
        """Press the button with that label, on a message or on the newest that has it. Returns the query's id."""
        return self._press(*self._find_button(label, on))

    async def presses_at(self, message_id: int, row: int, column: int) -> str:
        """Press a button by its place under a message. Returns the query's id."""
        message = self.chat.messages.get(message_id, {})
        try:
            return self._press(message, inline_rows(message)[row][column])
        except IndexError:
            raise LookupError(f"message {message_id} has no button at {row}, {column}") from None

    def _press(self, message: Json, button: Json) -> str:
        if "callback_data" not in button:
            raise LookupError(f"the button {button['text']!r} opens a page")
        query_id = str(secrets.randbelow(9 * 10**18) + 10**18)
        self._world.open_queries[query_id] = self._world.clock.monotonic()
        content: Json = {"id": query_id, "from": self.user, "message": message, "chat_instance": "-1"}
        self._world.emit("callback_query", {**content, "data": button["callback_data"]})
        return query_id

    async def edits(self, message_id: int, text: str) -> None:
        """Change the text of a message of theirs."""
        message = self.chat.messages[message_id]
        message.update({"text": text, **_marked(text), "edit_date": self._world.now_s()})
        self._world.changed()
        self._world.emit("edited_message", dict(message))

    async def reacts(self, message_id: int, *emojis: str) -> None:
        """Set their reactions to a message; none takes them back."""
        content: Json = {
            "chat": self.chat.description,
            "message_id": message_id,
            "user": self.user,
            "date": self._world.now_s(),
            "old_reaction": [],
            "new_reaction": [{"type": "emoji", "emoji": emoji} for emoji in emojis],
        }
        self._world.emit("message_reaction", content)

    async def sends_file(
        self, content: bytes, *, kind: str = "document", name: str = "file", mime: str = "", caption: str = ""
    ) -> int:
        """Send a file; *kind* is photo, document, voice, audio, video, video_note, animation or sticker."""
        stored = self._world.add_file(content, name, mime)
        shown = described_file(kind, stored.file_id, stored.unique_id, len(content), name, mime)
        body: Json = {kind: shown}
        if kind == "animation":
            body["document"] = {key: value for key, value in _as_json(shown).items() if key not in _MOVING}
        if caption:
            body["caption"] = caption
        return self._say(body)

    async def sends_photo(self, content: bytes, *, caption: str = "") -> int:
        return await self.sends_file(content, kind="photo", name="photo.jpg", mime="image/jpeg", caption=caption)

    async def sends_location(self, latitude: float, longitude: float) -> int:
        return self._say({"location": {"latitude": latitude, "longitude": longitude}})

    async def sends_contact(self, phone: str) -> int:
        """Share their own number."""
        card = {"phone_number": phone, "first_name": self.user["first_name"], "user_id": self.user["id"]}
        return self._say({"contact": card})

    async def blocks(self) -> None:
        """Block the bot: sending is refused from now on."""
        self.chat.is_blocked = True
        self._world.emit("my_chat_member", self.membership(self.chat, "member", "kicked"))

    async def unblocks(self) -> None:
        self.chat.is_blocked = False
        self._world.emit("my_chat_member", self.membership(self.chat, "kicked", "member"))

    def message(self, chat: Chat, content: Json) -> Json:
        """A message of theirs in *chat*, remembered there."""
        number = chat.take_message_id()
        made: Json = {"message_id": number, "from": self.user, "chat": chat.description, "date": self._world.now_s()}
        chat.messages[number] = made | content
        self._world.changed()
        return chat.messages[number]

    def membership(self, chat: Chat, before: str, after: str) -> Json:
        """What the bot is told when this person changes its standing in *chat*."""
        return {
            "chat": chat.description,
            "from": self.user,
            "date": self._world.now_s(),
            "old_chat_member": _member(self._world.bot, before),
            "new_chat_member": _member(self._world.bot, after),
        }

    def _say(self, content: Json, group: Group | None = None, reply_to: int = 0) -> int:
        chat = group.chat if group is not None else self.chat
        chat.is_started = True
        if reply_to:
            replied = {key: value for key, value in chat.messages[reply_to].items() if key != "reply_to_message"}
            content = {**content, "reply_to_message": replied}
        made = self.message(chat, content)
        self._world.emit("message", dict(made))
        return int(str(made["message_id"]))

    def _find_button(self, label: str, on: BotMessage | None) -> tuple[Json, Json]:
        places = [self.chat] if on is None else [self._world.chats[on.chat_id]]
        for chat in places:
            for number, message in sorted(chat.messages.items(), reverse=True):
                if on is not None and number != on.message_id:
                    continue
                for button in (button for row in inline_rows(message) for button in row):
                    if button["text"] == label:
                        return message, button
        raise LookupError(f"no message has a button {label!r}")


_MOVING = frozenset({"width", "height", "duration"})


def inline_rows(message: Json) -> list[list[Json]]:
    """The buttons under a message."""
    return msgspec.convert(_as_json(message.get("reply_markup")).get("inline_keyboard") or [], list[list[Json]])


def _as_json(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _member(bot: Json, status: str) -> Json:
    member: Json = {"user": bot, "status": status}
    return member | {"until_date": 0} if status == "kicked" else member


def _marked(text: str) -> Json:
    """The entities that the app finds by itself: commands and mentions."""
    entities: list[Json] = []
    at = 0
    for word in text.split(" "):
        kind = "bot_command" if word.startswith("/") and len(word) > 1 else "mention" if word.startswith("@") else ""
        if kind:
            offset, length = measure(text[:at], Unit.UTF16), measure(word, Unit.UTF16)
            entities.append({"type": kind, "offset": offset, "length": length})
        at += len(word) + 1
    return {"entities": entities} if entities else {}
