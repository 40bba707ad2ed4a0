"""The client against the sandbox, and its requests against those of Twilio's own library."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client as Library

from channels.discovery import read_settings
from channels.sandbox_kit import ProviderServer
from channels.specimen import ProviderAnswer
from channels.twilio import channel
from channels.twilio.callbacks import RETRIES
from channels.twilio.client import TwilioClient
from channels.twilio.sandbox import TwilioSandbox, is_message
from channels.twilio.sandbox_rules import error_body
from gateway.core.channel import Call, FindsSent
from gateway.core.clock import ManualClock
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry
from gateway.core.messages import Author, Choice, Location, Media, Option, Outgoing, Template, Text

OURS = "http://127.0.0.1:9/webhooks/twilio/main"
YES_NO = Choice("¿Vienes?", (Option("Sí", "yes"), Option("No", "no")))


class Drawer:
    """What ``Kept`` promises, and how often it was asked."""

    def __init__(self):
        self.values = {}
        self.gets = 0

    async def get(self, name):
        self.gets += 1
        await asyncio.sleep(0)
        return self.values.get(name, "")

    async def put(self, name, value):
        self.values[name] = value


@pytest.fixture
async def sandbox():
    async with TwilioSandbox(retries_s=()) as opened:
        opened.handset("Ana", "whatsapp", has_started=True)
        opened.handset("Ana", "sms", has_started=True)
        yield opened


def endpoint(sandbox, **more):
    return read_settings(channel, "main", {**sandbox.settings_values, "webhook_url": "", **more})


@pytest.fixture
async def settings(sandbox):
    return endpoint(sandbox)


@pytest.fixture
async def client(settings):
    opened = TwilioClient(settings, None)
    await opened.open()
    yield opened
    await opened.close()


def calls(settings, sandbox, *parts, app="whatsapp", **more):
    message = Outgoing(
        uuid.uuid4(),
        uuid.uuid4(),
        1,
        sandbox.someone("Ana", app).address,
        Author.BOT,
        parts,
        account=sandbox.world.senders[app],
        app=app,
        language="es",
        **more,
    )
    return channel.render(settings, message)


async def sent(client, sandbox, settings, *parts, app="whatsapp"):
    return [await client.send(sandbox.world.senders[app], call) for call in calls(settings, sandbox, *parts, app=app)]


def posted(sandbox, ending):
    return [call for call in sandbox.server.calls if call.method == "POST" and call.path.endswith(ending)]


# ---------------------------------------------------------------- equal to the library

of_the_library = pytest.mark.filterwarnings("ignore:.*[aA]uth.* is deprecated:DeprecationWarning")
"""Twilio's library has not followed aiohttp yet."""


async def by_library(sandbox, act):
    """What Twilio's library sends, once for the API, contents and messaging."""
    async with AsyncTwilioHttpClient() as http:
        world = sandbox.world
        library = Library(world.account_sid, world.auth_token, http_client=http)
        for product in (library.api, library.content, library.messaging):
            product.base_url = sandbox.server.url
        await act(library)
    return sandbox.server.calls[-1]


def as_sent(call):
    return (
        call.method,
        call.path,
        sorted(parse_qs(call.body.decode(), keep_blank_values=True).items()),
        call.headers["authorization"],
        call.headers["content-type"].partition(";")[0],
    )


@of_the_library
@pytest.mark.parametrize(
    "part",
    [
        Text("¡Hola, Ana! 😀 & = + %"),
        Media("image", url="https://x.example/a b.png", caption="mira"),
        Location(40.4, -3.7, "Tienda"),
        YES_NO,
        Template("HX" + "a" * 32, "es", ("Ana",)),
    ],
    ids=lambda part: type(part).__name__,
)
async def test_a_message_is_sent_as_the_library_sends_it(sandbox, part):
    sandbox.world.contents["HX" + "a" * 32] = {"language": "es", "types": {"twilio/text": {"body": "Hola {{1}}"}}}
    settings = endpoint(sandbox, validity_period_s=600, webhook_url=sandbox.webhook_url)
    client = TwilioClient(settings, None)
    await client.open()
    try:
        await sent(client, sandbox, settings, part)
    finally:
        await client.close()
    ours = sandbox.server.calls[-1]
    form = parse_qs(ours.body.decode())
    once = {name: values[0] for name, values in form.items()}

    async def act(library):
        await library.messages.create_async(
            to=once["To"],
            from_=once["From"],
            status_callback=once["StatusCallback"],
            validity_period=600,
            **{
                argument: form[name] if argument in {"media_url", "persistent_action"} else once[name]
                for argument, name in {
                    "body": "Body",
                    "media_url": "MediaUrl",
                    "persistent_action": "PersistentAction",
                    "content_sid": "ContentSid",
                    "content_variables": "ContentVariables",
                }.items()
                if name in form
            },
        )

    theirs = await by_library(sandbox, act)
    assert as_sent(ours) == as_sent(theirs)
    assert [message.status for message in sandbox.taken] == ["read", "read"]


@of_the_library
async def test_typing_is_shown_as_the_library_shows_it(sandbox, client):
    handset = sandbox.handset("Ana", "whatsapp")
    sid = await handset.wrote("hola")
    await client.typing(sandbox.world.senders["whatsapp"], "whatsapp:ID.1", sid)
    ours = sandbox.server.calls[-1]

    async def act(library):
        await library.messaging.v2.typing_indicator.create_async(channel="whatsapp", message_id=sid)

    assert as_sent(ours) == as_sent(await by_library(sandbox, act))
    assert handset.view(0).typing_s > 20
    assert handset.message(sid).ticks == 2


async def test_a_text_message_shows_no_typing(sandbox, client):
    await client.typing(sandbox.world.senders["sms"], "+34", "SM" + "0" * 32)
    await client.typing(sandbox.world.senders["whatsapp"], "whatsapp:+34", "")
    await client.acknowledge("", "SM1")
    assert list(sandbox.server.calls) == []


# ---------------------------------------------------------------- contents


async def test_a_layout_is_made_once_for_all_who_want_it_at_the_same_time(sandbox, settings, client):
    wanted = [call for _ in range(20) for call in calls(settings, sandbox, YES_NO)]
    done = await asyncio.gather(*(client.send("", call) for call in wanted))
    assert len({one.provider_message_ids for one in done}) == 20
    assert len(posted(sandbox, "/v1/Content")) == 1
    assert {message.one("ContentSid") for message in sandbox.taken} == set(sandbox.world.contents)


async def test_other_words_use_the_same_layout_and_another_number_of_options_does_not(sandbox, settings, client):
    for choice in (YES_NO, Choice("¿Y hoy?", (Option("Quizá"), Option("Nunca"))), Choice("¿?", (Option("Ya"),))):
        await sent(client, sandbox, settings, choice)
    assert len(posted(sandbox, "/v1/Content")) == 2
    assert [message.body for message in sandbox.taken] == ["¿Vienes?", "¿Y hoy?", "¿?"]


async def test_a_layout_is_found_again_after_a_restart(sandbox, settings):
    drawer = Drawer()
    for _ in range(2):
        client = TwilioClient(settings, drawer)
        await client.open()
        await sent(client, sandbox, settings, YES_NO)
        await client.close()
    assert len(posted(sandbox, "/v1/Content")) == 1
    assert [value for name, value in drawer.values.items() if name.startswith("content:")] == list(
        sandbox.world.contents
    )


async def test_a_layout_that_twilio_forgot_is_made_anew_at_once(sandbox, settings):
    drawer = Drawer()
    client = TwilioClient(settings, drawer)
    await client.open()
    try:
        await sent(client, sandbox, settings, YES_NO)
        sandbox.world.contents.clear()
        await sent(client, sandbox, settings, YES_NO)
        await sent(client, sandbox, settings, YES_NO)
    finally:
        await client.close()
    assert len(posted(sandbox, "/v1/Content")) == 2
    assert len(sandbox.taken) == 3
    assert [value for name, value in drawer.values.items() if name.startswith("content:")] == list(
        sandbox.world.contents
    )


async def test_a_layout_that_is_refused_again_is_not_made_for_ever(sandbox, settings, client):
    refused = ProviderAnswer(400, error_body(400, 21655, "The ContentSid is invalid"))
    sandbox.server.answer_next(refused, count=2, which=is_message)
    with pytest.raises(GiveUp) as refusal:
        await sent(client, sandbox, settings, YES_NO)
    assert refusal.value.code == "21655"
    assert len(posted(sandbox, "/v1/Content")) == 2


async def test_a_break_while_a_layout_is_made_is_no_ambiguous_send(sandbox, settings, client):
    sandbox.server.drop_next(takes_effect=True, which=lambda call: call.path == "/v1/Content")
    with pytest.raises(Retry) as again:
        await sent(client, sandbox, settings, YES_NO)
    assert not isinstance(again.value, Ambiguous)
    assert sandbox.taken == []
    await sent(client, sandbox, settings, YES_NO)
    assert len(sandbox.taken) == 1


async def test_an_authors_template_that_does_not_exist_is_refused_and_not_made(sandbox, settings, client):
    with pytest.raises(GiveUp) as refusal:
        await sent(client, sandbox, settings, Template("HX" + "b" * 32, "es"))
    assert refusal.value.code == "21655"
    assert posted(sandbox, "/v1/Content") == []


# ---------------------------------------------------------------- where receipts go


async def test_receipts_are_asked_for_at_the_address_that_connect_was_told(sandbox, settings):
    drawer = Drawer()
    connected = TwilioClient(settings, drawer)
    await connected.open()
    await connected.connect(OURS)
    await connected.close()
    other = TwilioClient(settings, drawer)
    await other.open()
    try:
        await sent(other, sandbox, settings, Text("hola"))
        await sent(other, sandbox, settings, Text("adiós"))
    finally:
        await other.close()
    asked = [message.one("StatusCallback") for message in sandbox.taken]
    assert all(url.startswith(f"{OURS}?ref=") and url.endswith(RETRIES) for url in asked)
    assert drawer.gets == 1


async def test_the_address_of_the_settings_goes_before_the_one_that_connect_was_told(sandbox):
    drawer = Drawer()
    client = TwilioClient(endpoint(sandbox, webhook_url="http://127.0.0.1:9/mine?t=1"), drawer)
    await client.open()
    try:
        await client.connect(OURS)
        await sent(client, sandbox, endpoint(sandbox), Text("hola"))
    finally:
        await client.close()
    assert sandbox.taken[0].one("StatusCallback").startswith("http://127.0.0.1:9/mine?t=1&ref=")
    assert drawer.values == {}


async def test_a_message_that_failed_at_once_is_given_up(sandbox, settings, client):
    failed = b'{"sid": "SM1", "status": "failed", "error_code": 63016, "error_message": "outside"}'
    sandbox.server.answer_next(ProviderAnswer(201, failed), which=is_message)
    with pytest.raises(GiveUp) as refusal:
        await sent(client, sandbox, settings, Text("hola"))
    assert refusal.value.reason == "window_closed"


async def test_without_an_address_no_receipts_are_asked_for_and_the_doctor_says_so(sandbox, settings, client):
    await sent(client, sandbox, settings, Text("hola"))
    assert sandbox.taken[0].one("StatusCallback") == ""
    assert any("no receipts" in finding.what for finding in await client.doctor(OURS))


# ---------------------------------------------------------------- what was sent


async def test_a_message_whose_answer_was_lost_is_found(sandbox, settings, client):
    assert isinstance(client, FindsSent)
    since = datetime.now(UTC)
    for parts in ((Text("hola"),), (YES_NO,), (Media("image", url="https://x.example/a.png", caption="mira"),)):
        [call] = calls(settings, sandbox, *parts)
        assert await client.find_sent("", call, since) is None
        sandbox.server.drop_next(takes_effect=True, which=is_message)
        with pytest.raises(Ambiguous):
            await client.send("", call)
        found = await client.find_sent("", call, since)
        assert found is not None
        assert found.provider_message_ids == (sandbox.taken[-1].sid,)


async def test_an_earlier_message_with_the_same_words_is_not_taken_for_it():
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    async with TwilioSandbox(retries_s=(), clock=clock) as sandbox:
        sandbox.handset("Ana", "whatsapp", has_started=True)
        settings = endpoint(sandbox)
        client = TwilioClient(settings, None)
        await client.open()
        try:
            [call] = calls(settings, sandbox, Text("hola"))
            await client.send("", call)
            later = clock.now() + timedelta(seconds=5)
            assert await client.find_sent("", call, later) is None
            assert await client.find_sent("", call, clock.now()) is not None
        finally:
            await client.close()


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_list_that_cannot_be_read_is_asked_for_again(sandbox, settings, client, status):
    [call] = calls(settings, sandbox, Text("hola"))
    sandbox.server.answer_next(ProviderAnswer(status, b"{}"))
    with pytest.raises(Retry) as again:
        await client.find_sent("", call, datetime.now(UTC))
    assert not isinstance(again.value, Ambiguous)


# ---------------------------------------------------------------- failures


async def test_no_connection_is_no_ambiguous_send(sandbox):
    settings = endpoint(sandbox, api_url="http://127.0.0.1:9")
    client = TwilioClient(settings, None)
    await client.open()
    try:
        with pytest.raises(Retry) as again:
            await sent(client, sandbox, settings, Text("hola"))
    finally:
        await client.close()
    assert not isinstance(again.value, Ambiguous)


async def test_an_answer_that_does_not_come_in_time_is_ambiguous(sandbox):
    settings = endpoint(sandbox, read_timeout_s=0.05, connect_timeout_s=0.05)
    client = TwilioClient(settings, None)
    await client.open()
    try:
        sandbox.server.hang_next(takes_effect=True, which=is_message)
        with pytest.raises(Ambiguous):
            await sent(client, sandbox, settings, Text("hola"))
    finally:
        await client.close()
    assert len(sandbox.taken) == 1


async def test_a_redirect_is_not_followed_with_the_login(sandbox, settings, client):
    sandbox.server.answer_next(ProviderAnswer(307, b"", {"Location": "https://evil.example/"}), which=is_message)
    with pytest.raises(Misconfigured):
        await sent(client, sandbox, settings, Text("hola"))


async def test_no_error_and_no_representation_holds_the_token(sandbox, settings, client):
    sandbox.server.answer_next(ProviderAnswer(401, error_body(401, 20003, "Authenticate")), which=is_message)
    with pytest.raises(Misconfigured) as refusal:
        await sent(client, sandbox, settings, Text("hola"))
    assert sandbox.world.auth_token not in f"{refusal.value!r}{refusal.value}{settings!r}{client!r}"


async def test_a_call_of_another_kind_is_refused(client):
    for call in (Call("Calls", {}), Call("Messages", {"Layout": "quick-reply/9"})):
        with pytest.raises(GiveUp) as refusal:
            await client.send("", call)
        assert refusal.value.reason == "not_supported"


async def test_an_answer_without_end_is_not_read_to_its_end(sandbox, settings, client):
    sandbox.server.answer_next(ProviderAnswer(201, b" " * 4_100_000), which=is_message)
    with pytest.raises(Ambiguous, match="more than"):
        await sent(client, sandbox, settings, Text("hola"))


# ---------------------------------------------------------------- files


async def read_all(file):
    return b"".join([chunk async for chunk in file.chunks])


async def test_a_file_is_fetched_with_the_login_and_its_server_never_sees_it(sandbox, client):
    url = sandbox.world.store("MM" + "0" * 32, b"picture" * 50_000, "image/png")
    file = await client.fetch("", url)
    assert (file.mime, file.size_bytes) == ("image/png", 350_000)
    assert await read_all(file) == b"picture" * 50_000
    first, second = sandbox.server.calls
    assert "authorization" in first.headers
    assert "authorization" not in second.headers


async def test_a_file_that_is_too_large_is_not_read(sandbox):
    settings = endpoint(sandbox, max_download_bytes=10)
    client = TwilioClient(settings, None)
    await client.open()
    try:
        with pytest.raises(GiveUp) as refusal:
            await client.fetch("", sandbox.world.store("MM" + "0" * 32, b"12345678901", "image/png"))
    finally:
        await client.close()
    assert refusal.value.reason == "too_large"


async def test_a_file_of_unknown_size_ends_at_the_limit(sandbox):
    async def stream(request):
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"x" * 1000)
        return response

    async with ProviderServer([web.get("/f", stream)]) as server:
        client = TwilioClient(endpoint(sandbox, max_download_bytes=10), None)
        await client.open()
        try:
            file = await client.fetch("", f"{server.url}/f")
            with pytest.raises(GiveUp):
                await read_all(file)
        finally:
            await client.close()


async def test_a_file_that_is_gone_is_given_up_and_a_busy_server_asked_again(sandbox, client):
    with pytest.raises(GiveUp) as gone:
        await client.fetch(
            "", f"{sandbox.server.url}/2010-04-01/Accounts/{sandbox.world.account_sid}/Messages/M/Media/ME1"
        )
    assert gone.value.reason == "expired"
    sandbox.server.limit_next(retry_after_s=3)
    with pytest.raises(Retry) as busy:
        await client.fetch("", sandbox.world.store("MM1", b"x", "image/png"))
    assert busy.value.after_s == 3


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/a.png",
        "https://10.0.0.1/a.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/a",
        "https://127.0.0.1/a",
        "https://[::1]/a",
        "ftp://example.org/a",
        "file:///etc/passwd",
        "https:///nowhere",
        "not an address",
        "https://[::1/a",
        "https://x.example:99999/a",
    ],
)
async def test_an_address_inside_a_private_network_is_refused(sandbox, address):
    client = TwilioClient(endpoint(sandbox, api_url="https://api.twilio.com"), None)
    await client.open()
    try:
        with pytest.raises(GiveUp) as refusal:
            await client.fetch("", address)
    finally:
        await client.close()
    assert refusal.value.reason == "refused"


async def test_a_redirect_into_a_private_network_is_refused(sandbox, client):
    for target in ("https://10.1.2.3/x", "http://192.168.0.1/", "https://169.254.169.254/"):
        sandbox.server.answer_next(ProviderAnswer(307, b"", {"Location": target}))
        with pytest.raises(GiveUp) as refusal:
            await client.fetch("", sandbox.world.store("MM1", b"x", "image/png"))
        assert refusal.value.reason == "refused"


async def test_a_name_that_leads_into_a_private_network_is_refused(sandbox):
    client = TwilioClient(endpoint(sandbox, api_url="https://api.twilio.com"), None)
    await client.open()
    try:
        with pytest.raises(GiveUp) as refusal:
            await client.fetch("", "https://localhost/a.png")
    finally:
        await client.close()
    assert refusal.value.reason == "refused"


async def test_redirects_end(sandbox, client):
    url = sandbox.world.store("MM1", b"x", "image/png")
    sandbox.server.answer_next(ProviderAnswer(307, b"", {"Location": url}), count=9)
    with pytest.raises(GiveUp) as refusal:
        await client.fetch("", url)
    assert refusal.value.reason == "refused"


# ---------------------------------------------------------------- connecting


async def test_connecting_sets_every_webhook_with_retries_and_the_doctor_agrees(sandbox, settings, client):
    before = {finding.level for finding in await client.doctor(OURS) if finding.about == "webhook"}
    assert "bad" in before
    found = await client.connect(OURS)
    assert [(finding.level, finding.account) for finding in found] == [
        ("ok", account.external) for account in channel.accounts(settings)
    ]
    assert set(sandbox.world.inbound_urls.values()) == {OURS + RETRIES}
    assert sandbox.world.status_urls["whatsapp"] == OURS + RETRIES
    after = await client.doctor(OURS)
    assert [finding.level for finding in after if finding.account] == ["ok", "ok"]


async def test_a_service_is_connected_instead_of_its_number(sandbox):
    accounts = {"sms": {"address": sandbox.world.senders["sms"], "messaging_service_sid": "MG" + "0" * 32}}
    client = TwilioClient(endpoint(sandbox, accounts=accounts), None)
    await client.open()
    try:
        [found] = await client.connect(OURS)
        assert found.level == "ok"
        assert sandbox.world.inbound_urls["sms"] == OURS + RETRIES
        assert sandbox.world.status_urls["sms"] == OURS + RETRIES
    finally:
        await client.close()


async def test_a_short_code_is_connected_as_a_number_is(sandbox):
    known = {"sid": "SC1", "sms_url": "", "sms_method": "GET"}

    async def listed(request):
        assert request.query["ShortCode"] == "12345"
        return web.json_response({"short_codes": [known]})

    async def changed(request):
        form = await request.post()
        known.update(sms_url=form["SmsUrl"], sms_method=form["SmsMethod"])
        return web.json_response(known)

    codes = f"/2010-04-01/Accounts/{sandbox.world.account_sid}/SMS/ShortCodes"
    async with ProviderServer([web.get(f"{codes}.json", listed), web.post(f"{codes}/SC1.json", changed)]) as server:
        client = TwilioClient(endpoint(sandbox, api_url=server.url, accounts={"code": {"address": "12345"}}), None)
        await client.open()
        try:
            [found] = await client.connect(OURS)
        finally:
            await client.close()
    assert found.level == "ok"
    assert known["sms_url"] == OURS + RETRIES


@pytest.mark.parametrize(
    ("url", "method", "level", "words"),
    [
        ("", "POST", "bad", "no webhook"),
        ("https://old.example/?token=x", "POST", "bad", "old.example/?… and not to"),
        (OURS + RETRIES, "GET", "bad", "GET"),
        (OURS, "POST", "warn", "without retries"),
        (OURS + "#rc=1", "POST", "warn", "without retries"),
        (OURS + RETRIES, "POST", "ok", "with retries"),
    ],
)
async def test_the_doctor_says_what_is_wrong_with_a_webhook(sandbox, client, url, method, level, words):
    sandbox.world.inbound_urls["sms"], sandbox.world.inbound_methods["sms"] = url, method
    [found] = [one for one in await client.doctor(OURS) if one.account == sandbox.world.senders["sms"]]
    assert found.level == level
    assert words in found.what


async def test_the_doctor_finds_a_wrong_login_and_asks_no_further(sandbox):
    client = TwilioClient(endpoint(sandbox, auth_token="wrong"), None)
    await client.open()
    try:
        first, *rest = await client.doctor(OURS)
    finally:
        await client.close()
    assert (first.level, first.about) == ("bad", "credentials")
    assert all(finding.level != "ok" for finding in rest)
    assert len(sandbox.server.calls) == 1


async def test_the_doctor_says_when_our_own_address_is_unknown(client):
    found = await client.doctor("/webhooks/twilio/main")
    assert any(one.level == "bad" and "no signature" in one.what for one in found)


async def test_the_doctor_finds_senders_that_are_not_there(sandbox):
    accounts = {
        "wa": {"address": "whatsapp:+15005550099"},
        "sms": {"address": "+15005550099"},
        "code": {"address": "12345"},
    }
    client = TwilioClient(endpoint(sandbox, accounts=accounts), None)
    await client.open()
    try:
        found = [one for one in await client.doctor(OURS) if one.account]
        assert [one.level for one in found] == ["bad"] * 3
        connected = await client.connect(OURS)
        assert [one.level for one in connected] == ["bad"] * 3
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("approval", "level"),
    [("approved", "ok"), ("pending", "warn"), ("unsubmitted", "warn"), ("rejected", "bad"), ("paused", "bad")],
)
async def test_the_doctor_tells_what_became_of_a_template(sandbox, approval, level):
    sandbox.world.add_template(
        "welcome", {"language": "es", "types": {"twilio/text": {"body": "Hola"}}}, approval=approval
    )
    client = TwilioClient(endpoint(sandbox), None)
    await client.open()
    try:
        [found] = [one for one in await client.doctor(OURS) if one.about == "template"]
    finally:
        await client.close()
    assert found.level == level
    assert approval in found.what


async def test_a_closed_client_says_so(settings):
    with pytest.raises(RuntimeError, match="not open"):
        await TwilioClient(settings, None).send("", Call("Messages", {}))
