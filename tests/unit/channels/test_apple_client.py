"""The line to Apple's gateway: exact headers, files sealed and opened, failures by name, no secret anywhere."""

import base64
import json
import traceback
import uuid
from datetime import timedelta

import jwt
import pytest
from aiohttp import web
from yarl import URL

from channels.apple import channel
from channels.apple.channel import AppleChannel
from channels.apple.ciphers import cipher
from channels.apple.client import AppleClient
from channels.apple.failures import named
from channels.apple.sandbox import AppleSandbox, sends_message
from channels.apple.settings import AppleSettings
from channels.apple.transport import AppleLines
from channels.apple.wire import EXTENSION
from channels.sandbox_kit import ProviderServer
from channels.specimen import ProviderAnswer
from gateway.core.channel import Call
from gateway.core.clock import ManualClock, SystemClock
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry, TertuliaError
from gateway.core.messages import Author, Choice, Media, Option, Outgoing, Text

CONTENT = bytes(range(256)) * 700
KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")


async def read_blob(_key):
    yield CONTENT[:50]
    yield CONTENT[50:]


@pytest.fixture
async def sandbox():
    async with AppleSandbox() as running:
        yield running


def settings_for(sandbox, **more):
    return AppleSettings.model_validate({**sandbox.settings_values, **more})


@pytest.fixture
async def client(sandbox):
    opened = channel.client(settings_for(sandbox), read_blob)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def ana(sandbox):
    return sandbox.customer("Ana")


def calls(person, *parts, author=Author.BOT, traits="QUICK,LIST"):
    message = Outgoing(uuid.uuid4(), uuid.uuid4(), 1, person.address, author, parts, traits=traits)
    return channel.render(None, message)


def last(sandbox):
    return sandbox.server.calls[-1]


# ---------------------------------------------------------------- messages


async def test_a_message_carries_exactly_the_documented_headers(sandbox, client, ana):
    [call] = calls(ana, Text("Hola"))
    sent = await client.send(sandbox.business_id, call)
    headers = last(sandbox).headers
    identity = call.params["message"]["id"]
    assert sent.provider_message_ids == (identity,)
    assert headers["id"] == identity
    assert (headers["source-id"], headers["destination-id"]) == (sandbox.business_id, ana.address)
    assert (headers["auto-reply"], headers["msp-agent"]) == ("true", "tertulia")
    assert headers["content-type"] == "application/json"
    token = headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["iss"] == sandbox.msp_id
    assert set(claims) == {"iss", "iat"}
    assert json.loads(last(sandbox).body)["sourceId"] == sandbox.business_id


async def test_what_a_person_says_is_not_marked_as_automatic(sandbox, client, ana):
    [call] = calls(ana, Text("Hola"), author=Author.AGENT)
    await client.send(sandbox.business_id, call)
    assert "auto-reply" not in last(sandbox).headers


async def test_a_try_after_a_lost_answer_has_the_same_id(sandbox, client, ana):
    [call] = calls(ana, Text("Hola"))
    sandbox.server.drop_next(takes_effect=True, which=sends_message)
    with pytest.raises(Ambiguous):
        await client.send(sandbox.business_id, call)
    await client.send(sandbox.business_id, call)
    assert [message.id for message in sandbox.sent] == [call.params["message"]["id"]] * 2
    assert len(ana.handset.messages) == 1


async def test_typing_is_shown_until_the_message_comes(sandbox, client, ana):
    await client.typing(sandbox.business_id, ana.address)
    assert ana.handset.view(0).typing_s > 0
    [call] = calls(ana, Text("Hola"))
    await client.send(sandbox.business_id, call)
    assert ana.handset.view(0).typing_s == 0
    await client.acknowledge(sandbox.business_id, "anything")


async def test_an_endpoint_with_several_businesses_must_be_told_which(sandbox, ana):
    more = {"accounts": {"a": {"business_id": sandbox.business_id}, "b": {"business_id": "other"}}}
    client = channel.client(settings_for(sandbox, **more), read_blob)
    await client.open()
    [call] = calls(ana, Text("Hola"))
    try:
        with pytest.raises(Misconfigured):
            await client.send("", call)
        with pytest.raises(Misconfigured):
            await client.send("unknown", call)
        await client.send(sandbox.business_id, call)
    finally:
        await client.close()


async def test_an_address_that_would_break_a_header_is_given_up_before_anything_leaves(sandbox, client):
    call = Call("message", {"message": {"id": "1", "destinationId": "urn:mbid:a\r\nX: y"}, "headers": {}})
    with pytest.raises(GiveUp) as raised:
        await client.send(sandbox.business_id, call)
    assert raised.value.reason == "unreachable"
    assert not sandbox.server.calls


async def test_a_call_of_another_name_is_given_up(client):
    with pytest.raises(GiveUp):
        await client.send("", Call("sendMessage", {}))


async def test_a_closed_client_is_an_error_of_the_program(sandbox, ana):
    client = channel.client(settings_for(sandbox), read_blob)
    [call] = calls(ana, Text("Hola"))
    with pytest.raises(RuntimeError):
        await client.send(sandbox.business_id, call)


# ---------------------------------------------------------------- failures


def test_every_status_has_a_name():
    errors = {status: named(status, 3.0) for status in range(300, 600)}
    assert all(isinstance(error, Retry | GiveUp | Misconfigured) for error in errors.values())
    retried = {status for status, error in errors.items() if isinstance(error, Retry)}
    assert retried == {408, 425, 429, *range(500, 600)}
    assert [status for status in retried if errors[status].whole_account] == [429]


async def test_closed_conversations_and_unknown_people_are_told_apart_from_refused_content(sandbox, client, ana):
    await ana.closes()
    with pytest.raises(GiveUp) as closed:
        await client.send(sandbox.business_id, calls(ana, Text("Hola"))[0])
    stranger = sandbox.customer("Eva", has_started=False)
    with pytest.raises(GiveUp) as unknown:
        await client.send(sandbox.business_id, calls(stranger, Text("Hola"))[0])
    assert (closed.value.reason, closed.value.code) == ("unreachable", "410")
    assert (unknown.value.reason, unknown.value.code) == ("unreachable", "404")


async def test_nobody_listens_is_surely_not_sent(sandbox, ana):
    client = channel.client(settings_for(sandbox, api_url="http://127.0.0.1:9/v1"), read_blob)
    await client.open()
    try:
        with pytest.raises(Retry) as raised:
            await client.send(sandbox.business_id, calls(ana, Text("Hola"))[0])
    finally:
        await client.close()
    assert not isinstance(raised.value, Ambiguous)


async def test_an_answer_that_does_not_come_is_ambiguous(sandbox, ana):
    client = channel.client(settings_for(sandbox, connect_timeout_s=0.05, read_timeout_s=0.05), read_blob)
    await client.open()
    sandbox.server.hang_next(takes_effect=True, which=sends_message)
    try:
        with pytest.raises(Ambiguous):
            await client.send(sandbox.business_id, calls(ana, Text("Hola"))[0])
    finally:
        await client.close()


async def test_no_error_tells_the_secret_the_token_or_the_customer(sandbox, client, ana):
    secret = sandbox.settings_values["secret"]
    for status in (302, 400, 401, 403, 404, 410, 413, 429, 500):
        sandbox.server.answer_next(ProviderAnswer(status, f"echo {ana.address} Hola".encode()))
        with pytest.raises(TertuliaError) as raised:
            await client.send(sandbox.business_id, calls(ana, Text("Hola"))[0])
        told = "".join(traceback.format_exception(raised.value)) + repr(raised.value)
        assert secret not in told
        assert ana.address not in told
        assert "Bearer" not in told
        assert "echo" not in str(raised.value)
    assert secret not in repr(client) + repr(vars(client))


# ---------------------------------------------------------------- files


def test_the_known_file_is_sealed_and_opened_as_published():
    assert cipher(KEY).update(b"hello apple").hex() == "9af56cda4569fea0d99fff"
    assert cipher(KEY).update(bytes.fromhex("9af56cda4569fea0d99fff")) == b"hello apple"


async def test_a_file_of_ours_reaches_the_phone_sealed_on_the_way(sandbox, client, ana):
    [call] = calls(ana, Media("image", blob="k", name="a.png", mime="image/png", caption="Mira"))
    await client.send(sandbox.business_id, call)
    [file] = sandbox.sent[-1].attachments
    assert (file.name, file.mime, file.size) == ("a.png", "image/png", str(len(CONTENT)))
    shown = ana.handset.messages[-1]
    assert ana.handset.file(shown.attachments[0].file).content == CONTENT
    uploads = [one for one in sandbox.server.calls if "/store/up/" in one.path]
    assert uploads[0].body[:50] != CONTENT[:50]
    assert "authorization" not in uploads[0].headers
    assert uploads[0].headers["content-length"] == str(len(CONTENT))


async def test_every_file_has_a_key_of_its_own(sandbox, client, ana):
    for _ in range(2):
        await client.send(sandbox.business_id, calls(ana, Media("image", blob="k"))[0])
    keys = {message.attachments[0].key for message in sandbox.sent}
    assert len(keys) == 2


async def test_a_file_that_cannot_be_put_away_leaves_no_doubt_about_the_message(sandbox, client, ana):
    [call] = calls(ana, Media("image", blob="k"))
    for part in ("preUpload", "/store/up/"):  # a GET is tried twice by the session itself
        sandbox.server.drop_next(2, takes_effect=True, which=lambda one, part=part: part in one.path)
        with pytest.raises(Retry) as raised:
            await client.send(sandbox.business_id, call)
        assert not isinstance(raised.value, Ambiguous)
    assert sandbox.sent == []


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("part", ["preUpload", "/store/up/"])
async def test_no_answer_about_a_file_says_anything_about_the_customer(sandbox, client, ana, part, status):
    sandbox.server.fail_next(status=status, which=lambda one: part in one.path)
    with pytest.raises((GiveUp, Retry)) as raised:
        await client.send(sandbox.business_id, calls(ana, Media("image", blob="k"))[0])
    assert getattr(raised.value, "reason", "refused") == "refused"
    assert sandbox.sent == []


async def test_a_file_without_a_name_gets_one_that_the_phone_can_open(sandbox, client, ana):
    await client.send(sandbox.business_id, calls(ana, Media("image", blob="k", mime="image/png"))[0])
    assert sandbox.sent[-1].attachments[0].name == "image.png"


async def test_too_large_a_file_is_given_up_before_anything_leaves(sandbox, ana):
    client = channel.client(settings_for(sandbox, max_upload_bytes=100), read_blob)
    await client.open()
    try:
        with pytest.raises(GiveUp) as raised:
            await client.send(sandbox.business_id, calls(ana, Media("image", blob="k"))[0])
    finally:
        await client.close()
    assert raised.value.reason == "too_large"
    assert not sandbox.server.calls


@pytest.fixture
async def site():
    """Somebody's web site with a picture, and with what is none."""

    async def picture(_request):
        return web.Response(body=CONTENT, content_type="image/png")

    async def page(_request):
        return web.Response(text="<html>", content_type="text/html")

    async with ProviderServer([web.get("/a.png", picture), web.get("/page", page)]) as server:
        yield server


async def test_a_picture_on_somebodys_site_is_attached(sandbox, client, ana, site):
    await client.send(sandbox.business_id, calls(ana, Media("image", url=f"{site.url}/a.png", caption="Mira"))[0])
    shown = ana.handset.messages[-1]
    assert shown.runs[0].text == "Mira"
    assert (shown.attachments[0].kind, shown.attachments[0].name) == ("image", "a.png")
    assert ana.handset.file(shown.attachments[0].file).content == CONTENT
    assert "authorization" not in site.calls[0].headers


@pytest.mark.parametrize("path", ["/page", "/gone.png"])
async def test_a_picture_that_cannot_be_had_is_told_by_its_address(sandbox, client, ana, site, path):
    await client.send(sandbox.business_id, calls(ana, Media("image", url=site.url + path, caption="Mira"))[0])
    assert sandbox.sent[-1].body == f"Mira\n{site.url}{path}"


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[fd00::1]"])
async def test_a_picture_in_a_private_network_is_not_fetched(sandbox, client, ana, host):
    await client.send(sandbox.business_id, calls(ana, Media("image", url=f"http://{host}/a.png"))[0])
    assert sandbox.sent[-1].body == f"http://{host}/a.png"


async def test_a_site_on_this_machine_is_private_to_the_real_gateway(site):
    settings = AppleSettings.model_validate(
        {
            "msp_id": "m",
            "secret": base64.b64encode(KEY).decode(),
            "api_url": "https://gateway.example/v1",
            "accounts": {"shop": {"business_id": "b"}},
        }
    )
    lines = AppleLines(settings)
    await lines.open()
    try:
        for host in ("127.0.0.1", "localhost"):
            address = URL(f"{site.url}/a.png").with_host(host)
            with pytest.raises(GiveUp):
                await lines.picture(address, 1000)
            with pytest.raises(GiveUp):
                await anext(lines.download(address, 1000))
    finally:
        await lines.close()
    assert not site.calls


def ref_of(sandbox, content=CONTENT, **change):
    file, key = sandbox.store.seal(content)
    ref = {"u": file.url, "o": file.owner, "k": key[2:], "s": file.signature, **change}
    return json.dumps(ref)


async def content_of(remote):
    return b"".join([chunk async for chunk in remote.chunks])


async def test_a_file_of_a_customer_is_fetched_and_opened(sandbox, client):
    remote = await client.fetch(sandbox.business_id, ref_of(sandbox))
    assert await content_of(remote) == CONTENT
    asked, loaded = sandbox.server.calls
    assert asked.path.endswith("preDownload")
    assert "authorization" not in loaded.headers


async def test_a_file_that_is_too_large_stops_coming(sandbox):
    client = channel.client(settings_for(sandbox, max_download_bytes=1000), read_blob)
    await client.open()
    try:
        remote = await client.fetch(sandbox.business_id, ref_of(sandbox))
        with pytest.raises(GiveUp) as raised:
            await content_of(remote)
    finally:
        await client.close()
    assert raised.value.reason == "too_large"


async def test_a_file_whose_address_ran_out_is_expired(sandbox, client):
    ref = ref_of(sandbox)
    sandbox.store.forget()
    with pytest.raises(GiveUp) as raised:
        await client.fetch(sandbox.business_id, ref)
    assert raised.value.reason == "expired"


@pytest.mark.parametrize(("status", "error"), [(404, GiveUp), (403, GiveUp), (302, GiveUp), (500, Retry), (429, Retry)])
async def test_every_answer_of_the_file_store_has_a_name(sandbox, client, status, error):
    sandbox.server.fail_next(status=status, which=lambda one: "/store/down/" in one.path)
    remote = await client.fetch(sandbox.business_id, ref_of(sandbox))
    with pytest.raises(error):
        await content_of(remote)


async def test_a_download_that_breaks_off_is_tried_again_later(sandbox, client):
    sandbox.server.drop_next(2, takes_effect=False, which=lambda one: "/store/down/" in one.path)
    remote = await client.fetch(sandbox.business_id, ref_of(sandbox))
    with pytest.raises(Retry):
        await content_of(remote)


@pytest.mark.parametrize(
    "ref", ["", "{}", "x", '{"u":"a\\nb","o":"o","k":"k","s":"s"}', '{"u":"é","o":"o","k":"k","s":"s"}']
)
async def test_a_handle_that_is_none_is_refused_and_asks_nobody(sandbox, client, ref):
    with pytest.raises(GiveUp):
        await client.fetch(sandbox.business_id, ref)
    assert not sandbox.server.calls


async def test_an_answer_that_was_too_large_is_fetched_and_decoded(sandbox, client, ana):
    [call] = calls(ana, Choice("¿Cuál?", tuple(Option(f"o{n}", str(n)) for n in range(9))))
    await client.send(sandbox.business_id, call)
    sandbox.server.calls.clear()
    arrived = []
    ana._post = lambda body, _headers, _taken: arrived.append(body)
    await ana.chooses(call.params["message"]["id"], ["3", "4"], is_large=True)
    [event] = channel.replay(None, arrived[0])
    media = event.parts[-1]
    remote = await client.fetch(sandbox.business_id, media.provider_ref)
    decoded = json.loads(await content_of(remote))
    assert remote.mime == "application/json"
    [section] = decoded["interactiveData"]["data"]["listPicker"]["sections"]
    assert [item["title"] for item in section["items"]] == ["o3", "o4"]
    assert last(sandbox).headers["bid"] == EXTENSION


async def test_a_gateway_that_names_an_unsafe_address_is_not_followed(sandbox):
    client = AppleClient(settings_for(sandbox, api_url="https://gateway.example/v1"), read_blob, SystemClock())
    with pytest.raises(GiveUp):
        client._foreign("http://127.0.0.1/inner")


async def test_an_answer_that_nobody_can_read_is_tried_again(sandbox, client):
    sandbox.server.answer_next(ProviderAnswer(200, b"<html>"))
    with pytest.raises(Retry):
        await client.fetch(sandbox.business_id, ref_of(sandbox))


# ---------------------------------------------------------------- connecting


async def test_connecting_says_what_to_enter_and_whether_the_credentials_work(client):
    findings = await client.connect("https://bot.example/webhooks/apple/main")
    assert {finding.level for finding in findings} == {"ok"}
    assert "https://bot.example/webhooks/apple/main" in findings[0].advice
    assert [finding.account for finding in findings if "accepts our token" in finding.what] == ["shop"]


@pytest.mark.parametrize(
    ("status", "words"), [(401, "secret"), (403, "business"), (500, "not taken"), (404, "refuses a file")]
)
async def test_the_doctor_names_what_the_gateway_refuses(sandbox, client, status, words):
    sandbox.server.fail_next(status=status)
    findings = await client.doctor("https://bot.example/webhooks/apple/main")
    [bad] = [finding for finding in findings if finding.level == "bad"]
    assert words in bad.what
    assert bad.account == "shop"


async def test_the_doctor_finds_a_secret_of_another_platform_and_a_plain_address(sandbox):
    wrong = base64.b64encode(b"x" * 20).decode()
    client = channel.client(settings_for(sandbox, secret=wrong), read_blob)
    await client.open()
    findings = await client.doctor("http://bot.example/webhooks/apple/main")
    await client.close()
    bad = [finding.what for finding in findings if finding.level == "bad"]
    assert any("not https" in what for what in bad)
    assert any("HTTP 401" in what for what in bad)
    assert any("20 bytes only" in finding.what for finding in findings if finding.level == "warn")
    assert wrong not in str(findings)


@pytest.mark.parametrize(("ahead_s", "level"), [(0, None), (100, "warn"), (-100, "warn"), (900, "bad")])
async def test_the_doctor_compares_our_clock_with_apples(ahead_s, level):
    now = SystemClock().now()
    date = (now - timedelta(seconds=ahead_s)).strftime("%a, %d %b %Y %H:%M:%S GMT")

    async def answer(_request):
        return web.json_response({}, headers={"Date": date})

    async with ProviderServer([web.get("/v1/preUpload", answer)]) as server:
        settings = AppleSettings.model_validate(
            {
                "msp_id": "m",
                "secret": base64.b64encode(KEY).decode(),
                "api_url": f"{server.url}/v1",
                "accounts": {"shop": {"business_id": "b"}},
            }
        )
        client = AppleChannel(ManualClock(now)).client(settings, read_blob)
        await client.open()
        findings = await client.doctor("https://bot.example/")
        await client.close()
    found = [finding.level for finding in findings if finding.about == "clock"]
    assert found == ([level] if level else [])
