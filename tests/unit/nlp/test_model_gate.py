"""The gate: who may be promoted, and in which figures the others are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.turns import Candidate
from nlp.intents import Prediction
from nlp.models.gate import BATCH, Change, Contender, TestText, Thresholds, accuracy, compare

RULES = Thresholds(allowed_loss=0.0, allowed_loss_unfixed=0.02, least_agreement=0.8, least_texts=10)


class Table:
    """A model that knows some texts by heart; all else is out of scope."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known
        self.largest = 0

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        self.largest = max(self.largest, len(texts))
        return [
            Prediction((Candidate(self._known.get(text, "other"), 0.9),), 0.5 if text in self._known else 0.01,
                       text in self._known)
            for text in texts
        ]  # fmt: skip


def fixed(number: int) -> list[TestText]:
    return [TestText(f"text {n}", "greet") for n in range(number)]


def knows(number: int, label: str = "greet") -> Table:
    return Table({f"text {n}": label for n in range(number)})


def test_the_first_model_passes_whatever_it_reaches() -> None:
    first = compare(Contender("v0001", knows(0), 0.1), None, fixed(10), ["a"] * 100, RULES)
    assert first.is_let_through
    assert (first.candidate_accuracy, first.live_accuracy, first.live, first.agreement) == (0.0, None, "", None)


def test_worse_on_the_fixed_tests_is_refused_with_both_figures() -> None:
    found = compare(Contender("v0002", knows(8)), Contender("v0001", knows(9)), fixed(10), [], RULES)
    assert found.measured_on == "tests"
    assert (found.candidate_accuracy, found.live_accuracy) == (0.8, 0.9)
    assert found.refusals == ("v0002 is worse on the 10 fixed tests: 80.0% right, v0001 has 90.0% (0.0% may be lost)",)


@pytest.mark.parametrize("ours", [9, 10])
def test_as_good_or_better_passes(ours: int) -> None:
    assert compare(Contender("v2", knows(ours)), Contender("v1", knows(9)), fixed(10), [], RULES).is_let_through


def test_a_loss_that_the_settings_allow_passes() -> None:
    rules = msgspec.structs.replace(RULES, allowed_loss=0.1)
    assert compare(Contender("v2", knows(8)), Contender("v1", knows(9)), fixed(10), [], rules).is_let_through


@pytest.mark.parametrize(("ours", "passes"), [(0.90, True), (0.88, True), (0.87, False)])
def test_without_fixed_tests_what_was_measured_out_of_fold_decides(ours: float, passes: bool) -> None:
    found = compare(Contender("v2", knows(5), ours), Contender("v1", knows(5), 0.90), [], [], RULES)
    assert (found.measured_on, found.is_let_through) == ("out_of_fold", passes)


def test_without_any_figure_nothing_is_refused() -> None:
    found = compare(Contender("v2", knows(5)), Contender("v1", knows(5), 0.9), [], [], RULES)
    assert (found.measured_on, found.is_let_through) == ("nothing", True)


def test_out_of_scope_is_right_when_it_is_turned_away() -> None:
    texts = [TestText("nonsense", label) for label in ("oos", "out_of_scope", "")]
    assert accuracy(knows(0), texts) == 1.0
    assert accuracy(Table({"nonsense": "greet"}), texts) == 0.0


def test_what_is_turned_away_is_not_understood() -> None:
    assert accuracy(Table({}), [TestText("hello", "other")]) == 0.0


def test_too_little_agreement_on_recent_texts_is_refused_with_the_pairs() -> None:
    recent = [f"text {n}" for n in range(10)]
    live = Table({**dict.fromkeys(recent[:5], "greet"), **dict.fromkeys(recent[5:], "bye")})
    other = Table({**dict.fromkeys(recent[:3], "greet"), **dict.fromkeys(recent[3:9], "bye")})
    found = compare(Contender("v2", other, 0.9), Contender("v1", live, 0.9), [], recent, RULES)
    assert found.agreement == 0.7
    assert found.changes == (Change("greet", "bye", 2), Change("bye", "", 1))
    assert found.refusals == ("v2 agrees with v1 on 70.0% of 10 recent texts; at least 80.0% are wanted",)


def test_few_recent_texts_say_nothing() -> None:
    found = compare(Contender("v2", knows(0), 0.9), Contender("v1", knows(9), 0.9), [], ["text 1"] * 9, RULES)
    assert found.agreement == 0.0
    assert found.is_let_through


def test_texts_are_predicted_in_batches() -> None:
    candidate, live = knows(0), knows(0)
    compare(Contender("v2", candidate), Contender("v1", live), fixed(500), ["x"] * 500, RULES)
    assert max(candidate.largest, live.largest) == BATCH


@given(st.lists(st.text(max_size=8)), st.sets(st.text(max_size=8)), st.sets(st.text(max_size=8)))
def test_a_model_always_agrees_with_its_like_and_figures_are_shares(
    texts: list[str], one: set[str], other: set[str]
) -> None:
    first, second = (Table(dict.fromkeys(known, "greet")) for known in (one, other))
    same = compare(Contender("v2", first, 0.5), Contender("v1", first, 0.5), [], texts, RULES)
    assert same.is_let_through
    assert same.agreement in {None, 1.0}
    found = compare(Contender("v2", first, 0.5), Contender("v1", second, 0.5), [], texts, RULES)
    assert found.agreement is None or 0.0 <= found.agreement <= 1.0
    assert sum(change.times for change in found.changes) <= len(texts)
