"""What people do to a web chat who mean it no good, against a real gateway."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import asyncpg
import jwt
import psutil
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from talking_visitor import ORIGIN, Frame, TalkingVisitor
from webchat_gateway import gateway, settings_for

from gateway.core.clock import SystemClock

pytestmark = pytest.mark.system

SECRET = "a-shared-secret-of-the-site-0001"
MAX_UPLOAD = 300_000
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(500)
SCRIPT = "<script>alert(document.domain)</script><img src=x onerror=alert(1)>{{7*7}}';--\u2028"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><html><script>alert(1)</script></html>"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=50)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


@pytest.fixture
async def site(tmp_path: Path, dsn: str) -> AsyncIterator[str]:
    keys = {"identity_secret": SECRET, "max_upload_bytes": MAX_UPLOAD, "uploads_per_visitor_min": 0}
    async with gateway(settings_for(tmp_path, site=keys), dsn) as url:
        yield url


@pytest.fixture
async def ana(http: aiohttp.ClientSession, site: str) -> TalkingVisitor:
    visitor = TalkingVisitor(http, site)
    await visitor.opens()
    return visitor


@pytest.fixture
async def bea(http: aiohttp.ClientSession, site: str) -> TalkingVisitor:
    visitor = TalkingVisitor(http, site)
    await visitor.opens()
    return visitor


async def posts(
    http: aiohttp.ClientSession, url: str, data: object = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Frame, Mapping[str, str]]:
    """An answer, which must be JSON that the page can read, whatever was sent."""
    given = {"Origin": ORIGIN, **(headers or {})}
    async with http.post(url, data=data, headers=given) as response:
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        return response.status, await response.json(), response.headers


def code(body: Frame) -> str:
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    return str(body["error"]["code"])


# ---------------------------------------------------------------- sessions


async def test_a_thousand_sessions_a_second_from_one_address_are_held_back_and_cost_little(
    http: aiohttp.ClientSession, tmp_path: Path, dsn: str
) -> None:
    async with gateway(settings_for(tmp_path), dsn) as url:
        door = f"{url}/chat/site/session"
        await posts(http, door)
        before = psutil.Process().memory_info().rss
        answers = [
            answer for _ in range(20) for answer in await asyncio.gather(*(posts(http, door) for _ in range(100)))
        ]
        grown = psutil.Process().memory_info().rss - before
    refused = [(body, headers) for status, body, headers in answers if status == 429]
    let_in = [body for status, body, _ in answers if status == 200]
    assert len(refused) + len(let_in) == 2000
    assert 599 <= len(let_in) <= 599 + 10 * 20, "the burst, and ten a second"
    assert code(refused[0][0]) == "too_many_sessions"
    assert all(int(headers["Retry-After"]) >= 1 for _, headers in refused)
    assert grown < 30_000_000, "client and server together"


async def test_an_address_that_somebody_else_made_up_does_not_help(
    http: aiohttp.ClientSession, tmp_path: Path, dsn: str
) -> None:
    keys = {"sessions_per_address_s": 0.001, "sessions_burst": 2}
    async with gateway(settings_for(tmp_path / "bare", site=keys), dsn) as url:
        made_up = [
            await posts(http, f"{url}/chat/site/session", headers={"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(4)
        ]
    assert [status for status, _, _ in made_up] == [200, 200, 429, 429]
    async with gateway(settings_for(tmp_path / "behind", site=keys, server__proxies=1), dsn) as url:
        door = f"{url}/chat/site/session"
        through = [await posts(http, door, headers={"X-Forwarded-For": f"203.0.113.9, 192.0.2.{n}"}) for n in range(4)]
        forged = [await posts(http, door, headers={"X-Forwarded-For": f"10.0.0.{n}, 198.51.100.7"}) for n in range(4)]
    assert [status for status, _, _ in through] == [200] * 4, "our own proxy tells four addresses"
    assert [status for status, _, _ in forged] == [200, 200, 429, 429], "what stands before them is anybody's word"


async def test_a_page_that_is_not_on_the_list_gets_nothing(http: aiohttp.ClientSession, ana: TalkingVisitor) -> None:
    for origin in ("https://evil.test", "null", "https://shop.example.evil.test", "http://shop.example", None, ""):
        headers = {"Authorization": f"Bearer {ana.token}"} | ({} if origin is None else {"Origin": origin})
        for door in ("session", "ticket", "conversations", "uploads", "messages"):
            async with http.post(ana.at(door), headers=headers) as response:
                assert response.status == 403
                assert "Access-Control-Allow-Origin" not in response.headers
                assert code(await response.json()) in ("bad_origin", "no_origin")
        for door in ("events", "socket"):
            async with http.get(ana.at(door), headers=headers) as response:
                assert response.status == 403


async def test_a_session_of_another_form_is_refused(http: aiohttp.ClientSession, site: str) -> None:
    for body in (
        b"{",
        b"[]",
        b"5",
        b'"x"',
        b"\xff\xfe",
        b"[" * 15_000,
        b'{"token": 5}',
        b'{"token": {"$ne": ""}}',
        b'{"profile": "x"}',
        b'{"language": ["es"]}',
        b'{"page": "\xed\xa0\x80"}',
        json.dumps({"language": "e" * 3000}).encode(),
    ):
        status, answer, _ = await posts(http, f"{site}/chat/site/session", body)
        assert (status, code(answer)) == (400, "bad_request"), body[:40]


async def test_a_session_whose_body_does_not_come_is_given_up(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.webchat.arrivals.BODY_TIMEOUT_S", 0.2)
    host, port = site.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /chat/site/session HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nContent-Length: 9\r\n\r\n{{".encode()
    )
    async with asyncio.timeout(10):
        assert b" 400 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_session_that_is_too_large_is_refused_with_and_without_its_length(
    http: aiohttp.ClientSession, site: str
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 65_536

    for body in (b" " * 100_000, endless()):
        status, answer, _ = await posts(http, f"{site}/chat/site/session", body)
        assert (status, code(answer)) == (413, "too_large")


# ---------------------------------------------------------------- identities


def now_s() -> int:
    return int(SystemClock().now().timestamp())


def forged_identities() -> dict[str, tuple[str, str]]:
    """Each with the code that it must be refused with."""
    key = rsa.generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims: dict[str, object] = {"sub": "ana", "exp": now_s() + 600}
    header, content, _ = jwt.encode(claims, SECRET, algorithm="HS256").split(".")
    signed_by_public_key = jwt.api_jws.PyJWS()
    signed_by_public_key.register_algorithm("X", jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256))
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        f"{header}.{content}".encode(), public
    )
    confused = base64.urlsafe_b64encode(hmac).rstrip(b"=").decode()
    return {
        "of another secret": (jwt.encode(claims, "x" * 40, algorithm="HS256"), "identity_invalid"),
        "unsigned": (f"{none}.{content}.", "identity_invalid"),
        "without its signature": (f"{header}.{content}.", "identity_invalid"),
        "signed with a public key as if it were the secret": (f"{header}.{content}.{confused}", "identity_invalid"),
        "of a key that nobody published": (jwt.encode(claims, key, algorithm="RS256"), "identity_invalid"),
        "expired": (jwt.encode({**claims, "exp": now_s() - 1}, SECRET, algorithm="HS256"), "identity_expired"),
        "for a year": (
            jwt.encode({**claims, "exp": now_s() + 31_536_000}, SECRET, algorithm="HS256"),
            "identity_too_long",
        ),
        "for ever": (jwt.encode({"sub": "ana"}, SECRET, algorithm="HS256"), "identity_invalid"),
        "no token": ("ana", "identity_invalid"),
    }


async def test_forged_and_expired_identities_are_refused_and_their_visitor_is_nobody(
    http: aiohttp.ClientSession, ana: TalkingVisitor
) -> None:
    for what, (token, expected) in forged_identities().items():
        body = json.dumps({"identity": token, "token": ana.token})
        status, answer, _ = await posts(http, ana.at("session"), body)
        assert (status, code(answer)) == (401, expected), what


# ---------------------------------------------------------------- other people's things


async def test_another_visitors_conversation_is_not_found_by_any_door(
    http: aiohttp.ClientSession, ana: TalkingVisitor, bea: TalkingVisitor, dsn: str
) -> None:
    frame = json.dumps({"type": "message", "id": "c1", "parts": [{"type": "text", "text": "mine"}]})
    status, answer, _ = await posts(http, ana.at(f"messages?conversation={ana.conversation}"), frame, ana.headers())
    assert (status, answer["type"]) == (200, "accepted")
    for name in (
        ana.conversation,
        ana.conversation[:-1],
        "c_",
        "c_AAAA",
        "x",
        "c_" + "A" * 24,
        "../" + ana.conversation,
    ):
        for door in ("socket", "events"):
            async with http.get(ana.at(door), params={"conversation": name}, headers=bea.headers()) as response:
                assert (response.status, code(await response.json())) == (404, "unknown_conversation")
        async with http.post(
            ana.at("messages"), params={"conversation": name}, data=frame, headers=bea.headers()
        ) as response:
            assert response.status == 404
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT count(*) FROM conversation") == 1
    await connection.close()


async def test_nothing_opens_without_a_token_or_with_one_that_was_made_up(
    http: aiohttp.ClientSession, ana: TalkingVisitor
) -> None:
    for token in ("", "x", ana.token[:-2], ana.token + "A", ana.conversation, ana.answer["visitor"]):
        headers = {"Origin": ORIGIN} | ({"Authorization": f"Bearer {token}"} if token else {})
        for door in ("ticket", "conversations", "messages", "uploads"):
            status, answer, _ = await posts(http, ana.at(door), b"{}", headers)
            assert (status, code(answer)) == (401, "bad_token" if token else "no_token"), (door, token)
        for door in ("socket", "events"):
            async with http.get(ana.at(door), params={"token": token}, headers={"Origin": ORIGIN}) as response:
                assert response.status == 401


async def test_a_token_of_one_site_opens_no_other(http: aiohttp.ClientSession, tmp_path: Path, dsn: str) -> None:
    settings = settings_for(tmp_path)
    both = {"site": {"origins": [ORIGIN]}, "other": {"origins": [ORIGIN]}}
    settings = settings.model_copy(update={"channels": {"webchat": both}})
    async with gateway(settings, dsn) as url:
        ana = TalkingVisitor(http, url)
        await ana.opens()
        elsewhere = TalkingVisitor(http, url, "other")
        elsewhere.token = ana.token
        status, answer, _ = await posts(http, elsewhere.at("ticket"), None, elsewhere.headers())
        assert (status, code(answer)) == (401, "bad_token")
        await elsewhere.opens()
        assert elsewhere.answer["visitor"] != ana.answer["visitor"]


# ---------------------------------------------------------------- files


async def uploads(
    http: aiohttp.ClientSession, visitor: TalkingVisitor, content: object, name: str, mime: str
) -> tuple[int, Frame]:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", content, filename=name, content_type=mime)
    status, answer, _ = await posts(http, visitor.at("uploads"), form, visitor.headers())
    return status, answer


def stored(folder: Path) -> list[Path]:
    return [path for path in (folder / "blobs").rglob("*") if path.is_file()]


async def test_a_file_of_a_wrong_type_is_not_taken_and_not_kept(
    http: aiohttp.ClientSession, ana: TalkingVisitor, tmp_path: Path
) -> None:
    for content, name, mime in (
        (SVG, "logo.svg", "image/svg+xml"),
        (SVG, "logo.png", "image/png"),
        (HTML, "page.html", "text/html"),
        (HTML, "photo.png", "image/png"),
        (HTML, "photo.png", "text/html"),
        (b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>", "a.xml", "text/xml"),
        (b"alert(1)", "a.js", "text/javascript"),
        (b"MZ\x90\0" + bytes(99), "setup.exe", "application/x-msdownload"),
        (b"MZ\x90\0" + bytes(99), "cat.png", "image/png"),
        (PNG, "cat.png", "application/pdf"),
    ):
        status, answer = await uploads(http, ana, content, name, mime)
        assert (status, code(answer) in ("bad_type", "not_its_type")) == (415, True), (name, mime)
    assert stored(tmp_path) == []


async def test_a_gigabyte_is_refused_by_its_length_before_it_is_sent(ana: TalkingVisitor, site: str) -> None:
    host, port = site.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /chat/site/uploads HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nAuthorization: Bearer {ana.token}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1073741824\r\n\r\n"
    )
    writer.write(head.encode())
    async with asyncio.timeout(10):
        assert b" 413 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_gigabyte_in_pieces_is_cut_at_the_limit_and_not_kept(
    http: aiohttp.ClientSession, ana: TalkingVisitor, tmp_path: Path
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield (
            b'--b\r\nContent-Disposition: form-data; name="f"; filename="x.png"\r\nContent-Type: image/png\r\n\r\n'
            + PNG
        )
        for _ in range(16_384):
            sent += 65_536
            yield bytes(65_536)

    before = psutil.Process().memory_info().rss
    headers = {**ana.headers(), "Content-Type": "multipart/form-data; boundary=b"}
    status, answer, _ = await posts(http, ana.at("uploads"), endless(), headers)
    assert (status, code(answer)) == (413, "too_large")
    assert sent < 64_000_000, "the rest was never asked for"
    assert psutil.Process().memory_info().rss - before < 60_000_000
    assert stored(tmp_path) == []


async def test_who_hangs_up_in_the_middle_of_a_file_leaves_nothing_behind(
    ana: TalkingVisitor,
    site: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(3):
        _, writer = await begins_an_upload(ana, site)
        writer.transport.abort()
    status, _ = await uploads(ana.http, ana, PNG, "cat.png", "image/png")
    assert status == 200
    assert len(stored(tmp_path)) == 1
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    assert "error" not in capsys.readouterr().out.lower()


async def begins_an_upload(ana: TalkingVisitor, site: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request whose file never comes to its end."""
    host, port = site.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /chat/site/uploads HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nAuthorization: Bearer {ana.token}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 200000\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="f"; filename="x.png"\r\nContent-Type: image/png\r\n\r\n'
    )
    writer.write(head.encode() + PNG + bytes(100_000))
    await writer.drain()
    return reader, writer


async def test_a_file_that_does_not_come_is_given_up(
    ana: TalkingVisitor, site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.webchat.uploads.TIMEOUT_S", 0.3)
    reader, writer = await begins_an_upload(ana, site)
    async with asyncio.timeout(10):
        assert b" 400 " in await reader.readline()
        assert b"too_slow" in await reader.read(2000)
    writer.close()
    await writer.wait_closed()
    assert stored(tmp_path) == []


async def test_uploads_that_are_held_open_do_not_use_up_the_process(
    ana: TalkingVisitor, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.webchat.uploads.UPLOADS_AT_ONCE", 2)
    held = [await begins_an_upload(ana, site) for _ in range(2)]

    async def status_of_one_more() -> int:
        form = aiohttp.FormData()
        form.add_field("file", PNG, filename="cat.png", content_type="image/png")
        status, answer, headers = await posts(ana.http, ana.at("uploads"), form, ana.headers())
        assert status == 200 or (code(answer), headers["Retry-After"]) == ("busy", "2")
        return status

    async with asyncio.timeout(10):
        while await status_of_one_more() != 503:
            await asyncio.sleep(0.02)
        for _, writer in held:
            writer.transport.abort()
        while await status_of_one_more() != 200:
            await asyncio.sleep(0.02)


async def test_a_body_that_is_no_upload_is_refused(http: aiohttp.ClientSession, ana: TalkingVisitor) -> None:
    bodies = {
        "text/plain": b"hello",
        "multipart/form-data": b"--b\r\n\r\nx\r\n--b--\r\n",
        "multipart/form-data; boundary=b": b"nothing of the kind",
        "multipart/mixed; boundary=b": b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--b--",
        "multipart/form-data; boundary=c": b'--c\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n--c--\r\n',
        'multipart/form-data; boundary="': b"--\r\n",
        "multipart/form-data; boundary=" + "d" * 200: b"--d",
        "multipart/form-data; boundary=e": b"--e\r\n" + b"X: y\r\n" * 5000 + b"\r\nx\r\n--e--",
    }
    for content_type, body in bodies.items():
        headers = {**ana.headers(), "Content-Type": content_type}
        status, answer, _ = await posts(http, ana.at("uploads"), body, headers)
        assert status == 400, content_type
        assert code(answer) in ("bad_request", "no_file")
    body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="cat.png\0.html"\r\n\r\nx\r\n--b--\r\n'
    headers = {**ana.headers(), "Content-Type": "multipart/form-data; boundary=b"}
    assert (await posts(http, ana.at("uploads"), body, headers))[0] == 400
    status, answer = await uploads(http, ana, b"", "empty.png", "image/png")
    assert (status, code(answer)) == (400, "empty")


async def test_a_name_leads_nowhere(
    http: aiohttp.ClientSession, ana: TalkingVisitor, tmp_path: Path, site: str
) -> None:
    names = {
        "../../../etc/cron.d/evil.png": "evil.png",
        "..\\..\\evil.png": "evil.png",
        "/etc/passwd": "passwd.png",
        "cat.png.html": "cat.png.html.png",
        "<img src=x onerror=alert(1)>.png": "img src=x onerror=alert(1) .png",
        "x" * 5000 + ".png": "x" * 96 + ".png",
        "": "file.png",
    }
    for name, cleaned in names.items():
        body = (
            (
                f'--b\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'
            ).encode()
            + PNG
            + b"\r\n--b--\r\n"
        )
        headers = {**ana.headers(), "Content-Type": "multipart/form-data; boundary=b"}
        status, answer, _ = await posts(http, ana.at("uploads"), body, headers)
        assert (status, answer.get("name")) == (200, cleaned), answer
        async with http.get(site + answer["url"]) as response:
            assert response.headers["Content-Disposition"].startswith("inline; filename=")
            assert "\r" not in response.headers["Content-Disposition"]
    [blob] = stored(tmp_path)
    assert blob.is_relative_to(tmp_path / "blobs"), "one content, kept once, under our own name"


async def test_somebody_elses_upload_cannot_be_sent(
    http: aiohttp.ClientSession, ana: TalkingVisitor, bea: TalkingVisitor
) -> None:
    _, upload = await uploads(http, ana, PNG, "cat.png", "image/png")
    for stolen in (upload["upload"], upload["upload"][:-1], "u_", "u_" + upload["url"].rpartition("/")[2]):
        frame = {"type": "message", "id": "c1", "parts": [{"type": "media", "upload": stolen}]}
        status, answer, _ = await posts(http, bea.at("messages"), json.dumps(frame), bea.headers())
        assert (status, code(answer)) == (400, "bad_upload")


async def test_files_come_no_faster_than_the_visitors_rate(
    http: aiohttp.ClientSession, tmp_path: Path, dsn: str
) -> None:
    async with gateway(settings_for(tmp_path, site={"uploads_per_visitor_min": 1}), dsn) as url:
        ana = TalkingVisitor(http, url)
        await ana.opens()
        answers = [await uploads(http, ana, PNG + os.urandom(3), "cat.png", "image/png") for _ in range(8)]
    assert [status for status, _ in answers] == [200] * 5 + [429] * 3
    assert code(answers[-1][1]) == "too_many_uploads"


async def test_a_files_address_that_was_changed_leads_nowhere(
    http: aiohttp.ClientSession, ana: TalkingVisitor, site: str
) -> None:
    _, upload = await uploads(http, ana, PNG, "cat.png", "image/png")
    sealed = upload["url"].rpartition("/")[2]
    swapped = sealed[:-1] + ("A" if sealed[-1] != "A" else "B")
    for made_up in (
        swapped,
        sealed[:-4],
        sealed + "AAAA",
        upload["upload"][2:],
        ana.token,
        "x",
        "..%2f..%2fdata%2ftoken",
    ):
        async with http.get(f"{site}/chat/site/media/{made_up}") as response:
            assert response.status == 404
            assert response.headers["Content-Type"] == "application/json"


# ---------------------------------------------------------------- words


async def test_scripts_in_every_field_are_kept_and_given_back_as_plain_words(
    http: aiohttp.ClientSession, site: str, dsn: str
) -> None:
    claims = {"sub": SCRIPT, "exp": now_s() + 600, "name": SCRIPT, "email": SCRIPT, "phone": SCRIPT, "groups": [SCRIPT]}
    eva = TalkingVisitor(http, site)
    body = {"language": SCRIPT, "page": f"{ORIGIN}/{SCRIPT}", "referrer": SCRIPT, "profile": {"name": SCRIPT}}
    await eva.opens(identity=jwt.encode(claims, SECRET, algorithm="HS256"), **body)
    await eva.connects()
    parts = [
        {"type": "text", "text": SCRIPT},
        {"type": "selection", "choice": SCRIPT, "label": SCRIPT},
        {"type": "location", "latitude": 1, "longitude": 2, "name": SCRIPT},
    ]
    await eva.sends({"type": "message", "id": "c1", "parts": parts})
    shown = await eva.hears(lambda frame: frame["type"] == "message" and frame["author"] == "customer")
    await eva.leaves()
    assert [part.get("text") or part.get("label") or part.get("name") for part in shown["parts"]] == [SCRIPT] * 3
    assert "markup" not in shown["parts"][0], "plain, not even Markdown"
    again = TalkingVisitor(http, site)
    again.token = eva.token
    status, answer, _ = await posts(http, again.at("session"), io.BytesIO(json.dumps({"token": eva.token}).encode()))
    assert status == 200
    assert answer["conversations"][0]["title"].startswith("<script>alert(document.domain)")
    connection = await asyncpg.connect(dsn)
    name, details = await connection.fetchrow("SELECT name, details::text FROM contact")
    await connection.close()
    assert name.startswith("<script>")
    assert json.loads(details)["email"].startswith("<script>")
