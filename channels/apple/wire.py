"""The shape of Apple's webhooks and answers, as far as they are used: decoding checks it, and an error names the field.

Names vary between Apple's pages and what working integrations send, so some fields are read under two names.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

EXTENSION = (
    "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:com.apple.icloud.apps.messages.business.extension"
)
"""The bundle id of everything that a business can ask interactively; an app of somebody's own has another."""

ATTACHED = "\ufffc"
"""Stands in a text where a file belongs."""

Name = Annotated[str, Meta(max_length=1024)]


class Misfit(Exception):
    """An authentic webhook of no shape that we know. ``path`` is the place of the fault."""

    def __init__(self, reason: str, path: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


class File(
    Struct,
    frozen=True,
    rename={
        "mime": "mimeType",
        "mime_dashed": "mime-type",
        "file_size": "file-size",
        "mmcs_url": "mmcs-url",
        "mmcs_owner": "mmcs-owner",
        "decryption_key": "decryption-key",
        "signature_base64": "signature-base64",
    },
):
    """A file in Apple's store, or what was too large to come along (then with ``bid`` and ``title``)."""

    name: str = ""
    mime: str = ""
    mime_dashed: str = ""
    size: int | str | None = None
    file_size: int | str | None = None
    url: str = ""
    mmcs_url: str = ""
    owner: str = ""
    mmcs_owner: str = ""
    key: str = ""
    decryption_key: str = ""
    signature: str = ""
    signature_base64: str = ""
    bid: str = ""
    title: str | None = None


class Item(Struct, frozen=True):
    """One thing that was chosen, or could be; a form's has a ``value`` where words were typed."""

    identifier: str = ""
    title: str | None = None
    subtitle: str | None = None
    value: str | None = None


class QuickReply(Struct, frozen=True, rename="camel"):
    items: tuple[Item, ...] = ()
    selected_index: int | str | None = None
    selected_identifier: str | None = None


class Section(Struct, frozen=True):
    items: tuple[Item, ...] = ()


class ListPicker(Struct, frozen=True):
    sections: tuple[Section, ...] = ()


class Timeslot(Struct, frozen=True, rename="camel"):
    identifier: str = ""
    start_time: str = ""


class Event(Struct, frozen=True):
    timeslots: tuple[Timeslot, ...] = ()


class FormPage(Struct, frozen=True):
    title: str | None = None
    subtitle: str | None = None
    items: tuple[Item, ...] = ()


class Form(Struct, frozen=True):
    selections: tuple[FormPage, ...] = ()


class Authentication(Struct, frozen=True):
    """The token that comes along is nobody's business here, and is not even decoded."""

    status: str = ""


class ReplyBubble(Struct, frozen=True):
    title: str | None = None
    subtitle: str | None = None


class Answer(Struct, frozen=True, rename="camel"):
    """What a customer did with something interactive; exactly one of the kinds is filled."""

    request_identifier: Name = ""
    quick_reply: QuickReply | None = msgspec.field(default=None, name="quick-reply")
    quick_reply_camel: QuickReply | None = msgspec.field(default=None, name="quickReply")
    list_picker: ListPicker | None = None
    event: Event | None = None
    dynamic: Form | None = None
    authenticate: Authentication | None = None
    payment: dict[str, msgspec.Raw] | None = None
    reply_message: ReplyBubble | None = None


class Interactive(Struct, frozen=True):
    """``data`` is missing in the answer of an app of somebody's own."""

    bid: Name = ""
    data: Answer | None = None


class Notice(Struct, frozen=True, rename="camel"):
    """The body of a webhook: one thing that a customer did."""

    type: Annotated[str, Meta(min_length=1, max_length=64)]
    source_id: Annotated[str, Meta(min_length=1, max_length=1024)]
    id: Annotated[str, Meta(max_length=200)] = ""
    destination_id: Name = ""
    locale: str | None = None
    body: str | None = None
    group: str | None = None
    intent: str | None = None
    attachments: tuple[File, ...] | None = None
    interactive_data: Interactive | None = None
    interactive_data_ref: File | None = None


class FileRef(Struct, frozen=True, omit_defaults=True, rename={"url": "u", "owner": "o", "key": "k", "signature": "s"}):
    """What fetching a file needs: ``key`` is hex, ``signature`` base64. With ``bid`` it is an answer to decode."""

    url: str
    owner: str
    key: str
    signature: str
    bid: str = ""


class UploadPlace(Struct, frozen=True, rename={"upload_url": "upload-url", "url": "mmcs-url", "owner": "mmcs-owner"}):
    """Where to put a file, and how the message then names it."""

    upload_url: str
    url: str
    owner: str


class _SingleFile(Struct, frozen=True, rename="camel"):
    file_checksum: str


class Uploaded(Struct, frozen=True, rename="camel"):
    single_file: _SingleFile


class DownloadPlace(Struct, frozen=True, rename={"url": "download-url"}):
    url: str


decode_notice = msgspec.json.Decoder(Notice).decode
decode_ref = msgspec.json.Decoder(FileRef).decode
encode_ref = msgspec.json.Encoder().encode
decode_upload_place = msgspec.json.Decoder(UploadPlace).decode
decode_uploaded = msgspec.json.Decoder(Uploaded).decode
decode_download_place = msgspec.json.Decoder(DownloadPlace).decode
