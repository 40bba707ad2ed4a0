"""What the client makes of Meta's answers, files and set-up, against the sandbox."""

import base64
import hashlib

import pytest
from aiohttp import web
from whatsapp_talking import Kept, Webhook, outgoing, talking

from channels._meta.failures import GraphError
from channels.sandbox_server import ServedCall
from channels.specimen import ProviderAnswer
from channels.whatsapp.client import announced_digest
from channels.whatsapp.failures import named
from channels.whatsapp.sandbox import WhatsAppSandbox, is_send
from channels.whatsapp.sandbox_api import graph_error
from channels.whatsapp.settings import WhatsAppSettings
from gateway.core.clock import ManualClock
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry
from gateway.core.messages import Media, Text

PICTURE = Media("image", blob="picture", name="a.png", mime="image/png")


def posts(sandbox, edge):
    return [call for call in sandbox.server.calls if call.path.endswith(f"/{edge}") and call.method == "POST"]


async def read(file):
    return b"".join([chunk async for chunk in file.chunks])


# ---------------------------------------------------------------- sending


async def test_the_token_goes_in_the_header_and_nowhere_else():
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, ana):
        [sent] = [await client.send("", call) for call in outgoing(ana, Text("hola"))]
        [call] = posts(sandbox, "messages")
    assert sent.provider_message_ids[0].startswith("wamid.")
    assert call.headers["authorization"] == f"Bearer {sandbox.number.access_token}"
    assert sandbox.number.access_token.encode() not in call.body
    assert sandbox.number.access_token not in call.path + str(call.query)


async def test_an_unknown_number_is_a_fault_of_the_settings():
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, ana):
        [call] = outgoing(ana, Text("hola"))
        with pytest.raises(Misconfigured) as raised:
            await client.send("999", call)
    assert raised.value.key == "accounts"


async def test_a_connection_that_broke_before_the_request_left_harms_nobody():
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, ana):
        [call] = outgoing(ana, Text("hola"))
        await sandbox.server.__aexit__(None, None, None)
        with pytest.raises(Retry) as raised:
            await client.send("", call)
    assert not isinstance(raised.value, Ambiguous)


async def test_a_wrong_token_names_the_setting_and_not_the_token():
    async with WhatsAppSandbox() as sandbox:
        values = {**sandbox.settings_values, "access_token": "EAAwrongwrongwrongwrongwrong"}
        async with talking(sandbox, values) as (client, ana):
            [call] = outgoing(ana, Text("hola"))
            with pytest.raises(Misconfigured) as raised:
                await client.send("", call)
    assert raised.value.key == "access_token"
    assert "EAA" not in str(raised.value)


async def test_the_pair_limit_waits_for_one_person_and_the_number_s_limit_for_all():
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, ana):
        for code, whole in ((131056, False), (130429, True), (80007, True), (4, True), (131048, True), (131000, False)):
            sandbox.server.answer_next(graph_error(400, code), which=is_send)
            [call] = outgoing(ana, Text("hola"))
            with pytest.raises(Retry) as raised:
                await client.send("", call)
            assert (code, raised.value.whole_account) == (code, whole)
    assert sandbox.sent == []


def test_a_revoked_token_tells_why_and_whose_it_is():
    error = GraphError(http_status=401, code=190, subcode=463, kind="OAuthException")
    shared = named(error, "shop")
    assert isinstance(shared, Misconfigured)
    assert (shared.key, "expired" in shared.detail) == ("access_token", True)
    assert named(error, "shop", has_own_token=True).key == "accounts.shop.access_token"
    assert named(GraphError(http_status=400, code=133010), "shop").key == "accounts.shop"


def test_an_answer_without_a_code_is_judged_by_its_status():
    assert isinstance(named(GraphError(http_status=500, has_envelope=False), "shop"), Retry)
    assert isinstance(named(GraphError(http_status=400, kind="OAuthException"), "shop"), Misconfigured)
    assert isinstance(named(GraphError(http_status=400), "shop"), GiveUp)


# ---------------------------------------------------------------- files out


async def test_a_file_is_uploaded_once_and_its_id_remembered():
    kept, clock = Kept(), ManualClock()
    async with WhatsAppSandbox(clock=clock) as sandbox, talking(sandbox, kept=kept, clock=clock) as (client, ana):
        for _ in range(2):
            [call] = outgoing(ana, PICTURE)
            await client.send("", call)
        assert len(posts(sandbox, "media")) == 1
        await clock.advance(26 * 86_400)
        await client.send("", outgoing(ana, PICTURE)[0])
        assert len(posts(sandbox, "media")) == 2
        media_ids = [body["image"]["id"] for body in sandbox.sent]
        assert media_ids[0] == media_ids[1] != media_ids[2]
        assert sandbox.world.files[media_ids[0]].content == b"content of picture"


async def test_a_file_that_meta_has_lost_is_uploaded_again():
    kept = Kept()
    async with WhatsAppSandbox() as sandbox, talking(sandbox, kept=kept) as (client, ana):
        await client.send("", outgoing(ana, PICTURE)[0])
        sandbox.world.files.clear()
        with pytest.raises(Retry):
            await client.send("", outgoing(ana, PICTURE)[0])
        await client.send("", outgoing(ana, PICTURE)[0])
    assert len(posts(sandbox, "media")) == 2
    assert len(sandbox.sent) == 2


async def test_an_upload_that_broke_off_is_only_to_be_tried_again():
    def is_upload(call: ServedCall) -> bool:
        return call.path.endswith("/media")

    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, ana):
        sandbox.server.drop_next(takes_effect=True, which=is_upload)
        with pytest.raises(Retry) as raised:
            await client.send("", outgoing(ana, PICTURE)[0])
    assert not isinstance(raised.value, Ambiguous)
    assert sandbox.sent == []


async def test_a_file_beyond_the_limit_is_not_read_to_its_end():
    read_bytes = 0

    async def endless(_key):
        nonlocal read_bytes
        while True:
            read_bytes += 1_000_000
            yield b"x" * 1_000_000

    async with WhatsAppSandbox() as sandbox, talking(sandbox, read_blob=endless) as (client, ana):
        with pytest.raises(GiveUp) as raised:
            await client.send("", outgoing(ana, PICTURE)[0])
    assert raised.value.reason == "too_large"
    assert read_bytes <= 6_000_000


# ---------------------------------------------------------------- files in


async def test_a_customer_s_file_is_fetched_with_the_token_and_checked():
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, _):
        media_id = sandbox.world.keep_file(b"\x89PNG picture", "image/png")
        file = await client.fetch("", media_id)
        assert (file.size_bytes, file.mime) == (12, "image/png")
        assert await read(file) == b"\x89PNG picture"


@pytest.mark.parametrize(
    "sha256", [hashlib.sha256(b"other").hexdigest(), "jHMqMFEjl0BC9sBn5Zh3QGJSyqzvJcrTMyRnrXY6XfA="]
)
async def test_a_file_that_is_not_the_announced_one_is_not_taken(sha256):
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, _):
        media_id = sandbox.world.keep_file(b"real", "image/png")
        url = f"{sandbox.server.url}/files/{media_id}"
        told = web.json_response({"url": url, "mime_type": "image/png", "sha256": sha256, "file_size": 4})
        sandbox.server.answer_next(ProviderAnswer(200, told.body))
        with pytest.raises(Retry, match="announced"):
            await read(await client.fetch("", media_id))


async def test_the_token_is_given_to_no_host_but_meta_s():
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, _):
        for url in (
            "https://files.example.org/x",
            "http://lookaside.fbsbx.com/x",
            "https://lookaside.fbsbx.com.evil.example/",
        ):
            told = web.json_response({"url": url, "mime_type": "image/png"})
            sandbox.server.answer_next(ProviderAnswer(200, told.body))
            with pytest.raises(GiveUp) as raised:
                await client.fetch("", "123456")
            assert raised.value.reason == "refused"
        with pytest.raises(GiveUp):
            await client.fetch("", "https://files.example.org/x")


async def test_a_redirect_is_not_followed_with_a_customer_s_file():
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, _):
        media_id = sandbox.world.keep_file(b"real", "image/png")

        def is_file(call: ServedCall) -> bool:
            return call.path.startswith("/files/")

        moved = ProviderAnswer(302, b"", {"Location": f"{sandbox.server.url}/stolen"})
        sandbox.server.answer_next(moved, which=is_file)
        with pytest.raises(GiveUp):
            await client.fetch("", media_id)
    assert not [call for call in sandbox.server.calls if call.path == "/stolen"]


async def test_a_file_that_is_gone_or_no_file_at_all_is_given_up():
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, _):
        for ref, reason in (("424242", "expired"), ("../me", "refused"), ("", "refused")):
            with pytest.raises(GiveUp) as raised:
                await client.fetch("", ref)
            assert raised.value.reason == reason


def test_a_hash_is_read_in_both_of_its_forms():
    digest = hashlib.sha256(b"x").digest()
    assert announced_digest(digest.hex()) == digest
    assert announced_digest(base64.b64encode(digest).decode()) == digest
    assert announced_digest("no hash") == b""
    assert announced_digest("") == b""


# ---------------------------------------------------------------- courtesies


async def test_reading_and_typing_are_told_of_the_message_that_was_heard():
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, _):
        ana = sandbox.person("Ana", has_started=True)
        heard = await ana.writes("hola")
        await client.acknowledge("", heard)
        await client.typing("", ana.id, heard)
        assert list(sandbox.api.read) == [heard, heard]
        assert ana.handset.message(heard).ticks == 2
        assert ana.handset.view(0).typing_s > 20


async def test_nobody_is_shown_typing_without_a_message_to_answer():
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, ana):
        await client.typing("", ana)
        assert posts(sandbox, "messages") == []


# ---------------------------------------------------------------- connecting


async def test_connect_sets_the_webhook_and_subscribes_and_doctor_finds_all_well():
    async with WhatsAppSandbox() as sandbox:
        settings = WhatsAppSettings.model_validate(sandbox.settings_values)
        async with Webhook(settings) as hook, talking(sandbox) as (client, _):
            before = await client.doctor(hook.url)
            assert {f.about for f in before if f.level == "bad"} == {"webhook"}
            for _ in range(2):
                assert {finding.level for finding in await client.connect(hook.url)} == {"ok"}
            sandbox.approve("cita", "es", "Hola {{1}}")
            after = await client.doctor(hook.url)
    assert {finding.level for finding in after} == {"ok"}
    assert {finding.about for finding in after} == {"webhook", "credentials", "permissions", "limits", "template"}
    assert "1 approved templates" in {finding.what for finding in after}


@pytest.mark.parametrize("level", ["business", "number"])
async def test_an_account_may_have_its_events_sent_past_the_app_s_webhook(level):
    async with WhatsAppSandbox() as sandbox:
        values = sandbox.settings_values
        values["accounts"]["main"]["webhook"] = level
        settings = WhatsAppSettings.model_validate(values)
        async with Webhook(settings) as hook, talking(sandbox, values) as (client, _):
            for _ in range(2):
                assert {finding.level for finding in await client.connect(hook.url)} == {"ok"}
            assert sandbox.api.callback_url == ""
            assert (sandbox.api.override_url, sandbox.api.number_url) == {
                "business": (hook.url, ""),
                "number": ("", hook.url),
            }[level]
            assert all(finding.level == "ok" for finding in await client.doctor(hook.url))
            elsewhere = await client.doctor("http://127.0.0.1:1/")
            assert "bad" in {finding.level for finding in elsewhere if finding.about == "webhook"}


async def test_a_number_of_its_own_way_leaves_the_business_s_override_alone():
    async with WhatsAppSandbox() as sandbox:
        values = sandbox.settings_values
        values["accounts"]["main"]["webhook"] = "number"
        settings = WhatsAppSettings.model_validate(values)
        async with Webhook(settings) as hook, talking(sandbox, values) as (client, _):
            sandbox.api.is_subscribed, sandbox.api.override_url = True, "http://127.0.0.1:1/another-program"
            await client.connect(hook.url)
            assert sandbox.api.override_url == "http://127.0.0.1:1/another-program"
            assert sandbox.api.goal_url == hook.url
            assert all(finding.level == "ok" for finding in await client.doctor(hook.url))


async def test_a_webhook_that_does_not_answer_is_not_set():
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, _):
        first, *_ = await client.connect("http://127.0.0.1:1/hook")
    assert (first.level, first.about) == ("bad", "webhook")


async def test_doctor_tells_of_bad_templates_numbers_and_tokens():
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, _):
        sandbox.approve("good", "es", "Hola")
        sandbox.approve("bad", "es", "Hola", status="REJECTED")
        sandbox.approve("new", "es", "Hola", status="PENDING")
        number = web.json_response({"status": "FLAGGED", "quality_rating": "RED", "name_status": "DECLINED"})

        def is_number(call: ServedCall) -> bool:
            return call.path.endswith(f"/{sandbox.number.phone_number_id}")

        sandbox.server.answer_next(ProviderAnswer(200, number.body), which=is_number)
        findings = await client.doctor("http://127.0.0.1:1/hook")
    warned = {finding.what for finding in findings if finding.level == "warn"}
    assert "the template bad (es) is rejected" in warned
    assert not any("new" in what for what in warned)
    assert {f.what for f in findings if f.about == "limits" and f.level == "bad"} == {
        f"the number {sandbox.number.phone_number_id} is flagged",
        "the number's quality is red",
    }


async def test_doctor_reads_templates_over_several_pages_and_stops_at_the_last():
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, _):
        sandbox.approve("third", "es", "Hola")

        def is_templates(call: ServedCall) -> bool:
            return call.path.endswith("/message_templates")

        page = web.json_response(
            {
                "data": [{"name": "first", "status": "APPROVED", "language": "es"}],
                "paging": {"cursors": {"after": "next"}, "next": "https://graph.example/next?access_token=x"},
            }
        )
        sandbox.server.answer_next(ProviderAnswer(200, page.body), which=is_templates)
        findings = await client.doctor("http://127.0.0.1:1/hook")
        asked = [call.query.get("after", "") for call in sandbox.server.calls if is_templates(call)]
    assert asked == ["", "next"]
    assert "2 approved templates" in {finding.what for finding in findings}


async def test_doctor_says_what_is_wrong_when_meta_cannot_be_reached():
    async with WhatsAppSandbox() as sandbox, talking(sandbox) as (client, _):
        await sandbox.server.__aexit__(None, None, None)
        findings = await client.doctor("http://127.0.0.1:1/hook")
    assert {finding.level for finding in findings} == {"warn"}
    assert not any(sandbox.number.access_token in str(finding) for finding in findings)
