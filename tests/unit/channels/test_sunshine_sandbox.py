"""The stand-in for Sunshine keeps its rules, and what happens in it is understood by the channel."""

import asyncio
import json
import uuid

import aiohttp
import pytest
from aiohttp import web

from channels.sandbox_kit import ProviderServer
from channels.sandboxes import HasPeople, HasPhone, Stage
from channels.sunshine import channel
from channels.sunshine.sandbox import SCHEDULE_S, SunshineSandbox, open_sandbox
from channels.sunshine.sandbox_rules import faults_of
from channels.sunshine.settings import SunshineSettings
from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadSignature
from gateway.core.inbound import AddressMoved, ControlMoved, Echoed, Receipt, Received, SeenUpTo
from gateway.core.messages import Author, Card, Cards, Choice, Location, Media, Option, Outgoing, Selection, Text


async def no_blobs(_key):
    yield b"content"


class Gateway:
    """Takes webhooks as the product does: verified, parsed, collected."""

    def __init__(self):
        self.events, self.requests, self.statuses = [], [], []
        self.sandbox = None

    @property
    def settings(self):
        return SunshineSettings.model_validate(dict(self.sandbox.settings_values))

    async def take(self, request):
        headers = {name.lower(): value for name, value in request.headers.items()}
        webhook = WebhookRequest("POST", str(request.url), headers, {}, await request.read())
        self.requests.append(webhook)
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        channel.verify(self.settings, webhook)
        self.events += channel.parse(self.settings, webhook)
        return web.Response()

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    async def says(self, recipient, *parts):
        message = Outgoing(uuid.uuid4(), uuid.uuid4(), 1, str(recipient), Author.BOT, parts, language="es")
        client = channel.client(self.settings, no_blobs)
        await client.open()
        try:
            for call in channel.render(self.settings, message):
                await client.send("", call)
        finally:
            await client.close()
        return message


@pytest.fixture
async def gateway():
    taking = Gateway()
    async with (
        ProviderServer([web.post("/hook", taking.take)]) as server,
        SunshineSandbox(f"{server.url}/hook", time_scale=0.0001) as sandbox,
    ):
        taking.sandbox = sandbox
        yield taking


@pytest.fixture
def sandbox(gateway):
    return gateway.sandbox


@pytest.fixture
def ana(sandbox):
    return sandbox.person("Ana", language="es")


async def api(sandbox, method, path, body=None):
    url = f"{sandbox.server.url}/sc/v2/apps/{sandbox.app_id}{path}"
    headers = {"Authorization": aiohttp.encode_basic_auth(sandbox.key_id, sandbox.key_secret)}
    async with aiohttp.ClientSession(headers=headers) as session, session.request(method, url, json=body) as response:
        return response.status, json.loads(await response.read() or b"{}")


async def test_a_visitors_words_reach_us_and_ours_reach_the_visitor(gateway, sandbox, ana):
    await ana.writes("hola")
    await sandbox.settled()
    [heard] = gateway.of(Received)
    assert (heard.parts, heard.profile.name, heard.profile.language) == ((Text("hola"),), "Ana", "es")
    message = await gateway.says(heard.address.value, Text("¡Hola, Ana!"))
    assert (await ana.next_reply(timeout_s=2)).text == "¡Hola, Ana!"
    await sandbox.settled()
    [echo] = gateway.of(Echoed)
    assert (echo.by, echo.our_ref) == ("us", str(message.message_id))
    assert [receipt.status for receipt in gateway.of(Receipt)] == ["sent", "delivered"]
    assert {receipt.provider_message_id for receipt in gateway.of(Receipt)} == {echo.provider_message_id}


async def test_all_that_can_be_pressed_comes_back_with_its_value(gateway, sandbox, ana):
    await gateway.says(ana.id, Choice("¿Cuál?", (Option("Mini", "mini"), Option("Web", url="https://e.org/"))))
    await gateway.says(ana.id, Choice("¿Sí?", (Option("Sí", "yes"), Option("No", "no")), style="quick_replies"))
    assert (await ana.next_reply(timeout_s=2)).buttons == ("Mini", "Web")
    assert (await ana.next_reply(timeout_s=2)).buttons == ("Sí", "No")
    await ana.presses("Mini")
    await ana.presses("Sí")
    await sandbox.settled()
    assert [heard.parts for heard in gateway.of(Received)] == [(Selection("mini"),), (Selection("yes", "Sí"),)]


async def test_cards_and_lists_are_shown_and_pressed(gateway, sandbox, ana):
    cards = (Card("Mini", "10 GB", options=(Option("Elegir", "mini"),)), Card("Maxi", options=(Option("Tomar", "x"),)))
    await gateway.says(ana.id, Cards(cards))
    reply = await ana.next_reply(timeout_s=2)
    assert [(card.title, card.subtitle) for card in reply.message.cards] == [("Mini", "10 GB"), ("Maxi", "")]
    await ana.presses("Tomar")
    options = (Option("Uno", "1", description="primero"), Option("Dos", "2", description="segundo"))
    await gateway.says(ana.id, Choice("¿?", options, style="list"))
    await ana.next_reply(timeout_s=2)
    assert [card.title for card in (await ana.next_reply(timeout_s=2)).message.cards] == ["Uno", "Dos"]
    await sandbox.settled()
    assert gateway.of(Received)[-1].parts == (Selection("x"),)


async def test_pictures_places_and_requests_for_places_go_both_ways(gateway, sandbox, ana):
    await ana.sends_picture(b"picture", caption="Mire")
    await ana.sends_place(4.5, -74.5)
    await gateway.says(ana.id, Location(4.6, -74.1, "Oficina", "Calle 60"))
    [place] = (await ana.next_reply(timeout_s=2)).message.attachments
    assert (place.kind, place.name, place.facts) == ("place", "Oficina", "Calle 60")
    await gateway.says(ana.id, Choice("¿Dónde?", (Option("Aquí", asks_for="location"),), style="quick_replies"))
    await ana.next_reply(timeout_s=2)
    await ana.presses("Aquí")
    await sandbox.settled()
    kinds = [type(part) for heard in gateway.of(Received) for part in heard.parts]
    assert kinds == [Media, Text, Location, Location]


async def test_control_goes_to_the_agents_and_comes_back_with_the_reason(gateway, sandbox, ana):
    await ana.writes("quiero un agente")
    sandbox.pass_to_agents(ana.id)
    sandbox.agent_says(ana.id, "Soy Luis", name="Luis")
    await ana.writes("gracias")
    sandbox.closes_ticket(ana.id)
    await ana.writes("otra cosa")
    await sandbox.settled()
    moves = [(moved.to, moved.reason) for moved in gateway.of(ControlMoved)]
    assert moves == [("elsewhere", "passControl"), ("elsewhere", "standby"), ("us", "ticketClosed")]
    assert [(echo.by, echo.name) for echo in gateway.of(Echoed)] == [("agent", "Luis")]
    assert [bool(heard.acknowledge) for heard in gateway.of(Received)] == [True, False, True]


async def test_an_offer_is_taken_with_the_visitors_next_words(gateway, sandbox, ana):
    path = f"/conversations/{ana.id}"
    offer = {"switchboardIntegration": "next", "metadata": {"reason": "asked"}}
    assert (await api(sandbox, "POST", f"{path}/offerControl", offer))[0] == 200
    described = (await api(sandbox, "GET", path))[1]["conversation"]
    assert described["activeSwitchboardIntegration"]["name"] == "bot"
    assert described["pendingSwitchboardIntegration"]["integrationType"] == "zd:agentWorkspace"
    await ana.writes("¿hola?")
    await sandbox.settled()
    assert [moved.reason for moved in gateway.of(ControlMoved)] == ["acceptControl", "standby"]


async def test_the_switchboard_refuses_what_makes_no_sense(sandbox, ana):
    path = f"/conversations/{ana.id}"
    assert (await api(sandbox, "POST", f"{path}/acceptControl", {}))[0] == 403
    assert (await api(sandbox, "POST", f"{path}/offerControl", {"switchboardIntegration": "bot"}))[0] == 403
    assert (await api(sandbox, "POST", f"{path}/passControl", {"switchboardIntegration": "none"}))[0] == 404
    assert (await api(sandbox, "POST", "/conversations/none/passControl", {"switchboardIntegration": "next"}))[0] == 404
    assert (await api(sandbox, "POST", f"{path}/releaseControl", {}))[0] == 200
    assert sandbox.world.talks[ana.id].active == ""


async def test_who_is_not_in_control_and_does_not_listen_hears_nothing(gateway, sandbox, ana):
    seat = sandbox.world.seats[sandbox.world.first]
    seat.hears_standby = False
    sandbox.pass_to_agents(ana.id)
    await ana.writes("¿hay alguien?")
    await sandbox.settled()
    assert gateway.events == []
    sandbox.closes_ticket(ana.id)
    await sandbox.settled()
    assert [moved.to for moved in gateway.of(ControlMoved)] == ["us"]


async def test_reading_merging_and_failing_are_told(gateway, sandbox, ana):
    ben = sandbox.person("Ben")
    sandbox.reads(ana.id)
    sandbox.fails_delivery(ana.id, "m1", "user_blocked", "blocked")
    sandbox.merges(ben.id, ana.id)
    await sandbox.settled()
    [seen] = gateway.of(SeenUpTo)
    assert (seen.address.value, seen.status) == (ana.id, "read")
    [receipt] = gateway.of(Receipt)
    assert (receipt.provider_message_id, receipt.meaning) == ("m1", "opted_out")
    [moved] = gateway.of(AddressMoved)
    assert (moved.address.value, moved.alias.value) == (ben.id, ana.id)


async def test_a_webhook_is_tried_five_times_and_then_lost(gateway, sandbox, ana):
    assert len(SCHEDULE_S) == 4
    assert sum(SCHEDULE_S) < 15 * 60
    sandbox.world.talks[ana.id].messages.append({"id": "m0"})  # no longer the first: only one event for a message
    gateway.statuses = [500] * 4
    await ana.writes("hola")
    await sandbox.settled()
    assert len(gateway.requests) == 5
    assert len(gateway.of(Received)) == 1
    gateway.statuses = [500] * 5
    await ana.writes("adiós")
    await sandbox.settled()
    assert len(sandbox.sender.lost) == 1


async def test_a_webhook_that_was_refused_for_good_is_not_tried_again(gateway, sandbox, ana):
    sandbox.world.talks[ana.id].messages.append({"id": "m0"})
    gateway.statuses = [401]
    await ana.writes("hola")
    await sandbox.settled()
    assert len(gateway.requests) == len(sandbox.sender.lost) == 1


async def test_redelivered_reordered_and_batched_webhooks_hold_the_same_events(gateway, sandbox, ana):
    await ana.writes("cero")
    await sandbox.settled()
    gateway.events.clear()
    sandbox.sender.redeliver_next(1)
    await ana.writes("uno")
    await sandbox.settled()
    assert len({heard.event_key for heard in gateway.of(Received)}) == 1
    assert len(gateway.of(Received)) == 2
    gateway.events.clear()
    sandbox.sender.batch_next(3)
    for text in ("dos", "tres", "cuatro"):
        await ana.writes(text)
    await sandbox.settled()
    assert [heard.parts[0].text for heard in gateway.of(Received)] == ["dos", "tres", "cuatro"]
    gateway.events.clear()
    sandbox.sender.reorder_next(2)
    for text in ("cinco", "seis"):
        await ana.writes(text)
    await sandbox.settled()
    assert [heard.parts[0].text for heard in gateway.of(Received)] == ["seis", "cinco"]


async def test_without_the_key_nothing_is_served(sandbox, ana):
    url = f"{sandbox.server.url}/sc/v2/apps/{sandbox.app_id}/conversations/{ana.id}/messages"
    async with aiohttp.ClientSession() as session:
        for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer a.b.c"}):
            async with session.get(url, headers=headers) as response:
                assert response.status == 401
                assert (await response.json())["errors"][0]["code"] == "unauthorized"


async def test_a_webhook_with_another_secret_is_not_taken(gateway, sandbox, ana):
    await ana.writes("hola")
    await sandbox.settled()
    sandbox.webhook_secret = "a new one"
    with pytest.raises(BadSignature):
        channel.verify(gateway.settings, gateway.requests[0])


async def test_a_full_conversation_and_a_body_that_is_too_large_are_refused(sandbox, ana):
    path = f"/conversations/{ana.id}/messages"
    message = {"author": {"type": "business"}, "content": {"type": "text", "text": "x"}}
    assert (await api(sandbox, "POST", path, {**message, "padding": "x" * 100_000}))[0] == 413
    sandbox.world.messages_at_most = 1
    assert (await api(sandbox, "POST", path, message))[0] == 201
    assert (await api(sandbox, "POST", path, message))[0] == 423
    status, answer = await api(sandbox, "POST", path, {"author": {"type": "robot"}, "content": {"type": "text"}})
    assert status == 400
    assert [error["title"] for error in answer["errors"]] == [
        "author.type must be business or user",
        "text is required",
    ]


BUSINESS = {"type": "business"}
REPLY = {"type": "reply", "text": "a", "payload": "p"}
BUTTON = {"type": "postback", "text": "a", "payload": "p"}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"type": "text", "text": "x" * 4097}, "text must be at most 4096 characters"),
        ({"type": "text", "htmlText": "a", "markdownText": "b"}, "htmlText cannot be used with markdownText"),
        (
            {"type": "text", "text": "x", "actions": [BUTTON, REPLY]},
            "reply actions cannot be mixed with others",
        ),
        ({"type": "text", "text": "x", "actions": [{**BUTTON, "text": ""}]}, "an action needs a text"),
        ({"type": "text", "text": "x", "actions": [{**BUTTON, "payload": ""}]}, "an action needs a payload"),
        ({"type": "image"}, "mediaUrl must be a http or https address"),
        ({"type": "location"}, "coordinates.lat and coordinates.long are required"),
        ({"type": "carousel", "items": []}, "items must hold 1 to 10"),
        ({"type": "carousel", "items": [{"title": "x"}]}, "actions must hold 1 to 3"),
        (
            {
                "type": "carousel",
                "items": [{"title": "x", "actions": [REPLY]}],
            },
            "an action of the type reply has no place here",
        ),
        (
            {"type": "list", "items": [{"title": "x" * 129, "actions": [BUTTON]}]},
            "title must be at most 128 characters",
        ),
        ({"type": "image", "mediaUrl": "https://e.org/a", "mediaType": "image/png"}, "mediaType is read only"),
        ({"type": "hologram"}, "content.type must be one of text, image, file, location, carousel, list"),
    ],
)
def test_what_sunshine_would_refuse_is_refused(content, fault):
    assert faults_of({"author": BUSINESS, "content": content}) == [fault]


def test_metadata_is_flat_and_small():
    content = {"type": "text", "text": "x"}
    for metadata in ({"a": {"b": 1}}, {"a": "x" * 5000}, "x"):
        assert len(faults_of({"author": BUSINESS, "content": content, "metadata": metadata})) == 1


async def test_the_demo_has_people_and_a_phone_of_the_widgets_look():
    stage = Stage(
        webhook_url="http://127.0.0.1:9/webhooks/sunshine/demo",
        origin="http://127.0.0.1:9",
        endpoint="demo",
        bot_name="Cumbre",
        languages=("es",),
        starters={},
    )
    async with open_sandbox(stage) as sandbox:
        assert isinstance(sandbox, HasPeople)
        assert isinstance(sandbox, HasPhone)
        phone = sandbox.phone("Ana", "es")
        assert phone is sandbox.phone("Ana", "es")
        assert (phone.skin.app, phone.skin.title) == ("Zendesk messaging", "Cumbre")
        assert SunshineSettings.model_validate(dict(sandbox.settings_values)).rates.per_s == 0


def test_a_visitor_is_the_same_in_every_run():
    first, second = (SunshineSandbox().person("Ana").id for _ in range(2))
    assert first == second != SunshineSandbox().person("Ben").id


async def test_a_target_outside_of_this_machine_is_never_called(sandbox, ana):
    [hook] = sandbox.world.hooks.values()
    hook.target = "https://gateway.example/hook"
    await ana.writes("hola")
    await asyncio.wait_for(sandbox.settled(), 2)
    assert sandbox.sender.taken_count == 0
    assert sandbox.sender.failure_count == 0


async def test_what_a_desk_mirrors_for_agents_is_no_message_of_a_visitor(gateway, sandbox, ana):
    sandbox.world.hears(
        sandbox.world.talk(ana.id),
        {"type": "text", "text": "hola"},
        {"type": "api:conversations"},
        metadata={"tertulia_post": "m1", "tertulia_piece": 0},
    )
    await sandbox.settled()
    assert gateway.of(Received) == []
