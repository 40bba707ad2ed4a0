"""Webhooks as a provider sends them, over a real socket: what is accepted, and how each refusal looks."""

from __future__ import annotations

import asyncio
import gzip
import hmac
import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence

import aiohttp
import msgspec
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from config.settings import EndpointConfig, ServerSettings, load_settings
from gateway.core.channel import AccountSpec, EndpointSettings, Rates, WebhookAnswer, WebhookRequest
from gateway.core.errors import BadPayload, BadSignature, NotSupported, Overloaded, Unavailable
from gateway.core.inbound import Ignored, Parsed
from gateway.core.metrics import Metrics
from gateway.core.tracing import Tracing, current_traceparent
from gateway.web.server import WebServer
from gateway.web.webhooks import WebhookDoor

SECRET = "right"
TOKEN = "metrics-token"


class PlainSettings(EndpointSettings):
    secret: str = SECRET


class PlainChannel:
    """A provider that sends its secret in a header and a JSON object in the body."""

    name = "plain"
    settings = PlainSettings
    can_redeliver = True
    has_handshake = False

    def __init__(self) -> None:
        self.requests: list[WebhookRequest] = []

    def accounts(self, _settings: EndpointSettings) -> tuple[AccountSpec, ...]:
        return (AccountSpec("main", "", "plain", Rates()),)

    def verify(self, settings: EndpointSettings, request: WebhookRequest) -> None:
        self.requests.append(request)
        if not hmac.compare_digest(request.headers.get("x-secret", ""), settings.secret):
            raise BadSignature

    def handshake(self, _settings: EndpointSettings, request: WebhookRequest) -> WebhookAnswer:
        if not self.has_handshake:
            raise NotSupported("no handshake")
        return WebhookAnswer(request.query["challenge"].encode())

    def parse(self, _settings: EndpointSettings, request: WebhookRequest) -> list[Parsed]:
        try:
            return [Ignored(str(msgspec.json.decode(request.body)))]
        except msgspec.DecodeError as error:
            raise BadPayload(str(error)) from None


class Receiver:
    """Stands in for the router: remembers, or fails as it is told."""

    def __init__(self) -> None:
        self.accepted: list[tuple[str, str, list[Parsed]]] = []
        self.traces: list[str] = []
        self.error: Exception | None = None

    async def accept(self, channel: str, endpoint: str, parsed: Sequence[Parsed]) -> None:
        if self.error is not None:
            raise self.error
        self.traces.append(current_traceparent())
        self.accepted.append((channel, endpoint, list(parsed)))


class Site:
    """A running server and a client for it."""

    def __init__(self, server: WebServer, session: aiohttp.ClientSession, channel: PlainChannel, receiver: Receiver):
        self.server = server
        self.session = session
        self.channel = channel
        self.receiver = receiver
        self.metrics: Metrics
        self.pings: dict[str, Callable[[], object]] = {}

    async def post(self, body: object, path: str = "/webhooks/plain/main", **headers: str) -> tuple[int, bytes, dict]:
        async with self.session.post(path, data=body, headers={"X-Secret": SECRET} | headers) as answer:
            return answer.status, await answer.read(), dict(answer.headers)

    def count(self, outcome: str) -> float:
        labels = {"channel": "plain", "endpoint": "main", "outcome": outcome}
        return self.metrics.registry.get_sample_value("tertulia_webhooks_total", labels) or 0.0


def server_settings(**changes: object) -> ServerSettings:
    defaults = {"host": "127.0.0.1", "port": 0, "public_url": "https://bot.example", "read_timeout_s": 0.3}
    return load_settings(None, {}).server.model_copy(update=defaults | changes)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    channel, receiver, metrics = PlainChannel(), Receiver(), Metrics()
    pings: dict[str, Callable[[], object]] = {}

    async def exposition() -> bytes:
        return b"# metrics\n"

    async def database() -> None:
        result = pings.get("database", lambda: None)()
        if asyncio.isfuture(result):
            await result

    server = WebServer(
        server_settings(ping_timeout_s=0.1),
        [EndpointConfig(channel, "main", PlainSettings())],
        receiver,
        not_served=["plain.wrong"],
        metrics=metrics,
        tracing=Tracing(),
        pings={"database": database},
        exposition=exposition,
        token=TOKEN,
        details=[lambda: {"models": {"intent": {"serving": "v0001", "live": "v0002"}}}],
    )
    await server.open()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        running = Site(server, session, channel, receiver)
        running.metrics, running.pings = metrics, pings
        yield running
    await server.close()


def error_code(body: bytes) -> str:
    return str(json.loads(body)["error"]["code"])


async def test_authentic_webhook_is_accepted_and_answered_200(site: Site) -> None:
    status, body, _ = await site.post(b"[1]")
    assert (status, body) == (200, b"")
    assert site.receiver.accepted == [("plain", "main", [Ignored("[1]")])]
    assert site.count("accepted") == 1


async def test_the_answer_to_an_accepted_webhook_says_nothing_that_could_be_sent_to_the_customer(site: Site) -> None:
    """Some providers send the words of an answer on as a message, and complain of a type without words."""
    status, body, headers = await site.post(b"[1]")
    assert (status, body, headers["Content-Length"]) == (200, b"", "0")
    assert "Content-Type" not in headers


@pytest.mark.parametrize(("body", "secret"), [(b"{", SECRET), (b"[1]", "wrong")])
async def test_a_refusal_is_json_and_never_plain_words(site: Site, body: bytes, secret: str) -> None:
    _, _, headers = await site.post(body, **{"X-Secret": secret})
    assert headers["Content-Type"].partition(";")[0] == "application/json"


async def test_accept_runs_inside_a_trace(site: Site) -> None:
    await site.post(b"[1]")
    assert len(site.receiver.traces[0]) == 55


async def test_channel_sees_the_public_url_the_query_and_headers_in_any_case(site: Site) -> None:
    await site.post(b"[1]", "/webhooks/plain/main?a=b%20c")
    [request] = site.channel.requests
    assert request.url == "https://bot.example/webhooks/plain/main?a=b%20c"
    assert request.query["a"] == "b c"
    assert request.headers["x-secret"] == request.headers["X-SECRET"] == SECRET


@pytest.mark.parametrize("secret", ["wrong", ""])
async def test_wrong_secret_is_refused_and_nothing_is_stored(site: Site, secret: str) -> None:
    status, body, _ = await site.post(b"[1]", **{"X-Secret": secret})
    assert (status, error_code(body)) == (403, "bad_signature")
    assert site.receiver.accepted == []
    assert site.count("forged") == 1


async def test_forged_webhook_with_broken_json_is_refused_as_forged(site: Site) -> None:
    status, _, _ = await site.post(b"{", **{"X-Secret": "wrong"})
    assert status == 403


async def test_truncated_json_is_refused(site: Site) -> None:
    status, body, _ = await site.post(b'{"a": ')
    assert (status, error_code(body)) == (400, "bad_payload")
    assert site.receiver.accepted == []


async def test_body_of_20_mb_is_refused_by_its_length(site: Site) -> None:
    status, body, _ = await site.post(io.BytesIO(b"x" * 20_000_000))
    assert (status, error_code(body)) == (413, "too_large")
    assert site.channel.requests == []
    assert site.count("too_large") == 1


async def test_body_without_length_is_refused_at_the_bound(site: Site) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(320):
            sent += 65_536
            yield b"x" * 65_536

    status, body, _ = await site.post(endless())
    assert (status, error_code(body)) == (413, "too_large")
    assert site.channel.requests == []
    assert site.count("too_large") == 1


async def test_body_that_does_not_come_is_given_up(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    writer.write(b"POST /webhooks/plain/main HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123")
    assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_word_that_the_provider_adds_to_the_address_leads_to_the_same_door(site: Site) -> None:
    status, _, _ = await site.post(b"[1]", "/webhooks/plain/main/message?a=b")
    assert status == 200
    [request] = site.channel.requests
    assert request.url == "https://bot.example/webhooks/plain/main/message?a=b"
    assert site.receiver.accepted == [("plain", "main", [Ignored("[1]")])]


async def test_a_compressed_body_reaches_the_channel_as_it_came(site: Site) -> None:
    packed = gzip.compress(b"[1]")
    status, body, _ = await site.post(packed, **{"Content-Encoding": "gzip"})
    assert (status, error_code(body)) == (400, "bad_payload")  # this channel inflates nothing
    assert site.channel.requests[0].body == packed


async def test_a_body_that_is_not_what_its_headers_say_is_refused_and_no_fault_of_ours() -> None:
    """Behind a server that inflates, a plain body labelled gzip cannot even be read."""
    receiver, metrics = Receiver(), Metrics()
    endpoint = EndpointConfig(PlainChannel(), "main", PlainSettings())
    door = WebhookDoor(endpoint, server_settings(), receiver, metrics, Tracing())
    application = web.Application()
    application.router.add_post("/", door.handle)
    runner = web.AppRunner(application, access_log=None, auto_decompress=True, logger=logging.getLogger("silent"))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        headers = {"Content-Encoding": "gzip", "X-Secret": SECRET}
        async with aiohttp.request(
            "POST", f"http://127.0.0.1:{runner.addresses[0][1]}/", data=b"[1]", headers=headers
        ) as answer:
            assert (answer.status, error_code(await answer.read())) == (400, "bad_body")
    finally:
        await runner.cleanup()
    assert receiver.accepted == []
    labels = {"channel": "plain", "endpoint": "main", "outcome": "not_readable"}
    assert metrics.registry.get_sample_value("tertulia_webhooks_total", labels) == 1


async def test_a_sender_that_hangs_up_in_the_middle_is_no_fault_of_ours(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    writer.write(b"POST /webhooks/plain/main HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(5):
        while not site.count("not_readable"):
            await asyncio.sleep(0)
    assert "webhook_failed" not in caplog.text
    assert site.count("failed") == 0


@pytest.mark.parametrize(
    "path",
    ["/webhooks/plain/other", "/webhooks/plain/main/a/b", "/webhooks/none/main", "/webhooks/plain", "/webhooks", "/"],
)
async def test_unknown_address_is_not_found(site: Site, path: str) -> None:
    status, body, _ = await site.post(b"[1]", path)
    assert (status, error_code(body)) == (404, "not_found")
    assert site.channel.requests == []


@pytest.mark.parametrize("error", [Unavailable("db", after_s=7.2), Overloaded("queue", after_s=7.2)])
async def test_what_cannot_be_stored_now_is_sent_back_with_a_time(site: Site, error: Exception) -> None:
    site.receiver.error = error
    status, body, headers = await site.post(b"[1]")
    assert (status, error_code(body), headers["Retry-After"]) == (503, "unavailable", "8")


async def test_bug_answers_500_and_tells_nothing(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.receiver.error = RuntimeError("inner secret")
    status, body, _ = await site.post(b'["customer words"]')
    assert (status, error_code(body)) == (500, "internal")
    assert b"inner secret" not in body
    assert b"customer words" not in body
    assert "customer words" not in caplog.text


async def test_get_where_there_is_no_handshake_is_405(site: Site) -> None:
    async with site.session.get("/webhooks/plain/main") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_get_answers_the_handshake(site: Site) -> None:
    site.channel.has_handshake = True
    async with site.session.get("/webhooks/plain/main?challenge=42") as answer:
        assert (answer.status, await answer.read()) == (200, b"42")


async def test_other_methods_are_405(site: Site) -> None:
    async with site.session.put("/webhooks/plain/main", data=b"[1]") as answer:
        assert answer.status == 405


async def test_healthz_does_not_ask_the_database(site: Site) -> None:
    site.pings["database"] = lambda: 1 / 0
    async with site.session.get("/healthz") as answer:
        assert answer.status == 200


async def test_readyz_says_which_part_fails(site: Site) -> None:
    async with site.session.get("/readyz") as answer:
        content = await answer.json()
        assert (answer.status, content["status"], content["checks"]) == (200, "ready", {"database": "ok"})
    site.pings["database"] = lambda: 1 / 0
    async with site.session.get("/readyz") as answer:
        assert answer.status == 503
        assert (await answer.json())["checks"] == {"database": "ZeroDivisionError"}


async def test_readyz_names_endpoints_that_are_not_served_and_stays_200_for_the_others(site: Site) -> None:
    async with site.session.get("/readyz") as answer:
        assert (answer.status, (await answer.json())["not_served"]) == (200, ["plain.wrong"])


async def test_readyz_tells_what_serves_to_whoever_has_the_token(site: Site) -> None:
    async with site.session.get("/readyz") as answer:
        assert "models" not in await answer.json()
    async with site.session.get(f"/readyz?token={TOKEN}") as answer:
        assert (await answer.json())["models"] == {"intent": {"serving": "v0001", "live": "v0002"}}


async def test_readyz_does_not_wait_for_a_part_that_hangs(site: Site) -> None:
    site.pings["database"] = asyncio.get_running_loop().create_future
    async with site.session.get("/readyz") as answer:
        assert (await answer.json())["checks"] == {"database": "timeout"}


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, 401),
        ("?token=wrong", {}, 401),
        ("", {"Authorization": "Bearer wrong"}, 401),
        ("", {"Authorization": f"Basic {TOKEN}"}, 401),
        (f"?token={TOKEN}", {}, 200),
        ("", {"Authorization": f"Bearer {TOKEN}"}, 200),
    ],
)
async def test_metrics_want_the_token(site: Site, query: str, headers: dict[str, str], status: int) -> None:
    async with site.session.get("/metrics" + query, headers=headers) as answer:
        assert answer.status == status
        assert (b"# metrics" in await answer.read()) == (status == 200)


async def test_stopping_server_finishes_what_runs_and_takes_nothing_new(site: Site) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    accept = site.receiver.accept

    async def slow(channel: str, endpoint: str, parsed: Sequence[Parsed]) -> None:
        entered.set()
        await go_on.wait()
        await accept(channel, endpoint, parsed)

    site.receiver.accept = slow
    running = asyncio.create_task(site.post(b"[1]"))
    await entered.wait()
    port = site.server.port
    await site.server.stop_accepting()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    go_on.set()
    assert (await running)[0] == 200


def test_metrics_start_at_zero_in_a_registry_of_their_own() -> None:
    assert isinstance(Metrics().registry, CollectorRegistry)
    assert Metrics().registry is not Metrics().registry
