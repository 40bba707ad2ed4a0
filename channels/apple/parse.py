"""Turns one webhook into our words. Pure: the same bytes at the same moment give the same event.

Every webhook holds one thing, with a UUID that is the same at every delivery: ``m:<id>`` keys what a customer said,
``c:<id>`` that they closed the conversation. Nothing on the wire tells a time, so everything is dated on arrival.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from channels.apple.answers import answered
from channels.apple.body import inflated
from channels.apple.settings import bare_business_id
from channels.apple.wire import ATTACHED, File, FileRef, Misfit, Notice, decode_notice, encode_ref
from channels.mending import read_clean, unparsed
from gateway.core.channel import WebhookRequest
from gateway.core.inbound import AddressKey, ConsentChanged, Ignored, Origin, Parsed, Profile, Received, Unparsed
from gateway.core.messages import MAX_TEXT_CHARS, Media, MediaKind, Parts, Text

IGNORED_TYPES = frozenset({"typing_start", "typing_end"})

NOTHING = "NONE"

_NO_HEADERS: Mapping[str, str] = {}
_NO_PROFILE = Profile()
_CAPABILITY = re.compile(r"[A-Z0-9_]{1,16}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,3}")
_KEY = re.compile(r"(?:00)?([0-9a-fA-F]{64})")


def parse(request: WebhookRequest, received_at: datetime) -> list[Parsed]:
    """The one event of a webhook. Raises ``BadPayload`` when the body is no JSON object, plain or compressed."""
    return _read(inflated(request.body), request.headers, received_at)


def replay(raw: bytes, received_at: datetime) -> list[Parsed]:
    """The same for a body that was kept; what only its headers told (the device's abilities) is not known any more."""
    return _read(inflated(raw), _NO_HEADERS, received_at)


def _read(raw: bytes, headers: Mapping[str, str], received_at: datetime) -> list[Parsed]:
    """What is a JSON object but not understood becomes ``Unparsed`` with the place of the fault."""
    try:
        return [_event(read_clean(raw, decode_notice), headers, received_at)]
    except msgspec.ValidationError as error:
        return [unparsed(raw, error)]
    except Misfit as misfit:
        return [Unparsed(raw=raw, reason=misfit.reason, path=misfit.path)]


# ---------------------------------------------------------------- kinds


def _event(notice: Notice, headers: Mapping[str, str], received_at: datetime) -> Parsed:
    kind = notice.type
    if kind in IGNORED_TYPES:
        return Ignored(kind)
    if kind == "text":
        return _received(notice, _written(notice), headers, received_at)
    if kind == "interactive":
        return _received(notice, _answer(notice), headers, received_at)
    if kind == "close":
        return _closed(notice, headers, received_at)
    raise Misfit("a webhook of an unknown type", "$.type")


def _received(notice: Notice, parts: Parts, headers: Mapping[str, str], received_at: datetime) -> Received:
    identity = _identity(notice, headers)
    intent, group = notice.intent or "", notice.group or ""
    return Received(
        account=_account(notice, headers),
        event_key=f"m:{identity}",
        at=received_at,
        address=AddressKey("mbid", notice.source_id),
        provider_message_id=identity,
        parts=parts,
        profile=_profile(notice.locale or headers.get("locale", "")),
        referral=intent or group,
        origin=Origin(kind="link", id=intent, title=group) if intent or group else None,
        traits=traits_of(headers.get("capability-list")),
    )


def _closed(notice: Notice, headers: Mapping[str, str], received_at: datetime) -> ConsentChanged:
    return ConsentChanged(
        account=_account(notice, headers),
        event_key=f"c:{_identity(notice, headers)}",
        at=received_at,
        address=AddressKey("mbid", notice.source_id),
        is_opted_in=False,
        reason="closed",
        until_heard=True,
    )


def _identity(notice: Notice, headers: Mapping[str, str]) -> str:
    identity = notice.id or headers.get("id", "")
    if not identity or len(identity) > 200:
        raise Misfit("has no id", "$.id")
    return identity


def _account(notice: Notice, headers: Mapping[str, str]) -> str:
    return bare_business_id(notice.destination_id or headers.get("destination-id", ""))


def _profile(locale: str) -> Profile:
    """The phone's language as a tag of BCP 47 (``pt_BR`` is ``pt-BR``)."""
    tag = locale.replace("_", "-")
    return Profile(language=tag) if _LANGUAGE.fullmatch(tag) else _NO_PROFILE


def traits_of(capability_list: str | None) -> str:
    """What a device can show, in one spelling: upper case, in alphabetical order, joined by commas.

    Empty when it does not say (``None``), ``NONE`` when it names nothing: then what it said earlier holds no more.
    """
    if capability_list is None:
        return ""
    named = {name.strip() for name in capability_list[:1000].upper().split(",")}
    return ",".join(sorted(name for name in named if _CAPABILITY.fullmatch(name))) or NOTHING


# ---------------------------------------------------------------- content


def _written(notice: Notice) -> Parts:
    """The words, then the files. Each file leaves a mark in the words, which is taken out."""
    files = notice.attachments or ()
    text = notice.body or ""
    if files:
        text = text.replace(ATTACHED, "", len(files)).strip()
    if len(text) > MAX_TEXT_CHARS:
        raise Misfit(f"longer than {MAX_TEXT_CHARS} characters", "$.body")
    album = notice.id if len(files) > 1 else ""
    media = [_media(file, album, f"$.attachments[{place}]") for place, file in enumerate(files)]
    if text.strip():
        return (Text(text), *media)
    if not media:
        raise Misfit("a text without words", "$.body")
    return tuple(media)


def _answer(notice: Notice) -> Parts:
    if notice.interactive_data is not None:
        parts = answered(notice.interactive_data)
        _require_length(parts)
        return parts
    if notice.interactive_data_ref is not None:
        return _large_answer(notice.interactive_data_ref)
    raise Misfit("an answer without content", "$.interactiveData")


def _require_length(parts: Parts) -> None:
    if any(isinstance(part, Text) and len(part.text) > MAX_TEXT_CHARS for part in parts):
        raise Misfit(f"longer than {MAX_TEXT_CHARS} characters", "$.interactiveData.data")


def _large_answer(file: File) -> Parts:
    """An answer that was too large to come along: the title that the customer sees, and the rest as a file to fetch."""
    path = "$.interactiveDataRef"
    if not file.bid:
        raise Misfit("names no bundle", path)
    media = Media("document", _ref(file, path), name="answer.json", mime="application/json", size_bytes=_size(file))
    title = (file.title or "").strip()
    return (Text(title), media) if title else (media,)


def _media(file: File, album: str, path: str) -> Media:
    mime = file.mime or file.mime_dashed
    return Media(
        kind=_kind(mime),
        provider_ref=_ref(file, path),
        name=file.name,
        mime=mime,
        size_bytes=_size(file),
        unique_ref=_signature(file, path),
        group=album,
    )


def _kind(mime: str) -> MediaKind:
    match mime.lower().partition("/")[0]:
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
        case _:
            return "document"


def _size(file: File) -> int:
    given = file.size if file.size is not None else file.file_size
    if isinstance(given, int):
        return max(0, given)
    return int(given) if given and given.isascii() and given.isdecimal() and len(given) < 16 else 0


def _ref(file: File, path: str) -> str:
    """All that fetching the file needs, as text. Raises ``Misfit`` when something is missing."""
    url, owner = file.url or file.mmcs_url, file.owner or file.mmcs_owner
    key = _KEY.fullmatch(file.key or file.decryption_key)
    if not url or not owner or key is None:
        raise Misfit("a file without address, owner or key", path)
    return encode_ref(FileRef(url, owner, key[1].lower(), _signature(file, path), file.bid)).decode()


def _signature(file: File, path: str) -> str:
    """As base64, which is what fetching wants; without that field the other one, which is hexadecimal, is turned."""
    if file.signature_base64:
        return file.signature_base64
    try:
        return base64.b64encode(binascii.unhexlify(file.signature)).decode()
    except (binascii.Error, ValueError):
        raise Misfit("a file whose signature cannot be read", path) from None
