"""The line that channels talk over: what it bounds, where it does not lead, and what it calls what went wrong."""

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from channels.line import ANSWER_LIMIT_BYTES, Line, LineTimes, file_in
from channels.public_hosts import PublicOnly
from channels.sandbox_kit import ProviderServer
from channels.specimen import ProviderAnswer
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry
from gateway.core.fence import fenced

TIMES = LineTimes(connect_s=2, read_s=2, upload_s=2)


@pytest.fixture
async def provider():
    async def serve(_request):
        return web.Response(body=b"x" * 2000, content_type="image/png", headers={"Retry-After": "7"})

    async with ProviderServer([web.route("*", "/{path:.*}", serve)]) as server:
        yield server


@pytest.fixture
async def line():
    opened = Line(TIMES, connections=4)
    await opened.open()
    yield opened
    await opened.close()


async def test_an_answer_comes_whole_whatever_its_status(line, provider):
    provider.answer_next(ProviderAnswer(418, b"tea", {"Retry-After": "9"}))
    answer = await line.call("POST", URL(provider.url), {}, b"{}")
    assert (answer.status, answer.is_ok, answer.body, answer.retry_after_s) == (418, False, b"tea", 9)
    assert (await line.ask("GET", URL(provider.url), {})).is_ok


async def test_what_is_not_ours_any_more_when_the_connection_stands_is_not_written(line):
    heard = []

    async def serve(request):
        heard.append(await request.read())
        return web.Response()

    async with ProviderServer([web.post("/", serve)]) as server:
        asked = []

        def claim():
            asked.append(len(asked))
            return len(asked) > 1

        with fenced(claim):
            with pytest.raises(Retry, match="lease") as refused:
                await line.call("POST", URL(server.url), {}, b"late")
            assert not isinstance(refused.value, Ambiguous), "it surely never left"
            await line.call("POST", URL(server.url), {}, b"ours")
        await line.call("POST", URL(server.url), {}, b"without a lease")
    assert heard == [b"ours", b"without a lease"]


async def test_an_answer_beyond_reason_is_ambiguous_for_a_call_and_not_for_a_question(line, provider):
    provider.answer_next(ProviderAnswer(200, b"x" * (ANSWER_LIMIT_BYTES + 1)), count=2)
    with pytest.raises(Ambiguous, match="more than"):
        await line.call("POST", URL(provider.url), {}, b"{}")
    with pytest.raises(Retry, match="more than") as asked:
        await line.ask("GET", URL(provider.url), {})
    assert not isinstance(asked.value, Ambiguous)


async def test_a_file_tells_what_its_server_says_of_it_and_ends_at_the_limit(line, provider):
    file = file_in(await line.begin(URL(provider.url), {}), 2000)
    assert (file.size_bytes, file.mime) == (2000, "image/png")
    assert b"".join([chunk async for chunk in file.chunks]) == b"x" * 2000
    response = await line.begin(URL(provider.url), {})
    with pytest.raises(GiveUp, match="too_large"):
        file_in(response, 1999)
    assert response.closed


@pytest.mark.parametrize(("status", "error"), [(206, GiveUp), (302, GiveUp), (404, GiveUp), (429, Retry), (500, Retry)])
async def test_only_a_whole_file_is_one(line, provider, status, error):
    provider.answer_next(ProviderAnswer(status, b"", {"Location": "https://example.org/", "Retry-After": "3"}))
    with pytest.raises(error) as raised:
        await anext(line.download(URL(provider.url), {}, 5000))
    if error is Retry:
        assert raised.value.after_s == 3


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.1"])
async def test_a_line_for_public_hosts_does_not_lead_inside(provider, host):
    line = Line(TIMES, connections=4, public_only=PublicOnly())
    await line.open()
    url = URL(provider.url).with_host(host)
    for attempt in (line.call("GET", url, {}), line.begin(url, {}), anext(line.download(url, {}, 10))):
        with pytest.raises(GiveUp, match="private network"):
            await attempt
    await line.close()
    assert not provider.calls


@pytest.mark.parametrize(("api", "leads"), [("http://127.0.0.1:8", True), ("https://api.example.org", False)])
async def test_what_a_stand_in_on_this_machine_names_may_lie_on_it_too(provider, api, leads):
    line = Line(TIMES, connections=4, public_only=PublicOnly.beside(URL(api)))
    await line.open()
    if leads:
        assert (await line.call("GET", URL(provider.url), {})).is_ok
    else:
        with pytest.raises(GiveUp):
            await line.call("GET", URL(provider.url), {})
    await line.close()


async def test_without_a_connection_nothing_happened_and_an_address_that_is_none_is_a_setting(line):
    with pytest.raises(Retry) as unreached:
        await line.call("POST", URL("http://127.0.0.1:9/"), {}, b"{}")
    assert not isinstance(unreached.value, Ambiguous)
    with pytest.raises(Misconfigured):
        await line.call("GET", URL("ftp://example.org/"), {})
    with pytest.raises(GiveUp):
        await line.begin(URL("https://x.example:99999/a", encoded=True), {})


async def test_opening_and_closing_twice_is_harmless_and_a_closed_line_is_an_error_of_ours(provider):
    line = Line(TIMES, connections=4)
    await line.open()
    await line.open()
    assert isinstance(await line.begin(URL(provider.url), {}), aiohttp.ClientResponse)
    await line.close()
    await line.close()
    with pytest.raises(RuntimeError, match="not open"):
        await line.call("GET", URL(provider.url), {})
