"""Talks to the Messenger Platform for the accounts of one Meta app."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import msgspec
from pydantic import SecretStr

from channels._meta.failures import GraphError, GraphRefused
from channels._meta.findings import (
    identity_findings,
    register_webhook,
    subscribe,
    subscription_findings,
    token_findings,
    webhook_findings,
)
from channels._meta.graph import FormFile, GraphAnswer, GraphLine
from channels._meta.messaging.dialect import Dialect
from channels._meta.messaging.failures import is_done, is_worth_one_try, named
from channels._meta.messaging.people import is_withheld, read_profile
from channels._meta.messaging.personas import Personas, may_be_the_persona, speaker_of, spoken
from channels._meta.messaging.render import SEND, name_shown, recipient_of
from channels._meta.messaging.settings import MessagingSettings
from channels._meta.messaging.wire import decode_send_answer
from channels._meta.usage import Pace
from gateway.core.channel import BlobReader, Call, Finding, Kept, RemoteFile, Sent, Upload
from gateway.core.clock import Clock
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry, TertuliaError
from gateway.core.inbound import Profile

UPLOADS_AT_ONCE = 4
"""Files are held in memory while they are sent: a stream that ends early would leave the outcome open."""

KEPT_TRIES = 1000

_PATH = "me/messages"
"""*me* is whomever the token belongs to: the page, or the profile."""


class MessagingClient:
    """One app's line to Meta. Opened before use; a call on a closed one is an error of the program."""

    def __init__(
        self,
        dialect: Dialect,
        settings: MessagingSettings,
        read_blob: BlobReader,
        clock: Clock,
        kept: Kept | None = None,
    ) -> None:
        self._dialect = dialect
        self._settings = settings
        self._read_blob = read_blob
        self._clock = clock
        self._accounts = settings.by_id
        self._paces = {name: Pace(clock, settings.slows_from_percent) for name in self._accounts}
        self._line = GraphLine(settings)
        self._personas = Personas(self._line, kept, clock)
        self._tried_again: dict[str, None] = {}
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def open(self) -> None:
        """Open the session; no request is made."""
        await self._line.open()

    async def close(self) -> None:
        await self._line.close()

    # ------------------------------------------------------------ sending

    async def send(self, account: str, call: Call) -> Sent:
        """Make one call and return the id of the message; a reaction has none.

        Raises ``Retry`` (surely not sent), ``Ambiguous`` (perhaps sent), ``GiveUp`` or ``Misconfigured``.
        """
        if call.method != SEND:
            raise GiveUp("not_supported", f"no call named {call.method}")
        name, token = self._token(account)
        pace = self._paces[name]
        await pace.wait()
        try:
            answer = await self._posted_under(name, call, token)
        except GraphRefused as refused:
            pace.heed(refused.error.usage)
            if is_done(refused.error):
                return Sent(())
            raise self._named(refused.error, call) from None
        pace.heed(answer.usage)
        return _sent(call, answer)

    def _named(self, error: GraphError, call: Call) -> TertuliaError:
        """Our error. What may be tried once more is given up when it comes back."""
        if not is_worth_one_try(error):
            return named(error)
        mark = _mark(call)
        if mark in self._tried_again:
            return GiveUp("refused", error.detail, code=error.label)
        self._tried_again[mark] = None
        while len(self._tried_again) > KEPT_TRIES:
            del self._tried_again[next(iter(self._tried_again))]
        return named(error)

    async def _posted_under(self, account: str, call: Call, token: SecretStr) -> GraphAnswer:
        """Under the agent's persona, if there is one to be had; once more without it when Meta may not know it."""
        speaker = speaker_of(call)
        may_ask = not self._paces[account].is_slowed
        persona = "" if speaker is None else await self._personas.id_of(account, token, speaker, may_ask=may_ask)
        try:
            return await self._posted(spoken(call, persona), token)
        except GraphRefused as refused:
            if speaker is None or not persona or not may_be_the_persona(refused.error):
                raise
        await self._personas.forget(account, speaker)
        return await self._posted(spoken(call, ""), token)

    async def _posted(self, call: Call, token: SecretStr) -> GraphAnswer:
        if not call.uploads:
            return await self._line.post(_PATH, call.params, token)
        kind = _attachment_type(call)
        async with self._uploads:
            files = [await self._file(upload, kind) for upload in call.uploads]
            return await self._line.post_form(_PATH, form_fields(call), files, token)

    async def _file(self, upload: Upload, kind: str) -> FormFile:
        limit = min(self._dialect.upload_bytes.get(kind, 0), self._settings.max_upload_bytes)
        content = bytearray()
        async for chunk in self._read_blob(upload.blob):
            content += chunk
            if len(content) > limit:
                raise GiveUp("too_large", f"a file of more than {limit} bytes")
        return FormFile(upload.field, upload.name, upload.mime, bytes(content))

    # ------------------------------------------------------------ small courtesies

    async def acknowledge(self, account: str, token: str) -> None:
        """Show the person whose address *token* is that all they wrote was read. Raises as :meth:`send`."""
        await self._act(account, token, "mark_seen")

    async def typing(self, account: str, recipient: str, heard: str = "") -> None:
        """Show "typing" for up to twenty seconds, or until a message arrives. Raises as :meth:`send`."""
        del heard
        await self._act(account, recipient, "typing_on")

    async def typing_as(self, account: str, recipient: str, heard: str, name: str) -> None:
        """The same under the persona of an agent of that name, if they spoke already. Raises as :meth:`send`."""
        del heard
        owner, _ = self._token(account)
        await self._act(account, recipient, "typing_on", self._personas.known(owner, name_shown(name)))

    async def _act(self, account: str, recipient: str, action: str, persona: str = "") -> None:
        _, token = self._token(account)
        body: dict[str, object] = {"recipient": recipient_of(recipient), "sender_action": action}
        if persona:
            body["persona_id"] = persona
        try:
            await self._line.post(_PATH, body, token)
        except GraphRefused as refused:
            raise named(refused.error) from None

    # ------------------------------------------------------------ people

    async def profile(self, account: str, address: str) -> Profile | None:
        """Who a person is; ``None`` when Meta tells nothing, as of guests and of those who did not allow it.

        While the account's allowance runs out nobody is asked about. Raises ``Retry``, ``GiveUp`` or ``Misconfigured``.
        """
        if not self._settings.asks_names or not (address.isascii() and address.isdecimal()):
            return None
        name, token = self._token(account)
        pace = self._paces[name]
        if pace.is_slowed:
            raise Retry("the allowance is needed for messages", whole_account=True)
        fields = self._settings.profile_fields or self._dialect.profile_fields
        try:
            answer = await self._line.get(address, {"fields": ",".join(fields)}, token)
        except GraphRefused as refused:
            pace.heed(refused.error.usage)
            if is_withheld(refused.error):
                return None
            raise named(refused.error) from None
        pace.heed(answer.usage)
        return read_profile(answer.body)

    # ------------------------------------------------------------ files

    async def fetch(self, account: str, provider_ref: str) -> RemoteFile:
        """Open a file that somebody sent: its address is signed by Meta, and asks for nothing else.

        Raises ``Retry`` or ``GiveUp``, and so may the chunks; only Meta's file servers are asked, and no redirect is
        followed.
        """
        del account
        return await self._line.download(provider_ref)

    # ------------------------------------------------------------ connecting

    async def connect(self, public_url: str) -> Sequence[Finding]:
        """Set the app's webhook, and subscribe the app to the events of each account that we use."""
        kind, fields = self._dialect.object, self._fields
        findings = [await register_webhook(self._line, self._settings, kind, public_url, fields)]
        for name, account in self._settings.by_name.items():
            target = account.subscription_target
            findings.append(await subscribe(self._line, name, target, account.access_token, fields))
        return findings

    async def doctor(self, public_url: str) -> Sequence[Finding]:
        """Where the webhook goes; for each account its token, its rights and its subscription. Raises only bugs."""
        settings = self._settings
        findings = await webhook_findings(self._line, settings, self._dialect.object, public_url)
        for name, account in settings.by_name.items():
            token = account.access_token
            owner, target = account.token_owner, account.subscription_target
            if settings.can_examine_tokens:
                needed, now = self._dialect.permissions, self._clock.now()
                findings += await token_findings(self._line, settings, name, token, needed, now)
            findings += await identity_findings(self._line, name, token, owner, settings.slows_from_percent)
            findings += await subscription_findings(self._line, settings, name, target, token, self._fields)
        return findings

    @property
    def _fields(self) -> tuple[str, ...]:
        return self._settings.subscribed_fields or self._dialect.fields

    def _token(self, account: str) -> tuple[str, SecretStr]:
        """The account's id and token; an endpoint with one account needs no name."""
        if not account and len(self._accounts) == 1:
            account = next(iter(self._accounts))
        if account not in self._accounts:
            raise Misconfigured("accounts", f"no account has the id {account[:40]}")
        return account, self._accounts[account].access_token


def form_fields(call: Call) -> dict[str, str]:
    """The body of a call as the fields of a form: texts as they are, all else as JSON."""
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in call.params.items()
    }


def _mark(call: Call) -> str:
    """What tells a call from every other."""
    message = cast("dict[str, object]", call.params.get("message") or {})
    return str(message.get("metadata", ""))


def _attachment_type(call: Call) -> str:
    message = cast("dict[str, dict[str, str]]", call.params["message"])
    return message["attachment"]["type"]


def _sent(call: Call, answer: GraphAnswer) -> Sent:
    try:
        made = decode_send_answer(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Ambiguous(f"the answer cannot be read ({type(error).__name__})") from None
    if made.message_id:
        return Sent((made.message_id,))
    if "message" in call.params:
        raise Ambiguous("the answer names no message")
    return Sent(())
