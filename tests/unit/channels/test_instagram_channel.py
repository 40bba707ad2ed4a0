"""In what Instagram differs from Messenger: names, bytes, reads, and whose events are subscribed to."""

import json
import uuid

import pytest
from aiohttp import web

from channels._meta.messaging.sandbox_rules import faults_in
from channels.discovery import read_settings, settings_problems
from channels.instagram import channel
from channels.instagram.dialect import INSTAGRAM
from channels.instagram.sandbox import RULES, instagram_sandbox, open_sandbox
from channels.instagram.specimen import specimen
from channels.sandboxes import HasPhone, Stage
from gateway.core.channel import WebhookRequest
from gateway.core.errors import GiveUp
from gateway.core.inbound import Echoed, Profile, Receipt, Received, SeenUpTo, Unparsed
from gateway.core.messages import Author, Choice, Media, Option, Outgoing, Reaction, Selection, Text

SETTINGS = read_settings(channel, "main", specimen.settings_values)


async def no_blobs(_key):
    yield b"content"


def render(*parts, settings=SETTINGS, recipient="42", author=Author.BOT, **more):
    message = Outgoing(uuid.uuid4(), uuid.uuid4(), 1, recipient, author, parts, **more)
    calls = channel.render(settings, message)
    assert [fault for call in calls for fault in specimen.faults_of(call)] == []
    return calls


def texts(*parts):
    return [specimen.text_of(call) for call in render(*parts)]


@pytest.mark.parametrize("word", ["palabra", "ñandú", "😀😀", "日本語"])
def test_a_text_is_cut_by_its_bytes(word):
    pieces = texts(Text((f"{word} " * 600).strip()))
    assert all(len(piece.encode()) <= 1000 for piece in pieces)
    assert " ".join(pieces).split() == [word] * 600
    assert len(pieces) >= len(f"{word} ".encode()) * 600 // 1000


def test_a_question_above_its_chips_is_cut_by_its_bytes_too():
    options = tuple(Option(f"Opción {n}", str(n)) for n in range(5))
    calls = render(Choice("¿ñ? " * 300, options))
    assert all(len(specimen.text_of(call).encode()) <= 1000 for call in calls)
    assert ["quick_replies" in call.params["message"] for call in calls] == [False] * (len(calls) - 1) + [True]


def test_only_the_heart_is_a_reaction_here():
    assert render(Reaction("aWdfZAG1f", ("❤",)))[0].params["payload"]["reaction"] == "love"
    with pytest.raises(GiveUp, match="not_supported"):
        render(Reaction("aWdfZAG1f", ("👍",)))


def test_nobody_is_asked_for_a_phone_number_by_a_chip():
    [call] = render(Choice("¿Tu número?", (Option("Mi número", asks_for="phone"), Option("No", "no")), "quick_replies"))
    assert "button that asks for the phone" in call.losses


def test_the_business_cannot_begin_and_has_no_templates():
    [account] = channel.accounts(SETTINGS)
    assert (account.app, account.external) == ("instagram", specimen.account)
    assert not account.window.may_begin
    assert not account.window.has_templates
    assert (account.window.free_s, account.window.ad_s, account.window.agent_s) == (86400, 604800, 604800)


def test_a_webhook_of_a_page_is_kept_here():
    [kept] = channel.replay(SETTINGS, b'{"object": "page", "entry": []}')
    assert isinstance(kept, Unparsed)
    assert kept.path == "$.object"


def test_a_change_that_stands_for_an_event_is_kept_alone_when_it_is_not_understood():
    good = {"field": "messages", "value": {"sender": {"id": 1}, "timestamp": "1767225600000", "message": {"mid": "a"}}}
    fine = {"field": "messages", "value": {**good["value"], "message": {"mid": "b", "text": "hola"}}}
    body = json.dumps({"object": "instagram", "entry": [{"id": "9", "time": 1, "changes": [good, fine]}]}).encode()
    kept, received = channel.replay(SETTINGS, body)
    assert json.loads(kept.raw)["entry"][0]["changes"] == [good]
    assert received.parts == (Text("hola"),)
    assert received.at.year == 2026


def test_an_account_is_named_by_its_instagram_id():
    account = {"instagram_id": "1784", "access_token": "x"}

    def problems(**changed):
        values = {**specimen.settings_values, **changed}
        return [problem.key.rpartition("main.")[2] for problem in settings_problems(channel, "main", values)]

    assert problems(accounts={"a": account}) == []
    assert problems(accounts={"a": account, "b": account}) == ["accounts"]
    assert problems(accounts={"a": {"page_id": "1", "access_token": "x"}}) == ["accounts.a.instagram_id"]


# ---------------------------------------------------------------- with the sandbox


@pytest.fixture
async def world():
    taken = []

    async def take(request):
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = WebhookRequest("POST", str(request.url), headers, {}, body)
        channel.verify(settings, asked)
        taken.extend(channel.parse(settings, asked))
        return web.Response()

    application = web.Application()
    application.router.add_post("/hook", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with instagram_sandbox(f"http://127.0.0.1:{runner.addresses[0][1]}/hook") as sandbox:
        settings = read_settings(channel, "main", sandbox.settings_values)
        client = channel.client(settings, no_blobs)
        await client.open()
        yield sandbox, taken, client
        await client.close()
    await runner.cleanup()


async def test_a_talk_from_the_first_word_to_the_reading_of_the_answer(world):
    sandbox, taken, client = world
    ana = sandbox.person("Ana")
    await ana.writes("¿Hay talla M?")
    options = tuple(Option(label, label.lower()) for label in ("Sí", "No", "Quizá", "Nunca"))
    [call] = render(Choice("¿La quieres?", options), recipient=ana.id)
    sent = await client.send(sandbox.account.id, call)
    await ana.presses("Quizá")
    await sandbox.settled()
    words, chip = [event for event in taken if isinstance(event, Received)]
    assert words.address.kind == "igsid"
    assert chip.parts == (Selection("quizá", "Quizá"),)
    assert [event.by for event in taken if isinstance(event, Echoed)] == ["us"]
    [read] = [event for event in taken if isinstance(event, Receipt)]
    assert (read.status, (read.provider_message_id,)) == ("read", sent.provider_message_ids)
    assert not [event for event in taken if isinstance(event, SeenUpTo)]
    assert sent.provider_message_ids[0].startswith("aWdf")


async def test_meta_tells_the_name_and_the_username_of_who_consents(world):
    sandbox, _, client = world
    ana = sandbox.person("Ana Ruiz")
    assert await client.profile(sandbox.account.id, ana.address) == Profile("Ana Ruiz", "ana.ruiz")
    ana.shows_profile = False
    assert await client.profile(sandbox.account.id, ana.address) is None


async def test_the_window_closes_with_a_subcode_of_its_own(world):
    sandbox, _, client = world
    ana = sandbox.person("Ana")
    ana.ages(86_401)
    with pytest.raises(GiveUp) as raised:
        await client.send(sandbox.account.id, render(Text("hola"), recipient=ana.id)[0])
    assert (raised.value.reason, raised.value.code) == ("window_closed", "10/2534022")


async def test_the_app_sends_no_places(world):
    sandbox, _, _ = world
    with pytest.raises(ValueError, match="no places"):
        await sandbox.person("Ana").sends_place(40.4, -3.7)


async def test_a_tokens_page_is_subscribed_where_it_is_named_and_else_whomever_the_token_is_of(world):
    sandbox, _, _ = world
    for page, path in ((sandbox.account.id, sandbox.account.id), (None, "me")):
        account = {"instagram_id": "1784", "access_token": sandbox.account.token, "page_id": page}
        values = {**sandbox.settings_values, "accounts": {"shop": account}, "subscribed_fields": ("messages",)}
        client = channel.client(read_settings(channel, "main", values), no_blobs)
        await client.open()
        assert {finding.level for finding in await client.connect("http://127.0.0.1:9/")} == {"ok"}
        await client.close()
        assert sandbox.server.calls[-1].path == f"/v23.0/{path}/subscribed_apps"
        assert sandbox.account.fields == {"messages"}


def test_the_judge_counts_bytes():
    def faults(text):
        body = {"recipient": {"id": "1"}, "messaging_type": "RESPONSE", "message": {"text": text}}
        return list(faults_in(RULES, body))

    assert faults("ñ" * 500) == []
    assert "1000 bytes" in faults("ñ" * 501)[0]


async def test_the_demo_gets_a_phone_with_the_look_of_the_app():
    stage = Stage(
        webhook_url="http://127.0.0.1:9/",
        origin="http://127.0.0.1:9",
        endpoint="main",
        bot_name="Faro Móvil",
        languages=("es",),
        starters={},
    )
    async with open_sandbox(stage) as sandbox:
        assert isinstance(sandbox, HasPhone)
        assert sandbox.account.fields == set(INSTAGRAM.fields)
        assert sandbox.phone("Ana", "es").skin.app == "Instagram"


def test_an_upload_goes_as_a_file_of_its_own_type():
    [call] = render(Media("voice", blob="k", name="a.ogg"))
    assert call.params["message"]["attachment"]["type"] == "audio"
    assert call.is_heavy
