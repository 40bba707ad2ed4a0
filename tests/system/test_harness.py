"""The judge is judged: what the fault tests call explained must be, and nothing else."""

from __future__ import annotations

from uuid import UUID

import pytest
from fault_harness import Reply, is_explained

A, B, C = (Reply(UUID(int=number), text, "sent") for number, text in enumerate("abc"))
LOST = Reply(UUID(int=9), "lost", "failed")


@pytest.mark.parametrize(
    ("sent", "expected", "ambiguous", "is_right"),
    [
        ("abc", [A, B, C], [], True),
        ("", [], [], True),
        ("ab", [A, B, C], [], False),
        ("acb", [A, B, C], [], False),
        ("aabc", [A, B, C], [], False),
        ("aabc", [A, B, C], [A], True),
        ("aabc", [A, B, C], [B], False),
        ("abac", [A, B, C], [A], False),
        ("abcc", [A, B, C], [C], True),
        ("abcd", [A, B, C], [A, B, C], False),
        ("aa", [A, Reply(UUID(int=5), "a", "sent")], [], True),
        ("aaa", [A, Reply(UUID(int=5), "a", "sent")], [], False),
        ("aaa", [A, Reply(UUID(int=5), "a", "sent")], [A], True),
        ("ab", [LOST, A, B], [LOST], True),
        ("ab", [A, LOST, B], [], False),
        ("ab", [A, B, LOST], [LOST], True),
    ],
)
def test_only_ambiguous_sends_may_repeat_and_only_in_their_place(
    sent: str, expected: list[Reply], ambiguous: list[Reply], *, is_right: bool
) -> None:
    once = {reply.message_id: 1 for reply in ambiguous}
    assert is_explained(list(sent), expected, once) is is_right


def test_a_send_may_repeat_only_as_often_as_it_was_ambiguous() -> None:
    assert is_explained(list("aaab"), [A, B], {A.message_id: 2})
    assert not is_explained(list("aaab"), [A, B], {A.message_id: 1})
