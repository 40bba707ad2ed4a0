"""What a channel's sandbox offers to those who show it: people to write as, a phone to look at, a script to embed.

A channel's folder may hold a ``sandbox.py`` with ``open_sandbox(stage)``. What it opens fits :class:`Sandbox`, and
besides any of :class:`HasPeople`, :class:`HasPhone` or :class:`HasPhones`, and :class:`HasEmbed`. Nobody else needs to
know the channel.

Most channels need not write a phone: ``channels/handset.py`` has one, with the people besides, and
``channels/sandbox_kit.py`` the provider's server and its webhooks. The channel then says what its app looks like
(:class:`Skin`), turns what its customer does into webhooks, and what its API took into :class:`PhoneMessage`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

import msgspec

from channels.discovery import discover
from gateway.core.errors import Misconfigured


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sandbox is set up. ``origin`` is our own address without a path; webhooks go to ``webhook_url``.

    ``endpoint`` is the name that the settings will give it. ``starters`` are things worth asking, by language;
    ``accent`` is the company's colour (``#rrggbb``, or empty).
    """

    webhook_url: str
    origin: str
    endpoint: str
    bot_name: str
    languages: tuple[str, ...]
    starters: Mapping[str, tuple[str, ...]]
    accent: str = ""


# ---------------------------------------------------------------- a person in the terminal


class Reply(Protocol):
    """What the bot said, as the person sees it."""

    @property
    def text(self) -> str: ...

    @property
    def buttons(self) -> tuple[str, ...]: ...


class Customer(Protocol):
    """A customer with the app in their hand."""

    @property
    def id(self) -> int | str:
        """Written out, the address that the channel's webhooks give."""
        ...

    @property
    def has_unread(self) -> bool: ...

    async def writes(self, text: str) -> object: ...

    async def presses(self, label: str) -> object:
        """Press the newest button with that label. Raises ``LookupError``."""
        ...

    async def next_reply(self, *, timeout_s: float) -> Reply: ...


# ---------------------------------------------------------------- a phone on a page


class Shade(msgspec.Struct, frozen=True):
    """One colour for light and one for dark surroundings, as CSS writes them."""

    light: str
    dark: str


class Skin(msgspec.Struct, frozen=True, kw_only=True):
    """The habits of an app, so that one knows at a glance which it is; its name is text and nothing else.

    ``buttons``: ``under`` the bubble over its full width, ``inside`` it below a line, or as ``chips`` in a row.
    ``ticks``: where one sees what became of one's own message. ``tail``: whether bubbles point at who speaks.
    ``times``: in each bubble, or in the middle where some minutes passed. ``head``: whether the name stands beside the
    picture, or in the middle below it. ``faces``: a small picture beside what the other side says. ``own_bubble_to``:
    the lower colour where own bubbles fade from one to another. ``field``: what stands in the empty field, by language.
    """

    app: str
    title: str
    subtitle: Mapping[str, str]
    header: Shade
    on_header: Shade
    wallpaper: Shade
    bubble: Shade
    ink: Shade
    own_bubble: Shade
    own_ink: Shade
    soft: Shade
    accent: Shade
    buttons: Literal["under", "inside", "chips"]
    ticks: Literal["inside", "below", "none"]
    tail: bool
    radius_px: int
    times: Literal["bubble", "gaps"] = "bubble"
    head: Literal["left", "middle"] = "left"
    faces: bool = False
    own_bubble_to: Shade | None = None
    field: Mapping[str, str] = {}


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """Letters of one look. ``url`` makes them a link."""

    text: str
    look: tuple[Literal["bold", "italic", "strike", "code"], ...] = ()
    url: str = ""


class PhoneButton(msgspec.Struct, frozen=True, omit_defaults=True):
    """``key`` tells :meth:`Phone.presses` which one it was; with ``url`` it opens a page instead.

    ``image`` is the address of a small picture on it.
    """

    label: str
    key: str = ""
    url: str = ""
    image: str = ""


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True):
    """``file`` is a key for :meth:`Phone.file`; ``url`` stands in where the content lies elsewhere."""

    kind: Literal["image", "video", "audio", "file", "place", "contact"]
    name: str = ""
    facts: str = ""
    file: str = ""
    url: str = ""


class PhoneCard(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One card of a row that is moved sideways. Its picture is a ``file`` of the phone, or at an ``url``."""

    title: str
    subtitle: str = ""
    file: str = ""
    url: str = ""
    buttons: tuple[PhoneButton, ...] = ()


class SheetRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One line of a list; lines of the same ``section`` follow one another."""

    title: str
    key: str
    description: str = ""
    section: str = ""


class PhoneSheet(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A list that a button opens over the screen. ``label`` is that button's, ``title`` stands above the lines."""

    label: str
    rows: tuple[SheetRow, ...]
    title: str = ""


class PhoneMessage(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A bubble. ``ticks``: 0 on its way, 1 taken by the app, 2 read by the other side; only of one's own messages.

    ``rows``, ``cards``, ``sheet`` and ``quick`` hold what can be pressed; keys are unique within the message.
    ``quick`` are chips that vanish with the next message. ``head``: bold words above; ``footer``: small ones below;
    ``facts``: what the app tells about the message ("2 segments"). ``quotes``: the words it answers to. ``who``: a name
    above the bubble. ``is_note``: a line in the middle, not a bubble.
    """

    id: str
    at: datetime
    is_own: bool = False
    runs: tuple[Run, ...] = ()
    rows: tuple[tuple[PhoneButton, ...], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    cards: tuple[PhoneCard, ...] = ()
    sheet: PhoneSheet | None = None
    quick: tuple[PhoneButton, ...] = ()
    head: str = ""
    footer: str = ""
    facts: str = ""
    quotes: str = ""
    who: str = ""
    reactions: tuple[str, ...] = ()
    ticks: int = 0
    is_edited: bool = False
    is_failed: bool = False
    is_note: bool = False


class PhoneView(msgspec.Struct, frozen=True, kw_only=True):
    """What changed on the screen. ``order`` lists the ids of all that is there, oldest first.

    ``typing_s``: for how much longer the other side is shown writing. ``keyboard``: buttons in the place of the keys.
    """

    revision: int
    order: tuple[str, ...]
    messages: tuple[PhoneMessage, ...]
    typing_s: float = 0.0
    keyboard: tuple[tuple[PhoneButton, ...], ...] = ()


class PhoneFile(msgspec.Struct, frozen=True):
    content: bytes
    mime: str


class Phone(Protocol):
    """A customer's phone with the app open. What they do reaches the channel as it would from the real app.

    Acts raise ``LookupError`` for a button that is not there, ``ValueError`` for what the app would not send.
    """

    @property
    def skin(self) -> Skin: ...

    @property
    def address(self) -> str:
        """The customer's address as the channel's webhooks give it."""
        ...

    def view(self, after: int) -> PhoneView:
        """The screen since that revision; all of it after 0."""
        ...

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Hear of every change of the screen until the answer is called."""
        ...

    def recall(self, messages: Sequence[PhoneMessage]) -> None:
        """Put on the screen what was said in earlier sittings, before everything else."""
        ...

    def speaks(self, language: str) -> None:
        """From now on the app is set to that language."""
        ...

    async def writes(self, text: str) -> None: ...

    async def presses(self, message_id: str, key: str) -> None:
        """Press a button of a message, or, with an empty id, of the keyboard."""
        ...

    async def sends_picture(self, content: bytes, *, name: str, mime: str, caption: str) -> None: ...

    async def sends_place(self, latitude: float, longitude: float) -> None: ...

    def file(self, key: str) -> PhoneFile | None: ...


class Embed(msgspec.Struct, frozen=True):
    """The one tag that a company puts on its page: the script's address and the tag's other attributes."""

    src: str
    attributes: Mapping[str, str]


# ---------------------------------------------------------------- the sandbox


class Sandbox(Protocol):
    """A provider's stand-in."""

    @property
    def settings_values(self) -> Mapping[str, object]:
        """The settings of an endpoint that talks to this sandbox."""
        ...


@runtime_checkable
class HasPeople(Protocol):
    """One can write as a person, from a terminal or a test."""

    def person(self, name: str, *, language: str, has_started: bool) -> Customer: ...

    async def settled(self) -> None:
        """Return once everything that people did has reached us or is given up."""
        ...


@runtime_checkable
class HasPhone(Protocol):
    def phone(self, name: str, language: str) -> Phone: ...


@runtime_checkable
class HasPhones(Protocol):
    """Its customers have the choice between several apps."""

    def phones(self, name: str, language: str) -> Mapping[str, Phone]:
        """A phone for each app, by a short name of it in lower case."""
        ...


@runtime_checkable
class HasEmbed(Protocol):
    """Its customers come by a page of the company. ``app`` is the name of the app in reports."""

    @property
    def app(self) -> str: ...

    def embed(self, language: str, *, is_open: bool) -> Embed:
        """The tag; ``is_open`` when the chat is to be there without being asked for."""
        ...


def with_sandbox() -> list[str]:
    """The channels that have one, in alphabetical order."""
    return [name for name in discover() if importlib.util.find_spec(f"channels.{name}.sandbox") is not None]


def open_sandbox(channel: str, stage: Stage) -> AbstractAsyncContextManager[Sandbox]:
    """The sandbox in the channel's own folder. Its keys are new at every start. Raises ``Misconfigured``."""
    if channel not in with_sandbox():
        raise Misconfigured(f"channels.{channel}", "has no sandbox")
    module = importlib.import_module(f"channels.{channel}.sandbox")
    opened: AbstractAsyncContextManager[Sandbox] = module.open_sandbox(stage)
    return opened
