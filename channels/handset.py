"""A customer's phone for any channel: it keeps the screen, finds what was pressed, and plays the person in tests.

A channel gives the look of its app and what its webhooks make of the customer's acts; it tells the handset what its
API took. The handset draws the customer's own bubbles by itself, under the ids that the acts answer with.

    class ChatActs:                                           # fits Acts
        def speaks(self, language: str) -> None: ...
        async def writes(self, text: str) -> str:
            message_id = new_id()
            sender.put(text_webhook(message_id, text), key=address, on_taken=lambda: handset.ticked(message_id, 1))
            return message_id                                 # the bubble's id
        async def presses(self, message_id: str, button: PhoneButton) -> str: ...   # "": no bubble of one's own
        async def sends_picture(self, content, *, name, mime, caption) -> str: ...
        async def sends_place(self, latitude: float, longitude: float) -> str: ...

    handset = Handset(SKIN, address, ChatActs())
    handset.typing(10)                                        # the API was told that somebody writes
    handset.shows(PhoneMessage(id="m1", at=now, runs=(Run("¿Qué plan?"),), quick=(PhoneButton("Mini", "mini"),)))
    handset.ticked("m0", 2)                                   # the bot marked it (and all before it) as read
    person = HandsetCustomer(handset)                         # for tests and the terminal
    await person.presses("Mini")
    reply = await person.next_reply(timeout_s=5)              # reply.text, reply.buttons
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from channels.sandboxes import (
    Attachment,
    PhoneButton,
    PhoneFile,
    PhoneMessage,
    PhoneView,
    Run,
    Skin,
)
from gateway.core.clock import Clock, SystemClock

KEPT_MESSAGES = 200
KEPT_UNREAD = 500
KEPT_FILES = 60
TEXT_CHARS = 4096

Keyboard = tuple[tuple[PhoneButton, ...], ...]


class Acts(Protocol):
    """What the channel makes of what its customer does.

    Each act that leaves a bubble on the customer's own screen answers with its id, the others with an empty text.
    Raises ``ValueError`` for what the app would not send.
    """

    def speaks(self, language: str) -> None: ...

    async def writes(self, text: str) -> str: ...

    async def presses(self, message_id: str, button: PhoneButton) -> str:
        """A button, chip, line of a list, or (with an empty id) a key of the keyboard."""
        ...

    async def sends_picture(self, content: bytes, *, name: str, mime: str, caption: str) -> str: ...

    async def sends_place(self, latitude: float, longitude: float) -> str: ...


class Handset:
    """The phone itself; fits :class:`channels.sandboxes.Phone`. It forgets the oldest when there is too much.

    *text_chars* is the longest text that the app lets one write.
    """

    def __init__(
        self, skin: Skin, address: str, acts: Acts, *, clock: Clock | None = None, text_chars: int = TEXT_CHARS
    ) -> None:
        self.skin = skin
        self.address = address
        self._acts = acts
        self._clock = clock or SystemClock()
        self._text_chars = text_chars
        self._revision = 0
        self._screen: dict[str, tuple[int, PhoneMessage]] = {}
        self._past: dict[str, tuple[int, PhoneMessage]] = {}
        self._files: dict[str, PhoneFile] = {}
        self._keyboard: Keyboard = ()
        self._typing_until = 0.0
        self._listeners: list[Callable[[], None]] = []
        self._unread: deque[PhoneMessage] = deque(maxlen=KEPT_UNREAD)
        self._arrived = asyncio.Event()

    # ------------------------------------------------------------ what the channel tells

    def shows(self, message: PhoneMessage) -> None:
        """Put a message on the screen, or another in the place of the one with that id."""
        is_new = message.id not in self._screen
        if is_new:
            self._let_chips_vanish()
        self._put(message)
        if is_new and not message.is_own:
            self._typing_until = 0.0
            self._unread.append(message)
            self._arrived.set()
        self._changed()

    def takes_back(self, message_id: str) -> None:
        """The message is gone from the screen."""
        if self._screen.pop(message_id, None) is not None:
            self._revision += 1
            self._changed()

    def ticked(self, message_id: str, ticks: int) -> None:
        """One's own message got so far, and so did all that one wrote before it. Ticks never go back."""
        if message_id not in self._screen:
            return
        for known, (_, message) in list(self._screen.items()):
            if message.is_own and message.ticks < ticks:
                self._put(msgspec.structs.replace(message, ticks=ticks))
            if known == message_id:
                break
        self._changed()

    def failed(self, message_id: str) -> None:
        """One's own message did not reach the other side."""
        if (message := self.message(message_id)) is not None:
            self.shows(msgspec.structs.replace(message, is_failed=True))

    def typing(self, seconds: float) -> None:
        """The other side is shown writing for that long, or until something comes of it; 0 ends it."""
        self._typing_until = self._clock.monotonic() + seconds
        self._revision += 1
        self._changed()

    def set_keyboard(self, rows: Keyboard) -> None:
        """These buttons stand in the place of the keys; none brings the keys back."""
        self._keyboard = rows
        self._revision += 1
        self._changed()

    def keep(self, content: bytes, mime: str) -> str:
        """Keep a file that a message shows; the answer is its key."""
        key = secrets.token_hex(8)
        self._files[key] = PhoneFile(content, mime)
        while len(self._files) > KEPT_FILES:
            del self._files[next(iter(self._files))]
        return key

    def message(self, message_id: str) -> PhoneMessage | None:
        """What is on the screen under that id."""
        return self._screen.get(message_id, (0, None))[1]

    # ------------------------------------------------------------ what one sees

    @property
    def messages(self) -> tuple[PhoneMessage, ...]:
        """The screen of this sitting, oldest first."""
        return tuple(message for _, message in self._screen.values())

    def view(self, after: int) -> PhoneView:
        shown = {**self._past, **self._screen}
        return PhoneView(
            revision=self._revision,
            order=tuple(shown),
            messages=tuple(message for revision, message in shown.values() if revision > after),
            typing_s=max(0.0, self._typing_until - self._clock.monotonic()),
            keyboard=self._keyboard,
        )

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed)

    def recall(self, messages: Sequence[PhoneMessage]) -> None:
        self._revision += 1
        for message in messages:
            known = f"past-{message.id}"
            self._past[known] = (self._revision, msgspec.structs.replace(message, id=known))
        self._changed()

    def file(self, key: str) -> PhoneFile | None:
        return self._files.get(key)

    # ------------------------------------------------------------ what the customer does

    def speaks(self, language: str) -> None:
        self._acts.speaks(language)

    async def writes(self, text: str) -> None:
        await self.wrote(text)

    async def wrote(self, text: str) -> str:
        """As :meth:`writes`; answers with the message's id."""
        if not text.strip():
            raise ValueError("there is nothing to send")
        if len(text) > self._text_chars:
            raise ValueError(f"a message has at most {self._text_chars} characters")
        return self._said(await self._acts.writes(text), runs=(Run(text),))

    async def presses(self, message_id: str, key: str) -> None:
        button = self._find(message_id, key)
        if not message_id:
            self.set_keyboard(())
        self._said(await self._acts.presses(message_id, button), runs=(Run(button.label),))

    async def sends_picture(self, content: bytes, *, name: str, mime: str, caption: str) -> None:
        message_id = await self._acts.sends_picture(content, name=name, mime=mime, caption=caption)
        picture = Attachment("image", name, file=self.keep(content, mime))
        self._said(message_id, attachments=(picture,), runs=(Run(caption),) if caption else ())

    async def sends_place(self, latitude: float, longitude: float) -> None:
        message_id = await self._acts.sends_place(latitude, longitude)
        self._said(message_id, attachments=(Attachment("place", facts=f"{latitude:.5f}, {longitude:.5f}"),))

    # ------------------------------------------------------------ what a person reads

    @property
    def has_unread(self) -> bool:
        return bool(self._unread)

    async def next_unread(self) -> PhoneMessage:
        """The oldest message of the other side that was not asked for yet, once there is one."""
        while not self._unread:
            self._arrived.clear()
            await self._arrived.wait()
        return self._unread.popleft()

    # ------------------------------------------------------------ the screen

    def _said(self, message_id: str, *, runs: tuple[Run, ...] = (), attachments: tuple[Attachment, ...] = ()) -> str:
        """One's own bubble, unless the app shows none or the channel has drawn it already."""
        if message_id and message_id not in self._screen:
            now = self._clock.now()
            self.shows(PhoneMessage(id=message_id, at=now, is_own=True, runs=runs, attachments=attachments))
        return message_id

    def _put(self, message: PhoneMessage) -> None:
        self._revision += 1
        self._screen[message.id] = (self._revision, message)
        while len(self._screen) > KEPT_MESSAGES:
            del self._screen[next(iter(self._screen))]

    def _let_chips_vanish(self) -> None:
        for _, message in list(self._screen.values()):
            if message.quick:
                self._put(msgspec.structs.replace(message, quick=()))

    def _find(self, message_id: str, key: str) -> PhoneButton:
        message = self.message(message_id)
        if not message_id:
            buttons = iter([button for row in self._keyboard for button in row])
        elif message is None:
            raise LookupError("that message has no buttons any more")
        else:
            buttons = buttons_of(message)
        found = next((button for button in buttons if button.key == key and key), None)
        if found is None:
            raise LookupError(f"there is no button {key!r}")
        return found

    def _changed(self) -> None:
        for listener in tuple(self._listeners):
            listener()


def buttons_of(message: PhoneMessage) -> Iterator[PhoneButton]:
    """All that can be pressed in a message, from top to bottom; the lines of its list too."""
    for row in message.rows:
        yield from row
    for card in message.cards:
        yield from card.buttons
    if message.sheet is not None:
        yield from (PhoneButton(row.title, row.key) for row in message.sheet.rows)
    yield from message.quick


def words_of(message: PhoneMessage) -> str:
    """What one reads in a message, a line for each piece, without its buttons."""
    pieces = [message.head, "".join(run.text for run in message.runs)]
    pieces += [" ".join(filter(None, (one.name, one.facts))) for one in message.attachments]
    pieces += [": ".join(filter(None, (card.title, card.subtitle))) for card in message.cards]
    pieces.append(message.footer)
    return "\n".join(piece for piece in pieces if piece)


class HandsetReply(msgspec.Struct, frozen=True):
    """What the bot said, as the person sees it: words, and the labels of all that can be pressed."""

    id: str
    text: str
    buttons: tuple[str, ...]
    message: PhoneMessage


class HandsetCustomer:
    """A person with that handset; fits :class:`channels.sandboxes.Customer`."""

    def __init__(self, handset: Handset) -> None:
        self.handset = handset

    @property
    def id(self) -> str:
        return self.handset.address

    @property
    def has_unread(self) -> bool:
        return self.handset.has_unread

    async def writes(self, text: str) -> str:
        """Send a text; returns the message's id."""
        return await self.handset.wrote(text)

    async def presses(self, label: str) -> str:
        """Press the newest button with that label, wherever it is. Returns its key. Raises ``LookupError``."""
        for message in reversed(self.handset.messages):
            for button in buttons_of(message):
                if button.label == label and button.key:
                    await self.handset.presses(message.id, button.key)
                    return button.key
        raise LookupError(f"no message has a button {label!r}")

    async def sends_picture(self, content: bytes, *, caption: str = "") -> None:
        await self.handset.sends_picture(content, name="picture.png", mime="image/png", caption=caption)

    async def sends_place(self, latitude: float, longitude: float) -> None:
        await self.handset.sends_place(latitude, longitude)

    async def next_reply(self, *, timeout_s: float = 5.0) -> HandsetReply:
        """The bot's next message that this person has not read. Raises ``TimeoutError``."""
        async with asyncio.timeout(timeout_s):
            message = await self.handset.next_unread()
        labels = tuple(button.label for button in buttons_of(message))
        return HandsetReply(message.id, words_of(message), labels, message)
