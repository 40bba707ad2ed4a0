"""The shape of what Twilio's API answers, as far as it is used."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec
from msgspec import Struct

from channels.line import LineAnswer
from channels.twilio.failures import named
from gateway.core.errors import Ambiguous, Retry


class Message(Struct, frozen=True):
    """A message as the API tells it. Numbers come as text in some fields."""

    sid: str
    status: str = ""
    body: str | None = None
    num_media: str | int | None = None
    direction: str | None = None
    error_code: int | None = None
    error_message: str | None = None
    date_created: str | None = None

    @property
    def created_at(self) -> datetime | None:
        """When it was taken, to the second."""
        try:
            at = parsedate_to_datetime(self.date_created or "")
        except ValueError:
            return None
        return at if at.tzinfo else at.replace(tzinfo=UTC)


class Messages(Struct, frozen=True):
    messages: tuple[Message, ...] = ()


class Made(Struct, frozen=True):
    """Something new."""

    sid: str


class Account(Struct, frozen=True):
    friendly_name: str = ""
    status: str = "active"


class Number(Struct, frozen=True):
    """A phone number or a short code of ours."""

    sid: str
    sms_url: str | None = None
    sms_method: str | None = None
    capabilities: dict[str, bool] = {}


class Numbers(Struct, frozen=True):
    incoming_phone_numbers: tuple[Number, ...] = ()
    short_codes: tuple[Number, ...] = ()


class Service(Struct, frozen=True):
    sid: str
    friendly_name: str = ""
    inbound_request_url: str | None = None
    inbound_method: str | None = None
    status_callback: str | None = None
    use_inbound_webhook_on_number: bool = False


class SenderWebhook(Struct, frozen=True):
    callback_url: str | None = None
    callback_method: str | None = None
    status_callback_url: str | None = None
    status_callback_method: str | None = None


class Sender(Struct, frozen=True):
    """A WhatsApp sender."""

    sid: str
    sender_id: str = ""
    status: str | None = None
    webhook: SenderWebhook | None = None


class Meta(Struct, frozen=True):
    next_page_url: str | None = None


class Senders(Struct, frozen=True):
    senders: tuple[Sender, ...] = ()
    meta: Meta = Meta()


class Approval(Struct, frozen=True):
    status: str = ""
    rejection_reason: str | None = None


class Approvals(Struct, frozen=True):
    whatsapp: Approval = Approval()


Reply = TypeVar("Reply", bound=Struct)


def read(answer: LineAnswer, kind: type[Reply]) -> Reply:
    """What was asked for. Raises our error for an answer that is none, ``Retry`` for one that cannot be read."""
    if not answer.is_ok:
        raise named(answer)
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Retry(f"the answer cannot be read ({type(error).__name__})") from error


def read_made(answer: LineAnswer, kind: type[Reply]) -> Reply:
    """The same of a call that changed something: it did, though the answer cannot be read."""
    try:
        return read(answer, kind)
    except Ambiguous:
        raise
    except Retry as error:
        if answer.is_ok:
            raise Ambiguous(error.detail) from error
        raise
