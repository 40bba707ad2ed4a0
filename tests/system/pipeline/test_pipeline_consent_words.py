"""Who writes STOP gets silence and is told so once; and nobody is silenced by a word that meant something else."""

from __future__ import annotations

import asyncpg
import pytest
from paper_provider import said
from pipeline_process import StartProcess

from config.settings import load_settings
from gateway.core.messages import Media, Text
from gateway.router.consent_words import ConsentWords


def of_the_product() -> ConsentWords:
    router = load_settings(env={}).router
    return ConsentWords(router.opt_out_words, router.opt_in_words)


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "stop.",
        "¡Baja!",
        "ALTO",
        "Parar",
        "SAIR",
        "cancelar suscripcion",
        "Cancelar  suscripción",
        "no mas mensajes",
    ],
)
def test_a_word_alone_asks_for_silence(text: str) -> None:
    assert of_the_product().meaning((Text(text),)) == "out"


@pytest.mark.parametrize(
    "text",
    [
        "cancelar",
        "cancel",
        "no",
        "salir",
        "fin",
        "quit",
        "stop it now please",
        "quiero darme de baja del plan",
        "",
        "🛑",
        "?",
    ],
)
def test_what_people_say_to_a_bot_is_no_such_word(text: str) -> None:
    assert of_the_product().meaning((Text(text),)) == ""


def test_only_a_message_that_is_nothing_else_counts() -> None:
    words = of_the_product()
    assert words.meaning((Text("STOP"), Text("STOP"))) == ""
    assert words.meaning((Media(kind="image", url="https://example.com/a.png", caption="STOP"),)) == ""


async def test_silence_is_confirmed_once_and_the_bot_says_nothing(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(said("ana", 1, "hola"))
    await one.finish()
    await one.accept(said("ana", 2, "Baja"))
    await one.accept(said("ana", 3, "baja"), said("ana", 4, "y otra cosa"))
    await one.finish()
    assert [text for _, text in one.client.calls] == [
        "re: hola",
        "Listo: no te enviaremos más mensajes. Si cambias de idea, escribe START.",
    ]
    assert await sql.fetchval("SELECT is_opted_out FROM conversation")
    row = await sql.fetchrow("SELECT source, scope, is_opted_in FROM consent ORDER BY recorded_at LIMIT 1")
    assert tuple(row) == ("keyword", "all", False)
    assert await sql.fetchval("SELECT count(*) FROM event WHERE kind = 'consent_withdrawn'") >= 1


async def test_who_comes_back_is_welcomed_and_answered_again(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(said("ana", 1, "stop"))
    await one.finish()
    await one.accept(said("ana", 2, "Start"))
    await one.finish()
    await one.accept(said("ana", 3, "hola"))
    await one.finish()
    texts = [text for _, text in one.client.calls]
    assert texts[1].startswith("Bienvenido de nuevo")
    assert texts[2:] == ["re: hola"]
    assert not await sql.fetchval("SELECT is_opted_out FROM conversation")


async def test_the_word_back_is_a_word_like_any_other_for_who_never_left(start: StartProcess) -> None:
    one = await start()
    await one.accept(said("ana", 1, "alta"))
    await one.finish()
    assert one.client.calls == [("ana", "re: alta")]


async def test_stop_and_start_in_one_webhook_leave_the_bot_its_other_words(start: StartProcess) -> None:
    one = await start()
    await one.accept(said("ana", 1, "stop"), said("ana", 2, "start"), said("ana", 3, "hola"))
    await one.finish()
    assert one.client.calls[-1] == ("ana", "re: hola")
    assert len(one.client.calls) == 3


async def test_one_member_does_not_silence_a_group(start: StartProcess, sql: asyncpg.Connection) -> None:
    one = await start()
    await one.accept(said("-500", 1, "stop"))
    await one.finish()
    assert one.client.calls == [("-500", "re: stop")]
    assert not await sql.fetchval("SELECT is_opted_out FROM conversation")


async def test_the_word_is_heard_also_when_another_process_reads_it_later(
    start: StartProcess, sql: asyncpg.Connection
) -> None:
    one = await start("one", respond=False)
    await one.accept(said("ana", 1, "stop"), said("ana", 2, "start"))
    two = await start("two")
    await two.pipeline.respond.sweep()
    await two.finish()
    assert sorted(text[:5] for _, text in two.client.calls) == ["Bienv", "Listo"]
