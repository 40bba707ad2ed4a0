"""The stand-in for Messenger: its rules, its webhooks, its faults and its phone, all from outside."""

import asyncio
import json
import uuid

import pytest
from aiohttp import web

from channels._meta.messaging.sandbox import is_send
from channels._meta.messaging.sandbox_rules import faults_in
from channels.discovery import read_settings
from channels.messenger import channel
from channels.messenger.dialect import MESSENGER
from channels.messenger.sandbox import RULES, messenger_sandbox, open_sandbox
from channels.sandboxes import HasPeople, HasPhone, Stage
from gateway.core.channel import WebhookRequest
from gateway.core.clock import ManualClock
from gateway.core.errors import GiveUp, Retry
from gateway.core.inbound import (
    Arrived,
    ConsentChanged,
    ControlMoved,
    Deleted,
    Echoed,
    Edited,
    Reacted,
    Receipt,
    Received,
    SeenUpTo,
)
from gateway.core.messages import Author, Card, Cards, Choice, Location, Media, Option, Outgoing, Selection, Text

DAY_S = 86_400.0


class Hook:
    """A gateway's webhook that verifies and parses, and nothing else."""

    def __init__(self):
        self.events = []
        self.bodies = []
        self.settings = None
        self.refusing = 0

    async def take(self, request):
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        if self.refusing:
            self.refusing -= 1
            return web.Response(status=503)
        asked = WebhookRequest("POST", str(request.url), headers, {}, body)
        channel.verify(self.settings, asked)
        self.bodies.append(body)
        self.events += channel.parse(self.settings, asked)
        return web.Response(text="EVENT_RECEIVED")

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


async def no_blobs(_key):
    yield b"content"


@pytest.fixture
async def world():
    """The sandbox with its webhook, and a client of ours."""
    hook = Hook()
    application = web.Application()
    application.router.add_post("/hook", hook.take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    async with messenger_sandbox(url, time_scale=0.001) as sandbox:
        hook.settings = read_settings(channel, "main", sandbox.settings_values)
        client = channel.client(hook.settings, no_blobs)
        await client.open()
        yield sandbox, hook, client
        await client.close()
    await runner.cleanup()


async def say(world, person, *parts, author=Author.BOT, **more):
    sandbox, hook, client = world
    message = Outgoing(uuid.uuid4(), uuid.uuid4(), 1, person.address, author, parts, **more)
    sent = [await client.send(sandbox.account.id, call) for call in channel.render(hook.settings, message)]
    await sandbox.settled()
    return message, sent


async def test_what_a_person_writes_arrives_signed_and_what_we_say_is_echoed_delivered_and_read(world):
    sandbox, hook, _ = world
    ana = sandbox.person("Ana")
    mid = await ana.writes("¿Hola? 😀/")
    await sandbox.settled()
    [received] = hook.of(Received)
    assert (received.account, received.address.value) == (sandbox.account.id, ana.id)
    assert (received.provider_message_id, received.parts) == (mid, (Text("¿Hola? 😀/"),))
    assert b"\\u00bf" in hook.bodies[0]
    assert b"\\/" in hook.bodies[0]
    assert ana.handset.message(mid).ticks == 1
    message, [sent] = await say(world, ana, Text("Hola, Ana"))
    [echo] = hook.of(Echoed)
    assert (echo.by, echo.our_ref, (echo.provider_message_id,)) == (
        "us",
        str(message.message_id),
        sent.provider_message_ids,
    )
    assert [event.status for event in hook.of(Receipt)] == ["delivered"]
    assert [event.status for event in hook.of(SeenUpTo)] == ["delivered", "read"]
    reply = await ana.next_reply()
    assert reply.text == "Hola, Ana"


async def test_chips_are_messages_and_buttons_are_presses(world):
    sandbox, hook, _ = world
    ana = sandbox.person("Ana")
    many = tuple(Option(f"Plan {n}", f"plan-{n}") for n in range(5))
    await say(world, ana, Choice("¿Cuál?", many))
    assert (await ana.next_reply()).buttons == tuple(option.label for option in many)
    await ana.presses("Plan 3")
    await say(world, ana, Choice("¿Seguro?", (Option("Sí", "yes"), Option("Ver", url="https://a.example/"))))
    assert not ana.handset.messages[0].quick, "chips vanish with the next message"
    await ana.presses("Sí")
    await sandbox.settled()
    chip, press = hook.of(Received)
    assert chip.parts == (Selection("plan-3", "Plan 3"),)
    assert chip.event_key.startswith("m:")
    assert press.parts == (Selection("yes", "Sí"),)
    assert press.event_key.startswith("p:")
    own = [message for message in ana.handset.messages if message.is_own]
    assert ["".join(run.text for run in message.runs) for message in own] == ["Plan 3", "Sí"]


async def test_a_carousel_lies_side_by_side_and_its_buttons_are_told_apart(world):
    sandbox, hook, _ = world
    ana = sandbox.person("Ana")
    cards = tuple(Card(f"Plan {n}", f"{n} €", options=(Option("Lo quiero", f"plan-{n}"),)) for n in (1, 2))
    await say(world, ana, Cards(cards))
    [shown] = ana.handset.messages
    assert [card.title for card in shown.cards] == ["Plan 1", "Plan 2"]
    await ana.handset.presses(shown.id, shown.cards[1].buttons[0].key)
    await sandbox.settled()
    assert hook.of(Received)[0].parts == (Selection("plan-2", "Lo quiero"),)


async def test_a_picture_and_a_place_reach_us_and_the_picture_can_be_fetched(world):
    sandbox, hook, client = world
    ana = sandbox.person("Ana")
    await ana.sends_picture(b"\x89PNG", caption="mirad")
    await ana.sends_place(40.4, -3.7)
    await sandbox.settled()
    picture, words, place = hook.of(Received)
    remote = await client.fetch(picture.account, picture.parts[0].provider_ref)
    assert b"".join([chunk async for chunk in remote.chunks]) == b"\x89PNG"
    assert words.parts == (Text("mirad"),)
    assert place.parts == (Location(40.4, -3.7),)


async def test_everything_else_that_people_do_is_told(world):
    sandbox, hook, _ = world
    ana = sandbox.person("Ana")
    mid = await ana.writes("uno")
    _, [sent] = await say(world, ana, Text("hola"))
    ana.reacts(sent.provider_message_ids[0])
    ana.reacts(sent.provider_message_ids[0], "")
    ana.edits(mid, "dos")
    ana.unsends(mid)
    ana.comes_by_ad("ad-1", "ref-1", "Plan Max")
    ana.comes_by_link("otoño")
    ana.stops_notifications()
    await sandbox.settled()
    assert [event.emojis for event in hook.of(Reacted)] == [("❤",), ()]
    assert [event.parts for event in hook.of(Edited)] == [(Text("dos"),)]
    assert [event.provider_message_id for event in hook.of(Deleted)] == [mid]
    ad, link = hook.of(Arrived)
    assert (ad.origin.kind, ad.origin.id, ad.referral, ad.origin.title) == ("ad", "ad-1", "ref-1", "Plan Max")
    assert (link.origin.kind, link.referral) == ("link", "otoño")
    assert [(event.scope, event.is_opted_in) for event in hook.of(ConsentChanged)] == [("marketing", False)]
    assert ana.handset.message(mid) is None


async def test_the_window_closes_after_a_day_and_after_seven_for_agents_and_advertisements(world):
    sandbox, _, _ = world
    for ages_s, author, is_late, may_speak in (
        (DAY_S - 60, Author.BOT, False, True),
        (DAY_S + 1, Author.BOT, False, False),
        (DAY_S + 1, Author.AGENT, True, True),
        (7 * DAY_S + 1, Author.AGENT, True, False),
    ):
        ana = sandbox.person("Ana")
        ana.ages(ages_s)
        if may_speak:
            await say(world, ana, Text("hola"), author=author, is_late=is_late)
        else:
            with pytest.raises(GiveUp, match="window_closed"):
                await say(world, ana, Text("hola"), author=author, is_late=is_late)
    ana = sandbox.person("Ana")
    ana.comes_by_ad("ad-1")
    ana.ages(6 * DAY_S)
    await say(world, ana, Text("hola"))
    stranger = sandbox.person("Eva", has_started=False)
    with pytest.raises(GiveUp, match="window_closed"):
        await say(world, stranger, Text("hola"))


async def test_who_blocked_us_or_does_not_exist_cannot_be_reached(world):
    sandbox, _, _ = world
    ana = sandbox.person("Ana")
    ana.blocks()
    with pytest.raises(GiveUp, match="unreachable"):
        await say(world, ana, Text("hola"))
    ana.unblocks()
    await say(world, ana, Text("hola"))
    ana._acts.address = "12345"
    with pytest.raises(GiveUp, match="unreachable"):
        await say(world, ana, Text("hola"))


async def test_while_the_inbox_has_the_thread_we_only_listen(world):
    sandbox, hook, _ = world
    ana = sandbox.person("Ana")
    ana.passes_to_inbox()
    ana.hears_agent("Soy Marta")
    await ana.writes("gracias")
    await sandbox.settled()
    taken, standby = hook.of(ControlMoved)
    assert (taken.to, standby.to, standby.reason) == ("elsewhere", "elsewhere", "standby")
    assert [(event.by, event.parts) for event in hook.of(Echoed)] == [("agent", (Text("Soy Marta"),))]
    with pytest.raises(GiveUp, match="not_in_control"):
        await say(world, ana, Text("hola"))
    ana.passes_to_us()
    await say(world, ana, Text("hola"))
    assert hook.of(ControlMoved)[-1].to == "us"


async def test_webhooks_are_sent_again_joined_and_in_another_order_and_mean_the_same(world):
    sandbox, hook, _ = world
    ana, eva = sandbox.person("Ana"), sandbox.person("Eva")
    hook.refusing = 2
    sandbox.sender.redeliver_next(1)
    await ana.writes("uno")
    await sandbox.settled()
    assert [event.event_key for event in hook.of(Received)] == [hook.events[0].event_key] * 2
    sandbox.sender.batch_next(3)
    for person, text in ((ana, "dos"), (eva, "tres"), (ana, "cuatro")):
        await person.writes(text)
    await sandbox.settled()
    assert len(json.loads(hook.bodies[-1])["entry"]) == 3
    assert [event.parts[0].text for event in hook.of(Received)[2:]] == ["dos", "tres", "cuatro"]
    sandbox.sender.reorder_next(2)
    await ana.writes("cinco")
    await ana.writes("seis")
    await sandbox.settled()
    assert [event.parts[0].text for event in hook.of(Received)[-2:]] == ["seis", "cinco"]


async def test_a_call_that_broke_after_it_took_effect_is_settled_by_its_echo(world):
    sandbox, hook, client = world
    ana = sandbox.person("Ana")
    message = Outgoing(uuid.uuid4(), uuid.uuid4(), 1, ana.address, Author.BOT, (Text("hola"),))
    [call] = channel.render(hook.settings, message)
    sandbox.server.drop_next(1, takes_effect=True, which=is_send)
    with pytest.raises(Retry):
        await client.send(sandbox.account.id, call)
    await sandbox.settled()
    [echo] = hook.of(Echoed)
    assert (echo.by, echo.our_ref) == ("us", str(message.message_id))
    sandbox.server.limit_next(1, retry_after_s=4, which=is_send)
    with pytest.raises(Retry) as raised:
        await client.send(sandbox.account.id, call)
    assert raised.value.after_s == 4
    assert len(sandbox.sent) == 1


async def test_a_file_that_we_link_is_fetched_as_meta_would(world):
    sandbox, _, _ = world
    ana = sandbox.person("Ana")
    url = sandbox.keep(b"picture", "image/png", "a.png")
    await say(world, ana, Media("image", url=url), Media("image", url="https://elsewhere.example/b.png"))
    here, beyond = ana.handset.messages
    assert ana.handset.file(here.attachments[0].file).content == b"picture"
    assert beyond.attachments[0].url == "https://elsewhere.example/b.png"


# ---------------------------------------------------------------- the judge


def faults(**body):
    return list(faults_in(RULES, {"recipient": {"id": "1"}, "messaging_type": "RESPONSE", **body}))


def template(**payload):
    return faults(message={"attachment": {"type": "template", "payload": payload}})


BUTTON = {"type": "postback", "title": "x", "payload": "x"}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (faults(message={"text": "x" * 2001}), "2000"),
        (faults(message={"text": " "}), "empty"),
        (faults(message={}), "either text or an attachment"),
        (faults(message={"text": "x", "attachment": {}}), "either"),
        (faults(message={"text": "x", "colour": "red"}), "colour"),
        (faults(message={"text": "x", "metadata": "x" * 1001}), "metadata"),
        (faults(message={"text": "x"}, messaging_type="SHOUT"), "messaging_type"),
        (faults(message={"text": "x"}, messaging_type="MESSAGE_TAG", tag="ACCOUNT_UPDATE"), "no longer supported"),
        (faults(message={"text": "x"}, tag="HUMAN_AGENT"), "MESSAGE_TAG"),
        (faults(message={"text": "x"}, recipient={}), "recipient"),
        (faults(message={"text": "x"}, recipient={"id": 7}), "recipient"),
        (faults(message={"text": "x", "quick_replies": [{}] * 14}), "13"),
        (faults(message={"text": "x", "quick_replies": [{"content_type": "location"}]}), "content_type"),
        (faults(sender_action="dance"), "dance"),
        (faults(sender_action="typing_on", message={"text": "x"}), "alone"),
        (faults(sender_action="react", payload={"message_id": "m", "reaction": "unicorn"}), "unicorn"),
        (faults(message={"attachment": {"type": "image", "payload": {"url": "ftp://x"}}}), "address"),
        (faults(message={"attachment": {"type": "hologram", "payload": {}}}), "hologram"),
        (template(template_type="list"), "no template"),
        (template(template_type="button", text="x" * 641, buttons=[BUTTON]), "640"),
        (template(template_type="button", text="x", buttons=[BUTTON] * 4), "1 to 3"),
        (template(template_type="button", text="x", buttons=[{**BUTTON, "title": "x" * 21}]), "20"),
        (template(template_type="generic", elements=[]), "1 to 10"),
        (template(template_type="generic", elements=[{"title": "x"}]), "besides its title"),
        (template(template_type="generic", elements=[{"title": "x" * 81, "subtitle": "y"}]), "80"),
    ],
)
def test_the_judge_knows_what_meta_refuses(found, words):
    assert any(words in fault for fault in found)


def test_the_judge_lets_pass_what_meta_takes():
    assert template(template_type="button", text="x", buttons=[BUTTON]) == []
    assert faults(message={"text": "x"}, reply_to={"mid": "m_1"}) == []


# ---------------------------------------------------------------- the demo


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
        assert isinstance(sandbox, HasPeople)
        assert isinstance(sandbox, HasPhone)
        assert sandbox.account.fields == set(MESSENGER.fields)
        phone = sandbox.phone("Ana", "es")
        assert (phone.skin.app, phone.skin.title) == ("Messenger", "Faro Móvil")
        await phone.writes("hola")
        view = phone.view(0)
        assert [message.is_own for message in view.messages] == [True]


async def test_time_can_stand_still():
    clock = ManualClock()
    async with messenger_sandbox(clock=clock) as sandbox:
        ana = sandbox.person("Ana")
        assert ana.standing.heard_at == clock.now()
        await asyncio.sleep(0)
        assert sandbox.sender.is_settled
