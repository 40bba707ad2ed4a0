"""What every channel must keep, whatever its provider: one suite over all that discovery finds."""

import contextlib
import inspect
import itertools
import json
import random
import uuid
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import channels
from channels import catalogue
from channels.discovery import discover, read_settings, settings_problems
from channels.specimen import specimen_of
from gateway.core.channel import Call, WebhookRequest
from gateway.core.errors import (
    Ambiguous,
    BadPayload,
    BadSignature,
    GiveUp,
    Misconfigured,
    NotSupported,
    Retry,
    TertuliaError,
)
from gateway.core.inbound import Ignored, Received, Unparsed
from gateway.core.messages import (
    Author,
    Card,
    Cards,
    Choice,
    ContactCard,
    Location,
    Media,
    Option,
    Outgoing,
    Reaction,
    Selection,
    Template,
    Text,
    Unsupported,
)

FOLDER = Path(channels.__path__[0])
CHANNELS = discover()

with_provider = pytest.mark.parametrize(
    "channel", [name for name in sorted(CHANNELS) if specimen_of(name).has_provider], indirect=True
)
"""For what only a channel with a provider can promise: signed webhooks, calls that fail."""


@pytest.fixture(params=sorted(CHANNELS))
def channel(request):
    return CHANNELS[request.param]


@pytest.fixture
def specimen(channel):
    return specimen_of(channel.name)


@pytest.fixture
def endpoint(channel, specimen):
    return read_settings(channel, "main", specimen.settings_values)


def outgoing(*parts, recipient, reply_to="", account=None):
    """A message on its way out on *account* (an ``AccountSpec``), with a link for every blob."""
    return Outgoing(
        uuid.uuid4(),
        uuid.uuid4(),
        1,
        recipient,
        Author.BOT,
        parts,
        reply_to=reply_to,
        account=account.external if account else "",
        app=account.app if account else "",
        language="es",
        links={"key": "https://gateway.example/media/k"},
    )


def accounts_of(channel, endpoint):
    """One account of each app: what can be shown depends on it."""
    return list({account.app: account for account in channel.accounts(endpoint)}.values())


def recordings():
    for path in sorted(FOLDER.glob("[!_]*/recordings/*.json")):
        yield pytest.param(path, id=f"{path.parent.parent.name}-{path.stem}")


def recorded_events(channel):
    for path in sorted((FOLDER / channel.name / "recordings").glob("*.json")):
        yield path.stem, json.dumps(json.loads(path.read_text())["body"]).encode()


# ---------------------------------------------------------------- settings and proof


def test_an_endpoint_without_its_proof_does_not_start_and_says_which_key_is_missing(channel, specimen):
    for values in ({**specimen.settings_values, specimen.needed_key: ""}, dict(specimen.settings_values)):
        if values[specimen.needed_key]:
            del values[specimen.needed_key]
        problems = settings_problems(channel, "main", values)
        assert [problem.key for problem in problems] == [f"channels.{channel.name}.main.{specimen.needed_key}"]
        with pytest.raises(Misconfigured):
            read_settings(channel, "main", values)


def test_an_unknown_setting_is_named_and_no_secret_is_shown(channel, specimen):
    values = {**specimen.settings_values, "colour": "red"}
    problems = settings_problems(channel, "main", values)
    assert [problem.key for problem in problems] == [f"channels.{channel.name}.main.colour"]
    shown = repr(read_settings(channel, "main", specimen.settings_values)) + str(problems)
    assert str(specimen.settings_values[specimen.secret_key]) not in shown


def test_there_is_at_least_one_account_and_it_tells_its_app(channel, endpoint):
    accounts = channel.accounts(endpoint)
    assert accounts
    assert all(account.app for account in accounts)
    assert len({account.external for account in accounts}) == len(accounts)


@with_provider
def test_an_authentic_webhook_passes(channel, specimen, endpoint):
    channel.verify(endpoint, specimen.authentic(specimen.text_message(1, "hola")))


@with_provider
def test_a_webhook_signed_with_the_secret_that_is_being_replaced_passes(channel, specimen, endpoint):
    request = specimen.rotated(specimen.text_message(1, "hola"))
    channel.verify(endpoint, request)
    emptied = endpoint.model_copy(
        update={
            key: type(getattr(endpoint, key))("")
            for key in type(endpoint).model_fields
            if key.endswith("_previous") and not isinstance(getattr(endpoint, key), dict)
        }
    )
    with pytest.raises(BadSignature):
        channel.verify(emptied, request)


@with_provider
def test_a_webhook_signed_long_ago_is_refused_where_the_proof_holds_a_time(channel, specimen, endpoint):
    request = specimen.stale(specimen.text_message(1, "hola"))
    if request is not None:
        with pytest.raises(BadSignature):
            channel.verify(endpoint, request)


@with_provider
def test_every_forgery_is_refused(channel, specimen, endpoint):
    forgeries = specimen.forged(specimen.text_message(1, "hola"))
    assert len(forgeries) >= 3
    for request in forgeries.values():
        with pytest.raises(BadSignature):
            channel.verify(endpoint, request)


@with_provider
def test_nothing_passes_when_the_secret_was_emptied_behind_the_settings_back(channel, specimen, endpoint):
    kind = type(getattr(endpoint, specimen.secret_key))
    emptied = endpoint.model_copy(
        update={key: kind("") for key in (specimen.secret_key, f"{specimen.secret_key}_previous")}
    )
    for request in [*specimen.forged(b"{}").values(), specimen.authentic(b"{}")]:
        with pytest.raises(BadSignature):
            channel.verify(emptied, request)


@with_provider
def test_secrets_are_compared_in_constant_time(channel):
    source = (FOLDER / channel.name / "verify.py").read_text()
    assert "compare_digest" in source
    assert "==" not in source


def test_a_get_is_answered_or_refused_by_name(channel, endpoint):
    request = WebhookRequest("GET", "https://example.org/", {}, {}, b"")
    with contextlib.suppress(NotSupported, BadSignature):
        assert channel.handshake(endpoint, request).body


# ---------------------------------------------------------------- coming in


@pytest.mark.parametrize("path", list(recordings()))
def test_a_recorded_payload_is_parsed_as_declared(path):
    channel = CHANNELS[path.parent.parent.name]
    specimen = specimen_of(channel.name)
    recording = json.loads(path.read_text())
    body = json.dumps(recording["body"]).encode()
    parsed = channel.parse(read_settings(channel, "main", specimen.settings_values), specimen.authentic(body))
    assert [msgspec.to_builtins(event)["type"] for event in parsed] == [each["type"] for each in recording["expected"]]
    for event, expected in zip(parsed, recording["expected"], strict=True):
        plain = msgspec.json.decode(msgspec.json.encode(event))
        assert {key: plain[key] for key in expected} == expected


def test_arbitrary_bytes_raise_only_the_named_error(channel, specimen, endpoint):
    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=400))
    def check(body):
        for read in (lambda: channel.parse(endpoint, specimen.authentic(body)), lambda: channel.replay(endpoint, body)):
            with contextlib.suppress(BadPayload):
                assert isinstance(read(), list)

    check()


def test_any_damage_to_a_recorded_payload_raises_only_the_named_error(channel, specimen, endpoint):
    bodies = [body for _, body in recorded_events(channel)]

    @settings(max_examples=400, deadline=None)
    @given(st.sampled_from(bodies), st.integers(0, 2000), st.integers(0, 6), st.binary(max_size=6))
    def check(body, at, length, junk):
        at %= len(body) + 1
        with contextlib.suppress(BadPayload):
            assert channel.parse(endpoint, specimen.authentic(body[:at] + junk + body[at + length :]))

    check()


def test_a_number_beyond_all_numbers_beside_half_a_surrogate_pair_raises_only_the_named_error(
    channel, specimen, endpoint
):
    body = specimen.text_message(1, "hola").replace(b"hola", b"a\\ud83db")
    if body.startswith(b"{"):
        body = b'{"odd": 1e999, ' + body[1:]
    with contextlib.suppress(BadPayload):
        assert channel.parse(endpoint, specimen.authentic(body))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def leaves(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from leaves(inner, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def test_any_json_in_any_place_of_a_recorded_payload_is_parsed_or_kept(channel, specimen, endpoint):
    bodies = [json.loads(body) for _, body in recorded_events(channel)]

    @settings(max_examples=400, deadline=None)
    @given(st.sampled_from(bodies), st.randoms(use_true_random=False), JSON_VALUES)
    def check(body, chance: random.Random, value):
        path = chance.choice(list(leaves(body))[1:])
        raw = json.dumps(replaced(body, path, value)).encode()
        assert channel.parse(endpoint, specimen.authentic(raw))

    check()


def test_truncated_payloads_are_refused(channel, specimen, endpoint):
    body = specimen.text_message(1, "hola")
    whole = specimen.authentic(body)
    if not body.startswith(b"{"):  # a form without its end is a form: only the proof tells
        for length in range(len(whole.body)):
            with pytest.raises(BadSignature):
                channel.verify(endpoint, msgspec.structs.replace(whole, body=whole.body[:length]))
        return
    for length in range(len(body)):
        with pytest.raises(BadPayload):
            channel.parse(endpoint, specimen.authentic(body[:length]))


def test_an_unknown_event_is_kept_raw_and_can_be_replayed(channel, specimen, endpoint):
    [kept] = channel.parse(endpoint, specimen.authentic(specimen.unknown_event()))
    assert isinstance(kept, Unparsed)
    assert kept.path.startswith("$")
    assert kept.reason
    assert channel.replay(endpoint, kept.raw) == [kept]


def test_a_replay_after_a_fix_gives_what_the_webhook_would_have_given(channel, specimen, endpoint):
    body = specimen.text_message(7, "hola")
    replayed, parsed = channel.replay(endpoint, body), channel.parse(endpoint, specimen.authentic(body))
    assert undated(replayed) == undated(parsed)


def undated(events):
    """Events without their times: where the wire tells none, they are dated on arrival."""
    return [msgspec.structs.replace(event, at=None) if hasattr(event, "at") else event for event in events]


def test_events_that_come_together_are_those_that_come_alone_and_a_bad_one_harms_nobody(channel, specimen, endpoint):
    bodies = [specimen.text_message(number, f"hola {number}") for number in range(1, 6)]
    alone = [event for body in bodies for event in channel.parse(endpoint, specimen.authentic(body))]
    joined = specimen.together(bodies)
    if joined is None:
        return
    assert channel.parse(endpoint, specimen.authentic(joined)) == alone
    mixed = specimen.together([*bodies[:2], specimen.unknown_event(), *bodies[2:]])
    parsed = channel.parse(endpoint, specimen.authentic(mixed))
    assert [event for event in parsed if not isinstance(event, Unparsed)] == alone
    [kept] = [event for event in parsed if isinstance(event, Unparsed)]
    assert channel.replay(endpoint, kept.raw) == [kept]


def test_events_name_an_account_of_the_endpoint(channel, specimen, endpoint):
    [event] = channel.parse(endpoint, specimen.authentic(specimen.text_message(1, "hola")))
    assert event.account == specimen.account
    assert event.account in {account.external for account in channel.accounts(endpoint)}


def test_a_redelivered_event_has_the_same_key(channel, specimen, endpoint):
    for _, body in recorded_events(channel):
        first = channel.parse(endpoint, specimen.authentic(body))
        second = channel.parse(endpoint, specimen.authentic(body))
        assert [getattr(event, "event_key", "") for event in first] == [
            getattr(event, "event_key", "") for event in second
        ]


def test_distinct_events_have_distinct_keys(channel, specimen, endpoint):
    bodies = [body for _, body in recorded_events(channel)]
    bodies += [specimen.text_message(number, "hola") for number in range(5000, 5100)]
    keys = [
        event.event_key
        for body in bodies
        for event in channel.parse(endpoint, specimen.authentic(body))
        if not isinstance(event, Ignored | Unparsed)
    ]
    assert len(keys) > 100
    assert len(set(keys)) == len(keys)
    assert all(0 < len(key) < 300 for key in keys)


def test_times_are_aware_and_no_text_holds_a_nul(channel, specimen, endpoint):
    [event] = channel.parse(endpoint, specimen.authentic(specimen.text_message(1, "a\0b")))
    assert isinstance(event, Received)
    assert event.at.tzinfo is not None
    assert b"\\u0000" not in msgspec.json.encode(event)


def test_a_text_of_more_than_100000_characters_goes_to_the_quarantine(channel, specimen, endpoint):
    [longest] = channel.parse(endpoint, specimen.authentic(specimen.text_message(1, "x" * 100_000)))
    assert isinstance(longest, Received)
    [kept] = channel.parse(endpoint, specimen.authentic(specimen.text_message(1, "x" * 100_001)))
    assert isinstance(kept, Unparsed)


# ---------------------------------------------------------------- going out

OPTIONS = (
    Option("Yes", "yes"),
    Option("A longer label that may not fit", "v" * 200),
    Option("Site", url="https://example.org/"),
    Option("Odd", url="ftp://example.org/"),
    Option("No value"),
    Option("", "empty label"),
)
ASKING = (Option("My number", asks_for="phone"), Option("Where I am", asks_for="location"))
PARTS = [
    Text("hola"),
    Text(""),
    Text("  \n "),
    Text("a\0b \ud800 c"),
    Text("**bold** [x](https://example.org) `c`", markup="markdown"),
    Text("word " * 3000),
    Text("x" * 10_000),
    Text("😀" * 5000),
    Text(f"**{'bold ' * 2000}**", markup="markdown"),
    *[
        Media(kind, url="https://example.org/f", caption=caption)
        for kind in ("image", "audio", "voice", "video", "document", "sticker", "animation")
        for caption in ("", "short", "long " * 500)
    ],
    Media("image", provider_ref="ref"),
    Media("document", blob="key", name="a.pdf", mime="application/pdf"),
    Media("document"),
    Media("document", caption="only words"),
    Location(40.4, -3.7),
    Location(40.4, -3.7, "Shop", "Main 1"),
    Location(40.4, -3.7, "Shop"),
    ContactCard("Ana", "+34600000000"),
    ContactCard("Ana"),
    ContactCard("", ""),
    *[Choice("Pick", OPTIONS, style=style) for style in ("buttons", "quick_replies", "list")],
    *[Choice("Pick", ASKING, style=style) for style in ("buttons", "quick_replies", "list")],
    Choice("", OPTIONS),
    Choice("", ()),
    Choice("**Pick**", (), markup="markdown"),
    Choice("long " * 2000, OPTIONS),
    Choice("Many", tuple(Option(f"o{n}", str(n)) for n in range(150)), style="list"),
    Cards((Card("One", "first", "https://example.org/1.png", OPTIONS), Card("Two"), Card(""))),
    Cards(()),
    Template("welcome", "es", ("Ana",)),
    Selection("v", "Label"),
    Selection("", ""),
    Reaction("1111111:5", ("👍",)),
    Unsupported("dice"),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{type(part).__name__}")
def test_every_part_becomes_calls_within_the_limits_or_is_given_up_by_name(channel, specimen, endpoint, part):
    for account, recipient in itertools.product(accounts_of(channel, endpoint), specimen.recipients):
        message = outgoing(part, recipient=recipient, reply_to="1111111:3", account=account)
        try:
            calls = channel.render(endpoint, message)
        except GiveUp as refusal:
            assert refusal.reason in {"not_supported", "refused"}  # noqa: PT017  # most parts are not refused
            continue
        assert calls
        assert all(isinstance(call, Call) for call in calls)
        assert calls == channel.render(endpoint, message)
        json.dumps([call.params for call in calls]).encode()
        assert [fault for call in calls for fault in specimen.faults_of(call)] == []


def test_a_part_that_cannot_be_shown_does_not_take_its_neighbours_along(channel, specimen, endpoint):
    for account in accounts_of(channel, endpoint):
        calls = channel.render(
            endpoint, outgoing(Unsupported("dice"), Text("hola"), recipient=specimen.recipients[0], account=account)
        )
        assert any(call.losses for call in calls)
        assert len(calls) == 1


def test_arbitrary_text_is_rendered_within_the_limit_and_complete(channel, specimen, endpoint):
    @settings(max_examples=60, deadline=None)
    @given(st.text(min_size=1), st.integers(1, 400), st.sampled_from(accounts_of(channel, endpoint)))
    def check(seed, times, account):
        text = seed * times
        try:
            calls = channel.render(endpoint, outgoing(Text(text), recipient=specimen.recipients[0], account=account))
        except GiveUp:
            assert not text.strip()
            return
        shown = "".join(specimen.text_of(call) for call in calls)
        clean = text.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        assert "".join(shown.split()) == "".join(clean.split())
        assert [fault for call in calls for fault in specimen.faults_of(call)] == []

    check()


# ---------------------------------------------------------------- talking


async def no_blobs(_key):
    yield b"content"


@contextlib.asynccontextmanager
async def talking(channel, specimen):
    async with specimen.stage() as stage:
        client = channel.client(stage.settings, no_blobs)
        await client.open()
        try:
            yield stage, client
        finally:
            await client.close()


def on(stage, channel, *parts):
    """The calls of a message to the person of the stage."""
    [account] = [a for a in channel.accounts(stage.settings) if a.external == stage.account]
    return channel.render(stage.settings, outgoing(*parts, recipient=stage.recipient, account=account))


@with_provider
async def test_a_text_reaches_the_provider_once_and_gets_an_id(channel, specimen):
    async with talking(channel, specimen) as (stage, client):
        [first], [second] = on(stage, channel, Text("¡Hola, Ana! 😀")), on(stage, channel, Text("¡Adiós!"))
        sent = await client.send(stage.account, first)
        again = await client.send(stage.account, second)
        assert stage.texts() == ["¡Hola, Ana! 😀", "¡Adiós!"]
    assert len(sent.provider_message_ids) == 1
    assert sent != again


@with_provider
async def test_a_connection_broken_after_the_request_left_is_ambiguous(channel, specimen):
    async with talking(channel, specimen) as (stage, client):
        [call] = on(stage, channel, Text("hola"))
        stage.break_next_call(takes_effect=True)
        with pytest.raises(Ambiguous):
            await client.send(stage.account, call)
        assert stage.texts() == ["hola"]


@with_provider
async def test_a_wait_that_the_provider_asks_for_is_handed_on(channel, specimen):
    async with talking(channel, specimen) as (stage, client):
        [call] = on(stage, channel, Text("hola"))
        stage.refuse_next_call(retry_after_s=17)
        with pytest.raises(Retry) as raised:
            await client.send(stage.account, call)
        assert raised.value.after_s == 17
        assert not isinstance(raised.value, Ambiguous)
        assert stage.texts() == []


@with_provider
async def test_every_refusal_of_the_provider_is_named_by_what_to_do_and_tells_no_secret(channel, specimen):
    refusals = specimen.refusals()
    assert len(refusals) >= 8
    async with talking(channel, specimen) as (stage, client):
        secret = getattr(stage.settings, specimen.secret_key)
        hidden = secret.get_secret_value() if hasattr(secret, "get_secret_value") else str(secret)
        for name, refusal in refusals.items():
            [call] = on(stage, channel, Text("hola"))
            stage.answer_next_call(refusal.answer)
            became, error = "sent", None
            try:
                await client.send(stage.account, call)
            except TertuliaError as raised:
                became, error = type(raised).__name__, raised
            assert (name, became) == (name, refusal.becomes)
            if isinstance(error, GiveUp):
                assert (name, error.reason) == (name, refusal.reason)
            if refusal.after_s is not None:
                assert (name, error.after_s) == (name, refusal.after_s)
            assert hidden not in str(error)
        assert stage.texts() == []


async def test_opening_and_closing_twice_is_harmless(channel, specimen, endpoint):
    client = channel.client(endpoint, no_blobs)
    await client.close()
    await client.open()
    await client.open()
    await client.close()
    await client.close()


@pytest.mark.parametrize(
    "channel", [name for name in sorted(CHANNELS) if not specimen_of(name).has_provider], indirect=True
)
async def test_a_channel_without_a_provider_takes_no_webhooks_and_every_message_at_once(channel, specimen, endpoint):
    for request in [*specimen.forged(b"{}").values(), specimen.authentic(specimen.text_message(1, "hola"))]:
        with pytest.raises(BadSignature):
            channel.verify(endpoint, request)
    [call] = channel.render(endpoint, outgoing(Text("hola"), recipient=specimen.recipients[0]))
    client = channel.client(endpoint, no_blobs)
    assert await client.send("", call) == await client.send("", call)
    assert channel.capabilities.repeats_harmlessly


# ---------------------------------------------------------------- what is promised on paper


def test_the_ledger_answers_every_rule(channel):
    ledger = catalogue.read_ledger((FOLDER / channel.name / "README.md").read_text())
    assert set(ledger) == set(catalogue.QUALITY_RULES)
    assert all(line.note for line in ledger.values() if line.state != "done")


def test_nothing_outside_its_folder_names_a_channel(channel):
    root = FOLDER.parent
    named = [
        str(path.relative_to(root))
        for folder in ("gateway/core", "gateway/store", "gateway/router", "channels")
        for path in (root / folder).rglob("*.py")
        if f"channels/{channel.name}/" not in str(path) and f"channels.{channel.name}" in path.read_text()
    ]
    assert named == []


def test_parse_verify_and_render_do_no_input_or_output(channel):
    for name in ("parse.py", "verify.py", "render.py"):
        source = (FOLDER / channel.name / name).read_text()
        assert "aiohttp" not in source
        assert "async def" not in source
    assert not inspect.iscoroutinefunction(channel.parse)
