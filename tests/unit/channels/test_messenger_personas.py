"""Agents speak under their own name and picture on Messenger: made once, found again, and done without if need be."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Self

import pytest

from channels._meta.failures import Usage
from channels._meta.messaging.client import MessagingClient
from channels._meta.messaging.personas import MOST_PICTURES, REST_S
from channels._meta.messaging.render import text_of
from channels._meta.messaging.sandbox import MessagingSandbox
from channels._meta.messaging.sandbox_rules import refusal
from channels.discovery import read_settings
from channels.instagram import channel as instagram
from channels.instagram.specimen import specimen as instagram_specimen
from channels.messenger import channel
from channels.messenger.dialect import MESSENGER
from channels.messenger.sandbox import messenger_sandbox
from channels.messenger.settings import MessengerSettings
from channels.sandbox_kit import ServedCall
from gateway.core.channel import Call
from gateway.core.clock import Clock, ManualClock, SystemClock
from gateway.core.errors import Misconfigured
from gateway.core.messages import AnyPart, Author, Choice, Media, Option, Outgoing, Text

PICTURE = "https://example.com/agent.jpg"
OTHER = "https://example.com/other.jpg"


class Shelf:
    """Values that outlive a client."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    async def get(self, name: str) -> str:
        return self.values.get(name, "")

    async def put(self, name: str, value: str) -> None:
        self.values[name] = value


class ShelfThatDies(Shelf):
    """The process is gone before an id is written down."""

    async def put(self, name: str, value: str) -> None:
        del name, value
        raise asyncio.CancelledError


async def no_blobs(key: str) -> AsyncIterator[bytes]:
    del key
    yield b"x"


@pytest.fixture
async def sandbox() -> AsyncIterator[MessagingSandbox]:
    async with messenger_sandbox() as opened:
        yield opened


def settings_of(sandbox: MessagingSandbox, **more: object) -> MessengerSettings:
    read = read_settings(channel, "main", {**sandbox.settings_values, **more})
    assert isinstance(read, MessengerSettings)
    return read


class Node:
    """One process that sends."""

    def __init__(self, sandbox: MessagingSandbox, kept: Shelf | None, clock: Clock | None = None) -> None:
        self.sandbox = sandbox
        self.settings = settings_of(sandbox)
        self.client = MessagingClient(MESSENGER, self.settings, no_blobs, clock or ManualClock(), kept)

    async def __aenter__(self) -> Self:
        await self.client.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    async def say(self, to: str, *parts: AnyPart, **more: object) -> None:
        for call in rendered(self.settings, to, parts, **more):
            await self.client.send(self.sandbox.account.id, call)


def rendered(settings: MessengerSettings, to: str, parts: Sequence[AnyPart], **more: object) -> tuple[Call, ...]:
    facts = {"author": Author.AGENT, "name": "Berta Gil", "avatar_url": PICTURE, **more}
    return channel.render(settings, Outgoing(uuid.uuid4(), uuid.uuid4(), 1, to, parts=tuple(parts), **facts))  # type: ignore[arg-type]


def is_making(call: ServedCall) -> bool:
    return call.method == "POST" and call.path.endswith("/personas")


async def test_an_agents_words_stand_under_their_name_and_the_bots_under_none(sandbox: MessagingSandbox) -> None:
    ana = sandbox.person("Ana")
    async with Node(sandbox, Shelf()) as node:
        await node.say(ana.address, Text("hola, soy Berta"), names_agent=True)
        await node.say(ana.address, Text("y yo el bot"), author=Author.BOT, name="", avatar_url="")
    shown = [(message.who, "".join(run.text for run in message.runs)) for message in ana.handset.messages]
    assert shown == [("Berta Gil", "hola, soy Berta"), ("", "y yo el bot")]
    [made] = sandbox.personas.by_id.values()
    assert (made.name, made.given_picture) == ("Berta Gil", PICTURE)
    assert all("persona" not in sent.body for sent in sandbox.sent)


async def test_every_message_of_an_answer_bears_the_persona_and_files_do_too(sandbox: MessagingSandbox) -> None:
    ana = sandbox.person("Ana")
    async with Node(sandbox, Shelf()) as node:
        upload = Media("document", blob="b", name="a.pdf", mime="application/pdf")
        await node.say(ana.address, Text("primero"), upload, Media("image", url="https://e.example/a.png", caption="y"))
    assert {sent.body["persona_id"] for sent in sandbox.sent} == set(sandbox.personas.by_id)
    assert len(sandbox.sent) == 4


async def test_a_persona_is_made_once_for_all_processes_and_restarts(sandbox: MessagingSandbox) -> None:
    ana, kept = sandbox.person("Ana"), Shelf()
    async with Node(sandbox, kept) as one, Node(sandbox, kept) as two:
        await asyncio.gather(*(one.say(ana.address, Text(str(number))) for number in range(5)))
        await two.say(ana.address, Text("otro"))
    async with Node(sandbox, kept) as three:
        await three.say(ana.address, Text("más tarde"))
    assert len(sandbox.personas.by_id) == 1
    assert len([call for call in sandbox.server.calls if "/personas" in call.path]) == 2, "one look, one making"
    assert all("Berta" not in name + value for name, value in kept.values.items())


async def test_a_process_that_dies_before_it_wrote_the_id_down_leaves_one_persona_however_often(
    sandbox: MessagingSandbox,
) -> None:
    ana = sandbox.person("Ana")
    for _ in range(3):
        async with Node(sandbox, ShelfThatDies()) as node:
            with pytest.raises(asyncio.CancelledError):
                await node.say(ana.address, Text("hola"))
    async with Node(sandbox, Shelf()) as node:
        await node.say(ana.address, Text("hola"))
    assert len(sandbox.personas.by_id) == 1
    assert sandbox.sent[-1].body["persona_id"] in sandbox.personas.by_id


async def test_the_list_is_searched_page_by_page(sandbox: MessagingSandbox) -> None:
    ana = sandbox.person("Ana")
    for number in range(230):
        sandbox.personas.make(f"Agent {number}", OTHER)
    theirs = sandbox.personas.make("Berta Gil", PICTURE)
    async with Node(sandbox, Shelf()) as node:
        await node.say(ana.address, Text("hola"))
    assert sandbox.sent[-1].body["persona_id"] == theirs.id


async def test_another_picture_is_another_persona_and_old_pictures_are_let_go(sandbox: MessagingSandbox) -> None:
    ana = sandbox.person("Ana")
    async with Node(sandbox, Shelf()) as node:
        for number in range(MOST_PICTURES + 3):
            await node.say(ana.address, Text("hola"), avatar_url=f"https://example.com/{number}.jpg")
        await node.say(ana.address, Text("hola"), avatar_url="https://example.com/5.jpg")
    used = [str(sent.body["persona_id"]) for sent in sandbox.sent]
    assert len(set(used)) == MOST_PICTURES + 3
    assert used[-1] == used[5]
    assert len(sandbox.personas.by_id) == MOST_PICTURES


@pytest.mark.parametrize(("names", "expected"), [(True, "Berta Gil: hola"), (False, "hola")])
async def test_where_no_persona_can_be_made_the_message_goes_all_the_same(
    sandbox: MessagingSandbox, *, names: bool, expected: str
) -> None:
    ana, clock = sandbox.person("Ana"), ManualClock()
    sandbox.server.answer_next(refusal(200, "Requires a permission"), which=is_making)
    async with Node(sandbox, Shelf(), clock) as node:
        await node.say(ana.address, Text("hola"), names_agent=names)
        await node.say(ana.address, Text("hola"), names_agent=names)
        assert [sent.text for sent in sandbox.sent] == [expected, expected]
        assert len([call for call in sandbox.server.calls if is_making(call)]) == 1, "Meta is left alone for a while"
        await clock.advance(REST_S + 1)
        await node.say(ana.address, Text("hola"), names_agent=names)
    assert sandbox.sent[-1].text == "hola"
    assert sandbox.sent[-1].body["persona_id"] in sandbox.personas.by_id


async def test_a_persona_that_was_deleted_holds_no_message_up_and_is_made_anew(sandbox: MessagingSandbox) -> None:
    ana = sandbox.person("Ana")
    async with Node(sandbox, Shelf()) as node:
        await node.say(ana.address, Text("uno"), names_agent=True)
        sandbox.personas.by_id.clear()
        await node.say(ana.address, Text("dos"), names_agent=True)
        await node.say(ana.address, Text("tres"), names_agent=True)
    assert [sent.text for sent in sandbox.sent] == ["uno", "Berta Gil: dos", "tres"]
    assert ["persona_id" in sent.body for sent in sandbox.sent] == [True, False, True]


async def test_while_the_allowance_runs_out_no_persona_is_made_and_known_ones_are_used(
    sandbox: MessagingSandbox,
) -> None:
    ana = sandbox.person("Ana")
    async with Node(sandbox, Shelf(), SystemClock()) as node:
        await node.say(ana.address, Text("uno"))
        node.client._paces[sandbox.account.id].heed(Usage(percent=80.5))
        await node.say(ana.address, Text("dos"))
        await node.say(ana.address, Text("tres"), name="Carla", names_agent=True)
    assert [sent.text for sent in sandbox.sent] == ["uno", "dos", "Carla: tres"]
    assert len(sandbox.personas.by_id) == 1


async def test_a_token_that_ended_is_told_as_such(sandbox: MessagingSandbox) -> None:
    ana = sandbox.person("Ana")
    sandbox.account.is_token_valid = False
    async with Node(sandbox, Shelf()) as node:
        with pytest.raises(Misconfigured):
            await node.say(ana.address, Text("hola"))


async def test_typing_is_shown_under_the_persona_of_whoever_spoke_already(sandbox: MessagingSandbox) -> None:
    ana = sandbox.person("Ana")
    async with Node(sandbox, Shelf()) as node:
        await node.client.typing_as(sandbox.account.id, ana.address, "", "Berta Gil")
        assert ana.typing_as == ""
        await node.say(ana.address, Text("hola"))
        await node.client.typing_as(sandbox.account.id, ana.address, "", "Berta  Gil")
        assert ana.typing_as == "Berta Gil"
        await node.client.typing(sandbox.account.id, ana.address)
        assert ana.typing_as == ""


def test_without_a_picture_the_name_goes_before_the_words_where_that_is_wanted() -> None:
    settings = MessengerSettings.model_validate({**_plain(), "agent_picture_url": ""})
    [call] = rendered(settings, "7", [Text("hola")], avatar_url="", names_agent=True)
    assert text_of(call) == "Berta Gil: hola"
    [call] = rendered(settings, "7", [Text("hola")], avatar_url="")
    assert call.params["message"]["text"] == "hola"  # type: ignore[index]
    assert set(call.params) == {"recipient", "messaging_type", "message"}
    pictured = MessengerSettings.model_validate({**_plain(), "agent_picture_url": OTHER})
    [call] = rendered(pictured, "7", [Text("hola")], avatar_url="", names_agent=True)
    assert call.params["persona"].picture_url == OTHER  # type: ignore[attr-defined]


def test_the_name_fits_before_the_longest_words_and_stands_there_once() -> None:
    settings = MessengerSettings.model_validate(_plain())
    choice = Choice("x" * 640, (Option("sí", "y"),))
    calls = rendered(settings, "7", [Text("a" * 2000), choice], avatar_url="", names_agent=True)
    assert all(len(text_of(call)) <= 2000 for call in calls)
    assert sum("Berta Gil: " in text_of(call) for call in calls) == 1
    [called] = [call for call in calls if "attachment" in call.params["message"]]  # type: ignore[operator]
    assert len(text_of(called)) <= 640


def test_instagram_knows_no_personas() -> None:
    settings = read_settings(instagram, "main", instagram_specimen.settings_values)
    message = Outgoing(
        uuid.uuid4(), uuid.uuid4(), 1, "7", Author.AGENT, (Text("hola"),), name="Berta", avatar_url=PICTURE
    )
    [call] = instagram.render(settings, message)
    assert "persona" not in call.params


def _plain() -> dict[str, object]:
    return {
        "app_secret": "s",
        "verify_token": "v",
        "accounts": {"shop": {"page_id": "1", "access_token": "EAAG"}},
    }
