"""Twilio's stand-in: its webhooks pass our proof, its rules are the documented ones, its faults are ours to ask for."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from channels.discovery import read_settings
from channels.sandbox_kit import HandsetCustomer, ProviderServer
from channels.sandboxes import HasPeople, HasPhones, Stage
from channels.twilio import channel
from channels.twilio.client import TwilioClient
from channels.twilio.sandbox import TwilioSandbox, open_sandbox
from channels.twilio.sandbox_rules import Refusal, check_content, check_message
from channels.twilio.sandbox_screen import runs_of
from gateway.core.channel import WebhookRequest
from gateway.core.clock import ManualClock
from gateway.core.errors import GiveUp
from gateway.core.inbound import ConsentChanged, Receipt, Received
from gateway.core.messages import Author, Choice, Location, Media, Option, Outgoing, Selection, Template, Text

WHATSAPP_TO = "whatsapp:+34600000001"
YES_NO = Choice("¿Vienes?", (Option("Sí", "yes"), Option("No", "no")))


class Gateway:
    """What stands at the webhook's address: proof and reading as in the product, and everything that was understood."""

    def __init__(self):
        self.server = ProviderServer([web.post("/webhooks/twilio/main", self._take)])
        self.settings = None
        self.events = []
        self.requests = []
        self.client = None

    @property
    def url(self):
        return f"{self.server.url}/webhooks/twilio/main"

    async def _take(self, request):
        body = await request.read()
        url = f"{self.server.url}{request.raw_path}"
        webhook = WebhookRequest("POST", url, request.headers, request.query, body)
        channel.verify(self.settings, webhook)
        self.requests.append(webhook)
        self.events += channel.parse(self.settings, webhook)
        return web.Response(status=204)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    async def says(self, heard, *parts):
        """Answer a message as the gateway would: to its address, with the traits that it brought."""
        message = Outgoing(
            uuid.uuid4(), uuid.uuid4(), 1, heard.address.value, Author.BOT, parts,
            account=heard.account, traits=heard.traits, language="es",
        )  # fmt: skip
        for call in channel.render(self.settings, message):
            await self.client.send(heard.account, call)
        return message


@pytest.fixture
def clock():
    return ManualClock(datetime(2026, 5, 28, 10, 45, tzinfo=UTC))


@pytest.fixture
async def talk(clock):
    gateway = Gateway()
    async with gateway.server, TwilioSandbox(webhook_url=gateway.url, clock=clock, retries_s=(0, 0, 0)) as sandbox:
        gateway.settings = read_settings(channel, "main", sandbox.settings_values)
        gateway.client = TwilioClient(gateway.settings, None)
        await gateway.client.open()
        yield sandbox, gateway
        await gateway.client.close()


# ---------------------------------------------------------------- both ways


@pytest.mark.parametrize("app", ["whatsapp", "sms"])
async def test_a_person_writes_and_reads_the_answer(talk, app):
    sandbox, gateway = talk
    ana = sandbox.person("Ana Ñandú", app=app)
    sid = await ana.writes("¿Tienen el plan Mini? 😀")
    await sandbox.settled()
    [heard] = gateway.of(Received)
    assert heard.parts == (Text("¿Tienen el plan Mini? 😀"),)
    assert heard.provider_message_id == sid
    assert heard.address.value == str(ana.id)
    assert heard.account == sandbox.world.senders[app]
    message = await gateway.says(heard, Text("Sí, **hoy**", "markdown"))
    reply = await ana.next_reply(timeout_s=1)
    assert reply.text == "Sí, hoy"
    await sandbox.settled()
    receipts = gateway.of(Receipt)
    assert [one.status for one in receipts] == (
        ["sent", "delivered", "read"] if app == "whatsapp" else ["sent", "delivered"]
    )
    assert {one.our_ref for one in receipts} == {str(message.message_id)}
    assert {one.provider_message_id for one in receipts} == {reply.id}


async def test_whatsapp_shows_buttons_and_a_list_and_brings_back_what_was_chosen(talk):
    sandbox, gateway = talk
    ana = sandbox.person("Ana")
    await ana.writes("hola")
    await sandbox.settled()
    await gateway.says(gateway.of(Received)[0], YES_NO)
    first = await ana.next_reply(timeout_s=1)
    assert (first.text, first.buttons) == ("¿Vienes?", ("Sí", "No"))
    await ana.presses("Sí")
    await sandbox.settled()
    assert gateway.of(Received)[1].parts == (Selection("yes", "Sí", first.id),)
    plans = tuple(Option(f"Plan {n}", f"p{n}", description=f"{n} GB") for n in range(5))
    await gateway.says(gateway.of(Received)[0], Choice("¿Cuál?", plans, style="list"))
    second = await ana.next_reply(timeout_s=1)
    assert second.message.sheet.label == "Ver opciones"
    assert [row.description for row in second.message.sheet.rows] == ["0 GB", "1 GB", "2 GB", "3 GB", "4 GB"]
    await ana.presses("Plan 3")
    await sandbox.settled()
    assert gateway.of(Received)[2].parts == (Selection("p3", "Plan 3", second.id),)


async def test_a_text_message_has_numbers_and_tells_its_segments(talk):
    sandbox, gateway = talk
    ana = sandbox.person("Ana", app="sms")
    await ana.writes("hola")
    await sandbox.settled()
    await gateway.says(
        gateway.of(Received)[0], Choice("¿Vienes mañana o pasado mañana a la tienda? " * 3, YES_NO.options)
    )
    reply = await ana.next_reply(timeout_s=1)
    assert "1. Sí" in reply.text
    assert reply.buttons == ()
    assert reply.message.facts == "3 SMS · UCS-2"


async def test_a_picture_comes_and_can_be_fetched_and_one_goes(talk):
    sandbox, gateway = talk
    ana = sandbox.person("Ana")
    await ana.sends_picture(b"\x89PNG picture", caption="mira")
    await sandbox.settled()
    [heard] = gateway.of(Received)
    [picture] = heard.parts
    assert (picture.kind, picture.caption, picture.mime) == ("image", "mira", "image/png")
    file = await gateway.client.fetch(heard.account, picture.provider_ref)
    assert b"".join([chunk async for chunk in file.chunks]) == b"\x89PNG picture"
    await gateway.says(heard, Media("image", url="https://x.example/a.png", caption="toma"))
    reply = await ana.next_reply(timeout_s=1)
    assert [one.url for one in reply.message.attachments] == ["https://x.example/a.png"]


async def test_a_place_comes_and_goes(talk):
    sandbox, gateway = talk
    ana = sandbox.person("Ana")
    await ana.sends_place(40.4, -3.7)
    await sandbox.settled()
    [heard] = gateway.of(Received)
    assert heard.parts == (Location(40.4, -3.7),)
    await gateway.says(heard, Location(41.0, 2.0, "Tienda"))
    [shown] = (await ana.next_reply(timeout_s=1)).message.attachments
    assert (shown.kind, shown.name) == ("place", "Tienda")
    with pytest.raises(ValueError, match="no place"):
        await sandbox.person("Ana", app="sms").sends_place(1, 2)


async def test_a_person_has_two_phones_and_each_is_an_address_of_its_own(talk):
    sandbox, _ = talk
    assert isinstance(sandbox, HasPhones)
    assert isinstance(sandbox, HasPeople)
    phones = sandbox.phones("Ana", "es")
    assert list(phones) == ["whatsapp", "sms"]
    assert len({phone.address for phone in phones.values()}) == 2
    assert {phone.skin.app for phone in phones.values()} == {"WhatsApp · Twilio", "SMS · Twilio"}
    again = TwilioSandbox().phones("Ana", "es")
    assert [phone.address for phone in again.values()] == [phone.address for phone in phones.values()]
    phones["sms"].speaks("pt")
    assert sandbox.someone("Ana", "sms").language == "pt"


async def test_the_demos_sandbox_opens_from_a_stage():
    stage = Stage(
        webhook_url="http://127.0.0.1:9/webhooks/twilio/demo",
        origin="http://127.0.0.1:9",
        endpoint="demo",
        bot_name="Lumen",
        languages=("es",),
        starters={},
    )
    async with open_sandbox(stage) as sandbox:
        assert sandbox.phones("Ana", "es")["whatsapp"].skin.title == "Lumen"
        settings = read_settings(channel, "demo", sandbox.settings_values)
        assert not any(account.rates.is_limited for account in channel.accounts(settings))


# ---------------------------------------------------------------- the rules


async def test_after_24_hours_free_words_fail_by_callback_and_a_template_goes(talk, clock):
    sandbox, gateway = talk
    sid = sandbox.world.add_template("back", {"language": "es", "types": {"twilio/text": {"body": "Hola {{1}}"}}})
    ana = sandbox.person("Ana")
    await ana.writes("hola")
    await sandbox.settled()
    [heard] = gateway.of(Received)
    await clock.advance(86_401)
    await gateway.says(heard, Text("¿Sigues ahí?"))
    await gateway.says(heard, YES_NO)
    await sandbox.settled()
    assert [(one.status, one.code, one.meaning) for one in gateway.of(Receipt)] == [
        ("failed", "63016", "window_closed")
    ] * 2
    assert not ana.has_unread
    await gateway.says(heard, Template(sid, "es", ("Ana",)))
    assert (await ana.next_reply(timeout_s=1)).text == "Hola Ana"


async def test_stop_is_told_and_blocks_until_start(talk):
    sandbox, gateway = talk
    ana = sandbox.person("Ana", app="sms")
    await ana.writes("Stop")
    await sandbox.settled()
    heard, consent = gateway.events
    assert isinstance(consent, ConsentChanged)
    assert not consent.is_opted_in
    assert "unsubscribed" in (await ana.next_reply(timeout_s=1)).text
    with pytest.raises(GiveUp) as refusal:
        await gateway.says(heard, Text("¡Espera!"))
    assert (refusal.value.reason, refusal.value.code) == ("opted_out", "21610")
    await ana.writes("START")
    await sandbox.settled()
    assert gateway.of(ConsentChanged)[-1].is_opted_in
    assert "re-subscribed" in (await ana.next_reply(timeout_s=1)).text
    await gateway.says(heard, Text("Hola otra vez"))
    assert (await ana.next_reply(timeout_s=1)).text == "Hola otra vez"
    await ana.writes("HELP")
    await sandbox.settled()
    assert len(gateway.of(ConsentChanged)) == 2


@pytest.mark.parametrize(("to", "code"), [("whatsapp:+34611111111", "63024"), ("+34611111111", "30005")])
async def test_nobody_at_an_address_is_told_by_callback(talk, to, code):
    sandbox, gateway = talk
    app = "whatsapp" if to.startswith("whatsapp") else "sms"
    message = Outgoing(
        uuid.uuid4(), uuid.uuid4(), 1, to, Author.BOT, (Text("hola"),), account=sandbox.world.senders[app]
    )
    [call] = channel.render(gateway.settings, message)
    await gateway.client.send("", call)
    await sandbox.settled()
    [receipt] = gateway.of(Receipt)
    assert (receipt.status, receipt.code, receipt.meaning) == ("failed", code, "unreachable")


GOOD = {"To": [WHATSAPP_TO], "From": ["whatsapp:+15005550010"], "Body": ["hola"]}
CONTENTS = {
    "HX" + "a" * 32: {
        "types": {"twilio/quick-reply": {"body": "{{1}}", "actions": [{"title": "{{2}}", "id": "{{3}}"}]}},
    },
    "HX" + "b" * 32: {
        "types": {
            "twilio/list-picker": {
                "body": "{{1}}", "button": "{{2}}", "items": [{"item": "{{3}}", "id": "{{4}}", "description": "{{5}}"}],
            }
        }
    },
}  # fmt: skip


def quick(title="Sí", value="yes", body="¿?"):
    variables = f'{{"1": "{body}", "2": "{title}", "3": "{value}"}}'
    return {"Body": [], "ContentSid": ["HX" + "a" * 32], "ContentVariables": [variables]}


def picked(item="Sí", value="yes", description="d", button="b"):
    variables = f'{{"1": "¿?", "2": "{button}", "3": "{item}", "4": "{value}", "5": "{description}"}}'
    return {"Body": [], "ContentSid": ["HX" + "b" * 32], "ContentVariables": [variables]}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"To": []}, 21604),
        ({"From": []}, 21603),
        ({"To": ["+34600000001"]}, 21910),
        ({"To": ["whatsapp:34600"]}, 21211),
        ({"To": GOOD["From"]}, 63031),
        ({"Body": ["x" * 1601]}, 21617),
        ({"Body": ["😀" * 801]}, 21617),
        ({"Body": []}, 21619),
        ({"Body": ["  "]}, 21619),
        ({"StatusCallback": ["?ref=1"]}, 21609),
        ({"ValidityPeriod": ["36001"]}, 20001),
        ({"SmartEncoded": ["yes"]}, 20001),
        ({"MediaUrl": ["https://x/1", "https://x/2"]}, 21623),
        ({"MediaUrl": ["blob:1"]}, 21620),
        ({"PersistentAction": ["geo:1"]}, 63030),
        ({"PersistentAction": ["geo:91.0,2.0|x"]}, 63021),
        ({"ContentVariables": ["{}"]}, 21655),
        ({**quick(), "ContentSid": ["HX1"]}, 21655),
        ({**quick(), "ContentSid": ["HX" + "0" * 32]}, 21655),
        ({**quick(), "Body": ["x"]}, 21655),
        ({**quick(), "ContentVariables": ["["]}, 21656),
        ({**quick(), "ContentVariables": ['{"1": "x"}']}, 21656),
        (quick(title=""), 21656),
        (quick(title="x" * 21), 63021),
        (quick(value="x" * 201), 63021),
        (quick(body="x" * 1025), 63021),
        (picked(item="x" * 25), 63021),
        (picked(description="x" * 73), 63021),
        (picked(description=" "), 63021),
        (picked(button="x" * 21), 63021),
    ],
)
def test_a_call_beyond_the_limits_is_refused_by_its_code(changed, code):
    with pytest.raises(Refusal) as refusal:
        check_message({**GOOD, **changed}, CONTENTS)
    assert refusal.value.code == code


@pytest.mark.parametrize("changed", [{}, quick(), picked(), {"Body": ["x" * 1600]}, {"MediaUrl": ["https://x/1"]}])
def test_a_call_within_the_limits_is_taken(changed):
    check_message({**GOOD, **changed}, CONTENTS)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"language": "es", "types": {}},
        {"types": {"twilio/text": {"body": "x"}}},
        {"language": "es", "types": {"twilio/hologram": {}}},
        {"language": "es", "types": {"twilio/text": "x"}},
        {"language": "es", "types": {"twilio/quick-reply": {"body": "x", "actions": []}}},
        {"language": "es", "types": {"twilio/list-picker": {"body": "x", "items": [{}] * 11}}},
    ],
)
def test_a_content_of_another_shape_is_refused(content):
    with pytest.raises(Refusal):
        check_content(content)


# ---------------------------------------------------------------- faults


async def test_a_webhook_that_failed_comes_again_and_is_the_same_event(talk):
    sandbox, gateway = talk
    gateway.server.fail_next(2, status=503)
    await sandbox.person("Ana").writes("hola")
    await sandbox.settled()
    assert len(gateway.of(Received)) == 1
    sandbox.sender.redeliver_next()
    await sandbox.person("Ana").writes("otra")
    await sandbox.settled()
    keys = [event.event_key for event in gateway.of(Received)]
    assert len(keys) == 3
    assert keys[1] == keys[2]
    tokens = {request.headers["I-Twilio-Idempotency-Token"] for request in gateway.requests}
    assert len(tokens) == 3


async def test_a_webhook_that_always_fails_is_lost_as_with_twilio(talk):
    sandbox, gateway = talk
    gateway.server.fail_next(4, status=500)
    await sandbox.person("Ana").writes("hola")
    await sandbox.settled()
    assert gateway.events == []
    assert len(sandbox.sender.lost) == 1


async def test_receipts_may_overtake_one_another(talk):
    sandbox, gateway = talk
    ana = sandbox.person("Ana")
    await ana.writes("hola")
    await sandbox.settled()
    sandbox.sender.reorder_next(3)
    await gateway.says(gateway.of(Received)[0], Text("sí"))
    await sandbox.settled()
    assert [one.status for one in gateway.of(Receipt)] == ["read", "delivered", "sent"]


async def test_a_webhook_is_not_taken_twice_at_a_time_by_one_person(talk):
    sandbox, gateway = talk
    ana = sandbox.person("Ana")
    for number in range(10):
        await ana.writes(str(number))
    await sandbox.settled()
    assert [event.parts[0].text for event in gateway.of(Received)] == [str(number) for number in range(10)]


async def test_people_are_forgotten_by_nobody_and_age_when_asked(talk):
    sandbox, _ = talk
    ana = sandbox.person("Ana", has_started=True)
    assert isinstance(ana, HandsetCustomer)
    person = sandbox.someone("Ana", "whatsapp")
    before = person.heard_at
    sandbox.world.ages("Ana", "whatsapp", timedelta(hours=25))
    assert before - person.heard_at == 90_000
    assert sandbox.world.at_address(person.address) is sandbox.world.at_address(person.known_as) is person


async def test_an_empty_or_overlong_text_is_not_sent(talk):
    sandbox, _ = talk
    ana = sandbox.person("Ana")
    for text in ("  ", "x" * 1601):
        with pytest.raises(ValueError, match=r"send|at most"):
            await ana.writes(text)
    with pytest.raises(ValueError, match="5 MB"):
        await ana.sends_picture(b"x" * 5_000_001)


def test_whatsapps_signs_are_read_and_a_text_message_shows_them():
    runs = runs_of("whatsapp", "*a* _b_ ~c~ `d` 2*3*4 https://x.example/p fin")
    assert [(run.text, run.look) for run in runs if run.look] == [
        ("a", ("bold",)),
        ("b", ("italic",)),
        ("c", ("strike",)),
        ("d", ("code",)),
    ]
    assert [run.url for run in runs if run.url] == ["https://x.example/p"]
    assert "".join(run.text for run in runs).startswith("a b c d 2*3*4")
    assert runs_of("sms", "*a*")[0].text == "*a*"


async def test_everything_opens_and_closes_in_order():
    sandbox = TwilioSandbox()
    async with asyncio.timeout(5), sandbox:
        assert sandbox.server.url.startswith("http://127.0.0.1:")
