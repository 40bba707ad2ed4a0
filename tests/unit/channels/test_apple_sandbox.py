"""Apple's stand-in: signed, compressed webhooks through our own door, a gateway that refuses like Apple's, phones."""

import json
import uuid

import aiohttp
import pytest

from channels.apple import channel
from channels.apple.sandbox import AppleSandbox, open_sandbox
from channels.apple.sandbox_people import address_of, runs_of
from channels.apple.sandbox_rules import Unreadable, faults, read
from channels.apple.settings import AppleSettings
from channels.apple.tokens import made_token
from channels.apple.wire import EXTENSION
from channels.sandboxes import HasPeople, HasPhone, PhoneMessage, Stage
from config.settings import EndpointConfig, load_settings
from gateway.core.errors import GiveUp, Retry
from gateway.core.inbound import ConsentChanged, Ignored, Received
from gateway.core.messages import Author, Choice, Location, Media, Option, Outgoing, Selection, Text
from gateway.core.metrics import Metrics
from gateway.core.tracing import Tracing
from gateway.web.server import WebServer

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


class Inbox:
    """Stands in for the router."""

    def __init__(self):
        self.events = []

    async def accept(self, _channel, _endpoint, parsed):
        self.events.extend(parsed)

    def received(self):
        return [event for event in self.events if isinstance(event, Received)]


class Place:
    """A sandbox, our own server with the channel's door, and the client: both ways over real sockets."""

    def __init__(self, sandbox, server, inbox, client, settings):
        self.sandbox = sandbox
        self.server = server
        self.inbox = inbox
        self.client = client
        self.settings = settings

    async def says(self, person, *parts, traits="QUICK,LIST", author=Author.BOT):
        message = Outgoing(uuid.uuid4(), uuid.uuid4(), 1, person.address, author, parts, traits=traits)
        for call in channel.render(self.settings, message):
            await self.client.send(self.sandbox.business_id, call)

    async def heard(self):
        await self.sandbox.settled()
        return self.inbox.received()


async def no_blob(_key):
    yield PNG


@pytest.fixture
async def place():
    inbox, metrics = Inbox(), Metrics()
    sandbox = AppleSandbox(webhook_url="http://127.0.0.1:9/webhooks/apple/main")
    settings = AppleSettings.model_validate({**sandbox.settings_values, "api_url": "http://127.0.0.1:9/v1"})
    server_settings = load_settings(None, {}).server.model_copy(update={"host": "127.0.0.1", "port": 0})

    async def exposition():
        return b""

    server = WebServer(
        server_settings,
        [EndpointConfig(channel, "main", settings)],
        inbox,
        metrics=metrics,
        tracing=Tracing(),
        pings={},
        exposition=exposition,
        token="t",
    )
    await server.open()
    # the door needs the sandbox's secret, and the sandbox the door's port
    sandbox.sender._url = f"http://127.0.0.1:{server.port}/webhooks/apple/main/message"
    async with sandbox:
        own = AppleSettings.model_validate(sandbox.settings_values)
        client = channel.client(own, no_blob)
        await client.open()
        yield Place(sandbox, server, inbox, client, own)
        await client.close()
    await server.close()


# ---------------------------------------------------------------- coming in


async def test_a_text_comes_through_our_door_proved_and_inflated(place):
    ana = place.sandbox.customer("Ana", language="es")
    await ana.handset.writes("Hola, ¿qué tal? 😀")
    [event] = await place.heard()
    assert place.inbox.events[0] == Ignored("typing_start")
    assert event.parts == (Text("Hola, ¿qué tal? 😀"),)
    assert (event.account, event.address.value, event.profile.language) == (
        place.sandbox.business_id,
        ana.address,
        "es-ES",
    )
    assert event.traits == "AUTH,AUTH2,FORM,LIST,QUICK,TIME"
    [bubble] = ana.handset.messages
    assert (bubble.is_own, bubble.ticks) == (True, 1)


async def test_an_old_phone_says_of_itself_that_it_shows_nothing(place):
    ana = place.sandbox.customer("Ana")
    ana.capabilities = ""
    await ana.writes("Hola")
    assert (await place.heard())[0].traits == ""


async def test_a_link_of_the_business_goes_with_the_first_message_only(place):
    ana = place.sandbox.customer("Ana")
    ana.entry = {"intent": "billing", "group": "accounts"}
    await ana.writes("Hola")
    await ana.writes("¿Hay alguien?")
    first, second = await place.heard()
    assert (first.referral, first.origin.title) == ("billing", "accounts")
    assert (second.referral, second.origin) == ("", None)


async def test_a_webhook_that_nobody_takes_is_lost_as_apples_are(place):
    await place.server.stop_accepting()
    ana = place.sandbox.customer("Ana")
    await ana.writes("Hola")
    await place.sandbox.settled()
    assert place.inbox.events == []
    assert len(place.sandbox.sender.lost) == 2
    assert ana.handset.messages == ()


async def test_a_redelivered_webhook_has_the_same_key(place):
    place.sandbox.sender.redeliver_next(2)
    await place.sandbox.customer("Ana").writes("Hola")
    first, again = await place.heard()
    assert first.event_key == again.event_key


async def test_a_picture_comes_as_a_file_that_can_be_fetched(place):
    ana = place.sandbox.customer("Ana")
    await ana.handset.sends_picture(PNG, name="IMG_1.png", mime="image/png", caption="Mira")
    [event] = await place.heard()
    text, media = event.parts
    assert text == Text("Mira")
    remote = await place.client.fetch(event.account, media.provider_ref)
    assert b"".join([chunk async for chunk in remote.chunks]) == PNG


async def test_a_place_is_nothing_that_the_app_sends(place):
    with pytest.raises(ValueError, match="place"):
        await place.sandbox.phone("Ana", "es").sends_place(1.0, 2.0)


async def test_typing_and_closing_are_told(place):
    ana = place.sandbox.customer("Ana")
    await ana.begins_typing(and_stops=True)
    await ana.closes()
    await place.sandbox.settled()
    typing, closed = place.inbox.events
    assert typing == Ignored("typing_end")
    assert isinstance(closed, ConsentChanged)
    assert closed.until_heard


async def test_who_closed_takes_nothing_until_they_write(place):
    ana = place.sandbox.customer("Ana")
    await ana.closes()
    with pytest.raises(GiveUp) as raised:
        await place.says(ana, Text("¿Sigues ahí?"))
    assert raised.value.code == "410"
    await ana.writes("Hola otra vez")
    await place.says(ana, Text("¡Hola!"))
    assert ana.handset.messages[-1].runs[0].text == "¡Hola!"


# ---------------------------------------------------------------- talking both ways


async def test_a_pressed_quick_reply_comes_back_with_its_value(place):
    person = place.sandbox.person("Ana", language="es")
    ana = place.sandbox.customer("Ana")
    await place.says(ana, Choice("¿Seguro?", (Option("Sí", "yes"), Option("No", "no"))))
    reply = await person.next_reply()
    assert (reply.text, reply.buttons) == ("¿Seguro?", ("Sí", "No"))
    await person.presses("No")
    [event] = await place.heard()
    assert event.parts == (Selection("no", "No", reply.id),)
    assert ana.handset.messages[-1].runs[0].text == "No"
    assert ana.handset.messages[0].quick == ()


async def test_a_line_of_a_list_comes_back_with_its_value(place):
    person = place.sandbox.person("Ana", language="es")
    ana = place.sandbox.customer("Ana")
    await place.says(ana, Choice("¿Cuál?", tuple(Option(f"Plan {n}", f"plan_{n}") for n in range(7))))
    sheet = ana.handset.messages[-1].sheet
    assert (sheet.label, len(sheet.rows)) == ("Elegir", 7)
    await person.presses("Plan 5")
    [event] = await place.heard()
    [pressed] = event.parts
    assert (pressed.value, pressed.label) == ("plan_5", "Plan 5")


async def test_several_lines_come_back_together(place):
    ana = place.sandbox.customer("Ana")
    await place.says(ana, Choice("¿Cuál?", tuple(Option(f"Plan {n}", f"plan_{n}") for n in range(7))))
    await ana.chooses(ana.handset.messages[-1].id, ["plan_1", "plan_4"])
    [event] = await place.heard()
    assert [part.value for part in event.parts] == ["plan_1", "plan_4"]


async def test_what_a_phone_cannot_show_is_refused_by_the_gateway(place):
    ana = place.sandbox.customer("Ana")
    ana.capabilities = "LIST"
    with pytest.raises(GiveUp) as raised:
        await place.says(ana, Choice("¿Seguro?", (Option("Sí", "yes"), Option("No", "no"))), traits="QUICK")
    assert raised.value.reason == "refused"


async def test_places_pages_and_files_look_like_themselves(place):
    ana = place.sandbox.customer("Ana", language="es")
    await place.says(ana, Location(40.0, -3.0, "Tienda"), Choice("Mira", (Option("Web", url="https://example.org/"),)))
    await place.says(ana, Media("document", blob="k", name="a.pdf", mime="application/pdf"))
    at, words, page, file = ana.handset.messages
    assert (at.attachments[0].kind, at.attachments[0].name) == ("place", "Tienda")
    assert words.runs[0].text == "Mira"
    assert page.cards[0].buttons[0].url == "https://example.org/"
    assert (file.attachments[0].kind, file.attachments[0].name) == ("file", "a.pdf")


def test_web_addresses_in_a_text_are_links():
    runs = list(runs_of("ver https://example.org/a y http://b.example"))
    assert [(run.text, bool(run.url)) for run in runs] == [
        ("ver ", False),
        ("https://example.org/a", True),
        (" y ", False),
        ("http://b.example", True),
    ]


async def test_a_press_on_what_is_gone_is_an_error(place):
    ana = place.sandbox.customer("Ana")
    ana.handset.shows(PhoneMessage(id="x", at=ana._clock.now(), quick=()))
    with pytest.raises(LookupError):
        await ana.handset.presses("x", "a")


# ---------------------------------------------------------------- the gateway


async def test_a_limit_and_a_break_are_told_on_demand(place):
    ana = place.sandbox.customer("Ana")
    place.sandbox.server.limit_next(retry_after_s=5)
    with pytest.raises(Retry) as raised:
        await place.says(ana, Text("Hola"))
    assert raised.value.after_s == 5
    assert raised.value.whole_account


GOOD = {"v": 1, "type": "text", "id": "0198c0de-0000-4000-8000-000000000001", "body": "Hola"}


@pytest.mark.parametrize(
    ("change", "headers", "status"),
    [
        ({}, {}, 200),
        ({}, {"id": "another"}, 400),
        ({}, {"Destination-Id": "urn:mbid:other"}, 400),
        ({}, {"Source-Id": "another"}, 403),
        ({}, {"Authorization": "Bearer x.y.z"}, 401),
        ({}, {"Authorization": ""}, 401),
        ({}, {"auto-reply": "yes"}, 400),
        ({}, {"Content-Type": "text/plain"}, 400),
        ({"v": 2}, {}, 400),
        ({"body": " "}, {}, 400),
        ({"colour": "red"}, {}, 400),
        ({"type": "hologram"}, {}, 400),
        ({"id": "no uuid"}, {"id": "no uuid"}, 400),
        ({"destinationId": "urn:mbid:nobody"}, {"Destination-Id": "urn:mbid:nobody"}, 404),
    ],
)
async def test_the_gateway_refuses_what_apples_does(place, change, headers, status):
    ana, sandbox = place.sandbox.customer("Ana"), place.sandbox
    body = {**GOOD, "sourceId": sandbox.business_id, "destinationId": ana.address, **change}
    token = made_token(sandbox.msp_id, place.settings.secret, ana._clock.now().timestamp())
    good = {
        "Authorization": f"Bearer {token}",
        "id": GOOD["id"],
        "Source-Id": sandbox.business_id,
        "Destination-Id": ana.address,
        "Content-Type": "application/json",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{sandbox.server.url}/v1/message", data=json.dumps(body), headers=good | headers) as answer,
    ):
        assert (answer.status, await answer.read() == b"") == (status, status == 200)


async def test_an_old_token_is_refused(place):
    sandbox = place.sandbox
    token = made_token(sandbox.msp_id, place.settings.secret, 1_767_225_600)
    headers = {"Authorization": f"Bearer {token}", "source-id": sandbox.business_id, "size": "1"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{sandbox.server.url}/v1/preUpload", headers=headers) as answer,
    ):
        assert answer.status == 401


FILE = {
    "name": "a",
    "mimeType": "image/png",
    "size": "3",
    "url": "https://p42.example/M1",
    "owner": "M1",
    "key": "00" + "ab" * 32,
    "signature-base64": "gQ==",
}


def judged(**content):
    base = {"v": 1, "id": GOOD["id"], "sourceId": "b", "destinationId": "urn:mbid:a"}
    try:
        return faults(read(json.dumps({**base, **content}).encode()))
    except Unreadable as error:
        return [str(error)]


def interactive(**data):
    data = {"version": "1.0", "requestIdentifier": "r", **data}
    return judged(type="interactive", interactiveData={"bid": EXTENSION, "data": data})


def items(count):
    return [{"identifier": str(n), "title": f"t{n}"} for n in range(count)]


@pytest.mark.parametrize(
    "found",
    [
        judged(type="text", body="x" * 10_001),
        judged(type="text", body="no mark", attachments=[FILE]),
        judged(type="text", body="\ufffc", attachments=[{**FILE, "key": "00"}]),
        judged(type="text", body="\ufffc", attachments=[{**FILE, "size": "0"}]),
        judged(type="text", body="\ufffc", attachments=[{**FILE, "owner": ""}]),
        judged(type="typing_start", body="x"),
        judged(type="interactive"),
        judged(type="richLink"),
        judged(
            type="richLink",
            richLinkData={"url": "x", "title": " ", "assets": {"image": {"data": "?", "mimeType": "a"}}},
        ),
        interactive(),
        interactive(**{"quick-reply": {"summaryText": "q", "items": items(1)}}),
        interactive(**{"quick-reply": {"summaryText": "q", "items": items(6)}}),
        interactive(**{"quick-reply": {"summaryText": " ", "items": items(2)}}),
        interactive(**{"quick-reply": {"summaryText": "q", "items": items(1) * 2}}),
        interactive(
            **{"quick-reply": {"summaryText": "q", "items": [*items(1), {"identifier": "x", "title": "t" * 25}]}}
        ),
        interactive(listPicker={"sections": []}, receivedMessage={"title": "a"}, replyMessage={"title": "a"}),
        interactive(listPicker={"sections": [{"title": "", "items": items(1)}]}),
    ],
)
def test_the_rules_find_a_fault(found):
    assert found


def test_the_rules_find_none_in_what_is_right():
    assert interactive(**{"quick-reply": {"summaryText": "q", "items": items(2)}}) == []
    assert judged(type="typing_start") == []
    assert judged(type="text", body="\ufffc", attachments=[FILE]) == []


# ---------------------------------------------------------------- the stage


async def test_the_demo_gets_people_and_a_phone():
    stage = Stage(
        webhook_url="http://127.0.0.1:9/webhooks/apple/main",
        origin="http://127.0.0.1:9",
        endpoint="main",
        bot_name="Nube",
        languages=("es",),
        starters={},
    )
    async with open_sandbox(stage) as sandbox:
        assert isinstance(sandbox, HasPeople)
        assert isinstance(sandbox, HasPhone)
        phone = sandbox.phone("Ana", "es")
        assert (phone.skin.title, phone.address) == ("Nube", address_of("Ana"))
        assert sandbox.customer("Ana").handset is phone


def test_a_persons_address_has_the_characters_that_apples_have():
    address = address_of("Ana")
    assert address == address_of("Ana") != address_of("Eva")
    assert all(sign in address for sign in "/+=")
