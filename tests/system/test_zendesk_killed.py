"""Killed at any point, a process leaves nothing undone and nothing done twice: the next one goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import pytest
from zendesk_cases import Deaths, Killed, bodies, case_of, desk_of, message, ref

from gateway.core.desks import Case, NotYet
from gateway.core.errors import Retry
from gateway.core.fence import fenced
from gateway.core.messages import Author, Media
from gateway.store.blobs import Blobs
from handoff.desks.zendesk.sandbox import Pace, ZendeskSandbox
from handoff.desks.zendesk.sandbox_records import Ticket
from handoff.desks.zendesk.ticketing import ZendeskDesk

FAST = Pace(minute_s=0.5)
MOST_POINTS = 150


async def patiently(call: Callable[[], Awaitable[object]], within_s: float = 60.0) -> object:
    """Repeat a call as the pump does, until it returns."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                return await call()
            except (NotYet, Retry) as later:
                await asyncio.sleep(min(later.after_s or 0.02, 0.3))


def the_ticket(zendesk: ZendeskSandbox, case: Case) -> Ticket:
    [ticket] = zendesk.tickets(external_id=str(case.handoff_id))
    return ticket


async def killed_everywhere(
    dsn: str,
    folder: Path,
    zendesk: ZendeskSandbox,
    make: Callable[[], Case],
    first: Callable[[ZendeskDesk, Case], Awaitable[object]],
    act: Callable[[ZendeskDesk, Case], Awaitable[object]],
    check: Callable[[Case], None],
) -> int:
    """Do *first* undisturbed and *act* killed at its n-th point, for every n; then another process repeats *act*."""
    async with desk_of(dsn, zendesk, folder) as other:
        for at in range(MOST_POINTS):
            case = make()
            await first(other, case)
            async with desk_of(dsn, zendesk, folder) as desk:
                deaths = Deaths(desk, at)
                with contextlib.suppress(Killed):
                    await act(desk, case)
            await patiently(partial(act, other, case))
            await patiently(partial(act, other, case))
            check(case)
            if not deaths.has_killed:
                return at
    raise AssertionError("there is no end of points")


async def test_killed_anywhere_while_a_ticket_is_made_there_is_one_with_everything_in_it(
    dsn: str, tmp_path: Path
) -> None:
    blob = await Blobs(str(tmp_path)).put(_chunks(b"picture"), max_bytes=100)
    async with ZendeskSandbox(pace=FAST, plan="high_volume") as zendesk:

        def make() -> Case:
            picture = Media(kind="image", blob=blob.key, name="a.png", mime="image/png")
            return case_of(message(1, "hola"), message(2, "¿sí?", Author.BOT), message(3, (picture,)))

        def check(case: Case) -> None:
            ticket = the_ticket(zendesk, case)
            assert len(ticket.comments) == 1
            assert "hola" in ticket.comments[0].body
            assert [file.file_name for file in ticket.comments[0].attachments] == ["a.png"]

        points = await killed_everywhere(dsn, tmp_path, zendesk, make, _nothing, lambda d, c: d.open(c), check)
        assert points > 10
        people = {ticket.requester_id for ticket in zendesk.tickets()}
        assert len(people) == len(zendesk.tickets()), "each customer is somebody of their own"


async def test_killed_anywhere_while_more_comes_each_word_is_there_once_and_in_order(dsn: str, tmp_path: Path) -> None:
    async with ZendeskSandbox(pace=FAST, plan="high_volume") as zendesk:
        said = (message(2, "ok"), message(3, "ok"), message(4, "un momento", Author.BOT))

        async def act(desk: ZendeskDesk, case: Case) -> None:
            await desk.customer_said(ref(case), said)

        def check(case: Case) -> None:
            assert bodies(the_ticket(zendesk, case).comments[1:]) == ["ok\n\nok", "Bot: un momento"]

        points = await killed_everywhere(
            dsn, tmp_path, zendesk, lambda: case_of(message(1, "hola")), lambda d, c: d.open(c), act, check
        )
        assert points > 10


async def test_killed_anywhere_while_the_transcript_grows_the_rest_follows_once(dsn: str, tmp_path: Path) -> None:
    """The next process finds more to tell than the one before it."""
    async with ZendeskSandbox(pace=FAST, plan="high_volume") as zendesk:
        for at in range(40):
            case = case_of(message(1, "uno"))
            async with desk_of(dsn, zendesk, tmp_path) as desk:
                deaths = Deaths(desk, at)
                with contextlib.suppress(Killed):
                    await desk.open(case)
            grown = _with(case, [*case.transcript, message(2, "dos"), message(3, "tres")])
            async with desk_of(dsn, zendesk, tmp_path) as desk:
                await patiently(partial(desk.open, grown))
            whole = "\n".join(bodies(the_ticket(zendesk, case).comments))
            for words in ("uno", "dos", "tres"):
                assert whole.count(words) == 1, (at, whole)
            if not deaths.has_killed:
                return


async def test_killed_anywhere_at_the_end_the_ticket_is_solved_with_one_note(dsn: str, tmp_path: Path) -> None:
    async with ZendeskSandbox(pace=Pace(minute_s=0.5, closes_after_s=10**6), plan="high_volume") as zendesk:

        def check(case: Case) -> None:
            ticket = the_ticket(zendesk, case)
            assert ticket.status == "solved"
            assert len(ticket.comments) == 2

        await killed_everywhere(
            dsn,
            tmp_path,
            zendesk,
            lambda: case_of(message(1, "hola")),
            lambda d, c: d.open(c),
            lambda d, c: d.ended(ref(c), "quiet"),
            check,
        )


async def test_answers_that_get_lost_double_nothing(dsn: str, tmp_path: Path) -> None:
    """Half of all connections break, some after the call took effect."""
    async with (
        ZendeskSandbox(pace=FAST, plan="high_volume", seed=7) as zendesk,
        desk_of(dsn, zendesk, tmp_path) as desk,
    ):
        zendesk.cuts(0.4, takes_effect=True)
        zendesk.cuts(0.2, takes_effect=False)
        for _ in range(6):
            case = case_of(message(1, "hola"))
            await patiently(partial(desk.open, case), 20)
            for position in range(2, 8, 2):
                said = (message(position, f"a{position}"), message(position + 1, f"b{position}"))
                await patiently(partial(desk.customer_said, ref(case), said), 20)
            ticket = the_ticket(zendesk, case)
            assert bodies(ticket.comments[1:]) == ["a2\n\nb2", "a4\n\nb4", "a6\n\nb6"]


async def test_a_slow_answer_that_nobody_waits_for_is_not_repeated_beside_itself(dsn: str, tmp_path: Path) -> None:
    async with ZendeskSandbox(pace=FAST, plan="high_volume") as zendesk, desk_of(dsn, zendesk, tmp_path) as desk:
        case = case_of(message(1, "hola"))
        await desk.open(case)
        zendesk.server.slow_next(0.6)
        said = (message(2, "una vez"),)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(desk.customer_said(ref(case), said), 0.2)
        await patiently(partial(desk.customer_said, ref(case), said))
        assert bodies(the_ticket(zendesk, case).comments[1:]) == ["una vez"]


async def _chunks(content: bytes):
    yield content


async def _nothing(_desk: ZendeskDesk, _case: Case) -> None:
    return None


def _with(case: Case, transcript: Sequence[object]) -> Case:
    return msgspec.structs.replace(case, transcript=tuple(transcript))


async def test_two_processes_that_both_think_the_desk_is_theirs_write_each_word_once(dsn: str, tmp_path: Path) -> None:
    """One was asleep while its lease ran out, and goes on with what it had in hand."""
    async with (
        ZendeskSandbox(pace=FAST, plan="high_volume") as zendesk,
        desk_of(dsn, zendesk, tmp_path, unclear_wait_s=20.0) as one,
        desk_of(dsn, zendesk, tmp_path, unclear_wait_s=20.0) as other,
    ):
        for _ in range(4):
            case = case_of(message(1, "hola"))
            authors = (Author.CUSTOMER, Author.CUSTOMER, Author.BOT, Author.CUSTOMER, Author.CUSTOMER)
            said = [message(position, f"w{position}", author) for position, author in enumerate(authors, start=2)]
            await asyncio.gather(patiently(partial(one.open, case)), patiently(partial(other.open, case)))
            await asyncio.gather(
                patiently(partial(one.customer_said, ref(case), said[:1])),
                patiently(partial(other.customer_said, ref(case), said[:3])),
            )
            await asyncio.gather(
                patiently(partial(one.customer_said, ref(case), said[:4])),
                patiently(partial(other.customer_said, ref(case), said)),
            )
            whole = "\n".join(bodies(the_ticket(zendesk, case).comments[1:]))
            assert [whole.count(f"w{position}") for position in range(2, 7)] == [1] * 5
            assert sorted(range(2, 7), key=lambda n, whole=whole: whole.index(f"w{n}")) == list(range(2, 7))


async def test_a_process_whose_lease_ran_out_asks_and_writes_nothing(dsn: str, tmp_path: Path) -> None:
    async with ZendeskSandbox(pace=FAST, plan="high_volume") as zendesk, desk_of(dsn, zendesk, tmp_path) as desk:
        case = case_of(message(1, "hola"))
        asked = len(zendesk.calls)
        with fenced(lambda: False), pytest.raises(Retry, match="lease ran out"):
            await desk.open(case)
        assert len(zendesk.calls) == asked
        await patiently(partial(desk.open, case))
        assert len(the_ticket(zendesk, case).comments) == 1
