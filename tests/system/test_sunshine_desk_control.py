"""Who has a conversation at Zendesk, and what becomes of it: back, merged, removed, full, refused."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from sunshine_desk_world import sunshine_world

from channels.specimen import ProviderAnswer
from channels.sunshine.sandbox_api import error_body
from handoff.desks.sunshine.parse import TRIGGERS

pytestmark = pytest.mark.system


async def test_released_or_gone_on_by_mail_the_bot_speaks_again(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        town.sandbox.world.first = ""
        ana, at_ana = await town.handed("help", name="Ana")
        ben, at_ben = await town.handed("help", name="Ben")
        town.sandbox.releases(at_ana, "transferToEmail")
        town.sandbox.releases(at_ben)
        await town.heard()
        assert [await town.ended_as(case) for case in (ana, ben)] == ["went_on_by_email", "given_back"]
        assert [(await town.control(case))[0] for case in (ana, ben)] == ["bot", "bot"]


async def test_ended_by_us_control_is_called_back_and_a_later_case_goes_on_in_the_same_place(
    dsn: str, tmp_path: Path
) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("first")
        assert town.active(talk) == "agents"
        await town.ends(case)
        await town.told()
        await town.heard()
        assert town.active(talk) == "tertulia-desk"
        await town.world.says(case, "the bot heard this")
        again = await town.asks_again(case)
        await town.told()
        await town.heard()
        assert len(town.sandbox.talks()) == 1
        users = [words for who, words in town.sandbox.seen(talk) if who == "user"]
        assert users == ["first", "the bot heard this"]
        assert town.active(talk) == "agents"
        assert (await town.control(again))[0] == "queued"


async def test_a_late_word_of_our_own_passing_does_not_end_the_case(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case = await town.asks("help")
        town.sandbox.sender.reorder_next(2)
        await town.told()
        await town.heard()
        assert (await town.control(case))[0] == "queued"
        assert await town.ended_as(case) == ""


async def test_an_agent_who_writes_after_the_end_has_the_conversation_again(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("help")
        town.sandbox.agent_says(talk, "bye", name="Luis")
        town.sandbox.closes_ticket(talk)
        await town.heard()
        assert (await town.control(case))[0] == "bot"
        town.sandbox.agent_says(talk, "one more thing", name="Luis")
        await town.heard()
        assert await town.control(case) == ("agent", "Luis")
        assert await town.got(case) == [("Luis", "bye"), ("Luis", "one more thing")]
        await town.told()
        assert town.active(talk) == "agents"
        assert [words for who, words in town.sandbox.seen(talk) if who == "Luis"] == ["bye", "one more thing"]


async def test_a_conversation_that_is_merged_goes_on_under_the_other_id(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("help")
        user = town.sandbox.world.make_user("someone", {"givenName": "Someone"}, {})
        other = town.sandbox.world.make_talk(user, {})
        other.active = town.sandbox.world.talk(talk).active
        town.sandbox.merges(talk, other.id)
        await town.heard()
        await town.says(case, "still me")
        await town.told()
        assert town.sandbox.seen(other.id) == [("user", "still me")]
        town.sandbox.agent_says(other.id, "hello again", name="Luis")
        await town.heard()
        assert await town.got(case) == [("Luis", "hello again")]


async def test_two_customers_merged_at_zendesk_never_read_one_anothers_words(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        ana, at_ana = await town.handed("ana here", name="Ana")
        ben, at_ben = await town.handed("ben here", name="Ben")
        town.sandbox.merges(at_ana, at_ben)
        await town.heard()
        town.sandbox.agent_says(at_ben, "for ben", name="Luis")
        await town.heard()
        await town.says(ana, "and me?")
        await town.told()
        assert await town.got(ana) == []
        assert await town.got(ben) == [("Luis", "for ben")]
        fresh = await town.talk_of(ana)
        assert fresh not in {at_ana, at_ben}
        assert town.sandbox.seen(fresh)[-1] == ("user", "and me?")
        assert town.active(fresh) == "agents"


async def test_a_removed_conversation_and_a_removed_person_end_the_handoff(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        ana, at_ana = await town.handed("help", name="Ana")
        ben, at_ben = await town.handed("help", name="Ben")
        world = town.sandbox.world
        world.remove_talk(world.talk(at_ana))
        world.remove_user(world.talk(at_ben).user)
        await town.heard()
        assert [await town.ended_as(case) for case in (ana, ben)] == ["deleted", "deleted"]
        again = await town.asks_again(ben)
        await town.told()
        fresh = await town.talk_of(again)
        assert fresh not in {at_ana, at_ben}
        assert town.active(fresh) == "agents"


async def test_a_full_conversation_goes_on_in_another_one(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("help")
        town.sandbox.world.messages_at_most = len(town.sandbox.world.talk(talk).messages) + 1
        await town.says(case, "one")
        await town.says(case, "two")
        await town.told()
        fresh = await town.talk_of(case)
        assert town.sandbox.seen(talk)[-1] == ("user", "one")
        assert [words for _, words in town.sandbox.seen(fresh)][1:] == ["two"]
        assert town.sandbox.seen(fresh)[0][1].startswith("(this goes on from")
        assert town.active(fresh) == "agents"
        town.sandbox.agent_says(fresh, "yes", name="Luis")
        await town.heard()
        assert await town.got(case) == [("Luis", "yes")]


async def test_zendesk_taking_no_more_for_now_is_no_failure_and_loses_nothing(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        town.sandbox.server.limit_next(2, retry_after_s=0)
        case = await town.asks("one", "two")
        await town.told()
        assert [words for who, words in town.sandbox.seen(await town.talk_of(case)) if who == "user"] == ["one", "two"]
        assert await town.world.connection.fetchval("SELECT tries FROM handoff WHERE id = $1", case.handoff) == 0


async def test_an_offer_is_taken_up_with_the_customers_next_words(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path, hands_over="offer") as town:
        case, talk = await town.handed("help")
        assert (town.active(talk), (await town.control(case))[0]) == ("tertulia-desk", "queued")
        await town.side.looks()
        await town.heard()
        await town.says(case, "hello?")
        await town.told()
        await town.heard()
        assert town.active(talk) == "agents"
        assert await town.ended_as(case) == ""
        assert town.sandbox.world.talk(talk).ticket["tags"] == ["bot", "web_chat"]


async def test_a_team_accepts_when_zendesk_says_that_its_agents_have_control(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path, team_name="Support") as town:
        case, _ = await town.handed("help")
        assert await town.control(case) == ("agent", "Support")


async def test_a_hand_over_that_fails_is_repeated_and_then_given_up_honestly(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("help")
        world = town.sandbox.world
        await town.world.connection.execute("UPDATE sunshine_stay SET stands = 'passed'")
        world.talk(talk).active = next(seat.id for seat in world.seats.values() if seat.name == "tertulia-desk")
        failed = {"conversation": world.described(world.talk(talk)), "error": {"code": "x", "message": "no"}}
        world.emit(world.talk(talk), "switchboard:passControl:failure", failed)
        await town.heard()
        assert town.active(talk) == "agents"
        await town.world.connection.execute("UPDATE sunshine_stay SET stands = 'passed', passes = 5")
        world.talk(talk).active = next(seat.id for seat in world.seats.values() if seat.name == "tertulia-desk")
        world.emit(world.talk(talk), "switchboard:passControl:failure", failed)
        await town.heard()
        assert await town.ended_as(case) == "refused"


async def test_what_webhooks_lost_is_found_by_looking(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("help")
        town.sandbox.lose_next(100)
        town.sandbox.agent_says(talk, "one", name="Luis")
        town.sandbox.agent_says(talk, "two", name="Luis")
        await town.side.looks()
        await town.side.looks()
        await town.heard()
        assert await town.got(case) == [("Luis", "one"), ("Luis", "two")]
        assert await town.side.looks() == 0
        town.sandbox.closes_ticket(talk)
        await town.side.looks()
        await town.heard()
        assert await town.ended_as(case) == "given_back"
        assert await town.side.looks() == 0


async def test_a_target_that_is_not_there_is_told_to_the_operator_and_makes_one_conversation(
    dsn: str, tmp_path: Path
) -> None:
    async with sunshine_world(dsn, tmp_path, target="nobody") as town:
        case = await town.asks("help")
        for _ in range(20):
            await town.side.pump.step()
            await town.side.settle()
        assert len(town.sandbox.talks()) == 1
        row = await town.world.connection.fetchrow("SELECT * FROM handoff WHERE id = $1", case.handoff)
        assert (row["acknowledged_at"], row["problem"]) == (None, "Misconfigured")
        said = [words for who, words in town.sandbox.seen(town.sandbox.talks()[0].id) if who == "user"]
        assert said == ["help"]


async def test_a_person_of_that_external_id_is_used_and_found_by_nothing_else(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case = await town.asks("help", details={"phone": "+573001112233", "email": "m@e.org"})
        contact = await town.world.connection.fetchval(
            "SELECT contact_id FROM conversation WHERE id = $1", case.conversation
        )
        there = town.sandbox.world.make_user(f"tertulia-{contact}", {"givenName": "Marta"}, {})
        await town.told()
        (talk,) = town.sandbox.talks()
        assert talk.user["id"] == there["id"]
        asked = b"".join(call.body for call in town.sandbox.server.calls if call.path.endswith("/users"))
        assert b"3001112233" not in asked
        assert b"m@e.org" not in asked


async def test_an_unclear_answer_makes_no_second_conversation(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        town.sandbox.server.drop_next(takes_effect=True, which=lambda call: call.path.endswith("/conversations"))
        gateway_answer = ProviderAnswer(500, error_body("internal", "oops"))
        town.sandbox.server.answer_next(gateway_answer, which=lambda call: call.path.endswith("/users"))
        await town.asks("help")
        await town.told()
        assert len(town.sandbox.talks()) == 1


async def test_a_case_whose_conversation_was_merged_away_is_not_left_until_the_customer_writes(
    dsn: str, tmp_path: Path
) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        ana, at_ana = await town.handed("ana here", name="Ana")
        _, at_ben = await town.handed("ben here", name="Ben")
        town.sandbox.merges(at_ana, at_ben)
        await town.heard()
        await town.side.looks()
        fresh = await town.talk_of(ana)
        assert fresh not in {"", at_ana, at_ben}
        assert town.active(fresh) == "agents"
        assert (await town.control(ana))[0] == "queued"


async def test_a_handoff_ends_though_the_process_died_in_the_middle_of_ending_it(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        case, talk = await town.handed("help")
        give_back, died = town.side.desk._hearing._agents.give_back, []

        async def die(*values: object, **named: object) -> bool:
            if not died:
                died.append(1)
                raise ConnectionError("the process is gone")
            return await give_back(*values, **named)

        town.side.desk._hearing._agents.give_back = die
        town.sandbox.closes_ticket(talk)
        await town.heard()
        assert died == [1]
        assert await town.ended_as(case) == "solved"


async def test_what_is_not_authentic_is_refused_and_stores_nothing(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town, aiohttp.ClientSession() as session:
        url = next(iter(town.sandbox.world.hooks.values())).target
        for headers in ({}, {"X-API-Key": "wrong"}):
            async with session.post(url, data=b'{"events": []}', headers=headers) as answer:
                assert answer.status == 403
        async with session.post(url, data=b"{}", headers={"X-API-Key": town.sandbox.webhook_secret}) as answer:
            assert answer.status == 200
        kept = await town.world.connection.fetch("SELECT channel, endpoint FROM quarantine")
        assert [tuple(row) for row in kept] == [("desks.sunshine", "main")]
        assert await town.world.connection.fetchval("SELECT count(*) FROM desk_event") == 0


async def test_the_desk_sets_itself_up_twice_without_harm_and_says_how_it_stands(dsn: str, tmp_path: Path) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        world, url = town.sandbox.world, next(iter(town.sandbox.world.hooks.values())).target
        assert [f.level for f in await town.side.desk.doctor(url)] == ["ok"] * 5
        world.hooks.clear()
        for seat in [seat for seat in world.seats.values() if seat.name == "tertulia-desk"]:
            del world.seats[seat.id]
        assert "bad" in [f.level for f in await town.side.desk.doctor(url)]
        first = world.first
        for _ in range(2):
            await town.side.desk.connect(url)
            (hook,) = world.hooks.values()
            assert set(hook.triggers) == set(TRIGGERS)
            (seat,) = [seat for seat in world.seats.values() if seat.name == "tertulia-desk"]
            assert (seat.integration_id, seat.hears_standby) == (hook.id, True)
        assert world.first == first
        advice = [f.advice for f in await town.side.desk.doctor(url) if f.level == "bad"]
        assert advice == ["run: tertulia desk connect, which shows it"]
