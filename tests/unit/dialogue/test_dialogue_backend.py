"""Actions against a real server: what goes out, what comes back, and what never stops a turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from talking import Customer, detail, keys, words

from config.bot import Bot
from config.bot_actions import resolve
from config.bot_model import Actions, ActionSpec
from gateway.app.sample_backend import SampleBackend, open_sample_backend
from gateway.core.errors import Misconfigured
from gateway.dialogue import Dialogue
from gateway.dialogue.backend import MAX_ANSWER_BYTES, ActionFailed, Backend, _path
from nlp.intents import Model, Prediction
from nlp.language import LanguageDetector

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def calling(address: str, *, timeout_s: float = 2.0) -> AsyncIterator[Backend]:
    specs = {
        "get": ActionSpec(
            name="get", method="GET", path="/people/{who}", params={"q": "{q}"}, timeout_s=timeout_s,
            fill={"a": "a", "deep": "x.y", "listed": "list"},
        ),
        "post": ActionSpec(
            name="post", method="POST", path="/things", timeout_s=timeout_s, fill={"number": "number"},
            json={"n": "{n}", "text": "for {who}", "none": "{nothing}", "list": ["{flag}", 1]},
        ),
    }  # fmt: skip
    backend = Backend(
        Actions("${ADDRESS}/", {"Authorization": "Bearer ${TOKEN}"}, specs), {"ADDRESS": address, "TOKEN": "t"}
    )
    await backend.open()
    try:
        yield backend
    finally:
        await backend.close()


VALUES = {"who": "Ana/../x?y#z", "q": "a&b=c", "n": 3, "flag": True, "nothing": None}


async def test_a_call_sends_the_slots_the_key_and_the_headers_and_fills_what_was_asked_for() -> None:
    seen: list[tuple[str, str, dict[str, str], bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.method, request.raw_path, dict(request.headers), await request.read()))
        return web.json_response({"a": "b", "x": {"y": 2.5}, "list": [1], "number": "T-1"})

    async with serving(handler) as address, calling(address) as backend:
        assert await backend.call("get", VALUES, "key-1") == {"a": "b", "deep": 2.5, "listed": None}
        assert await backend.call("post", VALUES, "key-2") == {"number": "T-1"}
    (_, path, headers, _), (_, _, posted, body) = seen
    assert path == "/people/Ana%2F..%2Fx%3Fy%23z?q=a%26b%3Dc"
    assert (headers["Idempotency-Key"], headers["Authorization"]) == ("key-1", "Bearer t")
    assert posted["Content-Type"] == "application/json"
    assert msgspec.json.decode(body) == {"n": 3, "text": "for Ana/../x?y#z", "none": None, "list": [True, 1]}


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (lambda: web.Response(status=500), "status 500"),
        (lambda: web.Response(status=404), "status 404"),
        (lambda: web.Response(status=302, headers={"Location": "http://169.254.169.254/"}), "status 302"),
        (lambda: web.Response(text="<html>"), "the answer is not JSON"),
        (lambda: web.json_response([1]), "the answer is not a JSON object"),
        (lambda: web.Response(body=b"[" * 60_000), "the answer is not JSON"),
        (lambda: web.Response(body=b" " * (MAX_ANSWER_BYTES + 1)), "the answer is too large"),
    ],
)
async def test_a_bad_answer_is_a_failure_with_a_reason(response: Callable[[], web.Response], reason: str) -> None:
    async def handler(_request: web.Request) -> web.Response:
        return response()

    async with serving(handler) as address, calling(address) as backend:
        with pytest.raises(ActionFailed) as failed:
            await backend.call("get", VALUES, "k")
    assert failed.value.reason == reason


async def test_an_answer_that_does_not_come_ends_with_its_time() -> None:
    never = asyncio.Event()

    async def handler(_request: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with serving(handler) as address, calling(address, timeout_s=0.1) as backend:
        with pytest.raises(ActionFailed, match="timeout"):
            await backend.call("get", VALUES, "k")


async def test_each_call_is_observed_with_its_result() -> None:
    heard: list[tuple[str, str]] = []
    spec = ActionSpec(name="get", method="GET", path="/", timeout_s=1)
    actions = Actions("${ADDRESS}", {}, {"get": spec})

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.headers["Idempotency-Key"] == "good" else 500)

    async with serving(handler) as address:
        environment = {"ADDRESS": address}
        backend = Backend(actions, environment, lambda name, result, _seconds: heard.append((name, result)))
        await backend.open()
        assert await backend.call("get", {}, "good") == {}
        with pytest.raises(ActionFailed):
            await backend.call("get", {}, "bad")
        await backend.close()
    assert heard == [("get", "ok"), ("get", "failed")]


async def test_a_backend_that_is_not_there_is_a_failure() -> None:
    async with calling("http://127.0.0.1:9") as backend:
        with pytest.raises(ActionFailed, match="unreachable"):
            await backend.call("get", VALUES, "k")


@given(st.text(max_size=40))
def test_what_a_customer_wrote_is_one_segment_of_the_path_or_nothing(text: str) -> None:
    if text in {"", ".", ".."}:
        with pytest.raises(ActionFailed):
            _path("/a/{x}/b", {"x": text})
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert _path("/a/{x}/b", {"x": text}).count("/") == 3


def test_variables_take_the_environment_the_default_or_nothing() -> None:
    assert resolve("${A}/${B:-b}/${C:-}", {"A": "x"}) == "x/b/"
    assert resolve("${A:-a}", {"A": ""}) == "a"


# in the bot


@pytest.fixture
async def world(bot: Bot, model: Model, detector: LanguageDetector) -> AsyncIterator[tuple[Customer, SampleBackend]]:
    async def classify(text: str) -> Prediction:
        return model.predict([text])[0]

    systems = SampleBackend()
    async with open_sample_backend(systems) as address:
        dialogue = Dialogue(bot, classify, detector, Backend(bot.actions, {"BACKEND_URL": address}))
        await dialogue.open()
        try:
            yield Customer(dialogue), systems
        finally:
            await dialogue.close()


async def test_the_balance_is_looked_up_and_not_remembered(world: tuple[Customer, SampleBackend]) -> None:
    customer, _ = world
    outcome = await customer.says("cuál es mi saldo")
    assert keys(outcome) == ["utter_balance"]
    assert "hasta el" in words(outcome)
    assert "action: balance" in outcome.resolution.steps
    assert customer.calls == 1
    assert b"slots" not in outcome.state


async def test_a_turn_that_calls_nothing_pays_nothing(world: tuple[Customer, SampleBackend]) -> None:
    customer, _ = world
    for text in ("hola", "quiero cambiar de plan", "plus", "cancelar"):
        await customer.says(text)
    assert customer.calls == 0


async def test_a_form_is_ordered_once_however_often_the_turn_is_tried(world: tuple[Customer, SampleBackend]) -> None:
    customer, systems = world
    for text in ("quiero cambiar de plan", "plus", "3005550142", "mañana"):
        await customer.says(text)
    last = customer.message(*customer_text("sí"))
    turn_id, state = UUID(int=7), customer.state
    first = await customer.turn(last, turn_id=turn_id)
    customer.state = state
    second = await customer.turn(last, turn_id=turn_id)
    assert keys(first) == keys(second) == ["utter_plan_ordered"]
    assert words(first) == words(second)
    assert list(systems.answers) == [f"{turn_id}:change_plan.order"]


async def test_a_line_that_is_not_ours_is_asked_for_again(world: tuple[Customer, SampleBackend]) -> None:
    customer, _ = world
    await customer.says("quiero cambiar de plan")
    await customer.says("plus")
    unknown = await customer.says("399 555 0142")
    assert keys(unknown) == ["utter_line_unknown", "utter_ask_line"]
    assert "3995550142" in words(unknown)
    assert keys(await customer.says("300 555 0142")) == ["utter_ask_plan_start"]


async def test_when_the_systems_are_away_the_flow_says_so(world: tuple[Customer, SampleBackend]) -> None:
    customer, systems = world
    systems.is_away = True
    outcome = await customer.says("cuál es mi saldo")
    assert (keys(outcome), outcome.hand_off) == (["utter_system_away"], "")
    assert "action: balance failed, status 503" in outcome.resolution.steps


async def test_where_the_author_says_nothing_about_a_failure_a_person_takes_over(
    world: tuple[Customer, SampleBackend],
) -> None:
    customer, systems = world
    for text in ("quiero cambiar de plan", "plus", "3005550142", "mañana"):
        await customer.says(text)
    systems.is_away = True
    outcome = await customer.says("sí")
    assert keys(outcome) == ["utter_action_failed", "utter_handoff"]
    assert (outcome.hand_off, detail(outcome)) == ("action_failed", "order_plan")
    assert systems.answers == {}


async def test_what_keeps_a_turn_from_calling_ends_it(world: tuple[Customer, SampleBackend]) -> None:
    customer, _ = world

    async def lost() -> None:
        raise Misconfigured("x", "the lease is lost")

    with pytest.raises(Misconfigured, match="lease is lost"):
        await customer.dialogue.decide(customer.input(customer.message(*customer_text("mi saldo"))), lost)


async def test_the_same_customer_always_has_the_same_line(world: tuple[Customer, SampleBackend]) -> None:
    customer, _ = world
    turn = customer.input(customer.message(*customer_text("mi saldo")))
    first, second = [await customer.dialogue.decide(turn, customer.before_calling) for _ in range(2)]
    assert words(first) == words(second)


def customer_text(text: str):
    from gateway.core.messages import Text

    return (Text(text),)
