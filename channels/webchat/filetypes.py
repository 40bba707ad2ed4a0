"""The files that visitors may send: by MIME type, how their content gives them away, and what they are to us."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import puremagic

from gateway.core.messages import MediaKind

HEAD_BYTES = 4096
"""So much of a file's beginning is looked at."""


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
    "audio/mp4": _type("audio", ".m4a", ".f4a", ".mp4"),
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
    "audio/aac": "audio/mp4",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/opus": "audio/ogg",
    "application/csv": "text/csv",
    "application/vnd.ms-excel.csv": "text/csv",
}
"""Other names that browsers and systems have for the same types."""

_BY_EXTENSION = {
    extension: mime
    for mime, known in UPLOAD_TYPES.items()
    for extension in ({known.extension} | known.signs)
    if not (mime.startswith("audio/") and extension in (".mp4", ".webm"))
}


def declared_type(mime: str, name: str) -> str:
    """What the sender says that the file is, in our spelling: by its MIME type, else by its name. Empty: nothing."""
    plain = mime.partition(";")[0].strip().lower()
    plain = _ALIASES.get(plain, plain)
    if plain in ("", "application/octet-stream"):
        return _BY_EXTENSION.get("." + name.rpartition(".")[2].lower(), "")
    return plain


def is_what_it_says(head: bytes, mime: str) -> bool:
    """Whether a file that begins with *head* (all of it, or ``HEAD_BYTES``) can be of the type *mime*."""
    known = UPLOAD_TYPES.get(mime)
    if known is None:
        return False
    signs = _signs(head)
    if not known.signs:
        return _is_text(head)
    return bool(signs & known.signs)


def _signs(head: bytes) -> frozenset[str]:
    """The extensions of all formats that begin like this."""
    try:
        matches = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return frozenset()
    return frozenset("." + match.extension.lstrip(".").lower() for match in matches if match.extension)


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character may be cut in two by the end of the head.
        return len(head) >= HEAD_BYTES and error.start >= len(head) - 3
    return True
