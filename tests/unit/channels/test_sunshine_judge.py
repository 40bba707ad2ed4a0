"""Zendesk's own client library as judge: it takes what we send, and our sandbox answers as it expects."""

import asyncio
import json
import uuid
from pathlib import Path

import pytest

import channels.sunshine
from channels.sunshine import channel
from channels.sunshine.sandbox import SunshineSandbox
from channels.sunshine.settings import SunshineSettings
from channels.sunshine.specimen import specimen
from gateway.core.messages import Author, Card, Cards, Choice, Location, Media, Option, Outgoing, Text

zendesk = pytest.importorskip("sunshine_conversations_client", reason="Zendesk's client library is not installed")

RECORDINGS = Path(channels.sunshine.__path__[0]) / "recordings"
OPTIONS = (Option("Mini", "mini", description="10 GB"), Option("Web", url="https://e.org/"))
PARTS = [
    Text("hola"),
    Text("**hola** [web](https://e.org/)", markup="markdown"),
    Choice("¿Cuál?", OPTIONS),
    Choice("¿Cuál?", OPTIONS[:1] * 2, style="list"),
    Choice("¿Sí?", (Option("Sí", "y"), Option("No", "n")), style="quick_replies"),
    Choice("¿Dónde?", (Option("Aquí", asks_for="location"), Option("No", "n")), style="quick_replies"),
    Cards((Card("Mini", "10 GB", "https://e.org/m.png", OPTIONS), Card("Maxi", options=OPTIONS))),
    Location(4.6, -74.1, "Oficina", "Calle 60"),
    Location(4.6, -74.1),
    Media("image", url="https://e.org/m.png", caption="Mini", name="m.png", mime="image/png"),
    Media("document", url="https://e.org/m.pdf", name="m.pdf"),
]


def calls(settings, part, recipient="c1", author=Author.BOT):
    message = Outgoing(uuid.uuid4(), uuid.uuid4(), 1, recipient, author, (part,), name="Luis", language="es")
    return channel.render(settings, message)


def without_nothing(value):
    """The library writes a null where a button has no metadata, and leaves out what only Sunshine may fill."""
    if isinstance(value, dict):
        return {key: without_nothing(inner) for key, inner in value.items() if inner is not None}
    return [without_nothing(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
@pytest.mark.parametrize("author", [Author.BOT, Author.AGENT, Author.SYSTEM])
def test_what_we_post_is_a_message_of_the_librarys_and_none_of_it_is_unknown(part, author):
    settings = SunshineSettings.model_validate(dict(specimen.settings_values))
    for call in calls(settings, part, author=author):
        body = call.params["message"]
        read = zendesk.MessagePost.from_json(json.dumps(body))
        assert without_nothing(json.loads(read.to_json())) == body


EVENTS = {
    "conversation:message": "ConversationMessageEvent",
    "conversation:postback": "ConversationPostbackEvent",
    "conversation:read": "ConversationReadEvent",
    "conversation:create": "ConversationCreateEvent",
    "conversation:referral": "ConversationReferralEvent",
    "conversation:message:delivery:channel": "ConversationMessageDeliveryChannelEvent",
    "conversation:message:delivery:user": "ConversationMessageDeliveryUserEvent",
    "conversation:message:delivery:failure": "ConversationMessageDeliveryFailureEvent",
    "switchboard:passControl": "SwitchboardPassControl",
    "switchboard:acceptControl": "SwitchboardAcceptControl",
    "switchboard:offerControl": "SwitchboardOfferControl",
    "switchboard:releaseControl": "SwitchboardReleaseControl",
    "user:merge": "UserMergeEvent",
}


LIBERAL = {"form_response_fallback", "surrogate"}
"""What we take although it is not quite as described."""


def recorded_events():
    """Recorded events that we understand, each with its trigger."""
    for path in sorted(RECORDINGS.glob("*.json")):
        recording = json.loads(path.read_text())
        is_known = all(expected["type"] != "Unparsed" for expected in recording["expected"])
        for event in recording["body"].get("events", []):
            if is_known and path.stem not in LIBERAL and event["type"] in EVENTS:
                yield pytest.param(event, id=path.stem)


@pytest.mark.parametrize("event", list(recorded_events()))
def test_what_we_recorded_is_an_event_of_the_librarys(event):
    read = getattr(zendesk, EVENTS[event["type"]]).from_dict(event)
    assert read.id == event["id"]
    assert read.payload is not None


@pytest.fixture
async def judged():
    async with SunshineSandbox() as sandbox:
        configuration = zendesk.Configuration(
            host=f"{sandbox.server.url}/sc", username=sandbox.key_id, password=sandbox.key_secret
        )
        with zendesk.ApiClient(configuration) as client:
            yield sandbox, client


async def test_the_library_can_talk_to_our_sandbox(judged):
    sandbox, client = judged
    ana = sandbox.person("Ana", language="es")
    post = zendesk.MessagePost.from_dict(
        {"author": {"type": "business"}, "content": {"type": "text", "text": "hola"}, "metadata": {"a": 1}}
    )
    posted = await asyncio.to_thread(
        zendesk.MessagesApi(client).post_message, sandbox.app_id, str(ana.id), post, _request_timeout=5
    )
    assert (await ana.next_reply(timeout_s=2)).id == posted.messages[0].id
    listed = await asyncio.to_thread(
        zendesk.MessagesApi(client).list_messages, sandbox.app_id, str(ana.id), _request_timeout=5
    )
    assert [message.metadata for message in listed.messages] == [{"a": 1}]
    activity = zendesk.ActivityPost.from_dict({"author": {"type": "business"}, "type": "typing:start"})
    await asyncio.to_thread(
        zendesk.ActivitiesApi(client).post_activity, sandbox.app_id, str(ana.id), activity, _request_timeout=5
    )
    assert ana.handset.view(0).typing_s > 0


async def test_the_library_can_read_what_connect_registered(judged):
    sandbox, client = judged

    async def no_blobs(_key):
        yield b""

    ours = channel.client(SunshineSettings.model_validate(dict(sandbox.settings_values)), no_blobs)
    await ours.open()
    await ours.connect("https://gateway.example/webhooks/sunshine/main")
    await ours.close()
    listed = await asyncio.to_thread(
        zendesk.IntegrationsApi(client).list_integrations, sandbox.app_id, _request_timeout=5
    )
    [integration] = [one for one in listed.integrations if one.type == "custom"]
    assert integration.webhooks[0].target == "https://gateway.example/webhooks/sunshine/main"
    boards = await asyncio.to_thread(zendesk.SwitchboardsApi(client).list_switchboards, sandbox.app_id)
    [board] = boards.switchboards
    seats = await asyncio.to_thread(
        zendesk.SwitchboardIntegrationsApi(client).list_switchboard_integrations, sandbox.app_id, board.id
    )
    [first] = [one for one in seats.switchboard_integrations if one.id == board.default_switchboard_integration_id]
    assert (first.name, first.integration_id, first.deliver_standby_events) == ("bot", integration.id, True)
    ana = sandbox.person("Ana")
    body = zendesk.PassControlBody(switchboardIntegration="next")
    await asyncio.to_thread(
        zendesk.SwitchboardActionsApi(client).pass_control, sandbox.app_id, str(ana.id), body, _request_timeout=5
    )
    assert sandbox.world.talks[str(ana.id)].active == first.next_switchboard_integration_id
