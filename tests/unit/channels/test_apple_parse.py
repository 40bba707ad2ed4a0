"""What Apple's webhooks become: compressed or not, whole or damaged, with what only their headers tell."""

import gzip
import json
import zlib
from datetime import UTC, datetime

import pytest

from channels.apple.body import MAX_BODY_BYTES
from channels.apple.parse import parse, replay, traits_of
from channels.apple.wire import decode_ref
from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadPayload
from gateway.core.inbound import ConsentChanged, Ignored, Received, Unparsed
from gateway.core.messages import Media, Selection, Text

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
CUSTOMER = "urn:mbid:AQAAY/+a=="
BUSINESS = "7b1f0a52-4c1d-4a7e-9a53-0d7f7a3f5d10"
PLAIN = {"v": 1, "id": "m-1", "type": "text", "sourceId": CUSTOMER, "destinationId": BUSINESS, "body": "hola"}
FILE = {
    "name": "a.png",
    "mimeType": "image/png",
    "size": "9",
    "url": "https://p42.example/M1",
    "owner": "M1",
    "key": "00" + "AB" * 32,
    "signature": "8101",
}


def parsed(body, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    [event] = parse(WebhookRequest("POST", "https://example.org/", headers or {}, {}, raw), NOW)
    return event


def answer(**data):
    return parsed({**PLAIN, "type": "interactive", "interactiveData": {"bid": "", "data": data}})


# ---------------------------------------------------------------- the body


@pytest.mark.parametrize("headers", [{}, {"content-encoding": "gzip"}])
def test_a_compressed_body_is_inflated_whatever_its_header_says(headers):
    assert parsed(gzip.compress(json.dumps(PLAIN).encode()), headers).parts == (Text("hola"),)


def test_a_body_that_a_proxy_inflated_is_taken_though_its_header_still_says_gzip():
    assert parsed(PLAIN, {"content-encoding": "gzip"}).parts == (Text("hola"),)


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(b"{}", mtime=0)[:-1],
        gzip.compress(b"{}", mtime=0)[:12],
        gzip.compress(b"{}", mtime=0) + b"x",
        b"\x1f\x8b",
        b"\x1f\x8b nothing",
        zlib.compress(b"{}"),
    ],
)
def test_what_is_not_one_whole_gzip_stream_is_refused(packed):
    with pytest.raises(BadPayload):
        parsed(packed)


def test_a_small_body_that_inflates_without_end_is_refused_before_it_does():
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 60_000
    with pytest.raises(BadPayload, match=str(MAX_BODY_BYTES)):
        parsed(bomb)


def test_the_longest_text_is_taken_also_when_every_character_is_escaped():
    event = parsed({**PLAIN, "body": "😀" * 100_000})
    assert len(event.parts[0].text) == 100_000


def test_half_a_surrogate_pair_is_replaced():
    raw = json.dumps(PLAIN).encode().replace(b"hola", b"a\\ud83db")
    assert parsed(raw).parts == (Text("a\ufffdb"),)


def test_what_is_an_object_in_spite_of_half_a_surrogate_pair_is_kept_and_not_refused():
    raw = json.dumps(PLAIN).encode().replace(b'"m-1"', b"7").replace(b"hola", b"a\\ud83db")
    kept = parsed(raw)
    assert isinstance(kept, Unparsed)
    assert (kept.path, kept.raw) == ("$.id", raw)


def test_a_number_beyond_all_numbers_is_refused_by_name():
    raw = json.dumps(PLAIN).encode().replace(b'"v": 1', b'"v": 1e999').replace(b"hola", b"a\\ud83db")
    with pytest.raises(BadPayload):
        parsed(raw)


# ---------------------------------------------------------------- headers


def test_the_device_tells_what_it_can_show_in_any_case_and_order():
    event = parsed(PLAIN, {"capability-list": " list, quick,FORM ,,auth2,LIST"})
    assert event.traits == "AUTH2,FORM,LIST,QUICK"


@pytest.mark.parametrize("given", ["", ",", "a b", "x" * 17, "é", "a\nb"])
def test_what_is_no_capability_is_dropped(given):
    assert traits_of(given) == "NONE"


def test_a_device_that_says_nothing_is_not_one_that_shows_nothing():
    assert parsed(PLAIN).traits == ""


def test_a_header_stands_in_for_what_the_body_lacks():
    bare = {key: value for key, value in PLAIN.items() if key not in {"id", "destinationId"}}
    event = parsed(bare, {"id": "from-header", "destination-id": f"urn:biz:{BUSINESS}", "locale": "pt_BR"})
    assert (event.event_key, event.account, event.profile.language) == ("m:from-header", BUSINESS, "pt-BR")


def test_a_replay_knows_everything_but_the_headers():
    headers = {"capability-list": "QUICK"}
    [again] = replay(json.dumps(PLAIN).encode(), NOW)
    event = parsed(PLAIN, headers)
    assert (event.traits, again.traits) == ("QUICK", "")
    assert again.event_key == event.event_key


@pytest.mark.parametrize(
    ("locale", "language"), [("en_US", "en-US"), ("zh-Hans_CN", "zh-Hans-CN"), ("es", "es"), ("", ""), ("???", "")]
)
def test_the_locale_becomes_a_language_tag(locale, language):
    assert parsed({**PLAIN, "locale": locale}).profile.language == language


# ---------------------------------------------------------------- people and accounts


def test_an_opaque_id_is_kept_to_the_letter():
    event = parsed(PLAIN)
    assert (event.address.kind, event.address.value) == ("mbid", CUSTOMER)


def test_an_unknown_business_is_named_so_that_the_entry_can_be_kept_for_later():
    assert parsed({**PLAIN, "destinationId": "urn:biz:SOMEBODY-ELSE"}).account == "somebody-else"


def test_everything_is_dated_on_arrival():
    assert parsed(PLAIN).at == NOW


def test_a_closed_conversation_takes_nothing_until_the_customer_writes():
    event = parsed({**PLAIN, "type": "close"})
    assert isinstance(event, ConsentChanged)
    assert (event.is_opted_in, event.until_heard, event.event_key) == (False, True, "c:m-1")


@pytest.mark.parametrize("kind", ["typing_start", "typing_end"])
def test_signs_of_typing_are_ignored_by_name(kind):
    assert parsed({**PLAIN, "type": kind, "id": ""}) == Ignored(kind)


# ---------------------------------------------------------------- words and files


@pytest.mark.parametrize(
    ("body", "words"),
    [("\ufffc", ""), ("Hola \ufffc", "Hola"), ("\ufffc\nHola", "Hola"), ("a\ufffcb", "ab"), ("\ufffc\ufffc", "\ufffc")],
)
def test_one_mark_is_taken_out_of_the_words_for_each_file(body, words):
    parts = parsed({**PLAIN, "body": body, "attachments": [FILE]}).parts
    assert parts[:-1] == ((Text(words),) if words else ())
    assert isinstance(parts[-1], Media)


def test_a_mark_without_a_file_stays_as_it_was_typed():
    assert parsed({**PLAIN, "body": "a\ufffcb"}).parts == (Text("a\ufffcb"),)


def test_a_file_keeps_all_that_fetching_it_needs():
    [media] = parsed({**PLAIN, "body": "\ufffc", "attachments": [FILE]}).parts
    ref = decode_ref(media.provider_ref.encode())
    assert (ref.url, ref.owner, ref.key, ref.signature) == ("https://p42.example/M1", "M1", "ab" * 32, "gQE=")
    assert (media.kind, media.size_bytes, media.unique_ref) == ("image", 9, "gQE=")


@pytest.mark.parametrize(
    "change",
    [{"url": ""}, {"owner": ""}, {"key": ""}, {"key": "00zz"}, {"key": "ab" * 31}, {"signature": "xyz"}],
)
def test_a_file_that_can_never_be_fetched_goes_to_the_quarantine_with_its_place(change):
    kept = parsed({**PLAIN, "body": "\ufffc\ufffc", "attachments": [FILE, {**FILE, **change}]})
    assert isinstance(kept, Unparsed)
    assert kept.path == "$.attachments[1]"


@pytest.mark.parametrize("size", ["", "many", "-1", "9" * 30, -5, None])
def test_an_odd_size_is_no_size(size):
    [media] = parsed({**PLAIN, "body": "\ufffc", "attachments": [{**FILE, "size": size}]}).parts
    assert media.size_bytes == 0


@pytest.mark.parametrize(
    "change", [{"body": ""}, {"body": None}, {"body": " \n"}, {"id": ""}, {"type": "x"}, {"sourceId": ""}]
)
def test_what_says_nothing_is_kept_and_not_lost(change):
    assert isinstance(parsed({**PLAIN, **change}), Unparsed)


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ({"selectedIndex": 1}, "b"),
        ({"selectedIndex": "1"}, "b"),
        ({"selectedIdentifier": "a", "selectedIndex": 1}, "a"),
        ({"selectedIdentifier": "gone"}, "gone"),
        ({"selectedIndex": 9}, "a"),
        ({"selectedIndex": -1}, "a"),
        ({"selectedIndex": "x"}, "a"),
        ({}, "a"),
    ],
)
def test_a_quick_reply_is_found_by_identifier_then_place_then_title(reply, value):
    items = [{"identifier": "a", "title": "Ja"}, {"identifier": "b", "title": "Nein"}]
    event = answer(
        **{"requestIdentifier": "r", "quick-reply": {"items": items, **reply}, "replyMessage": {"title": "Ja"}}
    )
    [pressed] = event.parts
    assert isinstance(pressed, Selection)
    assert (pressed.value, pressed.of) == (value, "r")


@pytest.mark.parametrize(
    "data", [{}, {"quick-reply": {}}, {"listPicker": {"sections": []}}, {"event": {}}, {"dynamic": {}}]
)
def test_an_answer_that_chooses_nothing_is_kept(data):
    assert isinstance(answer(**data), Unparsed)


def test_what_proves_who_somebody_is_is_not_stored():
    event = answer(authenticate={"status": "authenticated", "token": "very secret"})
    assert isinstance(event, Received)
    assert "very secret" not in repr(event)


def test_a_form_that_is_too_long_goes_to_the_quarantine():
    items = [{"identifier": "x", "value": "y" * 60_000}, {"identifier": "z", "value": "y" * 60_000}]
    assert isinstance(answer(dynamic={"selections": [{"items": items}]}), Unparsed)
