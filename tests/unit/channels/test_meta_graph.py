"""Calls of the Graph API: what is raised when, and what no error shows."""

import json

import pytest
from aiohttp import web
from pydantic import SecretStr

from channels._meta.failures import GraphRefused, named, read_error, read_usage
from channels._meta.graph import FormFile, GraphLine
from channels._meta.settings import MetaSettings
from channels.sandbox_kit import ProviderServer
from channels.specimen import ProviderAnswer
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry

TOKEN = SecretStr("EAAGtoken0000000000000000000")


def settings(**values):
    return MetaSettings.model_validate({"app_secret": "app_secret_1", "verify_token": "v", **values})


@pytest.fixture
async def provider():
    async def echo(request):
        if request.content_type == "multipart/form-data":
            parts = {}
            async for part in await request.multipart():
                parts[part.name] = (part.filename, part.headers.get("Content-Type", ""), (await part.read()).decode())
            return web.json_response(parts)
        usage = {"X-App-Usage": json.dumps({"call_count": 91})}
        return web.json_response({"said": (await request.read()).decode()}, headers=usage)

    async def file(request):
        return web.Response(body=b"x" * 2000, content_type="image/png")

    async def away(request):
        raise web.HTTPFound("https://example.org/")

    routes = [
        web.route("*", "/v23.0/things", echo),
        web.get("/file", file),
        web.get("/away", away),
        web.post("/v23.0/away", away),
    ]
    async with ProviderServer(routes) as server:
        yield server


@pytest.fixture
async def line(provider):
    opened = GraphLine(settings(api_url=provider.url, max_download_bytes=3000))
    await opened.open()
    yield opened
    await opened.close()


async def test_json_goes_out_with_the_token_in_a_header_only(line, provider):
    answer = await line.post("things", {"text": "olá"}, TOKEN)
    assert json.loads(json.loads(answer.body)["said"]) == {"text": "olá"}
    assert answer.usage.percent == 91
    [call] = provider.calls
    assert call.headers["authorization"] == f"Bearer {TOKEN.get_secret_value()}"
    assert call.query == {}


async def test_the_proof_of_the_secret_goes_along_when_it_is_wanted(provider):
    wanting = GraphLine(settings(api_url=provider.url, sends_appsecret_proof=True))
    await wanting.open()
    await wanting.get("things", {"fields": "id"}, SecretStr("PAGE_TOKEN"))
    await wanting.close()
    assert provider.calls[0].query == {
        "fields": "id",
        "appsecret_proof": "9a93d4685bc39db6ea098ca65e83d758d202970fe387f7a666ed10570f8931c5",
    }


async def test_a_form_carries_fields_and_files(line):
    answer = await line.post_form(
        "things", {"message": "{}"}, [FormFile("filedata", "a.pdf", "application/pdf", b"x")], TOKEN
    )
    assert json.loads(answer.body) == {
        "message": [None, "text/plain; charset=utf-8", "{}"],
        "filedata": ["a.pdf", "application/pdf", "x"],
    }


async def test_a_refusal_carries_what_meta_said(line, provider):
    body = {"error": {"message": "No\n way", "type": "OAuthException", "code": 10, "error_subcode": 2018278}}
    provider.answer_next(ProviderAnswer(400, json.dumps(body).encode(), {"Retry-After": "7"}))
    with pytest.raises(GraphRefused) as raised:
        await line.post("things", {}, TOKEN)
    error = raised.value.error
    assert (error.code, error.subcode, error.label, error.wait_s) == (10, 2018278, "10/2018278", 7)
    assert error.detail == "Meta answered 10/2018278: No way"


async def test_a_post_that_broke_is_ambiguous_and_a_get_is_not(line, provider):
    provider.drop_next(3, takes_effect=True)  # a GET is tried again on another connection
    with pytest.raises(Ambiguous):
        await line.post("things", {}, TOKEN)
    with pytest.raises(Retry) as raised:
        await line.get("things", {}, TOKEN)
    assert not isinstance(raised.value, Ambiguous)


async def test_a_post_without_an_answer_in_time_is_ambiguous(provider):
    quick = GraphLine(settings(api_url=provider.url, connect_timeout_s=0.05, read_timeout_s=0.05))
    await quick.open()
    provider.hang_next(1, takes_effect=True)
    with pytest.raises(Ambiguous):
        await quick.post("things", {}, TOKEN)
    await quick.close()


async def test_a_call_that_never_left_can_be_tried_again():
    nowhere = GraphLine(settings(api_url="http://127.0.0.1:9"))
    await nowhere.open()
    with pytest.raises(Retry) as raised:
        await nowhere.post("things", {}, TOKEN)
    assert not isinstance(raised.value, Ambiguous)
    assert TOKEN.get_secret_value() not in str(raised.value)
    await nowhere.close()


async def test_a_redirect_is_not_followed(line):
    with pytest.raises(GraphRefused) as raised:
        await line.post("away", {}, TOKEN)
    assert isinstance(named(raised.value.error), Misconfigured)


async def test_a_file_is_fetched_up_to_the_limit(line, provider):
    remote = await line.download(f"{provider.url}/file")
    assert (remote.size_bytes, remote.mime) == (2000, "image/png")
    assert len(b"".join([chunk async for chunk in remote.chunks])) == 2000
    small = GraphLine(settings(api_url=provider.url, max_download_bytes=1000))
    await small.open()
    with pytest.raises(GiveUp, match="too_large"):
        await small.download(f"{provider.url}/file")
    await small.close()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/x.png",
        "http://scontent.fbcdn.net/x.png",
        "https://fbcdn.net.example.org/x",
        "https://evilfbcdn.net/x",
        "https://fbcdn.net@example.org/x",
        "file:///etc/passwd",
        "x",
        "",
    ],
)
async def test_no_file_is_fetched_from_elsewhere(line, url):
    with pytest.raises(GiveUp, match="no server of Meta"):
        await line.download(url)


async def test_a_file_that_redirects_or_is_gone_is_given_up(line, provider):
    with pytest.raises(GiveUp, match="302"):
        await line.download(f"{provider.url}/away")
    with pytest.raises(GiveUp, match="expired"):
        await line.download(f"{provider.url}/gone")
    provider.fail_next(1, status=503)
    with pytest.raises(Retry):
        await line.download(f"{provider.url}/file")


def refusal(code=0, subcode=0, status=400, *, body=None, headers=None, **more):
    error = {"message": "words", "code": code, "error_subcode": subcode, **more}
    return named(read_error(status, headers or {}, json.dumps({"error": error}).encode() if body is None else body))


@pytest.mark.parametrize("code", [4, 17, 32, 613, 80001, 80004, 80006, 80007])
def test_a_limit_binds_the_whole_account_for_minutes(code):
    failure = refusal(code)
    assert isinstance(failure, Retry)
    assert failure.whole_account
    assert failure.after_s == 60


def test_the_wait_is_what_meta_says():
    usage = {"1": [{"type": "pages", "call_count": 100, "estimated_time_to_regain_access": 4}]}
    assert refusal(4, headers={"X-Business-Use-Case-Usage": json.dumps(usage)}).after_s == 240
    assert refusal(4, headers={"Retry-After": "17"}).after_s == 17
    assert refusal(0, status=429, body=b"", headers={"Retry-After": "17"}).after_s == 17


def test_failures_are_judged_by_code_and_then_by_status():
    for temporary in (refusal(1, status=500), refusal(2, status=500), refusal(555, is_transient=True)):
        assert isinstance(temporary, Retry)
        assert not isinstance(temporary, Ambiguous)
    for wrong in (refusal(190, 463), refusal(200), refusal(10), refusal(3), refusal(368), refusal(0, 0, 404, body=b"")):
        assert isinstance(wrong, Misconfigured)
    assert "expired" in str(refusal(190, 463))
    assert isinstance(refusal(status=503, body=b"<html>"), Retry)
    assert isinstance(refusal(status=504, body=b"<html>"), Ambiguous)
    assert refusal(100).reason == "refused"
    assert refusal(status=413, body=b"").reason == "too_large"


def test_numbers_in_quotes_and_other_oddities_are_read():
    assert read_error(400, {}, b'{"error":{"code":"10","error_subcode":"2018278"}}').subcode == 2018278
    assert read_error(400, {}, b'{"error":{"code":100,"error_data":"why"}}').details == "why"
    for body in (b"", b"[]", b'{"error": "no"}', b"\xff"):
        assert not read_error(400, {}, body).has_envelope
    assert read_usage({"X-App-Usage": "no json"}).percent == 0


def test_a_token_in_metas_words_is_blotted_out():
    secret = "EAAG" + "x1" * 20
    shown = refusal(190, message=f"bad token {secret}")
    error = read_error(
        400, {}, json.dumps({"error": {"message": f"token {secret} 12345678|abcdefghijklmnopq"}}).encode()
    )
    assert secret not in str(shown)
    assert secret not in error.detail
    assert "abcdefghijklmnopq" not in error.detail
