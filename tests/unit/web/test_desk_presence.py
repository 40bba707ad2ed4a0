"""Who looks at which conversation: over a bus between processes, and forgotten when they fall silent."""

from __future__ import annotations

from uuid import UUID

from gateway.core.clock import ManualClock
from gateway.core.ids import ConversationId, new_id
from gateway.core.news import Bulletin, News
from gateway.web.desk.presence import AGAIN_S, GONE_S, MOST_LOOKS, Presence

ONE, OTHER = ConversationId(new_id()), ConversationId(new_id())


class Process:
    """A process whose news reach the others of its row, and which notes what it says."""

    def __init__(self, clock: ManualClock, row: list[Process]) -> None:
        self.said: list[Bulletin] = []
        self.news = News(self._tell)
        self.presence = Presence(self.news, clock)
        self.news.listen(lambda _id: None, lambda passing: passing.kind == "looking" and self.presence.hear(passing))
        self.is_cut_off = False
        self._row = row
        row.append(self)

    def _tell(self, bulletin: Bulletin) -> None:
        self.said.append(bulletin)
        for other in self._row:
            if other is not self and not (self.is_cut_off or other.is_cut_off):
                other.news.heard(bulletin)

    def names(self, conversation: UUID = ONE) -> tuple[str, ...]:
        return self.presence.names().get(conversation, ())


def two() -> tuple[Process, Process, ManualClock]:
    clock, row = ManualClock(), []
    return Process(clock, row), Process(clock, row), clock


def test_everybody_sees_everybody_and_each_name_once() -> None:
    here, there, _ = two()
    here.presence.look("p1", ONE, "Leo")
    here.presence.look("p2", ONE, "Leo")
    there.presence.look("p3", ONE, "Ana")
    assert here.names() == there.names() == ("Ana", "Leo")
    here.presence.look("p1", None, "Leo")
    assert there.names() == ("Ana", "Leo")
    here.presence.look("p2", OTHER, "Leo")
    assert (there.names(), there.names(OTHER)) == (("Ana",), ("Leo",))


def test_a_process_that_begins_later_hears_of_those_who_look_already_when_it_says_its_own() -> None:
    clock, row = ManualClock(), []
    here = Process(clock, row)
    here.presence.look("p1", ONE, "Leo")
    there = Process(clock, row)
    there.presence.look("p2", ONE, "Ana")
    assert here.names() == there.names() == ("Ana", "Leo")
    assert len(here.said) + len(there.said) <= 4, "they do not answer one another for ever"


async def test_who_is_silent_is_forgotten_and_who_repeats_is_not() -> None:
    here, there, clock = two()
    here.presence.look("p1", ONE, "Leo")
    there.presence.look("p2", ONE, "Ana")
    there.is_cut_off = True
    for _ in range(int(GONE_S / AGAIN_S) + 2):
        await clock.advance(AGAIN_S + 1)
        here.presence.step()
        there.presence.step()
    assert (here.names(), there.names()) == (("Leo",), ("Ana",))


def test_somebody_without_a_name_is_not_told_of_and_a_flood_is_bounded() -> None:
    here, there, _ = two()
    here.presence.look("p1", ONE, "")
    assert not here.said
    for number in range(MOST_LOOKS + 10):
        there.presence.look(f"x{number}", ONE, f"n{number}")
    assert len(here.names()) == MOST_LOOKS


def test_a_page_that_looks_elsewhere_at_once_is_not_told_to_have_left_where_it_is() -> None:
    here, there, _ = two()
    here.presence.look("p1", ONE, "Leo")
    here.presence.look("p1", ONE, "Leonardo")
    assert there.names() == ("Leonardo",)
    here.presence.look("p1", None, "")
    assert there.names() == ()
