"""The rules of sending, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.channel import Window
from gateway.core.inbound import Origin
from gateway.core.messages import Author, Template, Text
from gateway.router.policy import PolicyInput, ad_window, is_template, verdict

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WHATSAPP = Window(free_s=DAY.total_seconds(), ad_s=3 * DAY.total_seconds(), has_templates=True, may_begin=True)
MESSENGER = Window(free_s=DAY.total_seconds(), agent_s=7 * DAY.total_seconds())
OPEN = Window()


def asked(window: Window, author: Author = Author.BOT, ago: timedelta | None = HOUR, **facts: Any) -> PolicyInput:
    heard_at = None if ago is None else NOW - ago
    return PolicyInput(author=author, window=window, now=NOW, heard_at=heard_at, **facts)


@pytest.mark.parametrize(
    ("case", "kind", "reason"),
    [
        (asked(OPEN, ago=None), "allowed", ""),
        (asked(WHATSAPP), "allowed", ""),
        (asked(WHATSAPP, ago=DAY - timedelta(seconds=1)), "allowed", ""),
        (asked(WHATSAPP, ago=DAY), "refused", "window_closed"),
        (asked(WHATSAPP, ago=2 * DAY, window_until=NOW + HOUR), "allowed", ""),
        (asked(WHATSAPP, ago=2 * DAY, is_template=True), "allowed", ""),
        (asked(WHATSAPP, ago=2 * DAY, has_fallback=True), "template", "window_closed"),
        (asked(WHATSAPP, ago=2 * DAY, has_fallback=True, is_template=True), "allowed", ""),
        (asked(WHATSAPP, Author.SYSTEM, ago=2 * DAY), "refused", "window_closed"),
        (asked(WHATSAPP, ago=None, is_template=True, is_proactive=True), "allowed", ""),
        (asked(MESSENGER, ago=2 * DAY), "refused", "window_closed"),
        (asked(MESSENGER, ago=2 * DAY, is_template=True, has_fallback=True), "refused", "window_closed"),
        (asked(MESSENGER, Author.AGENT, ago=2 * DAY), "late", ""),
        (asked(MESSENGER, Author.AGENT, ago=8 * DAY), "refused", "window_closed"),
        (asked(MESSENGER, ago=None, is_proactive=True), "refused", "no_consent"),
        (asked(OPEN, is_opted_out=True), "refused", "opted_out"),
        (asked(OPEN, Author.AGENT, is_opted_out=True), "refused", "opted_out"),
        (asked(OPEN, Author.SYSTEM, is_opted_out=True), "allowed", ""),
        (asked(OPEN, Author.SYSTEM, is_opted_out=True, is_proactive=True), "refused", "opted_out"),
        (asked(OPEN, is_marketing_out=True), "allowed", ""),
        (asked(OPEN, is_marketing_out=True, is_proactive=True, is_marketing=True), "refused", "opted_out"),
        (asked(OPEN, is_unreachable=True), "refused", "unreachable"),
        (asked(OPEN, Author.AGENT, is_unreachable=True), "allowed", ""),
        (asked(OPEN, is_proactive=True, opt_in="marketing"), "allowed", ""),
        (asked(OPEN, is_proactive=True, is_marketing=True, opt_in="marketing"), "refused", "no_consent"),
        (asked(OPEN, is_proactive=True, is_marketing=True, opt_in="marketing", has_opt_in=True), "allowed", ""),
        (asked(OPEN, is_proactive=True, opt_in="always"), "refused", "no_consent"),
        (asked(OPEN, opt_in="always"), "allowed", ""),
    ],
)
def test_every_case_has_its_verdict(case: PolicyInput, kind: str, reason: str) -> None:
    judged = verdict(case)
    assert (judged.kind, judged.reason) == (kind, reason)
    if kind == "refused":
        assert judged.error().reason == reason
        assert judged.words.es
        assert judged.words.get("es-CO") != judged.words.get("fr") == judged.words.en


flags = st.booleans()


@given(
    st.sampled_from([OPEN, WHATSAPP, MESSENGER]),
    st.sampled_from([Author.BOT, Author.AGENT, Author.SYSTEM]),
    st.none() | st.timedeltas(timedelta(0), 10 * DAY),
    st.fixed_dictionaries(dict.fromkeys(("is_proactive", "is_marketing", "is_template", "has_fallback"), flags)),
)
def test_who_asked_for_silence_hears_nothing_but_the_systems_own_words(
    window: Window, author: Author, ago: timedelta | None, facts: dict[str, bool]
) -> None:
    case = asked(window, author, ago, is_opted_out=True, **facts)
    if verdict(case).kind != "refused":
        assert author is Author.SYSTEM
        assert not case.is_proactive
    heard_again = verdict(msgspec.structs.replace(case, is_opted_out=False))
    assert verdict(case).kind in ("refused", heard_again.kind), "silence never allows more"


def test_an_advertisement_opens_a_longer_window_and_nothing_else_does() -> None:
    assert ad_window(WHATSAPP, NOW, Origin(kind="ad", id="7")) == NOW + 3 * DAY
    assert ad_window(WHATSAPP, NOW, Origin(kind="link")) is None
    assert ad_window(WHATSAPP, NOW, None) is None
    assert ad_window(MESSENGER, NOW, Origin(kind="ad")) is None


def test_a_template_with_anything_beside_it_is_none() -> None:
    template = Template("hello", "es")
    assert is_template((template,))
    assert not is_template((template, Text("and more")))
    assert not is_template(())
