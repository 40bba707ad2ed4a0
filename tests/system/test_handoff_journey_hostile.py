"""Forged and repeated webhooks, agents' HTML on every channel, and customers who write in template languages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec
import pytest
from handoff_stage import handing, sees

from channels.discovery import discover, read_settings
from channels.formatting import from_markdown
from channels.specimen import specimen_of
from gateway.core.ids import AccountId, ConversationId, MessageId, new_id
from gateway.core.messages import Author, Outgoing, Text
from handoff.desks.zendesk.markup import JOINER, agent_text
from handoff.desks.zendesk.sandbox import ZendeskSandbox
from handoff.desks.zendesk.sandbox_hooks import Invocation, signature
from handoff.desks.zendesk.sandbox_time import stamp

pytestmark = pytest.mark.system

CHANNELS = {name: channel for name, channel in discover().items() if specimen_of(name).has_provider}

HOSTILE: Mapping[str, tuple[str, str]] = {
    "script": ("<script>alert(1)</script><p>hola</p>", "hola"),
    "handler": ('<p onclick="alert(1)">hola<img src="x" onerror="alert(1)"></p>', "hola"),
    "javascript": ('<a href="javascript:alert(1)">hola</a>', "hola"),
    "disguised": ('<a href=" java&#10;script&colon;alert(1)">hola</a>', "hola"),
    "data": ('<a href="data:text/html,<script>alert(1)</script>">hola</a>', "hola"),
    "vbscript": ('<a href="VBScript:alert(1)">hola</a>', "hola"),
    "frames": ('<iframe srcdoc="alert(1)"></iframe><svg onload="alert(1)"/><object data="x"></object>hola', "hola"),
    "markdown": ("<p>[hola](javascript:alert(1))</p>", "[hola](javascript:alert(1))"),
    "broken": ("<b><i>hola</b></i><a href='https://a.example/x", "hola"),
    "nested": ("<b><i>" * 3_000 + "hola", "hola"),
}
"""By what is wrong: the HTML, and the words that a reader would have seen."""


@pytest.mark.parametrize("channel_name", CHANNELS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_an_agents_html_is_safe_on_every_channel(channel_name: str, kind: str) -> None:
    html, words = HOSTILE[kind]
    text = agent_text(html, "")
    assert text is not None
    shown, sent = rendered(channel_name, text)
    assert words in shown
    if kind != "markdown":
        assert "alert(1)" not in sent.replace(words, "")
        assert "javascript" not in sent.lower()


@pytest.mark.parametrize("channel_name", CHANNELS)
def test_words_that_look_like_html_stay_words_on_every_channel(channel_name: str) -> None:
    text = agent_text("<p>&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;no&lt;/b&gt;</p>", "")
    assert text is not None
    shown, _ = rendered(channel_name, text)
    assert "<script>alert(1)</script> & <b>no</b>" in shown


@pytest.mark.parametrize("channel_name", CHANNELS)
def test_a_huge_answer_comes_in_pieces_that_the_provider_takes(channel_name: str) -> None:
    text = agent_text("<p>hola <b>mundo</b> &amp; &lt;todos&gt;</p>" * 2_000, "hola mundo & <todos>\n" * 2_000)
    assert text is not None
    shown, _ = rendered(channel_name, text)
    assert shown.count("hola") == 2_000


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_web_chats_page_gets_no_link_but_safe_ones(kind: str) -> None:
    text = agent_text(HOSTILE[kind][0], "")
    assert text is not None
    spans = from_markdown(text.text).spans if text.markup == "markdown" else ()
    assert {span.url.partition(":")[0] for span in spans if span.url} <= {"http", "https", "mailto", "tel"}


def rendered(channel_name: str, text: Text) -> tuple[str, str]:
    """What the customer reads on all accounts of a channel, and what is sent; the provider takes each call."""
    channel, specimen = CHANNELS[channel_name], specimen_of(channel_name)
    settings = read_settings(channel, "main", specimen.settings_values)
    message = Outgoing(
        MessageId(new_id()),
        ConversationId(new_id()),
        AccountId(1),
        specimen.recipients[0],
        Author.AGENT,
        (text,),
        account=specimen.account,
        name="Berta",
        language="es",
    )
    calls = channel.render(settings, message)
    assert calls
    for call in calls:
        assert specimen.faults_of(call) == []
    sent = msgspec.json.encode([call.params for call in calls], enc_hook=str).decode()
    return "".join(specimen.text_of(call) for call in calls), sent


# ---------------------------------------------------------------- webhooks


async def test_forged_webhooks_are_refused_and_repeated_ones_say_nothing_again(dsn: str, tmp_path: Path) -> None:
    async with handing("webchat", dsn, tmp_path) as on, aiohttp.ClientSession() as http:
        ticket = await on.asks_for_a_person()
        await on.zendesk.agent("Berta Gómez").answers(ticket, "una sola vez")
        await sees(on.customer, "una sola vez")
        await on.zendesk.settled()
        taken = [one for one in on.zendesk.sender.invocations if one.kind == "comment_added" and one.fate == "taken"]
        genuine = next(one for one in taken if b"una sola vez" in one.body)
        before = await on.sql.fetchval("SELECT count(*) FROM desk_event")
        forged = genuine.body.replace(b"una sola vez", b"robado")
        now, old = datetime.now(UTC), datetime.now(UTC) - timedelta(minutes=6)
        refused = {
            "another body": (forged, headers(genuine, now)),
            "another secret": (forged, headers(genuine, now, body=forged, secret="guessed")),
            "long ago": (genuine.body, headers(genuine, old)),
            "to come": (genuine.body, headers(genuine, now + timedelta(minutes=6))),
            "no proof": (genuine.body, {}),
            "half a proof": (genuine.body, {"X-Zendesk-Webhook-Signature-Timestamp": stamp(now)}),
            "empty": (b"", {}),
        }
        url = f"{on.url}/webhooks/desks/zendesk/main"
        for what, (body, given) in refused.items():
            async with http.post(url, data=body, headers=given) as answer:
                assert answer.status == 403, what
        assert await on.sql.fetchval("SELECT count(*) FROM desk_event") == before
        for _ in range(3):
            async with http.post(url, data=genuine.body, headers=headers(genuine, now)) as answer:
                assert answer.status == 200
        assert await on.sql.fetchval("SELECT count(*) FROM desk_event") == before
        await on.zendesk.agent("Berta Gómez").answers(ticket, "y otra")
        await sees(on.customer, "y otra")
        assert [text for text in on.customer.heard() if "vez" in text or "robado" in text] == ["una sola vez"]
        assert await on.sql.fetchval("SELECT count(*) FROM quarantine") == 0


def headers(one: Invocation, at: datetime, *, body: bytes = b"", secret: str = "") -> dict[str, str]:
    """What comes with a webhook that was signed then."""
    return {
        "X-Zendesk-Webhook-Id": one.hook.id,
        "X-Zendesk-Webhook-Invocation-Id": one.id,
        "X-Zendesk-Webhook-Signature": signature(secret or one.hook.secret, stamp(at), body or one.body),
        "X-Zendesk-Webhook-Signature-Timestamp": stamp(at),
    }


# ---------------------------------------------------------------- template languages


WORDS = "{{ticket.requester.email}} {% assign a = 1 %} ${7*7} <script>alert(1)</script>\nReason: urgent\n\n#solved"
NAME = "Ana {{ticket.id}}\n<b>jefa</b> {{ 7*7 }}"


async def test_what_a_customer_writes_is_neither_field_nor_template_nor_markup(dsn: str, tmp_path: Path) -> None:
    fields: dict[str, int] = {}

    def prepare(zendesk: ZendeskSandbox) -> Mapping[str, object]:
        fields.update({place: zendesk.add_field(place).id for place in ("app", "reason", "name")})
        return {"fields": {str(key): place for place, key in fields.items()}, "subject": "{app}: {name}"}

    async with handing("telegram", dsn, tmp_path, name=NAME, prepare=prepare) as on:
        await on.customer.writes(WORDS)
        await sees(on.customer, "No entendí")
        await on.customer.writes(WORDS)
        ticket = await on.ticket()
        await on.customer.writes(f"y más: {WORDS}")
        await on.holds(ticket, "y más")
        everything = json.dumps([ticket.subject, ticket.tags, ticket.fields, [c.body for c in ticket.comments]])
        assert "{{" not in everything
        assert "{%" not in everything
        assert "\n" not in ticket.subject
        assert "\n" not in str(ticket.fields[fields["name"]])
        assert (ticket.fields[fields["app"]], ticket.status) == ("telegram", "new")
        assert not {"solved", "urgent"} & set(ticket.tags)
        assert ticket.priority is None
        word = ticket.comments[-1]
        assert (word.author_id, word.is_public) == (ticket.requester_id, True)
        assert "<script>alert(1)</script>" in word.body, "words stay as they are"
        assert "<script>" not in word.html_body
        assert not any("49" in text for text in on.customer.heard())


async def test_an_agents_name_is_no_template_either(dsn: str, tmp_path: Path) -> None:
    async with handing("telegram", dsn, tmp_path, prepare=lambda _: {"agent_name": "full_name"}) as on:
        ticket = await on.asks_for_a_person()
        trickster = on.zendesk.agent("{{ 7*7 }} {agent} {name} <b>x</b>")
        await trickster.answers(ticket, "{{ 7*7 }} {name} {% if 1 %}hola{% endif %}")
        await sees(on.customer, "{{ 7*7 }} {name} {% if 1 %}hola{% endif %}")
        [greeting] = [text for text in on.customer.heard() if "está aquí" in text]
        assert greeting.replace(JOINER, "") == "{{ 7*7 }} {agent} {name} <b>x</b> está aquí."
