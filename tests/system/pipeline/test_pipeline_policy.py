"""The rules of sending, through the whole pipeline: windows, templates that stand in, silence, consent, proof."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest
from paper_provider import PaperClient, said
from pipeline_process import Process, StartProcess

from gateway.core.channel import Call, Sent
from gateway.core.control import Control
from gateway.core.errors import Ambiguous, GiveUp, SendRefused
from gateway.core.ids import ConversationId, HandoffId, MessageId, new_id
from gateway.core.inbound import AddressKey, ConsentChanged, Received
from gateway.core.messages import Author, Media, Template, Text, encode_parts
from gateway.core.turns import Reply, Resolution, TurnInput, TurnOutcome
from gateway.store import consent, delivering, held
from gateway.store.delivering import TakenRef
from gateway.store.outgoing import append_message

DAY_S = 24 * 3600.0
WHATSAPP_LIKE = {"free_s": DAY_S, "ad_s": 3 * DAY_S, "has_templates": True, "may_begin": True}
MESSENGER_LIKE = {"free_s": DAY_S, "agent_s": 7 * DAY_S}


class FollowUp:
    """Fits ``Fallbacks``."""

    def fallback(self, app: str, language: str, name: str = "") -> Template | None:
        return Template("follow_up", language, (name,))


def now_said(person: str, number: int, **changed: object) -> Received:
    """The person writes just now."""
    received = said(person, number)
    return msgspec.structs.replace(received, at=datetime.now(UTC), **changed)


async def conversation_of(sql: asyncpg.Connection) -> ConversationId:
    return ConversationId(await sql.fetchval("SELECT id FROM conversation"))


async def heard(sql: asyncpg.Connection, ago: timedelta) -> None:
    """The customer's last act was so long ago."""
    await sql.execute("UPDATE conversation SET heard_at = now() - $1::interval", ago)


async def agent_takes(one: Process, sql: asyncpg.Connection) -> HandoffId:
    assert await one.agents.take_over(await conversation_of(sql), "Nora")
    return HandoffId(await sql.fetchval("SELECT handoff_id FROM conversation"))


async def say_unasked(one: Process, sql: asyncpg.Connection, text: str, *, is_marketing: bool = False) -> MessageId:
    """What a company's own system queues, past the check that it would ask first."""
    message_id = MessageId(new_id())
    async with one.database.begin() as connection:
        await append_message(
            connection,
            await conversation_of(sql),
            message_id,
            author=Author.BOT.value,
            parts=encode_parts((Text(text),)).decode(),
            is_proactive=True,
            is_marketing=is_marketing,
        )
    return message_id


async def test_within_the_window_anything_may_be_said(start: StartProcess) -> None:
    one = await start(window=WHATSAPP_LIKE)
    await one.accept(now_said("ana", 1))
    await one.client.until(lambda: one.client.calls == [("ana", "re: ana 1")])


async def test_an_answer_that_comes_too_late_is_refused_with_the_reason(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(window={"free_s": DAY_S})
    await one.accept(said("ana", 1))  # by the provider's clock many days ago
    await one.finish()
    assert one.client.calls == []
    assert tuple(await sql.fetchrow("SELECT reason, failures FROM dead_letter")) == ("window_closed", 0)
    assert await sql.fetchval("SELECT data ->> 'reason' FROM event WHERE kind = 'message_failed'") == "window_closed"


async def test_a_template_stands_in_and_the_message_follows_when_the_customer_answers(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(window=WHATSAPP_LIKE, fallbacks=FollowUp())
    await one.accept(said("ana", 1))
    await one.finish()
    assert one.client.calls == [("ana", "[follow_up es ana]")]
    rows = await sql.fetch("SELECT author, status, parts, reply_key FROM message ORDER BY position")
    assert [(row["author"], row["status"]) for row in rows[1:]] == [("bot", "queued"), ("system", "sent")]
    assert rows[2]["reply_key"] == held.STAND_IN
    await one.accept(now_said("ana", 2))
    await one.finish()
    assert [text for _, text in one.client.calls[1:]] == ["re: ana 1", "re: ana 2"], "the old one first"
    assert await sql.fetchval("SELECT count(*) FROM held_message") == 0
    assert not await sql.fetchval("SELECT has_held FROM conversation")


async def test_one_template_stands_in_for_all_that_waits(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start(window=WHATSAPP_LIKE, fallbacks=FollowUp())

    async def think(turn: TurnInput) -> TurnOutcome | None:
        return TurnOutcome(resolution=Resolution(link="intents"), replies=tuple(Reply((Text(t),)) for t in "abc"))

    one.bot.think = think
    await one.accept(said("ana", 1))
    await one.finish()
    await one.finish()
    assert one.client.calls == [("ana", "[follow_up es ana]")]
    one.bot.think = None
    await sql.execute("UPDATE conversation SET heard_at = now()")  # came by a link, without a word
    async with one.database.lane().transaction() as connection:
        assert await held.release_heard(connection, limit=10) == 3
    await one.finish()
    assert [text for _, text in one.client.calls[1:]] == ["a", "b", "c"]


async def test_what_waits_behind_a_template_that_fails_is_given_up_with_it(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(window=WHATSAPP_LIKE, fallbacks=FollowUp())

    async def answer(recipient: str, text: str) -> None:
        raise GiveUp("refused", "no such template")

    one.client.answer = answer
    await one.accept(said("ana", 1))
    await one.finish()
    assert await sql.fetchval("SELECT count(*) FROM dead_letter WHERE reason = 'refused'") == 2
    assert [r[0] for r in await sql.fetch("SELECT status FROM message ORDER BY position")][1:] == ["failed", "failed"]


async def test_a_provider_that_says_the_window_is_closed_gets_the_template_too(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(window=WHATSAPP_LIKE, fallbacks=FollowUp())

    async def answer(recipient: str, text: str) -> None:
        if text.startswith("re:"):
            raise GiveUp("window_closed", "re-engagement message", code="131047")

    one.client.answer = answer
    await one.accept(now_said("ana", 1))
    await one.finish()
    assert one.client.calls == [("ana", "[follow_up es ana]")]
    assert await sql.fetchval("SELECT count(*) FROM dead_letter") == 0


async def test_an_advertisement_keeps_the_window_open_longer(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start(window=WHATSAPP_LIKE)
    await one.accept(said("ana", 1))
    await sql.execute("UPDATE conversation SET window_until = now() + interval '1 h'")
    await one.accept(said("ana", 2))
    await one.finish()
    assert ("ana", "re: ana 2") in one.client.calls


async def test_an_agent_may_speak_for_seven_days_and_the_channel_is_told(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(window=MESSENGER_LIKE)
    await one.accept(now_said("ana", 1))
    await one.finish()
    handoff = await agent_takes(one, sql)
    await heard(sql, timedelta(days=6))
    assert await one.agents.say(handoff, "Nora", "key-0001", (Text("I found it"),)) is not None
    await one.finish()
    assert one.client.calls[-1] == ("ana", "I found it")
    assert one.channel.outgoing[-1].is_late
    assert not one.channel.outgoing[0].is_late
    await heard(sql, timedelta(days=8))
    with pytest.raises(SendRefused) as refusal:
        await one.agents.say(handoff, "Nora", "key-0002", (Text("too late"),))
    assert refusal.value.reason == "window_closed"
    assert refusal.value.words["es"].startswith("La ventana de mensajes está cerrada")
    assert await sql.fetchval("SELECT count(*) FROM message WHERE parts::text LIKE '%too late%'") == 0


async def test_who_asked_for_silence_hears_neither_bot_nor_agent_and_the_agent_is_told(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    await one.accept(now_said("ana", 1))
    await one.finish()
    handoff = await agent_takes(one, sql)
    chat = AddressKey("chat", "ana")
    at = datetime.now(UTC)
    await one.accept(ConsentChanged(event_key="stop", at=at, address=chat, is_opted_in=False, reason="stop"))
    with pytest.raises(SendRefused) as refusal:
        await one.agents.say(handoff, "Nora", "key-0001", (Text("hello?"),))
    assert refusal.value.reason == "opted_out"
    row = await sql.fetchrow("SELECT scope, is_opted_in, source, evidence FROM consent")
    assert tuple(row) == ("all", False, "provider", "stop stop")
    assert await sql.fetchval("SELECT control FROM conversation") == Control.AGENT


async def test_advertising_needs_its_own_consent_and_service_does_not(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    await one.accept(now_said("ana", 1))
    await one.finish()
    refused = await say_unasked(one, sql, "10 % off", is_marketing=True)
    await one.finish()
    assert await sql.fetchval("SELECT reason FROM dead_letter WHERE message_id = $1", refused) == "no_consent"
    await say_unasked(one, sql, "your order left")
    await one.finish()
    assert one.client.calls[-1] == ("ana", "your order left")
    place = await conversation_of(sql)
    for is_in, text in ((True, "20 % off"), (False, "30 % off")):
        await consent.change(
            sql, place, is_opted_in=is_in, scope="marketing", source="api", evidence="form 7", at=datetime.now(UTC)
        )
        await say_unasked(one, sql, text, is_marketing=True)
        await one.finish()
    assert one.client.calls[-1] == ("ana", "20 % off")
    assert await sql.fetchval("SELECT count(*) FROM dead_letter WHERE reason = 'opted_out'") == 1
    async with one.database.begin() as connection:
        assert [line.is_opted_in for line in await consent.ledger(connection, place)] == [False, True]
        standing = await consent.standing(connection, place)
    assert standing.is_marketing_out
    assert not standing.is_opted_out, "service messages go on"


async def test_an_older_change_of_consent_is_written_down_and_changes_nothing(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()
    await one.accept(now_said("ana", 1))
    await one.finish()
    place, now = await conversation_of(sql), datetime.now(UTC)
    for is_in, at in ((True, now), (False, now - timedelta(hours=1))):
        await consent.change(sql, place, is_opted_in=is_in, scope="all", source="api", evidence="", at=at)
    assert not await sql.fetchval("SELECT is_opted_out FROM conversation")
    assert await sql.fetchval("SELECT count(*) FROM consent") == 2


async def test_an_unreachable_person_is_not_written_to_unasked_until_they_write(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()

    async def answer(recipient: str, text: str) -> None:
        raise GiveUp("unreachable", "no such number", code="30003")

    one.client.answer = answer
    await one.accept(now_said("ana", 1))
    await one.finish()
    one.client.answer = None
    await say_unasked(one, sql, "are you there")
    await one.finish()
    assert one.client.calls == []
    assert await sql.fetchval("SELECT count(*) FROM dead_letter WHERE reason = 'unreachable'") == 2
    await one.accept(now_said("ana", 2))
    await one.finish()
    assert one.client.calls == [("ana", "re: ana 2")]


async def test_nobody_is_written_to_first_where_the_customer_must_begin(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start(window=MESSENGER_LIKE)
    await one.accept(now_said("ana", 1))
    await one.finish()
    await sql.execute("UPDATE conversation SET heard_at = NULL")
    async with one.database.begin() as connection:
        with pytest.raises(SendRefused) as refusal:
            await one.guard.check(
                connection, await conversation_of(sql), Author.BOT, (Text("hello"),), is_proactive=True
            )
    assert refusal.value.reason == "no_consent"


async def test_what_the_app_cannot_show_is_written_down_with_the_message(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()

    async def think(turn: TurnInput) -> TurnOutcome | None:
        return TurnOutcome(resolution=Resolution(link="intents"), replies=(Reply((Text("~a"), Text("~b"), Text("c"))),))

    one.bot.think = think
    await one.accept(now_said("ana", 1))
    await one.finish()
    assert await sql.fetchval("SELECT losses FROM message WHERE author = 'bot'") == '["mark"]'


async def test_a_channel_is_told_all_that_it_may_want_to_know(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()

    async def think(turn: TurnInput) -> TurnOutcome | None:
        photo = Media("image", blob="ab/cd", mime="image/png")
        return TurnOutcome(resolution=Resolution(link="intents"), replies=(Reply((photo, Text("see"))),))

    one.bot.think = think
    await one.accept(now_said("ana", 1, traits="receives lists"))
    await one.finish()
    await sql.execute("UPDATE conversation SET language = 'pt'")
    await say_unasked(one, sql, "later")
    await one.finish()
    first, second = one.channel.outgoing[0], one.channel.outgoing[-1]
    assert (first.app, first.traits, first.language) == ("paper", "receives lists", "es")
    assert first.links == {"ab/cd": "https://here.example/ab/cd"}
    assert (second.traits, second.language, second.links) == ("receives lists", "pt", {})


# ---------------------------------------------------------------- what nobody knows


class Asked(PaperClient):
    """A client that can be asked what it took."""

    def __init__(self, found: Sent | None) -> None:
        super().__init__()
        self.found = found
        self.asked: list[Call] = []

    async def find_sent(self, account: str, call: Call, since: datetime) -> Sent | None:
        self.asked.append(call)
        return self.found


async def break_once(one: Process) -> None:
    async def answer(recipient: str, text: str) -> None:
        one.client.answer = None
        raise Ambiguous("connection broke", after_s=0.0)

    one.client.answer = answer
    await one.accept(now_said("ana", 1))
    await one.finish()


@pytest.mark.parametrize(("found", "calls"), [(Sent(("there-1",)), 0), (None, 1)])
async def test_a_provider_that_can_be_asked_is_asked_before_anything_is_repeated(
    start: StartProcess, sql: asyncpg.Connection, found: Sent | None, calls: int
) -> None:
    client = Asked(found)
    one = await start(client=client)
    await break_once(one)
    assert len(client.asked) == 1
    assert len(client.calls) == calls
    assert await sql.fetchval("SELECT status FROM message WHERE author = 'bot'") == "sent"
    repeated = await sql.fetchval("SELECT data ->> 'repeated' FROM event WHERE kind = 'message_sent'")
    assert (repeated == "true") == (calls == 1)


async def test_our_own_reference_given_back_settles_what_nobody_knew(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start()

    async def answer(recipient: str, text: str) -> None:
        raise Ambiguous("connection broke", after_s=60.0)

    one.client.answer = answer
    await one.accept(now_said("ana", 1))
    await one.finish()
    row = await sql.fetchrow("SELECT message_id, account_id FROM outbox")
    ref = TakenRef(row["account_id"], MessageId(row["message_id"]), "wamid-9")
    for _ in range(2):  # an echo, and a receipt
        async with one.database.lane().transaction() as connection:
            assert list(await delivering.settle_by_ref(connection, [ref])) == [ref.message_id]
    one.client.answer = None
    await one.finish()
    assert one.client.calls == [], "it is not said twice"
    assert await sql.fetchval("SELECT status FROM message WHERE author = 'bot'") == "sent"
    assert (
        await sql.fetchval("SELECT message_id FROM provider_ref WHERE provider_message_id = 'wamid-9'")
        == ref.message_id
    )
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0


async def test_only_the_part_that_was_taken_is_left_out(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()

    async def think(turn: TurnInput) -> TurnOutcome | None:
        return TurnOutcome(resolution=Resolution(link="intents"), replies=(Reply((Text("1"), Text("2"), Text("3"))),))

    async def answer(recipient: str, text: str) -> None:
        if text == "2":
            raise Ambiguous("connection broke", after_s=60.0)

    one.bot.think, one.client.answer = think, answer
    await one.accept(now_said("ana", 1))
    await one.finish()
    row = await sql.fetchrow("SELECT message_id, account_id FROM outbox")
    async with one.database.lane().transaction() as connection:
        await delivering.settle_by_ref(
            connection,
            [
                TakenRef(row["account_id"], MessageId(row["message_id"]), "out-1"),  # an echo of the first, late
                TakenRef(row["account_id"], MessageId(row["message_id"]), "out-2"),
            ],
        )
    one.client.answer = None
    await one.finish()
    assert [text for _, text in one.client.calls] == ["1", "3"]
