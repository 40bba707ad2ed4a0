"""A provider that exists only on paper: a channel whose wire is our own words, and whose answers a test decides."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import Field

from gateway.core.channel import (
    AccountSpec,
    BlobReader,
    Call,
    Capabilities,
    EndpointSettings,
    Finding,
    Kept,
    Rates,
    RemoteFile,
    Sent,
    WebhookAnswer,
    WebhookRequest,
    Window,
)
from gateway.core.errors import GiveUp, NotSupported
from gateway.core.inbound import AddressKey, Parsed, Profile, Received
from gateway.core.messages import AnyPart, Outgoing, Template, Text, plain_text

T0 = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


class PaperSettings(EndpointSettings):
    per_s: float = 0.0
    per_recipient_s: float = 0.0
    window: dict[str, float] = Field(default_factory=dict)


class PaperClient:
    """Writes every call down. ``answer`` may be replaced by a test: it is called before the call counts as done."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.acknowledged: list[str] = []
        self.typed: list[str] = []
        self.answer: Callable[[str, str], Awaitable[None]] | None = None
        self.files: dict[str, bytes] = {}
        self._ids = itertools.count(1)
        self._changed = asyncio.Event()

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def send(self, account: str, call: Call) -> Sent:
        recipient, text = str(call.params["to"]), str(call.params["text"])
        if self.answer is not None:
            await self.answer(recipient, text)
        self.calls.append((recipient, text))
        self._changed.set()
        return Sent((f"out-{next(self._ids)}",))

    async def acknowledge(self, account: str, token: str) -> None:
        self.acknowledged.append(token)
        self._changed.set()

    async def typing(self, account: str, recipient: str, heard: str = "") -> None:
        self.typed.append(recipient)

    async def fetch(self, account: str, provider_ref: str) -> RemoteFile:
        if provider_ref not in self.files:
            raise GiveUp("unreachable", "no such file")
        return RemoteFile(_one(self.files[provider_ref]))

    async def connect(self, public_url: str) -> Sequence[Finding]:
        return []

    async def doctor(self, public_url: str) -> Sequence[Finding]:
        return []

    async def until(self, condition: Callable[[], bool], within_s: float = 10.0) -> None:
        """Return when *condition* holds; it is looked at after every call."""
        async with asyncio.timeout(within_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


class PaperChannel:
    """Renders one call a line of text; a template is shown by its name. A line that begins with ~ loses its mark."""

    def __init__(self) -> None:
        self.outgoing: list[Outgoing] = []

    name = "paper"
    settings: type[EndpointSettings] = PaperSettings
    capabilities = Capabilities(text_units=4096, media=frozenset())
    can_redeliver = True

    def accounts(self, settings: EndpointSettings) -> tuple[AccountSpec, ...]:
        assert isinstance(settings, PaperSettings)
        rates = Rates(per_s=settings.per_s, per_recipient_s=settings.per_recipient_s)
        return (AccountSpec("main", "", "paper", rates, Window(**settings.window)),)  # type: ignore[arg-type]

    def verify(self, settings: EndpointSettings, request: WebhookRequest) -> None: ...

    def handshake(self, settings: EndpointSettings, request: WebhookRequest) -> WebhookAnswer:
        raise NotSupported("paper has no handshake")

    def parse(self, settings: EndpointSettings, request: WebhookRequest) -> list[Parsed]:
        return []

    def replay(self, settings: EndpointSettings, raw: bytes) -> list[Parsed]:
        return []

    def render(self, settings: EndpointSettings, message: Outgoing) -> tuple[Call, ...]:
        self.outgoing.append(message)
        lines = [line for part in message.parts for line in _lines(part)]
        return tuple(
            Call("send", {"to": message.recipient, "text": line}, losses=("mark",) if line.startswith("~") else ())
            for line in lines
        )

    def is_group(self, recipient: str) -> bool:
        return recipient.startswith("-")

    def client(self, settings: EndpointSettings, read_blob: BlobReader, kept: Kept | None = None) -> PaperClient:
        return PaperClient()


def _lines(part: AnyPart) -> list[str]:
    if isinstance(part, Template):
        return [f"[{part.name} {part.language} {' '.join(part.values)}]"]
    return plain_text((part,)).split("\n")


def said(person: str, number: int, text: str = "", *, key: str = "", after_s: float | None = None) -> Received:
    """Person's message *number*, one second after the last unless *after_s* says otherwise."""
    return Received(
        event_key=key or f"m:{person}:{number}",
        at=T0 + timedelta(seconds=number if after_s is None else after_s),
        address=AddressKey("chat", person),
        provider_message_id=f"in-{person}-{number}",
        parts=(Text(text or f"{person} {number}"),),
        profile=Profile(name=person, language="es"),
    )
