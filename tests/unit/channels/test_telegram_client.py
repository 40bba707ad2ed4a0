"""The line to Telegram: the same requests as the library's, failures by name, files with a limit, no token anywhere."""

import asyncio
import itertools
import json
import traceback
import uuid
import warnings
from urllib.parse import parse_qsl

import aiohttp
import pytest
import telegram.error
from aiohttp import web
from telegram import Bot
from telegram.request import BaseRequest, HTTPXRequest

from channels.telegram import channel
from channels.telegram.client import form_body, library_arguments
from channels.telegram.failures import named
from channels.telegram.sandbox import TelegramSandbox
from channels.telegram.settings import TelegramSettings
from channels.telegram.transport import Interrupted, NeverSent, Throttled, UnexpectedStatus
from gateway.core.channel import Call
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Moved, Retry, TertuliaError
from gateway.core.fence import fenced
from gateway.core.messages import Author, Choice, ContactCard, Location, Media, Option, Outgoing, Text

CONTENT = b"0123456789" * 10


async def read_blob(_key):
    yield CONTENT[:50]
    yield CONTENT[50:]


@pytest.fixture
async def sandbox():
    async with TelegramSandbox() as running:
        yield running


def settings_for(sandbox, **more):
    return TelegramSettings.model_validate(
        {"token": sandbox.token, "secret_token": sandbox.secret_token, "api_url": sandbox.api_url, **more}
    )


@pytest.fixture
async def ana(sandbox):
    person = sandbox.person("Ana")
    await person.starts()
    return person


@pytest.fixture
async def client(sandbox):
    opened = channel.client(settings_for(sandbox), read_blob)
    await opened.open()
    yield opened
    await opened.close()


def calls(*parts, recipient, reply_to=""):
    message = Outgoing(uuid.uuid4(), uuid.uuid4(), 1, str(recipient), Author.BOT, parts, reply_to=reply_to)
    return channel.render(None, message)


def text_to(person, text="hola"):
    return Call("sendMessage", {"chat_id": str(person.id), "text": text})


# ---------------------------------------------------------------- equal to the library

TEXTS = [
    "hola",
    "a+b=c & d?e#f%",
    "línea\nnueva",
    "😀 ñ €",
    "x" * 4096,
    " padded ",
    "**b** `c` [l](https://e.org/?a=1&b=2)",
]
CHOICES = [
    Choice("¿Sí?", (Option("Sí", "y"), Option("Página", url="https://e.org/ñ?x=1"))),
    Choice("q", (Option("Número", asks_for="phone"), Option("Dónde", asks_for="location"))),
    Choice("**q**", (Option("a"), Option("😀", "v" * 99)), style="list", markup="markdown"),
    Choice("r", (Option("a"), Option("b")), style="quick_replies"),
]
CASES = [
    call.params
    for part in [*(Text(text, markup) for text in TEXTS for markup in ("plain", "markdown")), *CHOICES]
    for recipient, reply_to in (("5", ""), ("-1001234567890", "-1001234567890:7"))
    for call in calls(part, recipient=recipient, reply_to=reply_to)
]


def nested(form):
    """A form with its JSON fields read: the order of an object's keys means nothing, and the library's varies."""
    fields = ("entities", "reply_markup", "reply_parameters")
    return {name: json.loads(value) if name in fields else value for name, value in form.items()}


class Recorder(BaseRequest):
    """A transport of python-telegram-bot that keeps what it was asked to send."""

    def __init__(self):
        self.url, self.form, self.body = "", {}, ""

    @property
    def read_timeout(self):
        return 1.0

    async def initialize(self):
        pass

    async def shutdown(self):
        pass

    async def do_request(self, url, method, request_data=None, **_timeouts):
        self.url, self.form = f"{method} {url}", request_data.json_parameters
        self.body = request_data.url_encoded_parameters()
        return 200, b'{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":5,"type":"private"}}}'


@pytest.mark.parametrize("params", CASES, ids=itertools.count())
async def test_our_own_request_is_the_one_that_the_library_would_make(params):
    recorder = Recorder()
    bot = Bot("1:A", base_url="http://127.0.0.1:1/bot", request=recorder, get_updates_request=recorder)
    await bot.send_message(**library_arguments(params))
    assert recorder.url == "POST http://127.0.0.1:1/bot1:A/sendMessage"
    ours = dict(parse_qsl(form_body(params).decode(), keep_blank_values=True, strict_parsing=True))
    theirs = dict(parse_qsl(recorder.body, keep_blank_values=True, strict_parsing=True))
    assert nested(ours) == nested(theirs)
    assert ours.keys() == recorder.form.keys()


async def test_our_own_request_has_the_librarys_method_path_and_content_type_on_the_wire():
    seen = []

    async def take(request):
        seen.append(
            (request.method, request.raw_path, request.content_type, nested(dict(parse_qsl(await request.text()))))
        )
        result = {"message_id": 1, "date": 1, "chat": {"id": 5, "type": "private"}}
        return web.json_response({"ok": True, "result": result})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    ours = channel.client(TelegramSettings(token="1:A", secret_token="s", api_url=api_url), read_blob)
    await ours.open()
    httpx = HTTPXRequest(httpx_kwargs={"trust_env": False})
    try:
        for params in CASES[::5]:
            await ours.send("", Call("sendMessage", params))
            bot = Bot("1:A", base_url=f"{api_url}/bot", request=httpx, get_updates_request=httpx)
            await bot.send_message(**library_arguments(params))
    finally:
        await httpx.shutdown()
        await ours.close()
        await runner.cleanup()
    assert len(seen) == 2 * len(CASES[::5])
    for mine, theirs in zip(seen[::2], seen[1::2], strict=True):
        assert mine == theirs


# ---------------------------------------------------------------- sending


async def test_every_kind_of_part_is_taken_by_telegram(client, sandbox, ana):
    parts = [
        Text("**a** b", markup="markdown"),
        CHOICES[0],
        CHOICES[1],
        Media("image", blob="k", caption="c"),
        Media("document", blob="k", name="a.pdf", mime="application/pdf"),
        Media("audio", url="https://e.org/a.mp3"),
        Media("voice", blob="k"),
        Media("video", blob="k"),
        Media("animation", url="https://e.org/a.gif"),
        Media("sticker", url="https://e.org/a.webp"),
        Location(40.4, -3.7),
        Location(40.4, -3.7, "Shop", "Main 1"),
        ContactCard("Ana", "+34600"),
    ]
    ids = [
        identity
        for call in calls(*parts, recipient=ana.id)
        for identity in (await client.send("", call)).provider_message_ids
    ]
    assert len(set(ids)) == len(parts)
    assert ids == [f"{call.chat_id}:{call.message_id}" for call in sandbox.sent]


async def test_an_upload_carries_the_blobs_bytes_its_name_and_type(client, sandbox, ana):
    [call] = calls(Media("document", blob="k", name="factura.pdf", mime="application/pdf"), recipient=ana.id)
    await client.send("", call)
    [stored] = sandbox._world.files.values()
    assert (stored.content, stored.name, stored.mime) == (CONTENT, "factura.pdf", "application/pdf")


async def test_a_file_above_the_limit_is_given_up_before_it_is_sent(sandbox, ana):
    small = channel.client(settings_for(sandbox, max_upload_bytes=60), read_blob)
    await small.open()
    [call] = calls(Media("document", blob="k"), recipient=ana.id)
    with pytest.raises(GiveUp) as refusal:
        await small.send("", call)
    await small.close()
    assert refusal.value.reason == "too_large"
    assert sandbox.sent == []


async def test_a_handle_that_is_the_name_of_a_file_here_uploads_nothing(client, sandbox, ana, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secrets").write_text("private")
    for kind in ("image", "audio", "voice", "video", "document", "sticker", "animation"):
        [call] = calls(Media(kind, provider_ref="secrets"), recipient=ana.id)
        with pytest.raises(GiveUp, match="refused"):
            await client.send("", call)
    assert sandbox._world.files == {}
    [call] = calls(Media("document", url="https://e.org/a.pdf", caption="c"), recipient=ana.id)
    await client.send("", call)
    assert sandbox.sent[-1].params == {"chat_id": str(ana.id), "document": "https://e.org/a.pdf", "caption": "c"}


async def test_a_path_that_is_also_a_file_here_is_still_fetched_from_telegram(
    client, sandbox, ana, tmp_path, monkeypatch
):
    await ana.sends_file(CONTENT, name="a.pdf")
    [stored] = sandbox._world.files.values()
    monkeypatch.chdir(tmp_path)
    (tmp_path / stored.path).parent.mkdir(parents=True)
    (tmp_path / stored.path).write_text("private")
    assert await content_of(await client.fetch("", stored.file_id)) == CONTENT


async def test_a_press_is_answered_and_one_too_old_is_no_fault(client, sandbox, ana):
    [call] = calls(CHOICES[0], recipient=ana.id)
    await client.send("", call)
    query = await ana.presses("Sí")
    await client.acknowledge("", query)
    await client.acknowledge("", query)
    assert [logged.method for logged in sandbox.log] == ["sendMessage", "answerCallbackQuery"]


async def test_typing_is_shown(client, sandbox, ana):
    await client.typing("", str(ana.id))
    assert [call.params["action"] for call in sandbox.log] == ["typing"]


# ---------------------------------------------------------------- failures


def all_errors(root=telegram.error.TelegramError):
    yield root
    for child in root.__subclasses__():
        yield from all_errors(child)


EXPECTED = {
    telegram.error.TelegramError: Ambiguous,
    telegram.error.NetworkError: Ambiguous,
    telegram.error.TimedOut: Ambiguous,
    telegram.error.BadRequest: GiveUp,
    telegram.error.Forbidden: GiveUp,
    telegram.error.ChatMigrated: Moved,
    telegram.error.RetryAfter: Retry,
    telegram.error.InvalidToken: Misconfigured,
    telegram.error.EndPointNotFound: Misconfigured,
    telegram.error.Conflict: Misconfigured,
    telegram.error.PassportDecryptionError: Ambiguous,
    NeverSent: Retry,
    Interrupted: Ambiguous,
    Throttled: Retry,
    UnexpectedStatus: Retry,
}


def made(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        match kind.__name__:
            case "ChatMigrated" | "RetryAfter" | "Throttled":
                return kind(5)
            case "UnexpectedStatus":
                return kind(502, "Bad Gateway")
            case _:
                return kind("because")


def test_every_error_of_the_library_is_named():
    kinds = {kind for kind in all_errors() if not kind.__module__.startswith("telegram.ext")}
    assert kinds == set(EXPECTED)
    for kind in kinds:
        assert type(named(made(kind))) is EXPECTED[kind], kind


REFUSALS = [
    (400, "Bad Request: chat not found", GiveUp, "unreachable"),
    (400, "Bad Request: message text is empty", GiveUp, "refused"),
    (400, "Bad Request: BUTTON_DATA_INVALID", GiveUp, "refused"),
    (400, "Bad Request: message is too long", GiveUp, "too_large"),
    (400, "Bad Request: not enough rights to send text messages to the chat", GiveUp, "opted_out"),
    (403, "Forbidden: bot was blocked by the user", GiveUp, "opted_out"),
    (403, "Forbidden: user is deactivated", GiveUp, "opted_out"),
    (413, "Request Entity Too Large", GiveUp, "too_large"),
    (401, "Unauthorized", Misconfigured, None),
    (404, "Not Found", Misconfigured, None),
    (409, "Conflict: terminated by other getUpdates request", Misconfigured, None),
    (421, "Misdirected Request", Misconfigured, None),
    (302, "Found", Misconfigured, None),
    (418, "I am a teapot", GiveUp, "refused"),
    (500, "Internal Server Error", Retry, None),
    (502, "Bad Gateway", Retry, None),
    (503, "Service Unavailable", Retry, None),
]


@pytest.mark.parametrize(("status", "description", "kind", "reason"), REFUSALS)
@pytest.mark.parametrize("part", [Text("hola"), Location(1, 2)], ids=["our request", "the library's"])
async def test_both_ways_of_sending_name_a_failure_alike(client, sandbox, ana, part, status, description, kind, reason):
    sandbox.fail_next(1, status, description)
    [call] = calls(part, recipient=ana.id)
    with pytest.raises(TertuliaError) as raised:
        await client.send("", call)
    assert type(raised.value) is kind
    if reason is not None:
        assert raised.value.reason == reason
    assert sandbox.sent == []


@pytest.mark.parametrize("part", [Text("hola"), Location(1, 2)], ids=["our request", "the library's"])
async def test_a_wait_binds_the_bot_from_a_private_chat_and_the_group_from_a_group(client, sandbox, ana, part):
    group = sandbox.group("G")
    for recipient, binds_all in ((ana.id, True), (group.id, False)):
        sandbox.fail_next(1, 429, retry_after_s=31)
        [call] = calls(part, recipient=recipient)
        with pytest.raises(Retry) as raised:
            await client.send("", call)
        assert type(raised.value) is Retry
        assert (raised.value.after_s, raised.value.whole_account) == (31, binds_all)


@pytest.mark.parametrize("part", [Text("hola"), Location(1, 2)], ids=["our request", "the library's"])
async def test_what_is_not_ours_any_more_never_leaves(client, sandbox, ana, part):
    [call] = calls(part, recipient=ana.id)
    with fenced(lambda: False), pytest.raises(Retry, match="lease") as raised:
        await client.send("", call)
    assert type(raised.value) is Retry
    assert sandbox.sent == []
    await client.send("", call)
    assert len(sandbox.sent) == 1


@pytest.mark.parametrize("part", [Text("hola"), Location(1, 2)], ids=["our request", "the library's"])
@pytest.mark.parametrize("takes_effect", [False, True])
async def test_a_broken_connection_is_ambiguous_whether_it_took_effect_or_not(client, sandbox, ana, part, takes_effect):
    sandbox.drop_next(1, takes_effect=takes_effect)
    [call] = calls(part, recipient=ana.id)
    with pytest.raises(Ambiguous):
        await client.send("", call)
    assert len(sandbox.sent) == takes_effect


@pytest.mark.parametrize("part", [Text("hola"), Location(1, 2)], ids=["our request", "the library's"])
async def test_no_answer_in_time_is_ambiguous(sandbox, ana, part):
    hasty = channel.client(settings_for(sandbox, read_timeout_s=0.05, connect_timeout_s=0.45), read_blob)
    await hasty.open()
    sandbox.hang_next(1)
    [call] = calls(part, recipient=ana.id)
    with pytest.raises(Ambiguous):
        await hasty.send("", call)
    await hasty.close()


@pytest.mark.parametrize("part", [Text("hola"), Location(1, 2)], ids=["our request", "the library's"])
async def test_no_connection_means_that_nothing_was_sent(unused_tcp_port, part):
    nowhere = TelegramSettings(token="1:A", secret_token="s", api_url=f"http://127.0.0.1:{unused_tcp_port}")
    client = channel.client(nowhere, read_blob)
    await client.open()
    [call] = calls(part, recipient=5)
    with pytest.raises(Retry) as raised:
        await client.send("", call)
    await client.close()
    assert type(raised.value) is Retry


async def test_a_group_that_became_a_supergroup_is_followed(client, sandbox, ana):
    group = sandbox.group("G")
    new = group.migrates(ana)
    for part in (Text("hola"), Location(1, 2)):
        [call] = calls(part, recipient=group.id)
        with pytest.raises(Moved) as raised:
            await client.send("", call)
        assert (raised.value.kind, raised.value.value) == ("chat", str(new.id))
        [moved] = calls(part, recipient=raised.value.value)
        await client.send("", moved)


async def test_a_blocked_bot_is_opted_out_and_a_stranger_unreachable(client, sandbox, ana):
    await ana.blocks()
    with pytest.raises(GiveUp, match="opted_out"):
        await client.send("", text_to(ana))
    with pytest.raises(GiveUp, match="unreachable"):
        await client.send("", Call("sendMessage", {"chat_id": "99", "text": "hola"}))
    with pytest.raises(GiveUp, match="not_supported"):
        await client.send("", Call("sendDreams", {"chat_id": "99"}))


async def test_an_answer_that_cannot_be_read_is_ambiguous():
    async def odd(_request):
        return web.Response(text="<html>", content_type="text/html")

    application = web.Application()
    application.router.add_post("/{path:.*}", odd)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    client = channel.client(TelegramSettings(token="1:A", secret_token="s", api_url=url), read_blob)
    await client.open()
    try:
        for part in (Text("hola"), Location(1, 2)):
            with pytest.raises(Ambiguous):
                await client.send("", calls(part, recipient=5)[0])
    finally:
        await client.close()
        await runner.cleanup()


async def test_neither_errors_nor_logs_show_the_token(sandbox, ana, caplog):
    caplog.set_level("DEBUG")
    client = channel.client(settings_for(sandbox), read_blob)
    await client.open()

    def shown(error):
        return "".join(traceback.format_exception(error)) + repr(error)

    breaks = [
        lambda: sandbox.fail_next(1, 500),
        lambda: sandbox.fail_next(1, 401, "Unauthorized"),
        lambda: sandbox.fail_next(1, 404, "Not Found"),
        lambda: sandbox.drop_next(1),
    ]
    for break_next, part in itertools.product(breaks, (Text("a"), Location(1, 2))):
        break_next()
        with pytest.raises(TertuliaError) as raised:
            await client.send("", calls(part, recipient=ana.id)[0])
        assert sandbox.token not in shown(raised.value)
    sandbox.drop_next(2, method="file")  # aiohttp itself asks a second time
    await ana.sends_photo(b"x")
    [file] = sandbox._world.files
    with pytest.raises(Retry) as raised:
        async for _ in (await client.fetch("", file)).chunks:
            pass
    assert sandbox.token not in shown(raised.value)
    await client.close()
    assert sandbox.token not in repr(settings_for(sandbox)) + caplog.text


# ---------------------------------------------------------------- files


async def content_of(remote):
    return b"".join([chunk async for chunk in remote.chunks])


async def test_a_file_is_fetched_whole(client, sandbox, ana):
    await ana.sends_file(CONTENT * 5000, kind="document", name="año 1.pdf", mime="application/pdf")
    [file] = sandbox._world.files
    remote = await client.fetch("", file)
    assert (remote.size_bytes, remote.mime, remote.name) == (500_000, "application/pdf", "año 1.pdf")
    assert await content_of(remote) == CONTENT * 5000


async def test_a_file_above_the_limit_is_refused_at_once_or_while_it_streams(sandbox, ana):
    await ana.sends_file(CONTENT, kind="document")
    [file] = sandbox._world.files
    small = channel.client(settings_for(sandbox, max_download_bytes=60), read_blob)
    await small.open()
    with pytest.raises(GiveUp, match="too_large"):
        await small.fetch("", file)
    stored = sandbox._world.files[file]
    with pytest.raises(GiveUp, match="too_large"):
        await content_of_chunks(small._download(f"{sandbox.api_url}/file/bot{sandbox.token}/{stored.path}"))
    await small.close()


async def content_of_chunks(chunks):
    return b"".join([chunk async for chunk in chunks])


async def test_a_redirect_to_another_host_is_not_followed(client, sandbox, ana):
    await ana.sends_file(CONTENT, kind="document")
    [file] = sandbox._world.files
    sandbox.fail_next(1, 302, method="file")
    with pytest.raises(GiveUp, match="refused"):
        await content_of(await client.fetch("", file))
    sandbox.fail_next(1, 503, method="file")
    with pytest.raises(Retry):
        await content_of(await client.fetch("", file))
    sandbox.fail_next(1, 404, method="file")
    with pytest.raises(GiveUp, match="expired"):
        await content_of(await client.fetch("", file))


async def test_an_unknown_handle_is_given_up_and_a_broken_question_asked_again(client, sandbox):
    with pytest.raises(GiveUp, match="refused"):
        await client.fetch("", "nothing")
    sandbox.drop_next(1)
    with pytest.raises(Retry) as raised:
        await client.fetch("", "nothing")
    assert type(raised.value) is Retry


# ---------------------------------------------------------------- connecting

PUBLIC = "http://127.0.0.1:9/webhooks/telegram/main"


async def test_connecting_registers_address_secret_and_kinds(client, sandbox):
    findings = await client.connect(PUBLIC)
    assert [finding.level for finding in findings] == ["ok"]
    hook = sandbox._delivery.hook
    assert (hook.url, hook.secret_token) == (PUBLIC, sandbox.secret_token)
    assert "message_reaction" in hook.allowed_updates
    assert [finding.level for finding in await client.connect(PUBLIC)] == ["ok"]


async def test_the_doctor_finds_a_missing_and_a_wrong_webhook_a_name_and_a_bad_token(sandbox):
    client = channel.client(settings_for(sandbox, username=sandbox.username), read_blob)
    await client.open()
    assert [(f.level, f.what) for f in await client.doctor(PUBLIC)][1] == ("bad", "no webhook is set")
    await client.connect("http://127.0.0.1:9/elsewhere")
    assert [f.level for f in await client.doctor(PUBLIC)] == ["ok", "bad"]
    await client.connect(PUBLIC)
    assert [f.level for f in await client.doctor(PUBLIC)] == ["ok", "ok"]
    sandbox.fail_next(1, 401, "Unauthorized")
    [finding] = await client.doctor(PUBLIC)
    assert finding.level == "bad"
    assert finding.advice
    await client.close()
    nameless = channel.client(settings_for(sandbox), read_blob)
    await nameless.open()
    assert [f.level for f in await nameless.doctor(PUBLIC)] == ["ok", "warn", "ok"]
    await nameless.close()


async def test_the_doctor_tells_of_failing_deliveries(sandbox, client, unused_tcp_port):
    await client.connect(f"http://127.0.0.1:{unused_tcp_port}/")
    await sandbox.person("Eva").writes("hola")
    async with asyncio.timeout(5):
        while not sandbox._delivery.last_error:
            await asyncio.sleep(0)
    findings = await client.doctor(f"http://127.0.0.1:{unused_tcp_port}/")
    assert any(f.level == "warn" and "failed delivery" in f.what for f in findings)


async def test_a_client_that_is_not_open_says_so(sandbox):
    client = channel.client(settings_for(sandbox), read_blob)
    with pytest.raises(RuntimeError, match="not open"):
        await client.send("", Call("sendMessage", {"chat_id": "1", "text": "a"}))


async def test_all_calls_of_an_endpoint_share_one_session(client, sandbox, ana):
    session = client._line.session
    assert isinstance(session, aiohttp.ClientSession)
    await asyncio.gather(*(client.send("", text_to(ana, str(n))) for n in range(20)))
    assert client._line.session is session
    assert sorted(int(call.params["text"]) for call in sandbox.sent) == list(range(20))
