"""What a channel is: one folder that translates between a provider's wire and our words.

``verify``, ``parse`` and ``render`` are pure; the ``Client`` alone talks. A channel package exposes one object
named ``channel`` that fits :class:`Channel`; discovery finds it, and nothing else in the product names it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

import msgspec
from pydantic import BaseModel, ConfigDict

from gateway.core.inbound import AddressKey, Parsed, Profile
from gateway.core.messages import MediaKind, Outgoing


class EndpointSettings(BaseModel):
    """Base of a channel's settings: frozen, and an unknown key is an error that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Rates(msgspec.Struct, frozen=True):
    """How fast an account may send; 0 means without limit.

    ``per_s`` for the whole account, ``per_recipient_s`` for one recipient (``recipient_burst`` of them at once),
    ``per_group_min`` for one group chat, ``concurrency`` for calls under way at a time. ``heavy_per_s`` is for the
    calls that the channel says are heavy (a video), within ``per_s``.
    """

    per_s: float = 0.0
    per_recipient_s: float = 0.0
    recipient_burst: int = 1
    per_group_min: float = 0.0
    concurrency: int = 64
    heavy_per_s: float = 0.0

    @property
    def is_limited(self) -> bool:
        """Whether one process at a time must deliver this account, for the rates to be exact."""
        return max(self.per_s, self.per_recipient_s, self.per_group_min, self.heavy_per_s) > 0


class Window(msgspec.Struct, frozen=True):
    """How long after the customer's last act what may be said, in seconds; 0 means without end.

    ``free_s``: anything. ``ad_s``: anything, after the customer came by an advertisement. ``agent_s``: what a person
    says. ``has_templates``: an approved text may be sent at any time. ``may_begin``: we may write to somebody who never
    wrote.
    """

    free_s: float = 0.0
    ad_s: float = 0.0
    agent_s: float = 0.0
    has_templates: bool = False
    may_begin: bool = False


class AccountSpec(msgspec.Struct, frozen=True):
    """One account of an endpoint. ``external`` is the name that ``parse`` gives (empty: the only one)."""

    name: str
    external: str
    app: str
    rates: Rates
    window: Window = Window()


class WebhookRequest(msgspec.Struct, frozen=True):
    """A request as it came in. Header names are lower case; ``url`` is the public one, as the provider knows it."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


class WebhookAnswer(msgspec.Struct, frozen=True):
    """What the provider wants to hear when all went well."""

    body: bytes = b""
    content_type: str = "text/plain"
    headers: Mapping[str, str] = {}


class Upload(msgspec.Struct, frozen=True):
    """A file that travels with a call, from our blob store."""

    field: str
    blob: str
    name: str
    mime: str = ""


class Call(msgspec.Struct, frozen=True):
    """One request to the provider: its word for the operation, the parameters, files, and what was lost on the way.

    A message becomes one call or several; the outbox remembers how many are done. ``losses`` names what the
    channel cannot show and how it was degraded. ``is_heavy`` calls have a rate of their own.
    """

    method: str
    params: dict[str, object]
    uploads: tuple[Upload, ...] = ()
    losses: tuple[str, ...] = ()
    is_heavy: bool = False


class Sent(msgspec.Struct, frozen=True):
    """The provider took it. The first id is the message's; further ones (an album) are aliases of it."""

    provider_message_ids: tuple[str, ...]


class RemoteFile(msgspec.Struct, frozen=True):
    """A file being fetched: its chunks, and what the provider claims about it (0 and empty: nothing)."""

    chunks: AsyncIterator[bytes]
    size_bytes: int = 0
    mime: str = ""
    name: str = ""


class Finding(msgspec.Struct, frozen=True):
    """One line of ``channels doctor``. ``account`` is empty for what concerns the whole endpoint.

    ``about`` is ``credentials``, ``permissions``, ``webhook``, ``template``, ``limits`` or the provider's word.
    """

    level: Literal["ok", "warn", "bad"]
    what: str
    advice: str = ""
    account: str = ""
    about: str = ""


BlobReader = Callable[[str], AsyncIterator[bytes]]
"""Opens a blob by its key and yields its bytes."""


class Kept(Protocol):
    """Small texts that a client wants to find again after a restart, in any process (a template's id)."""

    async def get(self, name: str) -> str:
        """What was put under *name*, or the empty text."""
        ...

    async def put(self, name: str, value: str) -> None: ...


class Client(Protocol):
    """Talks to the provider for one endpoint. Library errors become those of ``gateway.core.errors`` here."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def send(self, account: str, call: Call) -> Sent:
        """Make one call. Raises ``Retry``, ``Ambiguous``, ``GiveUp``, ``Moved`` or ``Misconfigured``."""
        ...

    async def acknowledge(self, account: str, token: str) -> None:
        """Tell the provider that an event was dealt with (a button stops spinning). Best effort."""
        ...

    async def typing(self, account: str, recipient: str, heard: str = "") -> None:
        """Show that an answer is on its way to the message *heard* (the provider's id). Best effort."""
        ...

    async def fetch(self, account: str, provider_ref: str) -> RemoteFile:
        """Open a file that the customer sent, under the channel's authentication. Raises ``Retry`` or ``GiveUp``."""
        ...

    async def connect(self, public_url: str) -> Sequence[Finding]:
        """Tell the provider where our webhook is (``public_url`` is the full address). Repeating it is harmless."""
        ...

    async def doctor(self, public_url: str) -> Sequence[Finding]:
        """Ask the provider how things stand."""
        ...


@runtime_checkable
class FindsSent(Protocol):
    """A client of a provider that can be asked what it took."""

    async def find_sent(self, account: str, call: Call, since: datetime) -> Sent | None:
        """What became of a call whose answer was lost; ``None``: the provider knows nothing of it. Raises ``Retry``."""
        ...


@runtime_checkable
class TypesAs(Protocol):
    """A client of a provider that can show which agent writes."""

    async def typing_as(self, account: str, recipient: str, heard: str, name: str) -> None:
        """As ``Client.typing``, under that agent's name where that can be had at once. Best effort."""
        ...


@runtime_checkable
class KnowsPeople(Protocol):
    """A client of a provider whose webhooks do not say who a person is, but which can be asked."""

    async def profile(self, account: str, address: str) -> Profile | None:
        """What the provider tells of a person; ``None``: nothing. Raises ``Retry``, ``GiveUp`` or ``Misconfigured``."""
        ...


class ApprovedTemplate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A text that the provider approved, as ``Template`` names it. ``text`` has its blanks as ``{{1}}``, ``{{2}}`` …

    ``text`` is empty where the provider does not tell it; ``blanks`` is how many values it takes, -1 when that is not
    known. ``category`` is the provider's word (``UTILITY``, ``MARKETING``).
    """

    name: str
    language: str = ""
    text: str = ""
    blanks: int = -1
    category: str = ""


@runtime_checkable
class KnowsTemplates(Protocol):
    """A client of a provider that approves texts beforehand, and tells which."""

    async def templates(self, account: str) -> Sequence[ApprovedTemplate]:
        """Those that may be sent from an account now, at most some hundreds. Raises ``Retry`` or ``GiveUp``."""
        ...


class Capabilities(msgspec.Struct, frozen=True):
    """What a channel can show; ``docs/channels.md`` and the contract suite are made from it.

    ``repeats_harmlessly``: a message that is sent twice is seen once, so no send is ever ambiguous.
    ``answers_opt_out``: who writes STOP is answered, and no longer written to, by the provider itself.
    ``shows_speaker``: beside an agent's message the app shows who wrote it.
    """

    text_units: int
    media: frozenset[MediaKind]
    buttons: int = 0
    quick_replies: int = 0
    list_rows: int = 0
    cards: int = 0
    has_templates: bool = False
    has_location: bool = False
    has_contact: bool = False
    has_reactions_in: bool = False
    has_edits_in: bool = False
    has_receipts: bool = False
    has_typing: bool = False
    repeats_harmlessly: bool = False
    answers_opt_out: bool = False
    shows_speaker: bool = False


class Channel(Protocol):
    """The adapter itself. ``settings`` in the methods below is always an instance of ``self.settings``."""

    name: str
    settings: type[EndpointSettings]
    capabilities: Capabilities
    """Of its richest app; a channel that serves several apps has ``by_app`` besides (:class:`ServesApps`)."""
    can_redeliver: bool
    """Whether the provider sends again what was not answered with 2xx (so that 503 loses nothing)."""

    def accounts(self, settings: EndpointSettings) -> tuple[AccountSpec, ...]:
        """The accounts behind an endpoint, at least one."""
        ...

    def verify(self, settings: EndpointSettings, request: WebhookRequest) -> None:
        """Raise ``BadSignature`` unless the request proves that the provider sent it. Before any parsing."""
        ...

    def handshake(self, settings: EndpointSettings, request: WebhookRequest) -> WebhookAnswer:
        """Answer a GET on the webhook. Raises ``NotSupported`` where the provider has none, or ``BadSignature``."""
        ...

    def parse(self, settings: EndpointSettings, request: WebhookRequest) -> list[Parsed]:
        """All events of a webhook, in the order given. Raises ``BadPayload`` only when it is not JSON or form at all.

        An entry that is not understood is an ``Unparsed``; its neighbours go on.
        """
        ...

    def replay(self, settings: EndpointSettings, raw: bytes) -> list[Parsed]:
        """Parse one quarantined entry again."""
        ...

    def render(self, settings: EndpointSettings, message: Outgoing) -> tuple[Call, ...]:
        """The calls that show *message*, in order, at least one. Raises ``GiveUp`` when nothing of it can be shown."""
        ...

    def is_group(self, recipient: str) -> bool:
        """Whether a recipient is a group, which has rates of its own."""
        ...

    def client(self, settings: EndpointSettings, read_blob: BlobReader, kept: Kept | None = None) -> Client:
        """A client for one endpoint; not opened yet. Without *kept* it forgets at every restart."""
        ...


@runtime_checkable
class ReadsAddresses(Protocol):
    """A channel that knows how its addresses are written, whoever writes them."""

    def address_of(self, account: AccountSpec, written: AddressKey) -> AddressKey:
        """The name under which the channel's webhooks bring that person. Raises ``BadPayload`` for what is none."""
        ...


@runtime_checkable
class ServesApps(Protocol):
    """A channel whose accounts are different apps, which can show different things."""

    by_app: Mapping[str, Capabilities]


def capabilities_of(channel: Channel, app: str) -> Capabilities:
    """What can be shown on an account of that app."""
    if isinstance(channel, ServesApps):
        return channel.by_app.get(app, channel.capabilities)
    return channel.capabilities
