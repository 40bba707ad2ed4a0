"""Talks to the Bot API for one bot: python-telegram-bot over our own aiohttp session.

The one call of nearly every turn, ``sendMessage``, is written by us because the library would cost it more than a
tenth of a turn; a test holds its request equal to the library's.
"""

from __future__ import annotations

import json
import logging
import mimetypes
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from posixpath import basename
from typing import cast
from urllib.parse import quote

import aiohttp
import msgspec
from telegram import (
    Bot,
    InlineKeyboardMarkup,
    InputFile,
    Message,
    MessageEntity,
    ReplyKeyboardMarkup,
    ReplyParameters,
    WebhookInfo,
)
from telegram.error import TelegramError
from yarl import URL

from channels.telegram.failures import is_unchanged, named
from channels.telegram.render import is_group
from channels.telegram.settings import TelegramSettings
from channels.telegram.transport import AiohttpRequest, Answer, AnsweredRequest, retry_after_s
from channels.telegram.wire import decode_send_answer
from gateway.core.channel import BlobReader, Call, Finding, RemoteFile, Sent, Upload
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry

_SENDING: dict[str, str] = {
    "sendMessage": "send_message",
    "sendPhoto": "send_photo",
    "sendAudio": "send_audio",
    "sendVoice": "send_voice",
    "sendVideo": "send_video",
    "sendDocument": "send_document",
    "sendSticker": "send_sticker",
    "sendAnimation": "send_animation",
    "sendLocation": "send_location",
    "sendVenue": "send_venue",
    "sendContact": "send_contact",
}
"""Telegram's name of a call, and python-telegram-bot's."""

_MEDIA_FIELDS = ("photo", "audio", "voice", "video", "document", "sticker", "animation")

KEEPALIVE_S = 20.0
"""Idle connections are closed by us before the provider does it in the middle of a call."""

_CHUNK_BYTES = 65_536


class TelegramClient:
    """One bot's line to Telegram. Opened before use; a call on a closed one is an error of the program."""

    def __init__(self, settings: TelegramSettings, read_blob: BlobReader) -> None:
        self._settings = settings
        self._read_blob = read_blob
        token = settings.token.get_secret_value()
        self._send_message_url = URL(f"{settings.api_url}/bot{token}/sendMessage", encoded=True)
        self._line: _Line | None = None

    async def open(self) -> None:
        """Open the session; no request is made."""
        if self._line is None:
            self._line = _Line(self._settings)

    async def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.session.close()

    # ------------------------------------------------------------ sending

    async def send(self, account: str, call: Call) -> Sent:
        """Make one call and return the ids of what it made, as ``<chat>:<message>``.

        Raises ``Retry`` (surely not sent), ``Ambiguous`` (perhaps sent), ``GiveUp``, ``Moved``, ``Misconfigured``.
        """
        del account  # a bot is one account
        try:
            if call.method == "sendMessage" and not call.uploads:
                return await self._send_message(call.params)
            return await self._send_through_library(call)
        except TelegramError as error:
            if is_unchanged(error):
                return Sent(())
            raise named(error, in_group=is_group(str(call.params.get("chat_id", "")))) from error

    async def _send_message(self, params: Mapping[str, object]) -> Sent:
        request = self._opened().request
        answer = await request.exchange(self._send_message_url, form_body(params))
        if answer.status >= 300:
            await _raise_named(answer)
        try:
            made = decode_send_answer(answer.body).result
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Ambiguous(f"the answer cannot be read ({type(error).__name__})") from error
        return Sent((f"{made.chat.id}:{made.message_id}",))

    async def _send_through_library(self, call: Call) -> Sent:
        name = _SENDING.get(call.method)
        if name is None:
            raise GiveUp("not_supported", f"no call named {call.method}")
        arguments = library_arguments(call.params)
        for upload in call.uploads:
            arguments[upload.field] = await self._input_file(upload)
        _keep_from_disk(arguments)
        send = cast("Callable[..., Awaitable[Message]]", getattr(self._opened().bot, name))
        try:
            message = await send(**arguments)
        except (KeyError, TypeError, ValueError) as error:
            raise Ambiguous(f"the answer cannot be read ({type(error).__name__})") from error
        return Sent((f"{message.chat.id}:{message.message_id}",))

    async def _input_file(self, upload: Upload) -> InputFile:
        content = bytearray()
        async for chunk in self._read_blob(upload.blob):
            content += chunk
            if len(content) > self._settings.max_upload_bytes:
                raise GiveUp("too_large", f"a file of more than {self._settings.max_upload_bytes} bytes")
        file = InputFile(bytes(content), filename=upload.name)
        if upload.mime:
            file.mimetype = upload.mime
        return file

    # ------------------------------------------------------------ small courtesies

    async def acknowledge(self, account: str, token: str) -> None:
        """Stop the spinner of a pressed button. A query that is too old is no fault; others are raised as by send."""
        del account
        try:
            await self._opened().bot.answer_callback_query(token)
        except TelegramError as error:
            failure = named(error)
            if isinstance(failure, GiveUp) and failure.reason == "expired":
                return
            raise failure from error

    async def typing(self, account: str, recipient: str, heard: str = "") -> None:
        """Show "typing" for up to five seconds, or until a message arrives."""
        del account, heard
        try:
            await self._opened().bot.send_chat_action(recipient, "typing")
        except TelegramError as error:
            raise named(error, in_group=is_group(recipient)) from error

    # ------------------------------------------------------------ files

    async def fetch(self, account: str, provider_ref: str) -> RemoteFile:
        """Open a file that somebody sent. Its chunks may raise ``Retry`` or ``GiveUp`` too; no redirect is followed."""
        del account
        try:
            file = await self._opened().bot.get_file(provider_ref)
        except TelegramError as error:
            failure = named(error)
            if isinstance(failure, Ambiguous):  # asking twice harms nobody
                raise Retry(failure.detail) from error
            raise failure from error
        size = file.file_size or 0
        if size > self._settings.max_download_bytes:
            raise GiveUp("too_large", f"a file of {size} bytes")
        if not file.file_path:
            raise GiveUp("expired", "Telegram names no path for the file")
        address = self._file_address(file.file_path)
        mime = mimetypes.guess_type(address)[0] or ""
        return RemoteFile(self._download(address), size_bytes=size, mime=mime, name=basename(address))

    def _file_address(self, path: str) -> str:
        """The library leaves a path as it is when this machine happens to have a file of that name."""
        settings = self._settings
        beginning = f"{settings.api_url}/file/bot{settings.token.get_secret_value()}/"
        if path.startswith("/"):
            raise GiveUp("not_supported", "the Bot API server runs in local mode and hands out no files")
        return path if path.startswith(beginning) else beginning + path

    async def _download(self, address: str) -> AsyncIterator[bytes]:
        taken = 0
        limit = self._settings.max_download_bytes
        try:
            timeout = aiohttp.ClientTimeout(total=None, sock_read=self._settings.read_timeout_s)
            async with self._opened().session.get(_quoted(address), allow_redirects=False, timeout=timeout) as response:
                _require_ok(response)
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    taken += len(chunk)
                    if taken > limit:
                        raise GiveUp("too_large", f"a file of more than {limit} bytes")
                    yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Retry(f"the download broke off ({type(error).__name__})") from error

    # ------------------------------------------------------------ connecting

    async def connect(self, public_url: str) -> Sequence[Finding]:
        """Tell Telegram our webhook, its secret and the kinds of update that we use; then ask what it understood."""
        settings = self._settings
        try:
            await self._opened().bot.set_webhook(
                public_url,
                allowed_updates=list(settings.allowed_updates),
                secret_token=settings.secret_token.get_secret_value(),
                max_connections=settings.max_connections,
            )
            info = await self._opened().bot.get_webhook_info()
        except TelegramError as error:
            raise named(error) from error
        return [_url_finding(info, public_url), *_subscription_findings(info, settings)]

    async def doctor(self, public_url: str) -> Sequence[Finding]:
        """Who the bot is, where its webhooks go, and what Telegram complains about. Raises nothing but bugs."""
        try:
            bot = self._opened().bot
            user = await bot.get_me()
            info = await bot.get_webhook_info()
        except TelegramError as error:
            return [_failure_finding(named(error))]
        findings = [Finding("ok", f"the bot is @{user.username}")]
        if (user.username or "").lower() != self._settings.username.lower():
            advice = f'set username = "{user.username}" so that groups can mention the bot'
            findings.append(Finding("warn", f"username in the settings is {self._settings.username!r}", advice))
        findings.append(_url_finding(info, public_url))
        findings.extend(_subscription_findings(info, self._settings))
        findings.extend(_trouble_findings(info))
        return findings

    def _opened(self) -> _Line:
        if self._line is None:
            raise RuntimeError("the client is not open")
        return self._line


class _Line:
    """What lives from open to close."""

    def __init__(self, settings: TelegramSettings) -> None:
        logging.getLogger("telegram").setLevel(logging.WARNING)  # below that the library logs the token and the texts
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.rates.concurrency, keepalive_timeout=KEEPALIVE_S),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self.request = AiohttpRequest(
            self.session,
            call_timeout_s=settings.connect_timeout_s + settings.read_timeout_s,
            read_timeout_s=settings.read_timeout_s,
            upload_timeout_s=settings.upload_timeout_s,
        )
        self.bot = Bot(
            settings.token.get_secret_value(),
            base_url=f"{settings.api_url}/bot",
            base_file_url=f"{settings.api_url}/file/bot",
            request=self.request,
            get_updates_request=self.request,
        )


# ---------------------------------------------------------------- requests


_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")
_QUOTED = [chr(byte) if byte in _SAFE else "+" if byte == 32 else f"%{byte:02X}" for byte in range(256)]
"""What ``urllib.parse.quote_plus`` makes of each byte; looking it up takes half the time."""


def _form_value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode().decode("latin-1").translate(_QUOTED)


def form_body(params: Mapping[str, object]) -> bytes:
    """Parameters as python-telegram-bot sends them: a form whose nested values are JSON."""
    pieces = (f"{name}={_form_value(value)}" for name, value in params.items() if value is not None)
    return "&".join(pieces).encode()


def library_arguments(params: Mapping[str, object]) -> dict[str, object]:
    """The same parameters as the objects that python-telegram-bot's methods are declared with."""
    arguments = dict(params)
    for name in ("entities", "caption_entities"):
        if name in arguments:
            dicts = cast("list[dict[str, object]]", arguments[name])
            arguments[name] = MessageEntity.de_list(dicts)
    if "reply_markup" in arguments:
        markup = cast("dict[str, object]", arguments["reply_markup"])
        kind = InlineKeyboardMarkup if "inline_keyboard" in markup else ReplyKeyboardMarkup
        arguments["reply_markup"] = kind.de_json(markup)
    if "reply_parameters" in arguments:
        arguments["reply_parameters"] = ReplyParameters.de_json(
            cast("dict[str, object]", arguments["reply_parameters"])
        )
    return arguments


def _keep_from_disk(arguments: dict[str, object]) -> None:
    """The library would upload a file of this machine that has the name of a handle; what it is given as extra it
    passes on as it stands.
    """
    by_name = {name: arguments[name] for name in _MEDIA_FIELDS if isinstance(arguments.get(name), str)}
    if by_name:
        arguments.update(dict.fromkeys(by_name, ""), api_kwargs=by_name)


async def _raise_named(answer: Answer) -> None:
    """Let python-telegram-bot name the failure, so that both ways of sending have one table of errors."""
    await AnsweredRequest(answer).post("sendMessage")


def _quoted(address: str) -> URL:
    scheme, _, rest = address.partition("://")
    host, _, path = rest.partition("/")
    return URL(f"{scheme}://{host}/{quote(path)}", encoded=True)


def _require_ok(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status == 200:
        return
    if status >= 500 or status == 429:
        raise Retry(f"the file server answered {status}", after_s=retry_after_s(response))
    if status == 404:
        raise GiveUp("expired", "the file is gone", code="404")
    raise GiveUp("refused", f"the file server answered {status}", code=str(status))


# ---------------------------------------------------------------- findings


def _url_finding(info: WebhookInfo, public_url: str) -> Finding:
    if info.url == public_url:
        return Finding("ok", f"webhooks go to {public_url}")
    if not info.url:
        return Finding("bad", "no webhook is set", "run: tertulia channels connect")
    return Finding("bad", f"webhooks go to {info.url} and not to {public_url}", "run: tertulia channels connect")


def _subscription_findings(info: WebhookInfo, settings: TelegramSettings) -> list[Finding]:
    missing = sorted(set(settings.allowed_updates) - set(info.allowed_updates or ()))
    if not info.url or not missing:
        return []
    return [Finding("warn", f"not subscribed to {', '.join(missing)}", "run: tertulia channels connect")]


def _trouble_findings(info: WebhookInfo) -> list[Finding]:
    findings = []
    if info.last_error_date is not None:
        when = f"{info.last_error_date:%Y-%m-%d %H:%M:%S} UTC"
        advice = "see whether the address can be reached from outside"
        findings.append(Finding("warn", f"last failed delivery {when}: {info.last_error_message}", advice))
    if info.pending_update_count > 100:
        advice = "the gateway answers too slowly, or not at all"
        findings.append(Finding("warn", f"{info.pending_update_count} updates are waiting", advice))
    return findings


def _failure_finding(failure: Exception) -> Finding:
    advice = "correct the setting" if isinstance(failure, Misconfigured) else "see whether api_url can be reached"
    return Finding("bad", str(failure), advice)
