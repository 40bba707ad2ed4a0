"""The shape of WhatsApp's webhooks, as far as they are used: decoding checks it, and an error names the field.

Fields that are absent have a neutral default. Times are seconds, sometimes as text. People and numbers come as text;
a person has a phone number, a business-scoped user id, or both.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

MessageId = Annotated[str, Meta(min_length=1, max_length=255)]
UnixTime = Annotated[int, Meta(ge=0, le=253_402_300_799)] | Annotated[str, Meta(min_length=1, max_length=12)]
Name = Annotated[str, Meta(max_length=160)]
Number = Annotated[str, Meta(min_length=1, max_length=32)]


# ---------------------------------------------------------------- people


class Metadata(Struct, frozen=True, gc=False):
    phone_number_id: Number
    display_phone_number: str = ""


class PersonName(Struct, frozen=True, gc=False):
    name: str = ""
    username: str = ""


class Person(Struct, frozen=True):
    profile: PersonName | None = None
    wa_id: Name = ""
    user_id: Name = ""


# ---------------------------------------------------------------- content


class TextBody(Struct, frozen=True, gc=False):
    body: str


class File(Struct, frozen=True, gc=False):
    """An image, a video, a sound, a document or a sticker; each fills what it has."""

    id: str = ""
    url: str = ""
    mime_type: str = ""
    sha256: str = ""
    caption: str | None = None
    filename: str | None = None
    voice: bool = False


class Place(Struct, frozen=True, gc=False):
    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None


class CardName(Struct, frozen=True, gc=False):
    formatted_name: str = ""
    first_name: str = ""
    last_name: str = ""


class CardPhone(Struct, frozen=True, gc=False):
    phone: str = ""
    wa_id: Name = ""


class Card(Struct, frozen=True):
    name: CardName = CardName()
    phones: tuple[CardPhone, ...] = ()
    origin: str = ""


class Reply(Struct, frozen=True, gc=False):
    id: str
    title: str = ""


class FlowReply(Struct, frozen=True, gc=False):
    name: str = ""
    body: str = ""
    response_json: str = ""


class CallPermission(Struct, frozen=True, gc=False):
    response: str = ""


class Interactive(Struct, frozen=True):
    type: str = ""
    button_reply: Reply | None = None
    list_reply: Reply | None = None
    nfm_reply: FlowReply | None = None
    call_permission_reply: CallPermission | None = None


class Button(Struct, frozen=True, gc=False):
    text: str = ""
    payload: str = ""


class ReactionBody(Struct, frozen=True, gc=False):
    message_id: MessageId
    emoji: str | None = None


class OrderItem(Struct, frozen=True, gc=False):
    product_retailer_id: str | int
    quantity: float | str = 1
    item_price: float | str = ""
    currency: str = ""


class Order(Struct, frozen=True):
    product_items: tuple[OrderItem, ...] = ()
    text: str | None = None
    catalog_id: str | int = ""


class ErrorData(Struct, frozen=True, gc=False):
    details: str = ""


class ErrorItem(Struct, frozen=True):
    code: int = 0
    title: str = ""
    message: str = ""
    error_data: ErrorData | None = None


class UnsupportedKind(Struct, frozen=True, gc=False):
    type: str = ""


class SystemNote(Struct, frozen=True, gc=False):
    """``customer`` is the old number; ``wa_id``, ``new_wa_id`` and ``user_id`` are the new names."""

    type: str = ""
    wa_id: Name = ""
    new_wa_id: Name = ""
    customer: Name = ""
    user_id: Name = ""


class Product(Struct, frozen=True, gc=False):
    catalog_id: str | int = ""
    product_retailer_id: str | int = ""


class Context(Struct, frozen=True):
    id: str = ""
    referred_product: Product | None = None


class Welcome(Struct, frozen=True, gc=False):
    text: str = ""


class Advertisement(Struct, frozen=True):
    source_type: str = ""
    source_id: str = ""
    source_url: str = ""
    headline: str = ""
    body: str = ""
    image_url: str = ""
    video_url: str = ""
    thumbnail_url: str = ""
    ctwa_clid: str = ""


# ---------------------------------------------------------------- messages and statuses


class Content(Struct, frozen=True):
    """What was said; ``type`` names the field that holds it."""

    type: str
    text: TextBody | None = None
    image: File | None = None
    video: File | None = None
    audio: File | None = None
    document: File | None = None
    sticker: File | None = None
    location: Place | None = None
    contacts: tuple[Card, ...] | None = None
    interactive: Interactive | None = None
    button: Button | None = None
    order: Order | None = None
    reaction: ReactionBody | None = None
    unsupported: UnsupportedKind | None = None
    context: Context | None = None


class Revision(Struct, frozen=True):
    original_message_id: MessageId
    message: Content | None = None


class Message(Content, frozen=True, rename={"sender": "from"}, kw_only=True):
    id: MessageId
    timestamp: UnixTime
    sender: Name = ""
    from_user_id: Name = ""
    to: Name = ""
    to_user_id: Name = ""
    group_id: Name = ""
    referral: Advertisement | None = None
    edit: Revision | None = None
    revoke: Revision | None = None
    system: SystemNote | None = None
    origin: str = ""


class StatusItem(Struct, frozen=True):
    id: MessageId
    status: str
    timestamp: UnixTime
    recipient_id: Name = ""
    recipient_user_id: Name = ""
    recipient_participant_id: Name = ""
    recipient_type: str = ""
    biz_opaque_callback_data: str = ""
    errors: tuple[ErrorItem, ...] = ()


class Preference(Struct, frozen=True):
    value: str
    timestamp: UnixTime
    wa_id: Name = ""
    user_id: Name = ""
    category: str = ""
    detail: str = ""


class Traffic(Struct, frozen=True):
    """The value of ``messages``, ``smb_message_echoes`` and ``user_preferences``."""

    metadata: Metadata
    contacts: tuple[Person, ...] = ()
    messages: tuple[Message, ...] = ()
    statuses: tuple[StatusItem, ...] = ()
    message_echoes: tuple[Message, ...] = ()
    user_preferences: tuple[Preference, ...] = ()
    errors: tuple[ErrorItem, ...] = ()


# ---------------------------------------------------------------- notices


class BanInfo(Struct, frozen=True, gc=False):
    waba_ban_state: str | tuple[str, ...] = ""
    waba_ban_date: str = ""


class ViolationInfo(Struct, frozen=True, gc=False):
    violation_type: str = ""


class RestrictionInfo(Struct, frozen=True, gc=False):
    restriction_type: str = ""


class AlertInfo(Struct, frozen=True, gc=False):
    alert_severity: str = ""
    alert_status: str = ""
    alert_type: str = ""
    alert_description: str = ""


class Notice(Struct, frozen=True):
    """What Meta tells about templates, numbers and business accounts; each field of a webhook fills what it has."""

    event: str = ""
    decision: str = ""
    reason: str | None = None
    rejection_reason: str | None = None
    message_template_name: str = ""
    message_template_language: str = ""
    previous_quality_score: str = ""
    new_quality_score: str = ""
    previous_category: str = ""
    new_category: str = ""
    display_phone_number: str = ""
    phone_number: str = ""
    current_limit: str = ""
    max_daily_conversations_per_business: str | int = ""
    requested_verified_name: str = ""
    requester: str | int = ""
    ban_info: BanInfo | None = None
    violation_info: ViolationInfo | None = None
    restriction_info: tuple[RestrictionInfo, ...] = ()
    alert_info: AlertInfo | None = None
    alert_severity: str = ""
    alert_status: str = ""
    alert_type: str = ""
    alert_description: str = ""


# ---------------------------------------------------------------- the webhook


class Change(Struct, frozen=True):
    field: str
    value: Raw = Raw(b"{}")


class Entry(Struct, frozen=True):
    id: str | int = ""
    changes: tuple[Change, ...] = ()
    time: int = 0


class Webhook(Struct, frozen=True):
    object: str
    entry: tuple[Entry, ...]


class SentMessage(Struct, frozen=True):
    id: MessageId


class SendAnswer(Struct, frozen=True):
    messages: Annotated[tuple[SentMessage, ...], Meta(min_length=1)]


class UploadAnswer(Struct, frozen=True):
    id: Annotated[str, Meta(min_length=1)]


class MediaAnswer(Struct, frozen=True):
    url: Annotated[str, Meta(min_length=1)]
    mime_type: str = ""
    sha256: str = ""
    file_size: int | str = 0


decode_webhook = msgspec.json.Decoder(Webhook).decode
decode_traffic = msgspec.json.Decoder(Traffic).decode
decode_notice = msgspec.json.Decoder(Notice).decode
decode_send_answer = msgspec.json.Decoder(SendAnswer).decode
decode_upload_answer = msgspec.json.Decoder(UploadAnswer).decode
decode_media_answer = msgspec.json.Decoder(MediaAnswer).decode
