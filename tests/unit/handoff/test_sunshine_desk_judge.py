"""Zendesk's own client library as judge: the stand-in answers as it expects, and what we send are models of its."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest
from test_sunshine_desk_words import AT, LINE

from gateway.core.clock import SystemClock
from gateway.core.desks import DeskMessage
from gateway.core.messages import Author, Location, Text
from handoff.desks.sunshine.client import SunshineCalls
from handoff.desks.sunshine.sandbox import SunshineDeskSandbox
from handoff.desks.sunshine.settings import SunshineDeskSettings
from handoff.desks.sunshine.words import pieces_of

zendesk = pytest.importorskip("sunshine_conversations_client", reason="Zendesk's client library is not installed")


def without_nothing(value: Any) -> Any:
    """The library writes a null where nothing was said."""
    if isinstance(value, dict):
        return {key: without_nothing(inner) for key, inner in value.items() if inner is not None}
    return [without_nothing(inner) for inner in value] if isinstance(value, list) else value


def test_zendesks_own_library_makes_posts_lists_and_hands_over_at_the_stand_in() -> None:
    async def play() -> None:
        async with SunshineDeskSandbox(time_scale=0.001, meets_agents_first=False) as sandbox:
            configuration = zendesk.Configuration(
                host=f"{sandbox.server.url}/sc", username=sandbox.key_id, password=sandbox.key_secret
            )

            def talk_as_the_library() -> list[str]:
                with zendesk.ApiClient(configuration) as api:
                    app = sandbox.app_id
                    users, talks = zendesk.UsersApi(api), zendesk.ConversationsApi(api)
                    user = users.create_user(
                        app, zendesk.UserCreateBody(externalId="tertulia-1", profile={"givenName": "Ana"})
                    )
                    made = talks.create_conversation(
                        app,
                        zendesk.ConversationCreateBody.from_dict(
                            {"type": "personal", "participants": [{"userId": user.user.id}], "metadata": {"a": "b"}}
                        ),
                    )
                    talk_id = made.conversation.id
                    posted = {
                        "author": {"type": "user", "userId": user.user.id},
                        "content": {"type": "text", "text": "hola"},
                    }
                    messages = zendesk.MessagesApi(api)
                    messages.post_message(app, talk_id, zendesk.MessagePost.from_dict(posted))
                    passed = zendesk.PassControlBody.from_dict(
                        {"switchboardIntegration": "zd:agentWorkspace", "metadata": {"dataCapture.ticketField.1": "x"}}
                    )
                    zendesk.SwitchboardActionsApi(api).pass_control(app, talk_id, passed)
                    listed = messages.list_messages(app, talk_id)
                    return [one.content.actual_instance.text for one in listed.messages]

            assert await asyncio.to_thread(talk_as_the_library) == ["hola"]
            (talk,) = sandbox.talks()
            assert talk.ticket["fields"] == {"1": "x"}

    asyncio.run(play())


async def test_what_the_desk_sends_is_known_to_the_library() -> None:
    async with SunshineDeskSandbox(time_scale=0.001) as sandbox:
        read = SunshineDeskSettings.model_validate(dict(sandbox.settings_values))
        calls = SunshineCalls(read, SystemClock())
        await calls.open()
        try:
            user_id = await calls.mirror("tertulia-1", "Ana", "es")
            assert await calls.mirror("tertulia-1", "Ana", "es") == user_id
            talk_id = await calls.make_talk(user_id, {"tertulia_conversation": "c", "tertulia_generation": 0})
            said = DeskMessage(uuid.uuid4(), 1, AT, Author.CUSTOMER, (Text("hola"), Location(4.6, -74.1)), "received")
            for number, piece in enumerate(pieces_of(LINE, said)):
                metadata = {"tertulia_post": "m", "tertulia_piece": number}
                author = {"type": "user", "userId": user_id}
                await calls.post(talk_id, {"author": author, "content": piece.content, "metadata": metadata})
            await calls.act(talk_id, "typing:start", user_id)
            await calls.pass_control(talk_id, "zd:agentWorkspace", {"dataCapture.systemField.tags": "bot"})
        finally:
            await calls.close()
        models = {
            "users": zendesk.UserCreateBody,
            "conversations": zendesk.ConversationCreateBody,
            "messages": zendesk.MessagePost,
            "activity": zendesk.ActivityPost,
            "passControl": zendesk.PassControlBody,
        }
        posts = [call for call in sandbox.server.calls if call.method == "POST"]
        assert {call.path.rpartition("/")[2] for call in posts} == set(models)
        for call in posts:
            body = json.loads(call.body)
            read_back = models[call.path.rpartition("/")[2]].from_json(call.body.decode())
            assert without_nothing(json.loads(read_back.to_json())) == body
