"""Files: what they really are, what they are called, whose they are, and which bytes of them are asked for."""

from __future__ import annotations

import io
import zipfile
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.doors import DoorEndpoint, DoorParts
from channels.file_answers import wanted
from channels.filetypes import (
    HEAD_BYTES,
    MAX_NAME_CHARS,
    UPLOAD_TYPES,
    clean_name,
    declared_type,
    is_what_it_says,
    with_extension,
)
from channels.webchat.sessions import Sessions
from channels.webchat.settings import WebchatSettings
from channels.webchat.tokens import Seals
from channels.webchat.uploads import (
    MediaSeal,
    Uploads,
    UploadSeal,
    _file_headers,
)
from channels.webchat.visitors import Visitor
from gateway.core.clock import ManualClock
from gateway.core.ids import AccountId
from gateway.core.messages import Media

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(60)
WEBM = bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282847765626d") + bytes(40)


def archive(*names: str, **contents: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name in names:
            zipped.writestr(name, "x")
        for name, content in contents.items():
            zipped.writestr(name, content)
    return file.getvalue()


def iso(brand: bytes) -> bytes:
    return b"\0\0\0\x20ftyp" + brand + b"\0\0\2\0" + bytes(60)


WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
OPEN_TEXT = "application/vnd.oasis.opendocument.text"
OPEN_SHEET = "application/vnd.oasis.opendocument.spreadsheet"

HONEST = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe1\0\x10Exif\0" + bytes(40),
    "image/gif": b"GIF89a" + bytes(40),
    "image/webp": b"RIFF\x10\0\0\0WEBPVP8 " + bytes(40),
    "image/heic": iso(b"heic"),
    "audio/mpeg": b"ID3\4\0" + bytes(40),
    "audio/mp4": iso(b"M4A "),
    "audio/ogg": b"OggS\0\2" + bytes(22) + b"OpusHead" + bytes(20),
    "audio/wav": b"RIFF\x10\0\0\0WAVEfmt " + bytes(40),
    "audio/webm": WEBM,
    "video/mp4": iso(b"isom"),
    "video/webm": WEBM,
    "video/quicktime": iso(b"qt  "),
    "application/pdf": b"%PDF-1.7\n" + bytes(40),
    WORD: archive("[Content_Types].xml", "word/document.xml"),
    SHEET: archive("_rels/.rels", "xl/workbook.xml"),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": archive("ppt/presentation.xml"),
    OPEN_TEXT: archive(mimetype=OPEN_TEXT),
    OPEN_SHEET: archive(mimetype=OPEN_SHEET),
    "text/plain": "línea uno\nline two\t…".encode(),
    "text/csv": "año;total\r\n2026;1.000 €\r\n".encode("cp1252"),
}


def test_every_type_has_an_example_here() -> None:
    assert set(HONEST) == set(UPLOAD_TYPES)


@pytest.mark.parametrize("mime", HONEST)
def test_a_file_that_is_what_it_says_is_taken(mime: str) -> None:
    assert is_what_it_says(HONEST[mime], mime)


@pytest.mark.parametrize("frame", [b"\xff\xfb\x90\x44", b"\xff\xf3\x90\x44", b"\xff\xfa\x90\x44"])
def test_sound_without_a_label_is_known_by_its_frames(frame: bytes) -> None:
    assert is_what_it_says(frame + bytes(60), "audio/mpeg")


@pytest.mark.parametrize("brand", [b"isom", b"iso5", b"mp41", b"mp42", b"avc1", b"dash", b"M4V "])
def test_films_are_known_by_their_brands(brand: bytes) -> None:
    assert is_what_it_says(iso(brand), "video/mp4")


@pytest.mark.parametrize(
    ("content", "mime"),
    [
        (b"<!doctype html><script>alert(1)</script>", "image/png"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "image/png"),
        (b"MZ\x90\0" + bytes(60), "image/png"),
        (b"MZ\x90\0" + bytes(60), "text/plain"),
        (b"\x7fELF" + bytes(60), "application/pdf"),
        (PNG, "image/jpeg"),
        (PNG, "text/plain"),
        (archive("META-INF/MANIFEST.MF", "Evil.class"), WORD),
        (archive("evil.exe"), WORD),
        (archive(mimetype=OPEN_TEXT), OPEN_SHEET),
        (archive(mimetype="application/java"), OPEN_TEXT),
        (b"PK\3\4", WORD),
        (b"", "image/png"),
        (iso(b"qt  "), "audio/mp4"),
        (iso(b"XXXX"), "video/mp4"),
        (b"#!/bin/sh\n\0", "text/plain"),
    ],
)
def test_a_file_that_is_something_else_is_not_taken(content: bytes, mime: str) -> None:
    assert not is_what_it_says(content, mime)


@pytest.mark.parametrize("mime", ["image/svg+xml", "text/html", "application/xml", "text/javascript", "", "x"])
def test_a_type_that_is_not_known_is_never_what_it_says(mime: str) -> None:
    assert all(not is_what_it_says(content, mime) for content in HONEST.values())


@given(st.binary(max_size=HEAD_BYTES), st.sampled_from(sorted(UPLOAD_TYPES)))
def test_no_bytes_upset_the_look_at_a_file(content: bytes, mime: str) -> None:
    assert is_what_it_says(content, mime) in (True, False)


@pytest.mark.parametrize(
    ("mime", "name", "found"),
    [
        ("image/PNG", "x.html", "image/png"),
        ("image/jpg", "", "image/jpeg"),
        ("text/csv; charset=utf-8", "", "text/csv"),
        ("", "photo.JPEG", "image/jpeg"),
        ("application/octet-stream", "a.docx", WORD),
        ("application/octet-stream", "a.webm", "video/webm"),
        ("application/vnd.ms-excel", "table.csv", "text/csv"),
        ("application/vnd.ms-excel", "table.xls", ""),
        ("application/zip", "a.zip", ""),
        ("audio/webm;codecs=opus", "", "audio/webm"),
        ("", "noextension", ""),
        ("text/html", "x.png", "text/html"),
        ("image/svg+xml", "x.png", "image/svg+xml"),
    ],
)
def test_the_type_is_what_the_sender_says_else_what_the_name_says(mime: str, name: str, found: str) -> None:
    assert declared_type(mime, name) == found


@pytest.mark.parametrize(
    ("given_name", "cleaned"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system32\\cmd.exe", "cmd.exe"),
        ("C:\\photos\\cat.png", "cat.png"),
        ("/", ""),
        ("..", ""),
        (".htaccess", "htaccess"),
        ("a\0b\r\nSet-Cookie: x.png", "a b Set-Cookie x.png"),
        ('"><script>alert(1)</script>.png', "script .png"),
        ("fac\u202egnp.exe", "facgnp.exe"),
        ("Factura\u00a0de  enero.pdf", "Factura de enero.pdf"),
        ("n\u0303.pdf", "\u00f1.pdf"),
        ("x" * 300 + ".pdf", "x" * 96 + ".pdf"),
        ("", ""),
    ],
)
def test_a_name_is_a_name_on_every_system(given_name: str, cleaned: str) -> None:
    assert clean_name(given_name) == cleaned


@given(st.text(max_size=300))
def test_no_name_leads_out_of_a_folder_or_into_a_header(name: str) -> None:
    cleaned = clean_name(name)
    assert not set(cleaned) & set('/\\\0\r\n":<>|?*')
    assert not cleaned.startswith(".")
    assert len(cleaned) <= MAX_NAME_CHARS
    assert clean_name(cleaned) == cleaned
    _file_headers(MediaSeal("b", cleaned, "image/png"))["Content-Disposition"].encode("ascii")


def test_a_name_ends_as_the_content_is() -> None:
    signs = UPLOAD_TYPES["image/png"].signs
    assert with_extension("photo.png", ".png", signs) == "photo.png"
    assert with_extension("photo.PNG", ".png", signs) == "photo.PNG"
    assert with_extension("photo.html", ".png", signs) == "photo.html.png"
    assert with_extension("", ".png", signs) == "file.png"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", (0, 100, 200)),
        ("bytes=0-", (0, 100, 206)),
        ("bytes=0-0", (0, 1, 206)),
        ("bytes=10-19", (10, 20, 206)),
        ("bytes=90-500", (90, 100, 206)),
        ("bytes=-10", (90, 100, 206)),
        ("bytes=-500", (0, 100, 206)),
        ("bytes=100-", (0, 0, 416)),
        ("bytes=20-10", (0, 0, 416)),
        ("bytes=-0", (0, 0, 416)),
        ("bytes=-", (0, 100, 200)),
        ("bytes=0-1,5-6", (0, 100, 200)),
        ("lines=0-1", (0, 100, 200)),
        ("bytes=" + "9" * 40 + "-", (0, 100, 200)),
    ],
)
def test_a_player_gets_the_bytes_that_it_asks_for(header: str, expected: tuple[int, int, int]) -> None:
    assert wanted(header, 100) == expected


@pytest.mark.parametrize(
    "mime", ["text/html", "image/svg+xml", "application/javascript", "", "x\r\ny", "application/pdf"]
)
def test_only_what_a_browser_shows_without_running_it_is_shown(mime: str) -> None:
    headers = _file_headers(MediaSeal("b", "name", mime))
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["Content-Type"] in ("application/octet-stream", "application/pdf")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


# ---------------------------------------------------------------- whose they are

ANA, BEA = Visitor("v_ana"), Visitor("v_bea")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def seals(clock: ManualClock) -> Seals:
    return Seals(bytes(32), clock)


@pytest.fixture
def uploads(seals: Seals, clock: ManualClock) -> Uploads:
    parts = SimpleNamespace(public_url="https://bot.example", blobs=None, clock=clock)
    endpoint = DoorEndpoint("site", WebchatSettings(origins=("*",)), AccountId(1))
    return Uploads(endpoint, cast("DoorParts", parts), seals, cast("Sessions", None))


def upload_id(seals: Seals, visitor: Visitor) -> str:
    seal = UploadSeal(visitor.id, "ab/cd", "cat.png", "image/png", "image", 7)
    return "u_" + seals.seal("upload", seal, seals.now_s() + 60)


async def test_an_upload_is_its_visitors_for_a_while(uploads: Uploads, seals: Seals, clock: ManualClock) -> None:
    mine = upload_id(seals, ANA)
    assert uploads.redeem(ANA, mine) == Media("image", blob="ab/cd", name="cat.png", mime="image/png", size_bytes=7)
    assert uploads.redeem(BEA, mine) is None
    await clock.advance(61)
    assert uploads.redeem(ANA, mine) is None


def test_an_upload_that_was_made_up_is_nothing(uploads: Uploads, seals: Seals) -> None:
    mine = upload_id(seals, ANA)
    for made_up in ("", "u_", "u_x", mine[2:], mine + "A", "v" + mine[1:], mine[:-2]):
        assert uploads.redeem(ANA, made_up) is None
    session = "u_" + seals.seal("session", ANA, seals.now_s() + 60)
    assert uploads.redeem(ANA, session) is None


async def test_a_file_has_the_same_address_for_an_hour(uploads: Uploads, clock: ManualClock) -> None:
    part = Media("image", blob="ab/cd", name="cat.png", mime="image/png")
    first = uploads.link(part)
    assert first.startswith("https://bot.example/chat/site/media/")
    assert "cat" not in first
    await clock.advance(3500)
    assert uploads.link(part) == first
    await clock.advance(200)
    assert uploads.link(part) != first


def test_a_file_of_the_web_keeps_its_own_address(uploads: Uploads) -> None:
    assert uploads.link(Media("image", url="https://cdn.example/cat.png")) == "https://cdn.example/cat.png"
    assert uploads.link(Media("image", provider_ref="elsewhere")) == ""
