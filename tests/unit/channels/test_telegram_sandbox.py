"""The stand-in keeps Telegram's rules, as python-telegram-bot and the protocol's description judge them."""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
import telegram
from aiohttp import web
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, InputMediaPhoto, Update
from telegram.request import HTTPXRequest

from channels.telegram import channel
from channels.telegram.sandbox import TelegramSandbox
from channels.telegram.sandbox_world import Refusal
from channels.telegram.settings import UPDATE_KINDS, TelegramSettings
from gateway.core.channel import WebhookRequest
from gateway.core.clock import ManualClock
from gateway.core.inbound import Received, Unparsed


class Receiver:
    """A webhook that answers as told (200 when nothing is left to tell) and remembers what came."""

    def __init__(self):
        self.answers = []
        self.requests = []
        self.came = asyncio.Event()
        self.gate = None

    async def __aenter__(self):
        application = web.Application()
        application.router.add_post("/hook", self.take)
        self.runner = web.AppRunner(application)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()

    async def take(self, request):
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((headers, body))
        self.came.set()
        if self.gate is not None:
            await self.gate.wait()
        return self.answers.pop(0) if self.answers else web.Response()

    @property
    def updates(self):
        return [json.loads(body) for _, body in self.requests]

    async def wait_for(self, count):
        async with asyncio.timeout(5):
            while len(self.requests) < count:
                self.came.clear()
                await self.came.wait()


@pytest.fixture
async def receiver():
    async with Receiver() as running:
        yield running


@pytest.fixture
async def sandbox(receiver):
    async with TelegramSandbox(webhook_url=receiver.url) as running:
        yield running


@pytest.fixture
async def library(sandbox):
    """python-telegram-bot as its makers use it, over httpx."""
    request = HTTPXRequest(httpx_kwargs={"trust_env": False})
    yield Bot(
        sandbox.token,
        base_url=f"{sandbox.api_url}/bot",
        base_file_url=f"{sandbox.api_url}/file/bot",
        request=request,
        get_updates_request=request,
    )
    await request.shutdown()


def unknown_fields(value, path="update"):
    if isinstance(value, telegram.TelegramObject):
        yield from (f"{path}.{name}" for name in value.api_kwargs)
        for name in value.__slots__:
            yield from unknown_fields(getattr(value, name, None), f"{path}.{name}")
    elif isinstance(value, list | tuple):
        for item in value:
            yield from unknown_fields(item, path)


async def everything_a_person_does(sandbox, library):
    ana = sandbox.person("Ana", language="es", username="ana")
    await ana.starts("ref_1")
    number = await ana.writes("hola @tertulia_bot 😀 /help")
    await ana.edits(number, "adiós")
    keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("Sí", callback_data="y")]])
    asked = await library.send_message(ana.id, "¿Sí?", reply_markup=keyboard, reply_to_message_id=number)
    await ana.presses("Sí")
    await ana.reacts(asked.message_id, "👍")
    await ana.writes("eso", reply_to=asked.message_id)
    for kind in ("photo", "document", "voice", "audio", "video", "video_note", "animation", "sticker"):
        await ana.sends_file(b"content", kind=kind, name=f"a.{kind}", mime="application/x-test", caption="c")
    await ana.sends_location(1.5, 2.5)
    await ana.sends_contact("+34600")
    await ana.blocks()
    await ana.unblocks()
    group = sandbox.group("Vecinos")
    group.adds_bot(ana)
    await ana.writes("/saldo@tertulia_bot", group=group)
    group.migrates(ana)
    group.removes_bot(ana)


async def test_every_update_is_one_that_the_library_knows_in_full(sandbox, receiver, library):
    await everything_a_person_does(sandbox, library)
    await sandbox.settled()
    assert len(receiver.updates) >= 20
    for update in receiver.updates:
        kind = next(name for name in update if name != "update_id")
        parsed = Update.de_json(update)
        assert getattr(parsed, kind) is not None
        assert list(unknown_fields(parsed)) == []


async def test_every_update_passes_our_own_proof_and_parsing(sandbox, receiver, library):
    await everything_a_person_does(sandbox, library)
    await sandbox.settled()
    settings = TelegramSettings(token=sandbox.token, secret_token=sandbox.secret_token, username=sandbox.username)
    events = []
    for headers, body in receiver.requests:
        request = WebhookRequest("POST", receiver.url, headers, {}, body)
        channel.verify(settings, request)
        events.extend(channel.parse(settings, request))
    assert not [event for event in events if isinstance(event, Unparsed)]
    assert sum(isinstance(event, Received) for event in events) >= 14
    keys = [event.event_key for event in events if hasattr(event, "event_key")]
    assert len(set(keys)) == len(keys)


async def test_a_webhook_is_one_update_as_json_with_the_secret(sandbox, receiver):
    await sandbox.person("Ana").writes("hola")
    await sandbox.settled()
    [(headers, body)] = receiver.requests
    assert headers["content-type"] == "application/json"
    assert headers["x-telegram-bot-api-secret-token"] == sandbox.secret_token
    assert headers["content-length"] == str(len(body))
    assert json.loads(body)["message"]["text"] == "hola"


async def test_keys_are_new_at_each_start_and_people_are_the_same(receiver):
    async with TelegramSandbox() as first, TelegramSandbox() as second:
        assert first.token != second.token
        assert first.secret_token != second.secret_token
        assert first.person("Ana").id == second.person("Ana").id != first.person("Eva").id


# ---------------------------------------------------------------- delivery


class LeapingClock:
    """Time passes only by sleeping, and then at once."""

    def __init__(self):
        self.slept = []

    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic())

    def monotonic(self):
        return sum(self.slept)

    async def sleep(self, seconds):
        self.slept.append(seconds)


async def test_a_refused_update_comes_again_at_once_and_then_after_2_4_8_seconds(receiver):
    clock = LeapingClock()
    async with TelegramSandbox(webhook_url=receiver.url, clock=clock) as sandbox:
        receiver.answers = [web.Response(status=500) for _ in range(10)]
        await sandbox.person("Ana").writes("hola")
        await sandbox.settled()
    assert clock.slept[:6] == [0, 2, 4, 8, 16, 32]
    assert all(60 <= wait <= 120 for wait in clock.slept[6:])
    assert len(receiver.requests) == 11
    assert len({body for _, body in receiver.requests}) == 1


async def test_retry_after_is_honoured_instead_and_does_not_make_the_delay_grow(receiver):
    clock = LeapingClock()
    async with TelegramSandbox(webhook_url=receiver.url, clock=clock) as sandbox:
        asked = [web.Response(status=503, headers={"Retry-After": "5"}) for _ in range(2)]
        receiver.answers = [*asked, web.Response(status=500), web.Response(status=500)]
        await sandbox.person("Ana").writes("hola")
        await sandbox.settled()
    assert clock.slept == [5, 5, 0, 2]


async def test_a_press_expires_after_150_seconds_and_a_message_after_a_day(receiver):
    clock = LeapingClock()
    async with TelegramSandbox(webhook_url=receiver.url, clock=clock) as sandbox:
        ana = sandbox.person("Ana")
        await ana.starts()
        await sandbox.settled()
        keyboard = {"inline_keyboard": [[{"text": "A", "callback_data": "a"}]]}
        sandbox._api.call("sendMessage", {"chat_id": str(ana.id), "text": "?", "reply_markup": keyboard}, {})
        receiver.answers = [web.Response(status=503, headers={"Retry-After": "60"}) for _ in range(9)]
        await ana.presses("A")
        await sandbox.settled()
        assert clock.slept == [60, 60, 60]
        receiver.answers = [web.Response(status=503, headers={"Retry-After": "3600"}) for _ in range(99)]
        await ana.writes("hola")
        await sandbox.settled()
        assert clock.slept == [60, 60, 60, *[3600] * 24]


async def test_a_chat_is_in_order_behind_its_first_update_and_other_chats_go_on(receiver):
    async with TelegramSandbox(webhook_url=receiver.url, time_scale=0.01) as sandbox:
        ana, eva = sandbox.person("Ana"), sandbox.person("Eva")
        receiver.answers = [web.Response(status=500) for _ in range(3)]
        for word in ("one", "two", "three"):
            await ana.writes(word)
        await receiver.wait_for(3)
        await eva.writes("hello")
        await sandbox.settled()
        said = [(u["message"]["chat"]["first_name"], u["message"]["text"]) for u in receiver.updates]
        of_ana = [text for name, text in said if name == "Ana"]
        assert of_ana == sorted(of_ana, key=["one", "two", "three"].index)
        assert of_ana[-3:] == ["one", "two", "three"]
        assert ("Eva", "hello") in said
        assert sandbox.failed_deliveries == 3


async def test_a_press_does_not_wait_behind_a_text(receiver):
    async with TelegramSandbox(webhook_url=receiver.url) as sandbox:
        ana = sandbox.person("Ana")
        await ana.starts()
        await sandbox.settled()
        keyboard = {"inline_keyboard": [[{"text": "A", "callback_data": "a"}]]}
        sandbox._api.call("sendMessage", {"chat_id": str(ana.id), "text": "?", "reply_markup": keyboard}, {})
        receiver.gate = asyncio.Event()
        await ana.writes("hola")
        await ana.presses("A")
        await receiver.wait_for(3)
        assert {next(k for k in u if k != "update_id") for u in receiver.updates[1:]} == {"message", "callback_query"}
        receiver.gate.set()
        await sandbox.settled()


async def test_reactions_come_only_when_they_were_asked_for(receiver, sandbox, library):
    ana = sandbox.person("Ana")
    number = await ana.writes("hola")
    await library.set_webhook(receiver.url)
    await ana.reacts(number, "👍")
    await library.set_webhook(receiver.url, allowed_updates=list(UPDATE_KINDS))
    await ana.reacts(number, "🔥")
    await sandbox.settled()
    assert [u["message_reaction"]["new_reaction"] for u in receiver.updates if "message_reaction" in u] == [
        [{"type": "emoji", "emoji": "🔥"}]
    ]


# ---------------------------------------------------------------- the Bot API


async def test_the_library_can_do_what_it_does_with_the_real_one(sandbox, library):
    ana = sandbox.person("Ana")
    await ana.starts()
    me = await library.get_me()
    assert (me.id, me.username) == (sandbox.bot_id, sandbox.username)
    sent = await library.send_message(ana.id, "uno")
    await library.edit_message_text("dos", ana.id, sent.message_id)
    with pytest.raises(telegram.error.BadRequest, match="not modified"):
        await library.edit_message_text("dos", ana.id, sent.message_id)
    photo = await library.send_photo(ana.id, b"jpeg", caption="c")
    file = await library.get_file(photo.photo[-1].file_id)
    assert bytes(await file.download_as_bytearray()) == b"jpeg"
    album = await library.send_media_group(ana.id, [InputMediaPhoto(b"a"), InputMediaPhoto(photo.photo[-1].file_id)])
    assert len(album) == 2
    await library.set_message_reaction(ana.id, sent.message_id, "👍")
    assert await library.delete_message(ana.id, sent.message_id)
    with pytest.raises(telegram.error.BadRequest, match="not found"):
        await library.delete_message(ana.id, sent.message_id)
    assert list(unknown_fields(photo)) + list(unknown_fields(sent)) + list(unknown_fields(me)) == []


@pytest.mark.parametrize(
    ("params", "status", "words"),
    [
        ({"text": ""}, 400, "message text is empty"),
        ({"text": " \n"}, 400, "message text is empty"),
        ({"text": "x" * 4097}, 400, "message is too long"),
        ({"text": "😀" * 2049}, 400, "message is too long"),
        ({"text": "a", "chat_id": 99}, 400, "chat not found"),
        ({"text": "a", "chat_id": "me"}, 400, "chat not found"),
        ({"text": "a", "entities": [{"type": "bold", "offset": 0, "length": 2}]}, 400, "ENTITY_BOUNDS_INVALID"),
        ({"text": "a", "reply_parameters": {"message_id": 1}}, 400, "message to be replied not found"),
        ({"text": "a", "reply_markup": "{"}, 400, "can't parse reply_markup"),
        (
            {"text": "a", "reply_markup": {"inline_keyboard": [[{"text": "b", "callback_data": "ñ" * 33}]]}},
            400,
            "BUTTON_DATA_INVALID",
        ),
        ({"text": "a", "reply_markup": {"inline_keyboard": [[{"text": "b"}]]}}, 400, "BUTTON_URL_INVALID"),
        (
            {"text": "a", "reply_markup": {"inline_keyboard": [[{"text": " ", "url": "https://e.org"}]]}},
            400,
            "non-empty",
        ),
        (
            {
                "text": "a",
                "reply_markup": {"inline_keyboard": [[{"text": str(n), "callback_data": "x"}] for n in range(101)]},
            },
            400,
            "REPLY_MARKUP_TOO_LONG",
        ),
    ],
)
async def test_what_the_real_one_refuses_is_refused(sandbox, params, status, words):
    ana = sandbox.person("Ana")
    await ana.starts()
    async with aiohttp.ClientSession() as session:
        url = f"{sandbox.api_url}/bot{sandbox.token}/SENDmessage"
        async with session.post(url, json={"chat_id": ana.id, **params}) as response:
            answer = await response.json()
            assert (response.status, answer["error_code"], answer["ok"]) == (status, status, False)
            assert words in answer["description"]
    assert sandbox.sent == []


async def test_parameters_come_by_query_form_json_or_multipart(sandbox):
    ana = sandbox.person("Ana")
    await ana.starts()
    url = f"{sandbox.api_url}/bot{sandbox.token}/sendMessage"
    params = {"chat_id": str(ana.id), "text": "hola"}
    form = aiohttp.FormData(params)
    form.add_field("unused", b"x", filename="x.bin")
    async with aiohttp.ClientSession() as session:
        for request in ({"params": params}, {"data": params}, {"json": params}, {"data": form}):
            async with session.post(url, **request) as response:
                assert response.status == 200
        async with session.get(url, params=params) as response:
            assert response.status == 200
        async with session.post(url.replace(sandbox.token, "1:wrong"), json=params) as response:
            assert response.status == 401
        async with session.post(url.replace("sendMessage", "sendDreams"), json=params) as response:
            assert response.status == 404
    assert [call.params["text"] for call in sandbox.sent] == ["hola"] * 5


async def test_a_bot_cannot_speak_first_and_not_to_who_blocked_it(sandbox, library):
    ana = sandbox.person("Ana")
    with pytest.raises(telegram.error.Forbidden, match="initiate"):
        await library.send_message(ana.id, "a")
    eva = sandbox.person("Eva", has_started=True)
    await library.send_message(eva.id, "again")
    assert (await eva.next_reply()).text == "again"
    await ana.starts()
    await ana.blocks()
    with pytest.raises(telegram.error.Forbidden, match="blocked"):
        await library.send_message(ana.id, "a")
    await ana.unblocks()
    await library.send_message(ana.id, "a")
    assert (await ana.next_reply()).text == "a"


async def test_webhook_and_polling_exclude_each_other_and_two_pollers_too(sandbox, library, receiver):
    with pytest.raises(telegram.error.Conflict):
        await library.get_updates()
    await library.delete_webhook()
    first = asyncio.ensure_future(library.get_updates(timeout=30))
    async with asyncio.timeout(5):
        while sandbox._poller is None:
            await asyncio.sleep(0)
    second = asyncio.ensure_future(library.get_updates(timeout=30))
    with pytest.raises(telegram.error.Conflict):
        await first
    await sandbox.person("Ana").writes("hola")
    [update] = await second
    assert update.message.text == "hola"
    assert await library.get_updates(offset=update.update_id + 1) == ()
    await sandbox.person("Ana").writes("later")
    await library.set_webhook(receiver.url)
    await sandbox.settled()
    assert [u["message"]["text"] for u in receiver.updates] == ["later"]


async def test_rates_are_kept_when_they_are_switched_on(receiver):
    clock = ManualClock()
    async with TelegramSandbox(clock=clock, paced=True) as sandbox:
        people = [sandbox.person(f"p{n}") for n in range(40)]
        for person in people:
            await person.starts()
        group = sandbox.group("G")

        def send(place):
            try:
                sandbox._api.call("sendMessage", {"chat_id": str(place.id), "text": "a"}, {})
            except Refusal as refusal:
                return refusal.parameters["retry_after"]
            return 0

        assert [send(person) for person in people] == [0] * 30 + [1 + 1] * 10
        await clock.advance(10)
        assert [send(people[0]) for _ in range(6)][:5] == [0] * 5
        assert send(people[0]) > 0
        for _ in range(20):
            await clock.advance(1)
            assert send(group) == 0
        assert send(group) > 30


async def test_faults_hit_as_many_calls_as_they_should(sandbox, library):
    ana = sandbox.person("Ana")
    await ana.starts()
    sandbox.fail_next(2, 500, method="sendMessage")
    await library.get_me()
    for _ in range(2):
        with pytest.raises(telegram.error.NetworkError):
            await library.send_message(ana.id, "a")
    await library.send_message(ana.id, "b")
    assert [call.params["text"] for call in sandbox.sent] == ["b"]


async def test_it_runs_as_a_program(receiver):
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "channels.telegram.sandbox", "--webhook", receiver.url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        keys = json.loads(await asyncio.wait_for(program.stdout.readline(), 20))
        program.stdin.write(b"hola\n")
        await receiver.wait_for(1)
        update = receiver.updates[0]
        async with aiohttp.ClientSession() as session:
            url = f"{keys['api_url']}/bot{keys['token']}/sendMessage"
            params = {"chat_id": update["message"]["chat"]["id"], "text": "buenas"}
            async with session.post(url, json=params) as response:
                assert response.status == 200
        assert await asyncio.wait_for(program.stdout.readline(), 5) == b"buenas\n"
    finally:
        program.terminate()
        await program.communicate()
