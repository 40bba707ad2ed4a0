"""The files that people may send: by MIME type, how their content gives them away, what they are to us, their names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

import msgspec
import puremagic

from gateway.core.messages import MediaKind

HEAD_BYTES = 4096
"""So much of a file's beginning is looked at."""

MAX_NAME_CHARS = 100

_UNSAFE = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]+')


class UploadType(msgspec.Struct, frozen=True):
    """``signs``: extensions under which the recognised content may be listed; none of them for text without signs.

    ``is_shown``: a browser may show it in place without running anything that is in it.
    """

    kind: MediaKind
    extension: str
    signs: frozenset[str]
    is_shown: bool


def _type(kind: MediaKind, extension: str, *more: str, is_shown: bool = True) -> UploadType:
    return UploadType(kind, extension, frozenset({extension, *more}), is_shown)


def _document(extension: str, *more: str) -> UploadType:
    return _type("document", extension, *more, is_shown=False)


_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."

UPLOAD_TYPES: Mapping[str, UploadType] = {
    "image/jpeg": _type("image", ".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/png": _type("image", ".png"),
    "image/gif": _type("image", ".gif"),
    "image/webp": _type("image", ".webp"),
    "image/heic": _document(".heic", ".heif"),
    "audio/mpeg": _type("audio", ".mp3", ".mpga"),
    "audio/mp4": _type("audio", ".m4a"),
    "audio/ogg": _type("audio", ".ogg", ".oga", ".opus"),
    "audio/wav": _type("audio", ".wav"),
    "audio/webm": _type("audio", ".webm"),
    "video/mp4": _type("video", ".mp4", ".m4v"),
    "video/webm": _type("video", ".webm"),
    "video/quicktime": _type("video", ".mov"),
    "application/pdf": _document(".pdf"),
    _OFFICE + "wordprocessingml.document": _document(".docx"),
    _OFFICE + "spreadsheetml.sheet": _document(".xlsx"),
    _OFFICE + "presentationml.presentation": _document(".pptx"),
    _OPEN + "text": _document(".odt"),
    _OPEN + "spreadsheet": _document(".ods"),
    "text/plain": UploadType("document", ".txt", frozenset(), is_shown=False),
    "text/csv": UploadType("document", ".csv", frozenset(), is_shown=False),
}
"""Nothing in which a browser or a desktop runs what somebody else wrote: no SVG, HTML, XML, scripts or programs."""

_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/heif": "image/heic",
    "audio/mp3": "audio/mpeg",
    "audio/x-m4a": "audio/mp4",
    "audio/m4a": "audio/mp4",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/opus": "audio/ogg",
    "application/csv": "text/csv",
    "video/x-m4v": "video/mp4",
}
"""Other names that browsers and systems have for the same types."""

_VAGUE = frozenset(
    ("", "application/octet-stream", "application/vnd.ms-excel", "application/zip", "application/x-zip-compressed")
)
"""What a browser says when it does not know, or knows only the program that opens such files (a table on Windows)."""

_BY_EXTENSION = {
    extension: mime
    for mime, known in UPLOAD_TYPES.items()
    for extension in ({known.extension} | known.signs)
    if (mime, extension) != ("audio/webm", ".webm")
}


def declared_type(mime: str, name: str) -> str:
    """What the sender says that the file is, in our spelling: by its MIME type, else by its name. Empty: nothing."""
    plain = mime.partition(";")[0].strip().lower()
    plain = _ALIASES.get(plain, plain)
    if plain in _VAGUE:
        return _BY_EXTENSION.get("." + name.rpartition(".")[2].lower(), "")
    return plain


def is_what_it_says(head: bytes, mime: str) -> bool:
    """Whether a file that begins with *head* (all of it, or ``HEAD_BYTES``) can be of the type *mime*."""
    known = UPLOAD_TYPES.get(mime)
    if known is None:
        return False
    if not known.signs:
        return _is_text(head)
    return bool(_signs(head) & known.signs)


def _signs(head: bytes) -> frozenset[str]:
    """The extensions of all formats that begin like this."""
    if head.startswith(b"PK\x03\x04"):
        return _signs_of_zip(head)
    if head[4:8] == b"ftyp":
        return _FTYP_BRANDS.get(head[8:12], frozenset())
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:  # an MPEG frame, layer III
        return frozenset({".mp3"})
    try:
        matches = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return frozenset()
    return frozenset("." + match.extension.lstrip(".").lower() for match in matches if match.extension)


_MPEG4 = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"dash", b"MSNV", b"3gp4", b"3gp5")

_FTYP_BRANDS: Mapping[bytes, frozenset[str]] = {
    **dict.fromkeys(_MPEG4, frozenset({".mp4", ".m4v", ".m4a"})),
    **dict.fromkeys((b"M4V ", b"M4VH", b"M4VP"), frozenset({".mp4", ".m4v"})),
    **dict.fromkeys((b"M4A ", b"M4B "), frozenset({".m4a"})),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"), frozenset({".heic"})),
    b"qt  ": frozenset({".mov"}),
}
"""Main brands of the ISO base media format (ISO/IEC 14496-12; registry at mp4ra.org), of which libraries know few."""

_OFFICE_ROOTS = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"customXml/", b"word/", b"xl/", b"ppt/")


def _signs_of_zip(head: bytes) -> frozenset[str]:
    """Office documents by the first entry of their archive; no other archive is known here.

    Office Open XML (ECMA-376) has a fixed set of folders; OpenDocument 1.3 begins with its type, uncompressed.
    """
    name_bytes = int.from_bytes(head[26:28], "little")
    extra_bytes = int.from_bytes(head[28:30], "little")
    name, content = head[30 : 30 + name_bytes], head[30 + name_bytes + extra_bytes :]
    if name == b"mimetype":
        return frozenset(UPLOAD_TYPES[mime].extension for mime in _OPEN_TYPES if content.startswith(mime.encode()))
    if name.startswith(_OFFICE_ROOTS):
        return frozenset({".docx", ".xlsx", ".pptx"})
    return frozenset()


_OPEN_TYPES = tuple(mime for mime in UPLOAD_TYPES if mime.startswith(_OPEN))

_CONTROLS = frozenset(range(32)) - set(b"\t\n\r\f\x1b") | {0x7F}


def _is_text(head: bytes) -> bool:
    """Text in any encoding that has ASCII in it: spreadsheets still write tables in those of old Windows."""
    return not _CONTROLS & set(head)


def clean_name(name: str) -> str:
    """A file's name that is one, whatever system it comes from or goes to; empty stays empty."""
    last = re.split(r"[\\/]", unicodedata.normalize("NFC", name))[-1]
    visible = "".join(character for character in last if unicodedata.category(character) not in ("Cf", "Cs", "Co"))
    plain = " ".join(_UNSAFE.sub(" ", visible).split()).strip(". ")
    if len(plain) <= MAX_NAME_CHARS:
        return plain
    stem, dot, extension = plain.rpartition(".")
    if not dot or len(extension) > 10:
        return plain[:MAX_NAME_CHARS]
    return f"{stem[: MAX_NAME_CHARS - len(extension) - 1].rstrip()}.{extension}"


def with_extension(name: str, extension: str, others: frozenset[str]) -> str:
    """*name*, whose end says what the content is: ``photo.html`` that is a picture becomes ``photo.html.png``."""
    if not name:
        return f"file{extension}"
    if any(name.lower().endswith(known) for known in others | {extension}):
        return name
    return name + extension
