"""A webhook of many events: one that is not understood takes no other along."""

import json

import msgspec
import pytest

from channels._meta.batches import Misfit, parse_batch, require_storable, split_batch
from channels.mending import mended
from gateway.core.errors import BadPayload
from gateway.core.inbound import Ignored, Unparsed

LEVELS = (frozenset({"entry"}), frozenset({"messaging", "changes"}))
DEEP = (frozenset({"entry"}), frozenset({"changes"}), frozenset({"value"}), frozenset({"messages", "statuses"}))


class Item(msgspec.Struct):
    word: str


class Entry(msgspec.Struct):
    id: str
    messaging: tuple[Item, ...] = ()
    changes: tuple[Item, ...] = ()


class Body(msgspec.Struct):
    entry: tuple[Entry, ...]


def read(body):
    events = []
    for entry in msgspec.json.decode(body, type=Body).entry:
        for item in (*entry.messaging, *entry.changes):
            if item.word == "strange":
                raise Misfit("strange", "$.entry[0].messaging[0].word")
            events.append(Ignored(f"{entry.id}:{require_storable(item.word, '$')}"))
    return events


def batch(*words, **more):
    entries = [{"id": "a", "time": 1, "messaging": [{"word": word} for word in words]}, *more.get("entries", ())]
    return json.dumps({"object": "page", "entry": entries}).encode()


def kinds(events):
    return [event.kind if isinstance(event, Ignored) else "kept" for event in events]


def test_all_events_come_in_the_order_given():
    other = {"id": "b", "changes": [{"word": "three"}]}
    assert kinds(parse_batch(batch("one", "two", entries=[other]), read, LEVELS)) == ["a:one", "a:two", "b:three"]


@pytest.mark.parametrize("bad", [{"word": 7}, {"word": "strange"}, {}, 5, None, [], {"word": "x" * 100_001}])
def test_a_bad_event_is_kept_and_its_neighbours_go_on(bad):
    entries = [{"id": "a", "time": 1, "messaging": [{"word": "one"}, bad, {"word": "two"}]}]
    body = json.dumps({"object": "page", "entry": entries}).encode()
    events = parse_batch(body, read, LEVELS)
    assert kinds(events) == ["a:one", "kept", "a:two"]
    kept = events[1]
    assert json.loads(kept.raw) == {"object": "page", "entry": [{"id": "a", "time": 1, "messaging": [bad]}]}
    assert kept.reason
    assert parse_batch(kept.raw, read, LEVELS) == [kept]


def test_a_bad_entry_is_kept_whole():
    events = parse_batch(batch("one", entries=[7, {"id": 5, "messaging": [{"word": "lost"}]}]), read, LEVELS)
    assert kinds(events) == ["a:one", "kept", "kept"]
    assert json.loads(events[1].raw)["entry"] == [7]
    assert events[2].path == "$.entry[0].id"


def test_a_thousand_events_with_one_bad_one_are_split_once():
    words = [f"w{number}" for number in range(1000)]
    words[500] = "strange"
    events = parse_batch(batch(*words), read, LEVELS)
    assert [event for event in events if isinstance(event, Unparsed)] == [events[500]]
    assert kinds(events)[999] == "a:w999"


def test_events_deep_in_objects_are_found_and_keep_what_stands_beside_them():
    value = {"metadata": {"id": 1}, "messages": [1, 2], "statuses": [3]}
    body = json.dumps({"object": "o", "entry": [{"id": "w", "changes": [{"field": "messages", "value": value}]}]})
    pieces = split_batch(body.encode(), DEEP)
    values = [json.loads(piece)["entry"][0]["changes"][0]["value"] for piece in pieces]
    about = {"id": 1}
    assert values == [
        {"metadata": about, "messages": [1]},
        {"metadata": about, "messages": [2]},
        {"metadata": about, "statuses": [3]},
    ]
    assert [split_batch(piece, DEEP) for piece in pieces] == [[piece] for piece in pieces]


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b'{"entry": [', b"\xff", b'{"a": NaN}', b'{"a":"\x01"}'])
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(BadPayload):
        parse_batch(body, read, LEVELS)


def test_an_object_without_events_is_kept_whole():
    [kept] = parse_batch(b'{"hello": 1}', read, LEVELS)
    assert kept.raw == b'{"hello": 1}'


def test_characters_that_no_database_takes_are_replaced():
    assert kinds(parse_batch(batch("a\0b", "c\ud800d"), read, LEVELS)) == ["a:a\ufffdb", "a:c\ufffdd"]
    assert mended(b'{"a": "\\ud83d\\ude00"}') == '{"a": "😀"}'.encode()
