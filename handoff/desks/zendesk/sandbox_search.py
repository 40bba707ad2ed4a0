"""The search index of an account, which learns of a change some time after it happened."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from handoff.desks.zendesk.sandbox_records import STATUSES, Json

_TERM = re.compile(r'(-?)(\w+)\s*(:|<=|>=|<|>)\s*("[^"]*"|\S+)|(\S+)')


class _Learned(msgspec.Struct, frozen=True):
    due: datetime
    key: int
    content: Json


class Index:
    """Answers queries such as ``type:ticket external_id:abc status<solved`` from what it has learned by now."""

    def __init__(self, now: Callable[[], datetime], lag: timedelta) -> None:
        self._now = now
        self._lag = lag
        self._coming: deque[_Learned] = deque()
        self._known: dict[int, Json] = {}

    def learn(self, key: int, content: Json) -> None:
        """*content* will be found after the lag. A ``result_type`` tells tickets from users."""
        self._coming.append(_Learned(self._now() + self._lag, key, content))

    def find(self, query: str) -> Sequence[Json]:
        """What fits every term, the newest first."""
        self._catch_up()
        terms = list(_terms(query))
        found = [one for one in self._known.values() if all(term(one) for term in terms)]
        return sorted(found, key=lambda one: str(one["created_at"]), reverse=True)

    def _catch_up(self) -> None:
        now = self._now()
        while self._coming and self._coming[0].due <= now:
            learned = self._coming.popleft()
            self._known[learned.key] = learned.content


Term = Callable[[Json], bool]


def _terms(query: str) -> Iterator[Term]:
    for found in _TERM.finditer(query):
        is_not, name, operator, value, word = found.groups()
        term = _has_word(word) if word else _compares(name.lower(), operator, value.strip('"'))
        yield _negated(term) if is_not else term


def _negated(term: Term) -> Term:
    return lambda one: not term(one)


def _has_word(word: str) -> Term:
    return lambda one: (
        word.lower() in f"{one.get('subject', '')} {one.get('description', '')} {one.get('name', '')}".lower()
    )


def _compares(name: str, operator: str, value: str) -> Term:
    match name:
        case "type":
            return lambda one: one.get("result_type") == value
        case "tags":
            return lambda one: value.lower() in str(one.get("tags", "")).lower()
        case "status":
            return lambda one: _ordered(operator, _rank(str(one.get("status"))), _rank(value))
        case "created" | "updated" | "solved":
            return lambda one: _ordered(operator, str(one.get(f"{name}_at"))[: len(value)], value)
        case "requester" | "assignee" | "group" | "form":
            key = {"form": "ticket_form_id"}.get(name, f"{name}_id")
            return lambda one: str(one.get(key) or "none") == value
        case _:
            return lambda one: str(one.get(name) or "") == value


def _rank(status: str) -> int:
    return next((number for number, one in enumerate(STATUSES) if one == status.lower()), -1)


def _ordered(operator: str, one: int | str, other: int | str) -> bool:
    left, right = (one, other) if isinstance(one, type(other)) else (str(one), str(other))
    match operator:
        case "<":
            return left < right  # type: ignore[operator]
        case ">":
            return left > right  # type: ignore[operator]
        case "<=":
            return left <= right  # type: ignore[operator]
        case ">=":
            return left >= right  # type: ignore[operator]
        case _:
            return left == right
