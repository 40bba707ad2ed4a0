"""Talks to Twilio for one account: sends, finds what it sent, shows that it types, fetches files, sets webhooks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from channels.line import LineAnswer
from channels.twilio.callbacks import Callbacks
from channels.twilio.connecting import Connecting
from channels.twilio.contents import Layout, read_layout
from channels.twilio.failures import CONTENT_LOST, error_of, named, named_code
from channels.twilio.files import Files
from channels.twilio.render import LAYOUT, MESSAGES, STATUS_CALLBACK
from channels.twilio.replies import Message, Messages, read, read_made
from channels.twilio.settings import TwilioSettings, app_of
from channels.twilio.shelf import Shelf
from channels.twilio.transport import Pairs, Transport
from gateway.core.channel import ApprovedTemplate, Call, Finding, Kept, RemoteFile, Sent
from gateway.core.errors import Ambiguous, GiveUp, Retry

LISTED = 100
"""How many of the newest messages to a person are looked through for one that may have been sent."""

_FAILED = frozenset({"failed", "undelivered", "canceled"})


class TwilioClient:
    """One account's line to Twilio. Opened before use; a call on a closed one is an error of the program.

    It fits ``FindsSent``. Without *kept* it makes its templates anew after every restart.
    """

    def __init__(self, settings: TwilioSettings, kept: Kept | None) -> None:
        self._settings = settings
        self._messages_url = f"{settings.api_url}/2010-04-01/Accounts/{settings.account_sid}/Messages.json"
        self._shelf = Shelf(settings, kept)
        self._callbacks = Callbacks(settings, kept)
        self._line: _Line | None = None

    async def open(self) -> None:
        """Open the sessions; no request is made."""
        if self._line is None:
            line = _Line(self._settings)
            await line.open()
            self._line = line

    async def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    # ------------------------------------------------------------ sending

    async def send(self, account: str, call: Call) -> Sent:
        """Make one call and return the message's sid.

        Raises ``Retry`` (surely not sent), ``Ambiguous`` (perhaps sent), ``GiveUp`` or ``Misconfigured``.
        """
        del account  # the call names its sender
        if call.method != MESSAGES:
            raise GiveUp("not_supported", f"no call named {call.method}")
        layout = _layout_of(call)
        answer = await self._post(call, layout)
        if layout is not None and error_of(answer).code == CONTENT_LOST and answer.status >= 400:
            await self._shelf.forget(layout)  # nothing was sent: with the template made anew it may be now
            answer = await self._post(call, layout)
        message = read_made(answer, Message)
        if message.status in _FAILED and message.error_code:
            raise named_code(message.error_code, message.error_message or message.status)
        return Sent((message.sid,))

    async def _post(self, call: Call, layout: Layout | None) -> LineAnswer:
        transport = self._opened().transport
        sid = "" if layout is None else await self._shelf.sid_of(layout, transport)
        callback = await self._callbacks.address(str(call.params.get(STATUS_CALLBACK, "")))
        pairs = form_of(call.params, content_sid=sid, callback=callback)
        return await transport.post_form(self._messages_url, pairs)

    async def find_sent(self, account: str, call: Call, since: datetime) -> Sent | None:
        """The newest message that a call may have made at or after *since*; ``None``: there is none. Raises ``Retry``.

        Twilio lists the newest first. It is not asked for those since a moment of sending, because one that still
        waits in its queue was not sent yet, and would seem not to be there.
        """
        del account
        wanted = [(name, str(call.params[name])) for name in ("To", "From") if name in call.params]
        answer = await self._opened().transport.get(self._messages_url, [*wanted, ("PageSize", str(LISTED))])
        if not answer.is_ok:
            failure = named(answer)
            raise failure if isinstance(failure, Retry) and not isinstance(failure, Ambiguous) else Retry(str(failure))
        not_before = since.astimezone(UTC).replace(microsecond=0) - timedelta(seconds=1)
        for message in read(answer, Messages).messages:
            created_at = message.created_at
            is_ours = (message.direction or "outbound-api").startswith("outbound")
            if is_ours and created_at is not None and created_at >= not_before and _is_result_of(call, message):
                return Sent((message.sid,))
        return None

    # ------------------------------------------------------------ small courtesies

    async def acknowledge(self, account: str, token: str) -> None:
        """Nothing: Twilio marks a message as read together with the sign that somebody types."""
        del account, token

    async def typing(self, account: str, recipient: str, heard: str = "") -> None:
        """Show on WhatsApp that an answer to *heard* is on its way, for up to 25 s, and that it was read."""
        del recipient
        if not heard or app_of(account) != "whatsapp":
            return
        url = f"{self._settings.messaging_base}/v2/Indicators/Typing.json"
        answer = await self._opened().transport.post_form(url, [("messageId", heard), ("channel", "whatsapp")])
        if not answer.is_ok:
            raise named(answer)

    # ------------------------------------------------------------ files

    async def fetch(self, account: str, provider_ref: str) -> RemoteFile:
        """Open a file that somebody sent. Its chunks may raise ``Retry`` or ``GiveUp`` too."""
        del account
        return await self._opened().files.fetch(provider_ref)

    # ------------------------------------------------------------ templates

    async def templates(self, account: str) -> Sequence[ApprovedTemplate]:
        """Those that the settings name; Twilio is not asked for their texts."""
        del account
        named = (key.partition("/") for key in self._settings.templates)
        return sorted(
            (ApprovedTemplate(name, language) for name, _, language in named),
            key=lambda each: (each.name, each.language),
        )

    # ------------------------------------------------------------ connecting

    async def connect(self, public_url: str) -> Sequence[Finding]:
        """Tell Twilio our webhook for every account, with retries, and remember where callbacks go."""
        await self._callbacks.remember(public_url)
        return await Connecting(self._settings, self._opened().transport).connect(public_url)

    async def doctor(self, public_url: str) -> Sequence[Finding]:
        """How things stand with credentials, senders, webhooks and templates. Raises nothing but bugs."""
        findings = await Connecting(self._settings, self._opened().transport).doctor(public_url)
        return [*findings, *await self._callbacks.findings()]

    def _opened(self) -> _Line:
        if self._line is None:
            raise RuntimeError("the client is not open")
        return self._line


class _Line:
    """What lives from open to close."""

    def __init__(self, settings: TwilioSettings) -> None:
        self.transport = Transport(settings)
        self.files = Files(settings, self.transport.line, self.transport.login)

    async def open(self) -> None:
        await self.transport.open()
        await self.files.open()

    async def close(self) -> None:
        await asyncio.gather(self.files.close(), self.transport.close())


# ---------------------------------------------------------------- requests


def form_of(params: Mapping[str, object], *, content_sid: str, callback: str) -> Pairs:
    """A call's parameters as Twilio's form: lists repeat their name, and what only the client knows is filled in."""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        if name == LAYOUT:
            pairs.append(("ContentSid", content_sid))
        elif name == STATUS_CALLBACK:
            pairs += [(name, callback)] if callback else []
        elif isinstance(value, list):
            pairs.extend((name, str(each)) for each in value)
        else:
            pairs.append((name, str(value)))
    return pairs


def _layout_of(call: Call) -> Layout | None:
    name = call.params.get(LAYOUT)
    if name is None:
        return None
    try:
        return read_layout(str(name))
    except ValueError:
        raise GiveUp("not_supported", f"no layout {name}") from None


def _is_result_of(call: Call, message: Message) -> bool:
    """Whether a listed message looks like what the call would have made."""
    body = (message.body or "").strip()
    files = call.params.get("MediaUrl")
    if int(message.num_media or 0) != (len(files) if isinstance(files, list) else 0):
        return False
    if "Body" in call.params or files:
        return body == str(call.params.get("Body", "")).strip()
    values = json.loads(str(call.params.get("ContentVariables", "{}"))).values()
    return all(str(value) in body for value in list(values)[:1])
