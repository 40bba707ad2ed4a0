"""What desks elsewhere remember word by word is forgotten after a time, and none of it is ever said again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import asyncpg
from sunshine_desk_world import sunshine_world
from test_zendesk_journeys import stage
from zendesk_side import said_to_customer

from gateway.store import sunshine_pruning, zendesk_pruning

DAY_S = 86_400
KEEP_S = 60 * DAY_S
OVER = "UPDATE handoff SET ended_at = ended_at - interval '61 days'"
ANEW = """
    UPDATE desk_event SET applied_at = NULL, gave_up_at = NULL, due_at = now(), tries = 0, received_at = now(),
        at = at - interval '61 days'
"""
"""Everything that a desk ever said is told again, as if its keys had been forgotten too."""


async def rows_of(connection: asyncpg.Connection, *tables: str) -> list[int]:
    return [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables]


async def test_a_ticket_that_is_over_for_long_is_forgotten_and_nothing_is_said_or_written_twice(
    dsn: str, tmp_path: Path
) -> None:
    tables = ("zendesk_comment", "zendesk_update", "zendesk_upload")
    async with stage(dsn, tmp_path) as on:
        sql, berta = on.world.connection, on.zendesk.agent("Berta Gómez")
        case, ticket = await on.begins("hola")
        await berta.answers(ticket, "uno")
        await on.hears(case, 1)
        await on.world.says(case, "gracias")
        await on.until(lambda: any("gracias" in comment.body for comment in ticket.comments))
        await berta.solves(ticket, "dos")
        await on.has_control(case, "bot")
        await berta.opens(ticket)
        await berta.answers(ticket, "tres")  # after the end: another case on the same ticket, within the same minute
        await on.has_control(case, "agent")
        await berta.solves(ticket)
        await on.has_control(case, "bot")
        await on.hears(case, 3)
        await on.until_it(_is_told(sql))

        before = await rows_of(sql, *tables)
        assert not await on.side.desk.forget(KEEP_S)
        assert await rows_of(sql, *tables) == before, "it is not over for long enough"
        assert await sql.fetchval("SELECT min(tidy_at) > now() + interval '59 days' FROM zendesk_case")

        await sql.execute(OVER)
        for comment in ticket.comments:
            comment.created_at -= timedelta(days=61)
        await sql.execute("UPDATE zendesk_case SET tidy_at = now(), heard_until = heard_until - interval '61 days'")
        await sql.execute("UPDATE desk_event SET applied_at = NULL, gave_up_at = now()")
        await on.side.desk.forget(KEEP_S)
        assert await rows_of(sql, *tables) == before, "a dead letter of the ticket may still be tried again"
        await sql.execute("UPDATE desk_event SET applied_at = now(), gave_up_at = NULL")
        await sql.execute("UPDATE zendesk_case SET tidy_at = now()")
        assert not await on.side.desk.forget(KEEP_S)
        assert await rows_of(sql, *tables) == [0, 0, 0]

        written = len(ticket.comments)
        await sql.execute(ANEW)
        await on.settles()
        assert len(await said_to_customer(on.world, case)) == 3
        assert len(ticket.comments) == written

        await berta.opens(ticket)
        await berta.answers(ticket, "cuatro")
        said = await on.hears(case, 4)
        assert [words for _, words in said] == ["uno", "dos", "tres", "cuatro"]
        await on.world.says(case, "hola otra vez")
        await on.until(lambda: any("hola otra vez" in comment.body for comment in ticket.comments))
        whole = "\n".join(comment.body for comment in ticket.comments)
        assert [whole.count(words) for words in ("gracias", "hola otra vez")] == [1, 1]


def _is_told(sql: asyncpg.Connection) -> Callable[[], Awaitable[bool]]:
    async def claim() -> bool:
        return not await sql.fetchval("SELECT count(*) FROM handoff WHERE NOT told_end")

    return claim


async def test_the_ticket_that_a_case_left_when_it_was_merged_is_forgotten_with_it(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path) as on:
        sql, berta = on.world.connection, on.zendesk.agent("Berta Gómez")
        case, ticket = await on.begins("hola")
        _, target = await on.begins("otra vez", name="Otra")
        target.requester_id = ticket.requester_id
        await berta.answers(ticket, "uno")
        await on.hears(case, 1)
        await berta.solves(target)
        await on.settles()
        await berta.opens(target)
        await berta.merges(ticket, target)
        await on.settles()
        await berta.solves(target)
        await on.has_control(case, "bot")
        await on.until_it(_is_told(sql))
        assert await sql.fetchval(
            "SELECT old_tickets FROM zendesk_case WHERE ticket_id = $1 AND old_tickets <> '{}'", target.id
        ) == [ticket.id]
        assert await sql.fetchval("SELECT count(*) FROM zendesk_comment WHERE ticket_id = $1", ticket.id)
        await sql.execute(OVER)
        await sql.execute("UPDATE zendesk_case SET tidy_at = now()")
        await on.side.desk.forget(KEEP_S)
        assert await rows_of(sql, "zendesk_comment") == [0]


async def test_forgetting_looks_at_no_more_than_what_is_due(dsn: str, tmp_path: Path) -> None:
    async with stage(dsn, tmp_path) as on:
        sql = on.world.connection
        await sql.execute(
            """INSERT INTO zendesk_case (desk, handoff_id, conversation_id, ticket_id, tidy_at)
               SELECT 'zendesk.main', gen_random_uuid(), gen_random_uuid(), n, 'infinity'
               FROM generate_series(1, 20000) n"""
        )
        await sql.execute(
            """INSERT INTO sunshine_said (desk, message_id, handoff_id, tidy_at)
               SELECT 'sunshine.main', n, gen_random_uuid(), now() + interval '1 day'
               FROM generate_series(1, 20000) n"""
        )
        await sql.execute("ANALYZE zendesk_case, sunshine_said")
        for asked, desk, index in (
            (zendesk_pruning.DUE, "zendesk.main", "zendesk_case_tidy"),
            (sunshine_pruning.DUE, "sunshine.main", "sunshine_said_tidy"),
        ):
            statement = asked.text.replace(":desk", "$1").replace(":keep", "$2").replace(":limit", "$3")
            plan = await sql.fetch(f"EXPLAIN {statement}", desk, timedelta(days=60), 25)
            assert index in "\n".join(row[0] for row in plan)


async def test_what_agents_said_in_a_conversation_long_ago_is_forgotten_and_never_said_again(
    dsn: str, tmp_path: Path
) -> None:
    async with sunshine_world(dsn, tmp_path) as town:
        sql = town.world.connection
        case, talk = await town.handed("help")
        town.sandbox.agent_says(talk, "one", name="Luis")
        town.sandbox.closes_ticket(talk)
        await town.heard()
        await town.told()
        assert (await town.control(case))[0] == "bot"
        assert not await town.side.desk.forget(KEEP_S)
        assert await rows_of(sql, "sunshine_said") == [1]
        await sql.execute(OVER)
        await sql.execute("UPDATE sunshine_said SET tidy_at = now()")
        assert not await town.side.desk.forget(KEEP_S)
        assert await rows_of(sql, "sunshine_said") == [0]

        for message in town.sandbox.world.talk(talk).messages:
            message["received"] = message["received"].replace("2026", "2025")
        await sql.execute("UPDATE sunshine_stay SET heard_until = forgotten_until")
        again = await town.asks_again(case)
        await town.told()
        await town.heard()
        town.sandbox.agent_says(talk, "two", name="Luis")
        await town.heard()
        assert await town.got(again) == [("Luis", "one"), ("Luis", "two")]
