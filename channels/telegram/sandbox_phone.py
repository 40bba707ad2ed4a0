"""The phone of one person of the sandbox, for a page that shows it: the chat with the bot as their app draws it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from channels.formatting import Unit, measure
from channels.sandboxes import (
    Attachment,
    PhoneButton,
    PhoneFile,
    PhoneMessage,
    PhoneView,
    Run,
    Shade,
    Skin,
)
from channels.telegram.sandbox_people import Person, inline_rows
from channels.telegram.sandbox_world import Json, StoredFile, World

KEPT_MESSAGES = 200
KEPT_CALLS = 500
KEPT_FILES = 60

TEXT_UNITS = 4096
TYPING_S = 5.0

Look = Literal["bold", "italic", "strike", "code"]

_LOOKS: dict[str, Look] = {
    "bold": "bold",
    "italic": "italic",
    "underline": "italic",
    "strikethrough": "strike",
    "code": "code",
    "pre": "code",
}
_FILES = ("document", "video", "audio", "voice", "video_note", "animation", "sticker")


class TelegramPhone:
    """Follows the sandbox's world, and drops of it what no screen shows any more."""

    def __init__(self, world: World, person: Person, title: str) -> None:
        self._world = world
        self._person = person
        self.skin = _skin(title)
        self._past: deque[PhoneMessage] = deque(maxlen=KEPT_MESSAGES)
        self._shown: dict[str, tuple[int, PhoneMessage]] = {}
        self._revision = 0
        self._calls_seen = 0
        self._typing_until = 0.0
        self._listeners: list[Callable[[], None]] = []
        self._is_stale = True
        world.listen(self._changed)

    @property
    def address(self) -> str:
        return str(self._person.id)

    def view(self, after: int) -> PhoneView:
        if self._is_stale:
            self._draw_all()
        changed = tuple(message for revision, message in self._shown.values() if revision > after)
        keyboard = tuple(
            tuple(PhoneButton(str(button["text"]), f"{row}.{column}") for column, button in enumerate(buttons))
            for row, buttons in enumerate(self._person.chat.keyboard)
        )
        return PhoneView(
            revision=self._revision,
            order=tuple(self._shown),
            messages=changed,
            typing_s=max(0.0, self._typing_until - self._world.clock.monotonic()),
            keyboard=keyboard,
        )

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed)

    def recall(self, messages: Sequence[PhoneMessage]) -> None:
        self._past.extend(msgspec.structs.replace(message, id=f"past-{message.id}") for message in messages)
        self._changed()

    def speaks(self, language: str) -> None:
        self._person.speaks(language)

    async def writes(self, text: str) -> None:
        if not text.strip():
            raise ValueError("there is nothing to send")
        if measure(text, Unit.UTF16) > TEXT_UNITS:
            raise ValueError(f"a message has at most {TEXT_UNITS} characters")
        await self._person.writes(text)

    async def presses(self, message_id: str, key: str) -> None:
        row, column = _place(key)
        if message_id:
            await self._person.presses_at(_number(message_id), row, column)
            return
        try:
            button = self._person.chat.keyboard[row][column]
        except IndexError:
            raise LookupError("the keyboard has no such button") from None
        self._person.chat.keyboard = []
        await self._type(button)

    async def _type(self, button: Json) -> None:
        """A button of the keyboard says its label, or shares what it asks for."""
        if button.get("request_contact"):
            await self._person.sends_contact("+573000000000")
        elif button.get("request_location"):
            await self.sends_place(4.6482, -74.0628)
        else:
            await self._person.writes(str(button["text"]))

    async def sends_picture(self, content: bytes, *, name: str, mime: str, caption: str) -> None:
        await self._person.sends_file(content, kind="photo", name=name, mime=mime, caption=caption)

    async def sends_place(self, latitude: float, longitude: float) -> None:
        await self._person.sends_location(latitude, longitude)

    def file(self, key: str) -> PhoneFile | None:
        stored = self._world.files.get(key)
        return None if stored is None else PhoneFile(stored.content, stored.mime)

    def _changed(self) -> None:
        """Something is different: drawn when somebody looks."""
        self._follow_typing()
        self._forget()
        self._is_stale = True
        for listener in tuple(self._listeners):
            listener()

    def _draw_all(self) -> None:
        """Draw the screen anew; what looks as before keeps its revision."""
        self._is_stale = False
        before, self._shown = self._shown, {}
        self._revision += 1
        chat = self._person.chat
        drawn = [self._draw(message) for message in list(chat.messages.values())[-KEPT_MESSAGES:]]
        for message in (*self._past, *drawn):
            revision, old = before.get(message.id, (0, None))
            self._shown[message.id] = (revision if old == message else self._revision, message)

    def _follow_typing(self) -> None:
        for call in self._world.log[self._calls_seen :]:
            if call.chat_id == self._person.id:
                is_typing = call.method == "sendChatAction"
                self._typing_until = self._world.clock.monotonic() + TYPING_S if is_typing else 0.0
        self._calls_seen = len(self._world.log)

    def _forget(self) -> None:
        chat, world = self._person.chat, self._world
        while not chat.unread.empty():
            chat.unread.get_nowait()
        for number in list(chat.messages)[: -2 * KEPT_MESSAGES]:
            del chat.messages[number]
        for file_id in list(world.files)[:-KEPT_FILES]:
            del world.files[file_id]
        if len(world.log) > 2 * KEPT_CALLS:
            del world.log[:-KEPT_CALLS]
            self._calls_seen = len(world.log)

    def _draw(self, message: Json) -> PhoneMessage:
        number = int(str(message["message_id"]))
        is_own = message["from"] != self._world.bot
        is_taken = self._person.chat.taken_to >= number
        text = str(message.get("text", message.get("caption", "")))
        entities = message.get("entities") or message.get("caption_entities") or []
        return PhoneMessage(
            id=str(number),
            at=datetime.fromtimestamp(int(str(message["date"])), UTC),
            is_own=is_own,
            runs=runs_of(text, msgspec.convert(entities, list[Json])),
            rows=tuple(_row(number, buttons) for number, buttons in enumerate(inline_rows(message))),
            attachments=tuple(filter(None, (self._attachment(message),))),
            ticks=(2 if is_taken else 1) if is_own else 0,
            is_edited="edit_date" in message and bool(text),
        )

    def _attachment(self, message: Json) -> Attachment | None:
        if photo := message.get("photo"):
            return self._image(msgspec.convert(photo, list[Json])[-1])
        if isinstance(venue := message.get("venue"), dict):
            return Attachment("place", str(venue["title"]), str(venue["address"]))
        if isinstance(place := message.get("location"), dict):
            return Attachment("place", facts=f"{place['latitude']:.5f}, {place['longitude']:.5f}")
        if isinstance(card := message.get("contact"), dict):
            return Attachment("contact", str(card["first_name"]), str(card["phone_number"]))
        for field in _FILES:
            if isinstance(found := message.get(field), dict):
                return Attachment("file", str(found.get("file_name", field)), url=self._elsewhere(found))
        return None

    def _image(self, photo: Json) -> Attachment:
        if elsewhere := self._elsewhere(photo):
            return Attachment("image", url=elsewhere)
        return Attachment("image", file=str(photo["file_id"]))

    def _elsewhere(self, described: Json) -> str:
        """The address of a file that the bot sent by naming one: nobody fetched it."""
        stored = self._world.files.get(str(described["file_id"]))
        return stored.content.decode() if stored is not None and _is_address(stored) else ""


def _is_address(stored: StoredFile) -> bool:
    return not stored.mime and stored.content.startswith((b"http://", b"https://"))


def _row(row: int, buttons: Iterable[Json]) -> tuple[PhoneButton, ...]:
    return tuple(
        PhoneButton(str(button["text"]), url=str(button["url"]))
        if "url" in button
        else PhoneButton(str(button["text"]), f"{row}.{column}")
        for column, button in enumerate(buttons)
    )


def _place(key: str) -> tuple[int, int]:
    row, _, column = key.partition(".")
    if not (row.isdecimal() and column.isdecimal()):
        raise LookupError(f"there is no button {key!r}")
    return int(row), int(column)


def _number(message_id: str) -> int:
    if not message_id.isdecimal():
        raise LookupError("that message has no buttons any more")
    return int(message_id)


def runs_of(text: str, entities: Sequence[Json]) -> tuple[Run, ...]:
    """The text cut wherever its look changes. Offsets count UTF-16 units, as the app gives them."""
    units = text.encode("utf-16-le")
    marks = [_mark(entity) for entity in entities]
    edges = sorted({0, len(units) // 2, *(edge for start, end, _, _ in marks for edge in (start, end))})
    runs = []
    for start, end in itertools.pairwise(edges):
        inside = [(look, url) for first, last, look, url in marks if first <= start and end <= last]
        looks = tuple(dict.fromkeys(look for look, _ in inside if look))
        piece = units[start * 2 : end * 2].decode("utf-16-le", errors="replace")
        runs.append(Run(piece, looks, next((url for _, url in inside if url), "")))
    return tuple(run for run in runs if run.text)


def _mark(entity: Json) -> tuple[int, int, Look | None, str]:
    start = int(str(entity["offset"]))
    return start, start + int(str(entity["length"])), _LOOKS.get(str(entity["type"])), str(entity.get("url", ""))


def _skin(title: str) -> Skin:
    """How the app looks: blue header, patternless paper, own bubbles in pale green, ticks and time inside."""
    return Skin(
        app="Telegram",
        title=title,
        subtitle={"es": "bot", "en": "bot"},
        header=Shade("#3d7199", "#212d3b"),
        on_header=Shade("#ffffff", "#f1f5f9"),
        wallpaper=Shade("#cfdfcc", "#0f1620"),
        bubble=Shade("#ffffff", "#1e2a38"),
        ink=Shade("#10171f", "#eef3f8"),
        own_bubble=Shade("#e6fbd3", "#2f5c8f"),
        own_ink=Shade("#10171f", "#ffffff"),
        soft=Shade("#5c6770", "#9db0c2"),
        accent=Shade("#1f78b4", "#7cc0f4"),
        buttons="under",
        ticks="inside",
        tail=True,
        radius_px=16,
    )
