"""The line to Sunshine: what is sent once, what may have been, files under the key, nothing secret in any error."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web

from channels.sandbox_kit import ProviderServer
from channels.specimen import ProviderAnswer
from channels.sunshine import channel
from channels.sunshine.sandbox import SunshineSandbox
from channels.sunshine.settings import SunshineSettings
from gateway.core.channel import FindsSent
from gateway.core.errors import Ambiguous, GiveUp, Retry
from gateway.core.messages import Author, Media, Option, Outgoing, Text
from gateway.core.messages import Choice as ChoicePart

CONTENT = b"0123456789" * 100


async def read_blob(_key):
    yield CONTENT[:500]
    yield CONTENT[500:]


@pytest.fixture
async def sandbox():
    async with SunshineSandbox() as running:
        yield running


def settings_for(sandbox, **more):
    return SunshineSettings.model_validate({**sandbox.settings_values, **more})


@pytest.fixture
async def client(sandbox):
    opened = channel.client(settings_for(sandbox), read_blob)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def ana(sandbox):
    return sandbox.person("Ana", language="es")


def calls(sandbox, recipient, *parts, **more):
    message = Outgoing(uuid.uuid4(), uuid.uuid4(), 1, str(recipient), Author.BOT, parts)
    return channel.render(settings_for(sandbox, **more), message)


def posts(sandbox):
    return [call for call in sandbox.server.calls if call.path.endswith("/messages") and call.method == "POST"]


async def test_a_message_is_in_the_widget_under_the_id_that_sunshine_gave(sandbox, client, ana):
    [call] = calls(sandbox, ana.id, Text("**hola**", markup="markdown"))
    sent = await client.send("", call)
    reply = await ana.next_reply(timeout_s=2)
    assert (reply.id,) == sent.provider_message_ids
    assert [(run.text, run.look) for run in reply.message.runs] == [("hola", ("bold",))]


async def test_a_token_does_as_well_as_the_key(sandbox, ana):
    client = channel.client(settings_for(sandbox, authentication="jwt"), read_blob)
    await client.open()
    await client.send("", calls(sandbox, ana.id, Text("hola"))[0])
    await client.close()
    [call] = posts(sandbox)
    assert call.headers["authorization"].startswith("Bearer ")
    assert sandbox.key_secret not in call.headers["authorization"]


async def test_a_file_of_ours_is_copied_to_zendesk_for_its_conversation(sandbox, client, ana):
    [call] = calls(sandbox, ana.id, Media("image", blob="k", name="plan.png", mime="image/png", caption="Mini"))
    await client.send("", call)
    [upload] = [one for one in sandbox.server.calls if one.path.endswith("/attachments")]
    assert dict(upload.query) == {"access": "public", "for": "message", "conversationId": ana.id}
    reply = await ana.next_reply(timeout_s=2)
    [picture] = reply.message.attachments
    assert ana.handset.file(picture.file).content == CONTENT
    assert reply.text.startswith("Mini")


async def test_a_file_that_is_too_large_is_given_up_before_anything_is_sent(sandbox, ana):
    client = channel.client(settings_for(sandbox, max_upload_bytes=999), read_blob)
    await client.open()
    with pytest.raises(GiveUp) as refused:
        await client.send("", calls(sandbox, ana.id, Media("image", blob="k"))[0])
    await client.close()
    assert refused.value.reason == "too_large"
    assert len(sandbox.server.calls) == 0


async def test_an_upload_that_broke_off_is_simply_tried_again(sandbox, client, ana):
    [call] = calls(sandbox, ana.id, Media("image", blob="k"))
    sandbox.server.drop_next(takes_effect=True, which=lambda one: one.path.endswith("/attachments"))
    with pytest.raises(Retry) as broken:
        await client.send("", call)
    assert not isinstance(broken.value, Ambiguous)
    assert posts(sandbox) == []


async def test_a_send_whose_answer_was_lost_is_found_by_its_own_mark(sandbox, client, ana):
    since = datetime.now(UTC)
    first, second = calls(sandbox, ana.id, Text("uno"), Text("dos"))
    sandbox.server.drop_next(takes_effect=True)
    with pytest.raises(Ambiguous):
        await client.send("", first)
    reply = await ana.next_reply(timeout_s=2)
    assert isinstance(client, FindsSent)
    assert (await client.find_sent("", first, since)).provider_message_ids == (reply.id,)
    assert await client.find_sent("", second, since) is None


async def test_a_send_that_never_arrived_is_not_found(sandbox, client, ana):
    [call] = calls(sandbox, ana.id, Text("uno"))
    sandbox.server.drop_next(takes_effect=False)
    with pytest.raises(Ambiguous):
        await client.send("", call)
    assert await client.find_sent("", call, datetime.now(UTC)) is None


async def test_an_older_page_is_read_where_much_was_said_since(sandbox, client, ana):
    since = datetime.now(UTC)
    [call] = calls(sandbox, ana.id, Text("uno"))
    sent = await client.send("", call)
    for number in range(230):
        sandbox.agent_says(ana.id, f"{number}")
    assert await client.find_sent("", call, since) == sent
    assert len([one for one in sandbox.server.calls if one.method == "GET"]) == 3
    assert await client.find_sent("", call, since + timedelta(hours=1)) is None


async def test_a_question_that_fails_may_be_asked_again(sandbox, client, ana):
    [call] = calls(sandbox, ana.id, Text("uno"))
    for answer in (ProviderAnswer(503, b""), ProviderAnswer(502, b""), ProviderAnswer(200, b"[]")):
        sandbox.server.answer_next(answer)
        with pytest.raises(Retry) as raised:
            await client.find_sent("", call, datetime.now(UTC))
        assert type(raised.value) is Retry
    sandbox.server.answer_next(ProviderAnswer(401, b""))
    with pytest.raises(Retry):
        await client.find_sent("", call, datetime.now(UTC))
    [lost] = calls(sandbox, "gone", Text("uno"))
    assert await client.find_sent("", lost, datetime.now(UTC)) is None


async def test_reading_and_typing_are_shown_in_the_widget(sandbox, client, ana):
    message_id = await ana.writes("hola")
    assert ana.handset.message(message_id).ticks < 2
    await client.acknowledge("", str(ana.id))
    assert ana.handset.message(message_id).ticks == 2
    await client.typing("", str(ana.id), message_id)
    assert ana.handset.view(0).typing_s > 0
    with pytest.raises(GiveUp):
        await client.typing("", "gone")


async def test_a_private_file_is_fetched_with_the_key(sandbox, client, ana):
    await ana.sends_picture(CONTENT, caption="")
    [message] = sandbox.world.talks[str(ana.id)].messages
    file = await client.fetch("", message["content"]["mediaUrl"])
    assert b"".join([chunk async for chunk in file.chunks]) == CONTENT
    assert (file.size_bytes, file.mime) == (1000, "image/png")
    async with aiohttp.ClientSession() as session, session.get(message["content"]["mediaUrl"]) as response:
        assert response.status == 401


async def test_a_file_on_another_host_is_not_fetched_and_no_key_goes_there(client):
    for address in (
        "https://evil.example/a.png",
        "http://cumbre.zendesk.com/a.png",
        "https://zendesk.com.evil.example/a.png",
        "https://127.0.0.1/a.png",
        "file:///etc/passwd",
        "//zendesk.com/a",
        "https://[broken",
        "",
    ):
        with pytest.raises(GiveUp) as refused:
            await client.fetch("", address)
        assert refused.value.reason == "refused"


async def test_a_redirect_is_followed_without_the_key_and_only_to_a_host_of_files(sandbox):
    seen = []

    async def serve(request):
        seen.append((request.path, "Authorization" in request.headers))
        if request.path == "/sc/away":
            return web.Response(status=302, headers={"Location": "https://evil.example/x"})
        if request.path == "/sc/near":
            return web.Response(status=302, headers={"Location": f"http://{request.host}/store"})
        return web.Response(body=CONTENT, content_type="image/png")

    async with ProviderServer([web.get("/{path:.*}", serve)]) as server:
        values = {**sandbox.settings_values, "api_url": f"{server.url}/sc"}
        client = channel.client(SunshineSettings.model_validate(values), read_blob)
        await client.open()
        try:
            with pytest.raises(GiveUp):
                await client.fetch("", f"{server.url}/sc/away")
            file = await client.fetch("", f"{server.url}/sc/near")
            assert b"".join([chunk async for chunk in file.chunks]) == CONTENT
        finally:
            await client.close()
    assert seen == [("/sc/away", True), ("/sc/near", True), ("/store", False)]


async def test_a_file_without_an_end_is_cut_off(sandbox, ana):
    await ana.sends_picture(CONTENT, caption="")
    [message] = sandbox.world.talks[str(ana.id)].messages
    client = channel.client(settings_for(sandbox, max_download_bytes=999), read_blob)
    await client.open()
    with pytest.raises(GiveUp) as refused:
        await client.fetch("", message["content"]["mediaUrl"])
    await client.close()
    assert refused.value.reason == "too_large"


async def test_a_file_that_is_gone_or_cannot_be_had_now_is_told_apart(sandbox, client):
    address = f"{sandbox.server.url}/sc/attachments/private/none"
    with pytest.raises(GiveUp) as gone:
        await client.fetch("", address)
    assert gone.value.reason == "expired"
    sandbox.server.fail_next(status=503)
    with pytest.raises(Retry):
        await client.fetch("", address)


async def test_no_error_tells_the_key_or_the_address(sandbox, ana):
    settings = settings_for(sandbox, connect_timeout_s=1, read_timeout_s=1)
    client = channel.client(settings, read_blob)
    await client.open()
    [call] = calls(sandbox, ana.id, Text("hola"))
    words = f"key {sandbox.key_id} Basic {'A' * 40}== token=abcdefghijklmnopqrstuvwxyz0123456789 eyJhbGciOi.eyJzY.x"
    sandbox.refuse_next(400, "bad_request", words)
    told = []
    with pytest.raises(GiveUp) as refused:
        await client.send("", call)
    told.append(str(refused.value))
    await sandbox.server.__aexit__(None, None, None)
    with pytest.raises(Retry) as unreachable:
        await client.send("", call)
    told.append(str(unreachable.value))
    await client.close()
    for text in told:
        for hidden in ("A" * 40, "abcdefghijklmnopqrstuvwxyz0123456789", "eyJhbGciOi", sandbox.key_secret, "127.0.0.1"):
            assert hidden not in text


async def test_without_a_connection_nothing_was_sent(sandbox, ana):
    [call] = calls(sandbox, ana.id, Text("hola"))
    settings = settings_for(sandbox)
    await sandbox.server.__aexit__(None, None, None)
    client = channel.client(settings, read_blob)
    await client.open()
    with pytest.raises(Retry) as unreachable:
        await client.send("", call)
    await client.close()
    assert not isinstance(unreachable.value, Ambiguous)


async def test_a_call_that_nobody_answers_is_ambiguous_in_time(sandbox, ana):
    client = channel.client(settings_for(sandbox, connect_timeout_s=0.2, read_timeout_s=0.2), read_blob)
    await client.open()
    sandbox.server.hang_next(takes_effect=True)
    async with asyncio.timeout(5):
        with pytest.raises(Ambiguous):
            await client.send("", calls(sandbox, ana.id, Text("hola"))[0])
    await client.close()


async def test_the_whole_wire_of_a_choice(sandbox, client, ana):
    [call] = calls(sandbox, ana.id, ChoicePart("¿Cuál?", (Option("Mini", "m"), Option("Maxi", "x"))))
    await client.send("", call)
    [post] = posts(sandbox)
    assert post.path == f"/sc/v2/apps/{sandbox.app_id}/conversations/{ana.id}/messages"
    assert json.loads(post.body) == call.params["message"]
