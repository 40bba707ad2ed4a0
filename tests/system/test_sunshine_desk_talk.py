"""What agents and customers send one another through Zendesk messaging, beside plain words."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sunshine_desk_world import sunshine_world

from gateway.core.desks import CaseContact, CaseRef
from gateway.core.errors import SendRefused
from gateway.core.messages import Cards, Choice, Location, Media, Reaction, Text

pytestmark = pytest.mark.system

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64


async def test_files_places_and_reactions_of_the_customer_are_seen_by_agents(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("help")
        key = await town.file(PNG)
        await town.says(case, (Media("image", blob=key, name="../bill.png", mime="image/png", caption="my bill"),))
        await town.says(case, (Media("audio", provider_ref="f1", caption="listen"),))
        await town.says(case, (Location(4.6, -74.1, "Office"),))
        await town.says(case, (Reaction("m1", ("👍",)),))
        await town.says(case, "x" * 9000)
        await town.told()
        messages = town.sandbox.world.talk(talk).messages
        contents = [one["content"] for one in messages if one["author"]["type"] == "user"][1:]
        assert contents[0]["type"] == "image"
        assert (contents[0]["text"], contents[0]["altText"]) == ("my bill", "bill.png")
        stored = town.sandbox.world.files[contents[0]["mediaUrl"].rpartition("/")[2]]
        assert stored.content == PNG
        assert contents[1]["text"] == "📎 audio (not available)\nlisten"
        assert (contents[2]["type"], contents[2]["coordinates"]) == ("location", {"lat": 4.6, "long": -74.1})
        assert contents[3]["text"] == "(reacted 👍)"
        assert "".join(one["text"] for one in contents[4:]) == "x" * 9000


async def test_a_file_that_zendesk_does_not_take_is_named_and_stops_nothing(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path, max_upload_bytes=50) as town:
        case, talk = await town.handed("help")
        key = await town.file(b"%PDF" + b"0" * 60)
        await town.says(case, (Media("document", blob=key, name="big.pdf", caption="see page 3"),))
        await town.says(case, (Media("document", blob="00/nothing", name="lost.pdf"),))
        await town.says(case, "and?")
        await town.told()
        assert [words for _, words in town.sandbox.seen(talk)[-3:]] == [
            "📎 big.pdf (could not be attached)\nsee page 3",
            "📎 lost.pdf (could not be attached)",
            "and?",
        ]


async def test_an_agents_picture_is_fetched_and_cards_and_links_become_ours(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("help")
        link = {"type": "link", "text": "Open", "uri": "https://e.org/"}
        item = {"title": "Mini", "description": "10 GB", "actions": [link]}
        town.sandbox.agent_sends_file(talk, PNG, name="map.png", mime="image/png", agent="Luis")
        town.sandbox.agent_sends(talk, {"type": "carousel", "items": [item]}, name="Luis")
        town.sandbox.agent_sends(talk, {"type": "text", "text": "Here", "actions": [link]}, name="Luis")
        form = {"type": "form", "fields": [{"type": "text", "name": "order", "label": "Your order"}]}
        town.sandbox.agent_sends(talk, form, name="Luis")
        await town.heard()
        picture, cards, choice, asked = await town.got_parts(case)
        assert isinstance(picture[0], Media)
        assert b"".join([chunk async for chunk in town.blobs.read(picture[0].blob)]) == PNG
        assert (picture[0].name, picture[0].mime, picture[0].provider_ref) == ("map.png", "image/png", "")
        assert isinstance(cards[0], Cards)
        assert cards[0].cards[0].options[0].url == "https://e.org/"
        assert isinstance(choice[0], Choice)
        assert asked == (Text("Your order"),)


async def test_a_file_on_a_foreign_host_is_not_fetched_and_the_agent_is_told_once(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("help")
        for address in ("https://evil.example/x.png", "http://169.254.169.254/latest/meta-data"):
            town.sandbox.agent_sends(talk, {"type": "image", "mediaUrl": address, "altText": "x.png"}, name="Luis")
        await town.heard()
        assert await town.got(case) == [("Luis", ""), ("Luis", "")] or await town.got(case) == [
            ("Luis", "📎 x.png"),
            ("Luis", "📎 x.png"),
        ]
        notes = [words for who, words in town.sandbox.seen(talk) if words.startswith("⚠")]
        assert len(notes) == 2
        assert "media_hosts" in notes[0]


async def test_what_the_rules_of_sending_forbid_is_told_to_the_agent(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        _, talk = await town.handed("help")

        async def refuse(*_: object, **__: object) -> None:
            raise SendRefused("window_closed", {"en": "the customer wrote too long ago"})

        town.side.desk._hearing._agents.say = refuse
        town.sandbox.sender.redeliver_next(1)
        town.sandbox.agent_says(talk, "are you there?", name="Luis")
        await town.heard()
        notes = [words for _, words in town.sandbox.seen(talk) if words.startswith("⚠")]
        assert notes == ["⚠ This was not sent to the customer: the customer wrote too long ago"]


async def test_both_sides_see_that_the_other_writes(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("help")
        typed: list[bool] = []
        town.sandbox.world.talk(talk).on_typing = typed.append
        contact = CaseContact(contact_id=case.conversation, name="Marta", language="es")
        ref = CaseRef(
            handoff_id=case.handoff, conversation_id=case.conversation, reference=talk, is_urgent=False, contact=contact
        )
        await town.side.desk.customer_typing(ref, is_typing=True)
        await town.side.desk.customer_typing(ref, is_typing=False)
        assert typed == [True, False]
        town.sandbox.agent_types(talk, name="Luis")
        await town.heard()
        assert [(one.kind, one.name, one.is_on) for one in town.side.passed] == [("typing", "Luis", True)]


async def test_what_the_customer_edits_or_deletes_is_told_once(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("my number is 12")
        at = datetime.now(UTC)
        change = "UPDATE message SET parts = $2::jsonb, edited_at = $3, deleted_at = $4 WHERE conversation_id = $1"
        edited = '[{"type": "text", "text": "my number is 21"}]'
        await town.world.connection.execute(change, case.conversation, edited, at, None)
        await town.side.looks()
        await town.side.looks()
        notes = [words for _, words in town.sandbox.seen(talk)[-2:]]
        assert notes[-1] == "(the customer edited a message; it says now:)\nmy number is 21"
        assert notes[0] != notes[1]
        await town.world.connection.execute(change, case.conversation, "[]", at, datetime.now(UTC))
        await town.side.looks()
        assert town.sandbox.seen(talk)[-1] == ("Bot", "(the customer deleted a message)")


async def test_only_agents_speak_to_the_customer(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("help")
        world = town.sandbox.world
        text = {"type": "text", "text": "not for the customer"}
        world.says(world.talk(talk), {"type": "business", "displayName": "Answer"}, text, "zd:answerBot")
        world.says(world.talk(talk), {"type": "business", "displayName": "Other"}, text, "api:conversations")
        world.says(world.talk(talk), {"type": "business", "subtypes": ["activity"]}, text, "zd:agentWorkspace")
        world.hears(world.talk(talk), text, {"type": "web"})
        await town.heard()
        await town.side.looks()
        await town.heard()
        assert await town.got(case) == []
