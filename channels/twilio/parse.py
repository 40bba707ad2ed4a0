"""Turns one webhook into our words. Pure: the same request at the same moment gives the same events.

A webhook holds one message or one word about a message of ours. Twilio dates neither, so both bear the moment of
their arrival (except a delivery that the operator dated). Keys of events, unique on one account for ever:

- ``m:<MessageSid>`` for a message, ``c:<MessageSid>`` for the change of consent that it brings;
- ``s:<MessageSid>:<status>`` for a receipt.

``I-Twilio-Idempotency-Token`` is not used: the same message also comes by the fallback address, with another token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from channels.formatting import without_lone_surrogates
from channels.twilio.failures import meaning_of
from channels.twilio.forms import read_form
from channels.twilio.routes import Route
from channels.twilio.settings import WHATSAPP, TwilioSettings
from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadPayload
from gateway.core.inbound import (
    AddressKey,
    ConsentChanged,
    Ignored,
    Origin,
    Parsed,
    Profile,
    Receipt,
    Received,
    Unparsed,
)
from gateway.core.messages import (
    MAX_TEXT_CHARS,
    AnyPart,
    Location,
    Media,
    MediaKind,
    Parts,
    Selection,
    Text,
    Unsupported,
)

Fields = Mapping[str, str]

OUR_REF = "ref"
"""The parameter of a callback's address that brings back our own message id."""

MAX_MEDIA = 10

_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
_ADDRESS = re.compile(r"[^\s\x00-\x1f]{1,128}")
_DLR_DATE = re.compile(r"[0-9]{10}")
_DLR_AGE = timedelta(hours=36)

_COMING_IN = frozenset({"received", "receiving"})
_ON_ITS_WAY = frozenset({"accepted", "scheduled", "queued", "sending", "partially_delivered"})
_RECEIPTS: Mapping[str, Literal["sent", "delivered", "read", "failed"]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}
_CONSENT = {"STOP": False, "START": True}
_MEDIA_KINDS: Mapping[str, MediaKind] = {"image": "image", "video": "video", "audio": "audio"}


class _Misfit(Exception):
    """The webhook is of no shape that we know."""

    def __init__(self, reason: str, path: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


def parse(settings: TwilioSettings, request: WebhookRequest, received_at: datetime) -> list[Parsed]:
    """The events of a webhook. Raises ``BadPayload`` when it is neither a form nor JSON."""
    if request.method == "GET":
        query = request.url.partition("?")[2]
        return replay(settings, query.encode("utf-8", "surrogateescape"), received_at)
    return replay(settings, request.body, received_at, request.query.get(OUR_REF, ""))


def replay(settings: TwilioSettings, raw: bytes, received_at: datetime, our_ref: str = "") -> list[Parsed]:
    """The same for a body by itself: a form, or JSON."""
    if raw.lstrip()[:1] in {b"{", b"["}:
        return _from_json(settings, raw, received_at, our_ref)
    return _from_fields(settings, read_form(raw), raw, received_at, our_ref)


def _from_fields(
    settings: TwilioSettings, fields: Fields, raw: bytes, received_at: datetime, our_ref: str
) -> list[Parsed]:
    try:
        return _events(settings, fields, received_at, our_ref)
    except _Misfit as misfit:
        return [Unparsed(raw=raw, reason=misfit.reason, path=misfit.path)]


def _from_json(settings: TwilioSettings, raw: bytes, received_at: datetime, our_ref: str) -> list[Parsed]:
    """An object with the same fields; events of Twilio's other products are known by their type."""
    try:
        content: object = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadPayload(f"not JSON ({type(error).__name__})") from None
    if isinstance(content, dict) and "specversion" not in content:
        fields = {name: value for name, value in content.items() if isinstance(value, str)}
        return _from_fields(settings, fields, raw, received_at, our_ref)
    return [_stream_event(one, raw) for one in (content if isinstance(content, list) else [content])] or [
        Ignored("stream_empty")
    ]


def _stream_event(event: object, raw: bytes) -> Parsed:
    kind = event.get("type") if isinstance(event, dict) and "specversion" in event else None
    if isinstance(kind, str) and kind.startswith("com.twilio."):
        return Ignored(f"stream_{kind[11:64]}")
    kept = msgspec.json.encode(event) if isinstance(event, dict) else raw
    return Unparsed(raw=kept, reason="JSON of an unknown kind")


# ---------------------------------------------------------------- kinds of webhook


def _events(settings: TwilioSettings, fields: Fields, received_at: datetime, our_ref: str) -> list[Parsed]:
    status = fields.get("MessageStatus") or fields.get("SmsStatus", "")
    if status in _COMING_IN or (not status and "Body" in fields and "EventType" not in fields):
        return _message(settings, fields, received_at)
    if status:
        return [_receipt(settings, fields, status, received_at, our_ref)]
    return [_other(fields)]


def _other(fields: Fields) -> Ignored:
    """What other products of Twilio send to an address that they were given by mistake."""
    if "CallSid" in fields:
        return Ignored("voice_call")
    if "PayloadType" in fields and "Level" in fields:
        return Ignored("debugger")
    if "EventType" in fields and ("ConversationSid" in fields or "ChatServiceSid" in fields):
        return Ignored("conversations")
    named = next(iter(fields), "")
    raise _Misfit("neither a message nor a status", f"$.{without_lone_surrogates(named)[:64]}" if named else "$")


def _message(settings: TwilioSettings, fields: Fields, received_at: datetime) -> list[Parsed]:
    sid = _sid(fields)
    sender, ours = _address(fields, "From"), _address(fields, "To")
    parts = _parts(fields, sid)
    external = settings.account_of(ours, fields.get("MessagingServiceSid", ""))
    address, aliases = _names(fields, sender)
    received = Received(
        account=external,
        event_key=f"m:{sid}",
        at=received_at,
        address=address,
        aliases=aliases,
        provider_message_id=sid,
        parts=parts,
        profile=_profile(fields, sender),
        reply_to=fields.get("OriginalRepliedMessageSid", ""),
        origin=_origin(fields),
        traits=Route(sender, "" if ours == external else ours).as_traits(),
    )
    opted_in = _CONSENT.get(fields.get("OptOutType", "").upper())
    if opted_in is None:
        return [received]
    consent = ConsentChanged(
        account=external,
        event_key=f"c:{sid}",
        at=received_at,
        address=address,
        is_opted_in=opted_in,
        reason=fields["OptOutType"].lower(),
    )
    return [received, consent]


def _receipt(settings: TwilioSettings, fields: Fields, status: str, received_at: datetime, our_ref: str) -> Parsed:
    if status in _ON_ITS_WAY:
        return Ignored(f"status_{status}")
    became = _RECEIPTS.get(status)
    if became is None:
        raise _Misfit("a status that we do not know", "$.MessageStatus")
    sid = _sid(fields)
    ours = _address(fields, "From")
    code = fields.get("ErrorCode", "")
    is_failure = became == "failed"
    return Receipt(
        account=settings.account_of(ours, fields.get("MessagingServiceSid", "")),
        event_key=f"s:{sid}:{status}",
        at=_dated(fields.get("RawDlrDoneDate", ""), received_at),
        provider_message_id=sid,
        status=became,
        reason=_clean(fields.get("ErrorMessage") or fields.get("ChannelStatusMessage") or status) if is_failure else "",
        code=code if is_failure else "",
        meaning=meaning_of(int(code)) if is_failure and code.isdecimal() and len(code) < 10 else "",
        our_ref=our_ref,
    )


# ---------------------------------------------------------------- who


def _sid(fields: Fields) -> str:
    sid = fields.get("MessageSid") or fields.get("SmsMessageSid") or fields.get("SmsSid", "")
    if not _SID.fullmatch(sid):
        raise _Misfit("no message id of 34 characters", "$.MessageSid")
    return sid


def _address(fields: Fields, name: str) -> str:
    address = fields.get(name, "")
    if not _ADDRESS.fullmatch(address):
        raise _Misfit("no address", f"$.{name}")
    return without_lone_surrogates(address)


def _names(fields: Fields, sender: str) -> tuple[AddressKey, tuple[AddressKey, ...]]:
    """The name that lasts, and the phone number, which may pass to somebody else one day."""
    lasting = _clean(fields.get("ExternalUserId", ""))
    if lasting and len(lasting) <= 128:
        aliases = () if lasting == sender else (AddressKey("phone", sender),)
        return AddressKey("bsuid", lasting), aliases
    kind = "bsuid" if sender.startswith(f"{WHATSAPP}ID.") else "phone"
    return AddressKey(kind, sender), ()


def _profile(fields: Fields, sender: str) -> Profile:
    phone = sender.removeprefix(WHATSAPP)
    details = {"phone": phone} if phone.startswith("+") else {}
    return Profile(name=_clean(fields.get("ProfileName", "")), details=details)


def _origin(fields: Fields) -> Origin | None:
    """The advertisement or post that led here."""
    source, url = fields.get("ReferralSourceId", ""), fields.get("ReferralSourceUrl", "")
    click = fields.get("ReferralCtwaClid", "")
    if not (source or click or url):
        return None
    return Origin(
        kind=_clean(fields.get("ReferralSourceType", "")) or "ad",
        id=_clean(source),
        url=_clean(url),
        title=_clean(fields.get("ReferralHeadline", "")),
        text=_clean(fields.get("ReferralBody", "")),
        media_url=_clean(fields.get("ReferralMediaUrl", "")),
        click_id=_clean(click),
    )


def _dated(done: str, received_at: datetime) -> datetime:
    """When the operator delivered it (YYMMDDhhmm), as far as that is possible; else now."""
    if not _DLR_DATE.fullmatch(done):
        return received_at
    try:
        at = datetime.strptime(done, "%y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return received_at
    return at if received_at - _DLR_AGE <= at <= received_at else received_at


# ---------------------------------------------------------------- content


def _parts(fields: Fields, sid: str) -> Parts:
    body = _clean(fields.get("Body", ""))
    if len(body) > MAX_TEXT_CHARS:
        raise _Misfit(f"longer than {MAX_TEXT_CHARS} characters", "$.Body")
    pressed = _pressed(fields, body)
    if pressed is not None:
        return (pressed,)
    if fields.get("NumMedia", "0") not in {"", "0"}:
        return _media(fields, body, sid)
    if fields.get("Latitude"):
        return _place(fields, body)
    if body:
        return (Text(body),)
    kind = _clean(fields.get("MessageType", ""))
    return (Unsupported(kind if kind not in {"", "text"} else "empty"),)


def _pressed(fields: Fields, body: str) -> Selection | None:
    of = fields.get("OriginalRepliedMessageSid", "")
    if value := fields.get("ButtonPayload"):
        return Selection(_clean(value), _clean(fields.get("ButtonText", "")) or body, of)
    if value := fields.get("ListId"):
        return Selection(_clean(value), _clean(fields.get("ListTitle", "")) or body, of)
    return None


def _media(fields: Fields, body: str, sid: str) -> Parts:
    """The files, the words with the first of them."""
    number = fields["NumMedia"]
    if not number.isdecimal() or len(number) > 2:
        raise _Misfit("no number of files", "$.NumMedia")
    count = min(int(number), MAX_MEDIA)
    files: list[AnyPart] = []
    for n in range(count):
        url = _clean(fields.get(f"MediaUrl{n}", ""))
        if not url:
            raise _Misfit("a file without an address", f"$.MediaUrl{n}")
        files.append(_file(fields, n, url, body if n == 0 else "", sid if count > 1 else ""))
    return tuple(files)


def _file(fields: Fields, number: int, url: str, caption: str, group: str) -> Media:
    mime = _clean(fields.get(f"MediaContentType{number}", ""))
    kind: MediaKind = _MEDIA_KINDS.get(mime.partition("/")[0], "document")
    is_whatsapp = fields["From"].startswith(WHATSAPP)
    if fields.get("MessageType") == "sticker":
        kind = "sticker"
    elif is_whatsapp and mime.startswith("audio/ogg"):
        kind = "voice"
    is_card = mime.partition(";")[0] in {"text/vcard", "text/x-vcard", "text/directory"}
    return Media(
        kind=kind,
        provider_ref=url,
        caption=caption,
        name="contact.vcf" if is_card else "",
        mime=mime,
        unique_ref=url.rpartition("/")[2][:128],
        group=group,
    )


def _place(fields: Fields, body: str) -> Parts:
    try:
        latitude, longitude = float(fields["Latitude"]), float(fields.get("Longitude", ""))
    except ValueError:
        raise _Misfit("no degrees", "$.Latitude") from None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise _Misfit("no place on earth", "$.Latitude")
    name, address = _clean(fields.get("Label", "")), _clean(fields.get("Address", ""))
    place = Location(latitude, longitude, name, address)
    return (place, Text(body)) if body and body not in {name, address} else (place,)


def _clean(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    return without_lone_surrogates(text).replace("\0", "\ufffd")
