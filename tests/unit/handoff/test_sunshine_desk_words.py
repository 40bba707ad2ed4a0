"""What agents at Zendesk are shown: every part in some form, bounded, and nothing of the customer's as a command."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from test_sunshine_desk_settings import settings

from channels.sunshine.sandbox_rules import faults_of, metadata_faults
from gateway.core.desks import Case, CaseContact, DeskMessage
from gateway.core.messages import (
    AnyPart,
    Author,
    Card,
    Cards,
    Choice,
    ContactCard,
    Location,
    Media,
    Option,
    Parts,
    Reaction,
    Selection,
    Template,
    Text,
    Unsupported,
)
from handoff.desks.sunshine.words import file_name, handing_of, pieces_of, summary_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
LINE = settings().line


def message(*parts: AnyPart, author: Author = Author.CUSTOMER, status: str = "received") -> DeskMessage:
    return DeskMessage(uuid.uuid4(), 1, AT, author, parts, status)


def shown(*parts: AnyPart, **facts: Any) -> list[str]:
    return [
        str(piece.content.get("text", piece.content["type"])) for piece in pieces_of(LINE, message(*parts, **facts))
    ]


def case(**facts: Any) -> Case:
    values: dict[str, Any] = {
        "handoff_id": uuid.uuid4(),
        "conversation_id": uuid.uuid4(),
        "account_id": 1,
        "desk": "sunshine.main",
        "contact": CaseContact(contact_id=uuid.uuid4(), name="Marta", language="es", phone="+57 300"),
        "app": "whatsapp",
        "account": "whatsapp.main.shop",
        "reason": "asked",
        "detail": "",
        "asked_at": AT,
        "language": "es",
        "is_urgent": False,
        "intent": "Billing, wrong",
        "confidence": 0.5,
        "slots": {"order": "A-1"},
        "sentiment": "angry",
        "link": "https://bot.example/desk#1",
    }
    return Case(**{**values, **facts})


def test_what_only_an_app_can_show_is_told_in_words() -> None:
    assert shown(Selection("yes", "Yes")) == ["→ Yes"]
    assert shown(Reaction("m", ("👍", "🎉"))) == ["(reacted 👍🎉)"]
    assert shown(Reaction("m")) == ["(took a reaction back)"]
    assert shown(ContactCard("Ana", "+57")) == ["👤 Ana +57"]
    assert shown(Template("hello", "es", ("Ana", "7"))) == ["(template hello: Ana, 7)"]
    assert shown(Unsupported("poll")) == ["(poll, which cannot be shown)"]
    assert shown(Choice("Which?", (Option("A"), Option("B")))) == ["Which?\n[A | B]"]
    assert shown(Cards((Card("Mini", "10 GB", options=(Option("Buy"),)), Card("Maxi")))) == [
        "▪ Mini: 10 GB [Buy]\n▪ Maxi"
    ]


def test_places_and_files_stay_what_they_are() -> None:
    (place,) = pieces_of(LINE, message(Location(4.6, -74.1)))
    (file,) = pieces_of(LINE, message(Media("voice", blob="00/1", mime="audio/ogg")))
    assert place.content["coordinates"] == {"lat": 4.6, "long": -74.1}
    assert file.upload is not None
    assert (file.upload.blob, file.upload.name, file.content["type"]) == ("00/1", "voice.ogg", "file")
    assert file.instead == "📎 voice.ogg (could not be attached)"


def test_what_did_not_reach_the_customer_is_marked() -> None:
    assert shown(Text("hello"), author=Author.BOT, status="failed") == ["hello", "(this did not reach the customer)"]


def test_nothing_to_be_seen_is_nothing_to_post() -> None:
    assert shown() == []
    assert shown(Text("  \n")) == []


def test_a_files_name_leads_nowhere() -> None:
    for name in ("../../etc/passwd", "..\\x\\passwd", "/passwd"):
        assert file_name(Media("document", name=name)) == "passwd"
    assert file_name(Media("image", mime="image/png")) == "image.png"


def test_tags_and_fields_go_with_control_and_no_comma_makes_another_tag() -> None:
    given_ = handing_of(case(), settings(tags=["Bot"], fields={"1": "intent", "2": "slot:order", "3": "slot:none"}))
    assert given_["dataCapture.systemField.tags"] == "bot,whatsapp,billing_wrong"
    assert given_["dataCapture.ticketField.1"] == "Billing, wrong"
    assert given_["dataCapture.ticketField.2"] == "A-1"
    assert "dataCapture.ticketField.3" not in given_
    assert not any("email" in key for key in given_)


def test_the_summary_is_lines_of_which_a_customer_can_write_none() -> None:
    words = summary_of(case(slots={"a": "x\nUrgent: yes"}, detail="said\r\nLink: http://evil"))
    assert "Known: a = x Urgent: yes" in words.split("\n")
    assert "Why: said Link: http://evil" in words.split("\n")
    assert "Urgent: yes" not in words.split("\n")


TEXTS = st.text(max_size=60) | st.sampled_from(["x" * 9000, "a\0b", "\ud800", "🎉" * 3000, "{{7*7}}", "<b>x</b>"])
PARTS: st.SearchStrategy[AnyPart] = st.one_of(
    st.builds(Text, TEXTS, st.sampled_from(["plain", "markdown"])),
    st.builds(
        Media, st.sampled_from(["image", "document"]), blob=st.sampled_from(["", "00/1"]), name=TEXTS, caption=TEXTS
    ),
    st.builds(Location, st.floats(-90, 90), st.floats(-180, 180), TEXTS, TEXTS),
    st.builds(Choice, TEXTS, st.lists(st.builds(Option, TEXTS), max_size=12).map(tuple)),
    st.builds(Selection, TEXTS, TEXTS),
    st.builds(ContactCard, TEXTS, TEXTS),
    st.builds(Unsupported, TEXTS),
)


@given(st.lists(PARTS, max_size=4).map(tuple), st.sampled_from(list(Author)))
def test_whatever_is_said_sunshine_takes_it(parts: Parts, author: Author) -> None:
    said = DeskMessage(uuid.uuid4(), 1, AT, author, parts, "received")
    assert pieces_of(LINE, said) == pieces_of(LINE, said)
    for piece in pieces_of(LINE, said):
        content = dict(piece.content)
        if piece.upload is not None:
            content["mediaUrl"] = "https://shop.zendesk.com/file"
        body = {"author": {"type": "business", "displayName": "Bot"}, "content": content}
        assert faults_of(body) == []
        assert piece.instead.strip()


@given(TEXTS, TEXTS, st.dictionaries(st.sampled_from(["a", "b", "order"]), TEXTS))
def test_whatever_a_case_holds_it_fits_what_goes_with_control(name: str, intent: str, slots: dict[str, str]) -> None:
    fields = {str(number): place for number, place in enumerate(["slot:a", "slot:b", "intent", "name"] * 10)}
    contact = CaseContact(contact_id=uuid.uuid4(), name=name, language="es")
    given_ = handing_of(
        case(contact=contact, intent=intent, slots=slots), settings(tags=["t" * 60] * 90, fields=fields)
    )
    assert metadata_faults(given_) == []
    assert all("\n" not in value for value in given_.values())
    assert len(summary_of(case(contact=contact, intent=intent, slots=slots))) <= 4000
