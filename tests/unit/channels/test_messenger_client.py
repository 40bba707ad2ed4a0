"""The line to Meta: what a call becomes, what its answer means, and how an account slows down."""

import asyncio
import json
import uuid
from datetime import UTC, datetime

import pytest

from channels._meta.failures import Usage
from channels._meta.messaging.client import MessagingClient
from channels._meta.messaging.people import NAME_CHARS, read_profile
from channels._meta.messaging.sandbox import is_profile, is_send
from channels._meta.messaging.sandbox_rules import refusal
from channels._meta.usage import EXHAUSTED_S, LONGEST_WAIT_S, Pace
from channels.discovery import read_settings, settings_problems
from channels.messenger import channel
from channels.messenger.dialect import MESSENGER
from channels.messenger.sandbox import messenger_sandbox
from channels.messenger.specimen import specimen
from channels.specimen import ProviderAnswer
from gateway.core.channel import Call
from gateway.core.clock import ManualClock
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry
from gateway.core.inbound import Profile
from gateway.core.messages import Author, Media, Outgoing, Reaction, Text

URL = "http://127.0.0.1:9/webhooks/messenger/main"


async def blobs(key):
    for _ in range({"small": 1, "large": 9, "huge": 26}[key]):
        yield b"x" * 1_000_000


def outgoing(recipient, *parts, **more):
    return Outgoing(uuid.uuid4(), uuid.uuid4(), 1, recipient, Author.BOT, parts, **more)


@pytest.fixture
async def sandbox():
    async with messenger_sandbox() as opened:
        yield opened


@pytest.fixture
async def client(sandbox):
    opened = channel.client(read_settings(channel, "main", sandbox.settings_values), blobs)
    await opened.open()
    yield opened
    await opened.close()


async def send(client, sandbox, *parts, to=None, **more):
    person = to or sandbox.person("Ana")
    calls = channel.render(
        read_settings(channel, "main", sandbox.settings_values), outgoing(person.address, *parts, **more)
    )
    return [await client.send(sandbox.account.id, call) for call in calls]


async def test_a_message_gets_its_mid_and_an_endpoint_with_one_page_needs_no_name(client, sandbox):
    [sent] = await send(client, sandbox, Text("hola"))
    assert sent.provider_message_ids == (sandbox.sent[0].mid,)
    assert await client.send("", Call("messages", dict(sandbox.sent[0].body)))


async def test_a_page_that_is_not_ours_and_a_call_that_is_not_known_are_refused(client):
    with pytest.raises(Misconfigured, match="accounts"):
        await client.send("999", Call("messages", {}))
    with pytest.raises(GiveUp, match="not_supported"):
        await client.send("", Call("dance", {}))


async def test_a_file_of_ours_is_uploaded_with_the_message_as_a_form(client, sandbox):
    person = sandbox.person("Ana")
    await send(client, sandbox, Media("document", blob="small", name="a.pdf", mime="application/pdf"), to=person)
    [shown] = person.handset.messages
    kept = person.handset.file(shown.attachments[0].file)
    assert (len(kept.content), kept.mime) == (1_000_000, "application/pdf")
    assert sandbox.sent[0].body["recipient"] == {"id": person.address}


async def test_a_file_that_meta_would_not_take_is_not_even_sent(client, sandbox):
    for media in (Media("image", blob="large"), Media("video", blob="huge")):
        with pytest.raises(GiveUp, match="too_large"):
            await send(client, sandbox, media)
    assert not sandbox.server.calls


async def test_a_reaction_has_no_id_of_its_own(client, sandbox):
    person = sandbox.person("Ana")
    mid = await person.writes("hola")
    [sent] = await send(client, sandbox, Reaction(mid, ("❤",)), to=person)
    assert sent.provider_message_ids == ()
    assert person.handset.message(mid).reactions == ("❤",)


async def test_typing_and_seen_show_on_the_phone(client, sandbox):
    person = sandbox.person("Ana")
    mid = await person.writes("hola")
    await client.typing(sandbox.account.id, person.address, mid)
    assert person.handset.view(0).typing_s > 10
    await client.acknowledge(sandbox.account.id, person.address)
    assert person.handset.message(mid).ticks == 2


async def test_a_message_that_is_there_already_is_as_good_as_sent(client, sandbox):
    sandbox.server.answer_next(refusal(506, "Duplicate"), which=is_send)
    [sent] = await send(client, sandbox, Text("hola"))
    assert sent.provider_message_ids == ()


async def test_an_attachment_that_meta_cannot_use_is_tried_once_more_only(client, sandbox):
    person = sandbox.person("Ana")
    message = outgoing(person.address, Media("image", url="https://a.example/a.png"))
    [call] = channel.render(read_settings(channel, "main", sandbox.settings_values), message)
    sandbox.server.answer_next(refusal(100, "Upload attachment failure", 2018047), count=2, which=is_send)
    with pytest.raises(Retry):
        await client.send(sandbox.account.id, call)
    with pytest.raises(GiveUp, match="refused"):
        await client.send(sandbox.account.id, call)


async def test_an_answer_that_says_nothing_leaves_it_open(client, sandbox):
    for body in (b"", b"{}", b"[]", b'{"message_id": 7}'):
        sandbox.server.answer_next(ProviderAnswer(200, body), which=is_send)
        with pytest.raises(Ambiguous):
            await send(client, sandbox, Text("hola"))


async def test_a_file_of_a_customer_is_fetched_from_metas_servers_only(client, sandbox):
    url = sandbox.keep(b"picture", "image/png", "a.png")
    remote = await client.fetch(sandbox.account.id, url)
    assert b"".join([chunk async for chunk in remote.chunks]) == b"picture"
    assert remote.mime == "image/png"
    assert "authorization" not in sandbox.server.calls[-1].headers
    with pytest.raises(GiveUp, match="no server of Meta"):
        await client.fetch(sandbox.account.id, "http://169.254.169.254/latest/meta-data")


async def test_no_error_tells_a_token(client, sandbox):
    token = sandbox.account.token
    sandbox.server.answer_next(refusal(190, f"Error validating {token}", 463), which=is_send)
    with pytest.raises(Misconfigured) as raised:
        await send(client, sandbox, Text("hola"))
    sandbox.server.answer_next(refusal(100, f"Bad {token}"), which=is_send)
    with pytest.raises(GiveUp) as given_up:
        await send(client, sandbox, Text("hola"))
    settings = read_settings(channel, "main", sandbox.settings_values)
    for shown in (str(raised.value), repr(raised.value), str(given_up.value), repr(settings)):
        assert token not in shown
        assert sandbox.app_secret not in shown


# ---------------------------------------------------------------- connecting


def levels(findings):
    return {(finding.about, finding.account): finding.level for finding in findings}


async def test_connect_registers_the_webhook_and_subscribes_the_page_and_the_doctor_agrees(client, sandbox):
    before = levels(await client.doctor(URL))
    assert (before["webhook", ""], before["webhook", "shop"]) == ("bad", "bad")
    findings = await client.connect(URL)
    assert {finding.level for finding in findings} == {"ok"}
    assert set(MESSENGER.fields) == sandbox.account.fields
    assert sandbox.callback["callback_url"] == URL
    assert set(levels(await client.doctor(URL)).values()) == {"ok"}


async def test_the_doctor_finds_a_webhook_that_leads_elsewhere_and_a_missing_event(client, sandbox):
    await client.connect(URL)
    sandbox.account.fields.discard("message_echoes")
    findings = await client.doctor("https://new.example/webhooks/messenger/main")
    said = " ".join(finding.what for finding in findings)
    assert "and not to https://new.example" in said
    assert "not subscribed to message_echoes" in said


async def test_the_doctor_finds_a_token_that_is_withdrawn_or_lacks_a_permission(client, sandbox, monkeypatch):
    await client.connect(URL)
    monkeypatch.setattr(
        sandbox, "app", type(sandbox.app)(**{**fields_of(sandbox.app), "permissions": ("pages_messaging",)})
    )
    assert levels(await client.doctor(URL))["permissions", "shop"] == "bad"
    sandbox.account.is_token_valid = False
    found = levels(await client.doctor(URL))
    assert (found["credentials", "shop"], found["webhook", "shop"]) == ("bad", "bad")


def fields_of(struct):
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


async def test_the_doctor_warns_of_a_token_that_ends_soon_and_of_another_apps(sandbox, client):
    soon = int(datetime(2026, 1, 8, tzinfo=UTC).timestamp())
    settings = read_settings(channel, "main", sandbox.settings_values)
    dated = MessagingClient(MESSENGER, settings, blobs, ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    await dated.open()
    await client.connect(URL)
    scopes = ["pages_messaging", "pages_manage_metadata"]
    seen = {"data": {"is_valid": True, "app_id": "999", "expires_at": soon, "scopes": scopes}}
    answer = ProviderAnswer(200, json.dumps(seen).encode())
    sandbox.server.answer_next(answer, which=lambda call: call.path.endswith("/debug_token"))
    findings = [finding for finding in await dated.doctor(URL) if finding.about == "credentials"]
    await dated.close()
    assert [finding.level for finding in findings] == ["ok", "bad", "warn", "ok"]
    assert "2026-01-08" in findings[2].what


async def test_the_doctor_finds_another_pages_token_and_an_allowance_that_runs_out(client, sandbox):
    await client.connect(URL)
    usage = {"X-App-Usage": json.dumps({"total_time": 93})}
    sandbox.server.answer_next(ProviderAnswer(200, b'{"id": "5"}', usage), which=lambda call: call.path.endswith("/me"))
    findings = {finding.what: finding.level for finding in await client.doctor(URL)}
    assert findings[f"the token is that of 5 and not of {sandbox.account.id}"] == "bad"
    assert findings["93 % of the allowance is used, and sends leave slowly"] == "warn"


async def test_the_doctor_says_what_it_cannot_see(sandbox):
    values = {**sandbox.settings_values, "app_id": ""}
    alone = channel.client(read_settings(channel, "main", values), blobs)
    await alone.open()
    assert levels(await alone.connect(URL))["webhook", ""] == "warn"
    assert levels(await alone.doctor(URL))["webhook", ""] == "warn"
    await alone.close()
    away = channel.client(read_settings(channel, "main", {**values, "api_url": "http://127.0.0.1:9"}), blobs)
    await away.open()
    assert all(finding.level != "ok" for finding in [*await away.connect(URL), *await away.doctor(URL)])
    await away.close()


# ---------------------------------------------------------------- slowing down


async def test_a_used_up_allowance_stops_the_account_until_meta_lets_it_go_on():
    clock = ManualClock()
    pace = Pace(clock, 80)
    pace.heed(Usage(percent=100, regain_s=300))
    with pytest.raises(Retry) as raised:
        await pace.wait()
    assert (raised.value.after_s, raised.value.whole_account) == (300, True)
    await clock.advance(300)
    pace.heed(Usage(percent=10))
    await pace.wait()
    pace.heed(Usage(percent=100))
    with pytest.raises(Retry) as raised:
        await pace.wait()
    assert raised.value.after_s == EXHAUSTED_S


async def test_an_allowance_that_runs_out_slows_the_account_and_others_do_not():
    clock = ManualClock()
    pace = Pace(clock, 80)
    for usage in (Usage(), Usage(percent=79.9)):
        pace.heed(usage)
        for _ in range(100):
            await pace.wait()
    pace.heed(Usage(percent=90))
    left_at = []

    async def leave():
        await pace.wait()
        left_at.append(clock.monotonic())

    leaving = [asyncio.create_task(leave()) for _ in range(3)]
    await clock.advance(0)
    with pytest.raises(Retry) as raised:
        await pace.wait()
    assert raised.value.whole_account
    assert LONGEST_WAIT_S < raised.value.after_s == pytest.approx(6)
    await clock.advance(10)
    await asyncio.gather(*leaving)
    assert left_at == pytest.approx([0, 2, 4])
    pace.heed(Usage(percent=20))
    await pace.wait()


async def test_the_headers_of_a_sent_message_are_heeded(client, sandbox):
    usage = json.dumps({sandbox.account.id: [{"type": "messenger", "call_count": 100}]})
    taken = ProviderAnswer(200, b'{"message_id": "m_1"}', {"X-Business-Use-Case-Usage": usage})
    sandbox.server.answer_next(taken, which=is_send)
    await send(client, sandbox, Text("hola"))
    with pytest.raises(Retry, match="used up"):
        await send(client, sandbox, Text("hola"))
    assert len(sandbox.server.calls) == 1


# ---------------------------------------------------------------- settings


def test_every_wrong_setting_is_named():
    values = dict(specimen.settings_values)

    def problems(**changed):
        return [
            problem.key.removeprefix("channels.messenger.main.")
            for problem in settings_problems(channel, "main", {**values, **changed})
        ]

    assert problems() == []
    assert problems(verify_token="") == ["verify_token"]
    assert problems(api_url="graph.facebook.com") == ["api_url"]
    assert problems(api_version="23") == ["api_version"]
    assert problems(app_id="my app") == ["app_id"]
    assert problems(accounts={}) == ["accounts"]
    page = {"page_id": "1", "access_token": "x"}
    assert problems(accounts={"a": page, "b": page}) == ["accounts"]
    assert problems(accounts={"a": {**page, "page_id": "shop"}}) == ["accounts.a.page_id"]
    assert problems(accounts={"a": {**page, "access_token": ""}}) == ["accounts.a.access_token"]
    assert problems(accounts={"a": {**page, "colour": "red"}}) == ["accounts.a.colour"]


async def test_meta_is_asked_who_somebody_is(client, sandbox):
    ana = sandbox.person("Ana María Ruiz", language="es")
    assert await client.profile(sandbox.account.id, ana.address) == Profile("Ana María Ruiz")
    assert sandbox.server.calls[-1].query["fields"] == "first_name,last_name,name"


async def test_the_language_is_asked_for_where_meta_allows_it():
    async with messenger_sandbox() as sandbox:
        values = {**sandbox.settings_values, "profile_fields": ["first_name", "last_name", "locale"]}
        client = channel.client(read_settings(channel, "main", values), blobs)
        await client.open()
        ana = sandbox.person("Ana Ruiz", language="pt")
        assert await client.profile("", ana.address) == Profile("Ana Ruiz", language="pt-BR")
        await client.close()


async def test_of_who_withholds_it_or_is_a_guest_nothing_is_told(client, sandbox):
    ana, bea = sandbox.person("Ana"), sandbox.person("Bea", has_started=False)
    ana.shows_profile = False
    assert await client.profile(sandbox.account.id, ana.address) is None
    assert await client.profile(sandbox.account.id, bea.address) is None
    assert await client.profile(sandbox.account.id, "7999") is None
    asked = len(sandbox.server.calls)
    for address in ("user_ref:guest-1", "../me", "7/x", "\u0667", ""):
        assert await client.profile(sandbox.account.id, address) is None
    assert len(sandbox.server.calls) == asked


async def test_what_is_everybodys_trouble_is_not_taken_for_one_persons(client, sandbox):
    ana = sandbox.person("Ana")
    sandbox.server.answer_next(refusal(613, "Too many calls", headers={"Retry-After": "9"}), which=is_profile)
    with pytest.raises(Retry) as limited:
        await client.profile(sandbox.account.id, ana.address)
    assert limited.value.after_s == 9
    sandbox.server.fail_next(which=is_profile)
    with pytest.raises(Retry):
        await client.profile(sandbox.account.id, ana.address)
    sandbox.server.drop_next(2, takes_effect=True, which=is_profile)
    with pytest.raises(Retry):
        await client.profile(sandbox.account.id, ana.address)
    sandbox.account.is_token_valid = False
    with pytest.raises(Misconfigured):
        await client.profile(sandbox.account.id, ana.address)


async def test_nobody_is_asked_about_while_the_allowance_runs_out_or_when_that_is_switched_off(client, sandbox):
    ana = sandbox.person("Ana")
    usage = {"X-App-Usage": json.dumps({"call_count": 95})}
    sandbox.server.answer_next(ProviderAnswer(200, b'{"name": "Ana"}', usage), which=is_profile)
    assert await client.profile(sandbox.account.id, ana.address) == Profile("Ana")
    with pytest.raises(Retry):
        await client.profile(sandbox.account.id, ana.address)
    settings = read_settings(channel, "main", {**sandbox.settings_values, "asks_names": False})
    assert await channel.client(settings, blobs).profile(sandbox.account.id, ana.address) is None
    assert len(sandbox.server.calls) == 1


@pytest.mark.parametrize(
    ("body", "profile"),
    [
        (b'{"name": " Ana\\u0000\\n Ruiz", "username": null}', Profile("Ana Ruiz")),
        (b'{"name": "", "username": "ana.ruiz", "locale": "es_ES"}', Profile("ana.ruiz", "ana.ruiz", "es-ES")),
        (b'{"first_name": "Ana"}', Profile("Ana")),
        (b'{"name": "Ana", "locale": "../x"}', Profile("Ana")),
        (b'{"id": "7"}', None),
        (b'{"name": 7}', None),
        (b"[]", None),
        (b"", None),
        (b'{"name": "\xff"}', None),
    ],
)
def test_whatever_is_told_of_a_person_is_read_or_left(body, profile):
    assert read_profile(body) == profile


def test_a_name_of_any_length_is_cut():
    assert len(read_profile(json.dumps({"name": "ñ" * 5000}).encode()).name) == NAME_CHARS
