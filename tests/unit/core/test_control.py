"""The control machine under any events in any order: never ownerless, never stuck, and no epoch without a change."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from gateway.core.control import (
    Accept,
    AskForPerson,
    Change,
    Control,
    ControlEvent,
    ControlState,
    GiveBack,
    TakeOver,
    transition,
)
from gateway.core.ids import HandoffId

handoff_ids = st.integers(1, 4).map(lambda number: HandoffId(UUID(int=number)))
agents = st.sampled_from(["eva", "ben", ""])
events: st.SearchStrategy[ControlEvent] = st.one_of(
    st.builds(AskForPerson, handoff_ids, st.just("asked")),
    st.builds(Accept, handoff_ids, agents),
    st.builds(TakeOver, handoff_ids, agents),
    st.builds(GiveBack, handoff_ids, st.just("solved")),
)
"""Few handoffs and agents, so that repeated, late and crossing events are common; a nameless agent is nobody."""


def reached(happened: list[ControlEvent]) -> ControlState:
    state = ControlState()
    for event in happened:
        change = transition(state, event)
        state = change.state if change else state
    return state


states = st.lists(events, max_size=12).map(reached)


@settings(deadline=None)
@given(st.lists(events, max_size=40))
def test_each_change_raises_the_epoch_by_one_and_nothing_else_does(happened: list[ControlEvent]) -> None:
    state, changes = ControlState(), 0
    for event in happened:
        change = transition(state, event)
        if change is not None:
            changes += 1
            assert change.state != state
            state = change.state
        assert state.is_valid()
        assert state.epoch == changes


@settings(deadline=None)
@given(states, events)
def test_the_same_event_again_changes_nothing(state: ControlState, event: ControlEvent) -> None:
    change = transition(state, event)
    if change is not None:
        assert transition(change.state, event) is None


@settings(deadline=None)
@given(states, handoff_ids, agents)
def test_what_names_another_handoff_is_late_and_changes_nothing(
    state: ControlState, handoff_id: HandoffId, agent: str
) -> None:
    if handoff_id != state.handoff_id:
        assert transition(state, Accept(handoff_id, agent)) is None
        assert transition(state, GiveBack(handoff_id, "late")) is None
    if state.control is not Control.BOT:
        assert transition(state, AskForPerson(handoff_id, "again")) is None


@settings(deadline=None)
@given(st.lists(events, max_size=40))
def test_handoffs_begin_and_end_in_pairs(happened: list[ControlEvent]) -> None:
    state, is_open = ControlState(), None
    for event in happened:
        change = transition(state, event)
        if change is None:
            continue
        assert change.begins is None or is_open is None, "one at a time"
        assert change.ends is None or change.ends == is_open
        is_open = change.begins or (None if change.ends else is_open)
        state = change.state
        assert state.handoff_id == is_open


@settings(deadline=None)
@given(states)
def test_giving_back_always_leads_to_the_bot(state: ControlState) -> None:
    if state.handoff_id is None:
        assert state.control is Control.BOT
        return
    change = transition(state, GiveBack(state.handoff_id, "solved"))
    assert change == Change(ControlState(Control.BOT, state.epoch + 1), ends=state.handoff_id)


@settings(deadline=None)
@given(states, handoff_ids, st.sampled_from(["eva", "ben"]))
def test_an_agent_who_speaks_up_has_the_conversation_whatever_was_before(
    state: ControlState, handoff_id: HandoffId, agent: str
) -> None:
    change = transition(state, TakeOver(handoff_id, agent))
    after = change.state if change else state
    assert (after.control, after.agent) == (Control.AGENT, agent)
    assert after.handoff_id == (state.handoff_id or handoff_id), "a case that is open is gone on with"


class TwoDesksAndABot(RuleBasedStateMachine):
    """Each party sends what it knows, late, repeated and crossed; every handoff has an id of its own."""

    waiting = Bundle("waiting")

    @initialize()
    def begin(self) -> None:
        self.state = ControlState()
        self.made = 0
        self.begun: list[HandoffId] = []
        self.ended: list[HandoffId] = []
        self.changes = 0

    def fresh(self) -> HandoffId:
        self.made += 1
        return HandoffId(UUID(int=self.made))

    def happen(self, event: ControlEvent) -> None:
        change = transition(self.state, event)
        if change is None:
            return
        assert change.state.epoch == self.state.epoch + 1
        self.changes += 1
        self.state = change.state
        self.begun += [change.begins] if change.begins else []
        self.ended += [change.ends] if change.ends else []

    @rule(target=waiting)
    def the_bot_asks(self) -> ControlEvent:
        return AskForPerson(self.fresh(), "asked")

    @rule(target=waiting, desk=st.sampled_from(["eva", "ben"]))
    def an_agent_speaks_up(self, desk: str) -> ControlEvent:
        return TakeOver(self.fresh(), desk)

    @precondition(lambda self: self.begun)
    @rule(target=waiting, desk=st.sampled_from(["eva", "ben"]), data=st.data())
    def a_desk_accepts(self, desk: str, data: st.DataObject) -> ControlEvent:
        return Accept(data.draw(st.sampled_from(self.begun)), desk)

    @precondition(lambda self: self.begun)
    @rule(target=waiting, data=st.data())
    def a_desk_closes(self, data: st.DataObject) -> ControlEvent:
        return GiveBack(data.draw(st.sampled_from(self.begun)), "solved")

    @rule(event=consumes(waiting))
    def it_arrives(self, event: ControlEvent) -> None:
        self.happen(event)

    @rule(event=consumes(waiting))
    def it_arrives_twice(self, event: ControlEvent) -> None:
        self.happen(event)
        before = self.state
        self.happen(event)
        assert self.state == before

    @precondition(lambda self: self.state.handoff_id is not None)
    @rule()
    def the_current_case_is_closed(self) -> None:
        assert self.state.handoff_id is not None
        self.happen(GiveBack(self.state.handoff_id, "solved"))
        assert self.state.control is Control.BOT

    @invariant()
    def somebody_owns_it_and_the_books_balance(self) -> None:
        assert self.state.is_valid()
        assert self.state.epoch == self.changes
        still_open = [handoff_id for handoff_id in self.begun if handoff_id not in self.ended]
        assert still_open == ([self.state.handoff_id] if self.state.handoff_id else [])
        assert len(set(self.ended)) == len(self.ended), "a case ends once"
        assert len(set(self.begun)) == len(self.begun), "a case begins once"


TestTwoDesksAndABot = TwoDesksAndABot.TestCase
TestTwoDesksAndABot.settings = settings(deadline=None, max_examples=60, stateful_step_count=30)
