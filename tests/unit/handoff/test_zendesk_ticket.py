"""What a ticket says of a case: within Zendesk's limits, and with nothing in it that a customer could make of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from gateway.core.desks import Case, CaseAddress, CaseContact, DeskMessage
from gateway.core.ids import AccountId, ContactId, ConversationId, HandoffId, MessageId, new_id
from gateway.core.messages import Author, Choice, Location, Media, Option, Parts, Selection, Text, Unsupported
from handoff.desks.zendesk import ticket as wording
from handoff.desks.zendesk.joining import FILES_A_COMMENT, parted, pieces
from handoff.desks.zendesk.settings import ZendeskSettings

AT = datetime(2026, 3, 4, 17, 30, tzinfo=UTC)
HOSTILE = "x\nPriority: urgent\r\n{{ticket.requester.email}} {% assign a = 1 %}\x00\u2028fin"


def message(position: int, words: str | Parts, author: Author = Author.CUSTOMER, agent: str = "") -> DeskMessage:
    parts = (Text(words),) if isinstance(words, str) else words
    return DeskMessage(MessageId(new_id()), position, AT + timedelta(minutes=position), author, parts, "sent", agent)


def case_of(**facts: Any) -> Case:
    contact = CaseContact(
        contact_id=ContactId(new_id()),
        name="Marta Ríos",
        language="es",
        time_zone="America/Bogota",
        phone="+573001234567",
        addresses=(
            CaseAddress("whatsapp", "twilio.main.support", "whatsapp:+573001234567", "verified"),
            CaseAddress("telegram", "telegram.main.main", "4242", "claimed"),
        ),
    )
    given: dict[str, Any] = {
        "handoff_id": HandoffId(new_id()),
        "conversation_id": ConversationId(new_id()),
        "account_id": AccountId(1),
        "desk": "zendesk.main",
        "contact": contact,
        "app": "whatsapp",
        "account": "twilio.main.support",
        "reason": "asked",
        "detail": "",
        "asked_at": AT,
        "language": "es",
        "is_urgent": False,
        "intent": "Bill Question!",
        "confidence": 0.91,
        "slots": {"line": "3"},
        "sentiment": "negative",
        "link": "https://bot.example/desk#1",
    }
    return Case(**{**given, **facts})


def settings(**values: object) -> ZendeskSettings:
    return ZendeskSettings.model_validate({"subdomain": "shop", "oauth_token": "t", **values})


def test_the_note_tells_who_said_what_and_when_in_the_contacts_own_time() -> None:
    note = wording.transcript(
        case_of(),
        [
            message(1, "¿Mi factura?"),
            message(2, (Choice("¿Cuál?", (Option("La de mayo", "m"), Option("La de junio", "j"))),), Author.BOT),
            message(3, (Selection("m", "La de mayo"),)),
            message(4, (Media(kind="image", blob="aa/bb", name="foto.png", caption="esta"),)),
            message(5, "ya miro", Author.AGENT, "Ana"),
        ],
    )
    assert "Conversation (America/Bogota):" in note.text
    assert "[2026-03-04 12:31] Marta Ríos: ¿Mi factura?" in note.text
    assert "[2026-03-04 12:32] Bot: ¿Cuál?\n[La de mayo | La de junio]" in note.text
    assert "] Marta Ríos: → La de mayo" in note.text
    assert "📎 foto.png\nesta" in note.text
    assert "] Ana: ya miro" in note.text
    assert "Phone: +573001234567" in note.text
    assert "Also reached at: Telegram 4242" in note.text
    assert "Intent: Bill Question! (0.91)" in note.text
    assert [file.blob for file in note.files] == ["aa/bb"]


def test_a_long_story_keeps_its_newest_and_says_so_with_a_link() -> None:
    note = wording.transcript(case_of(), [message(n, f"{n} " + "ñ" * 2_000) for n in range(1, 101)])
    assert wording.size_of(note.text) <= 65_000
    assert "earlier messages are left out, all of it: https://bot.example/desk#1" in note.text
    assert "Marta Ríos: 100 " in note.text
    assert "Marta Ríos: 1 " not in note.text
    alone = wording.transcript(case_of(), [message(1, "ñ" * 90_000)])
    assert wording.size_of(alone.text) <= 65_000
    assert alone.text.endswith("…")


def test_a_customer_puts_nothing_into_fields_subject_and_tags() -> None:
    contact = msgspec.structs.replace(case_of().contact, name=HOSTILE)
    case = case_of(contact=contact, slots={"line": HOSTILE}, intent=HOSTILE, detail=HOSTILE)
    asked = settings(fields={"1": "slot:line", "2": "intent", "3": "link"}, subject="{app}: {name} {slot:line}")
    found = [wording.subject(case, asked.subject), *wording.fields(case, asked).values()]
    for line in found:
        assert "\n" not in line
        assert "{{" not in line
        assert "{%" not in line
        assert len(line) <= 255
    assert all(not set(tag) & set(" \n{}%,") for tag in wording.tags(case, asked))
    note = wording.transcript(case, [message(1, HOSTILE)]).text
    assert "{{" not in note
    assert "\nPriority: urgent" in note.split("Conversation", 1)[1], "only as what they said"
    assert "\nPriority: urgent" not in note.split("Conversation", 1)[0]


def test_the_settings_say_what_stands_where() -> None:
    asked = settings(
        fields={"360001": "app", "360002": "slot:line", "360003": "slot:none"},
        groups=[{"group": 7, "when": {"intent": "cancel"}}, {"group": 8, "when": {"app": ["whatsapp", "sms"]}}],
        group=9,
        tags=["bot", "Two Words"],
        priority="normal",
    )
    case = case_of()
    assert wording.fields(case, asked) == {360001: "whatsapp", 360002: "3"}
    assert wording.group(case, asked) == 8
    assert wording.group(case_of(intent="cancel"), asked) == 7
    assert wording.group(case_of(app="telegram"), asked) == 9
    assert wording.tags(case, asked) == ("bot", "two_words", "whatsapp", "bill_question")
    assert (wording.priority(case, asked), wording.priority(case_of(is_urgent=True), asked)) == ("normal", "urgent")
    assert wording.subject(case, asked.subject) == "WhatsApp: Marta Ríos"
    unnamed = case_of(contact=msgspec.structs.replace(case.contact, name=" \n "))
    assert wording.subject(unnamed, asked.subject) == "WhatsApp: WhatsApp customer"


def test_files_have_names_that_harm_nobody() -> None:
    assert wording.file_name(Media(kind="image", name="../../etc/pass\nwd?.png")) == "pass wd_.png"
    assert wording.file_name(Media(kind="voice", mime="audio/ogg; codecs=opus")) == "voice.ogg"
    assert wording.file_name(Media(kind="document", name="C:\\x\\plan.pdf")) == "plan.pdf"


def test_every_part_has_words() -> None:
    parts: Parts = (Location(4.6, -74.1, "Casa"), Unsupported("dice"), Media(kind="audio", url="https://a.b/c.mp3"))
    said = wording.words(parts)
    assert "📍 Casa" in said
    assert "(dice, which cannot be shown)" in said
    assert "https://a.b/c.mp3" in said
    assert wording.words(()) != ""


# ---------------------------------------------------------------- joining

WORDS = st.text(alphabet="abc é\n", min_size=1, max_size=40).filter(str.strip)
FILE = st.builds(lambda n: Media(kind="image", blob=f"b{n}", name=f"{n}.png"), st.integers(0, 99))
LINES = st.lists(
    st.tuples(
        st.sampled_from([Author.CUSTOMER, Author.CUSTOMER, Author.BOT, Author.SYSTEM, Author.AGENT]),
        WORDS,
        st.lists(FILE, max_size=25),
    ),
    max_size=12,
)


@trying(max_examples=30)
@given(LINES)
def test_joined_words_keep_their_order_and_nothing_is_left_out_or_doubled(lines: list[Any]) -> None:
    said = [message(n, (Text(words), *files), author) for n, (author, words, files) in enumerate(lines, start=1)]
    found = pieces(said, 0)
    kept = [one for one in said if one.author is not Author.SYSTEM]
    shown = [line for one in kept for line in wording.words(one.parts).split()]
    written = " ".join(piece.text for piece in found).replace("Bot:", "").replace("Agent:", "").replace("📎 …", "")
    assert written.split() == shown
    assert [f.blob for p in found for f in p.files] == [
        part.blob for one in kept for part in one.parts if isinstance(part, Media)
    ]
    assert all(len(piece.files) <= FILES_A_COMMENT for piece in found)
    assert [p.to_position for p in found] == sorted(p.to_position for p in found)
    assert (found[-1].to_position if found else 0) == (kept[-1].position if kept else 0)
    assert len({piece.name for piece in found}) == len(found)


@trying(max_examples=30)
@given(LINES, st.integers(0, 12))
def test_going_on_after_any_piece_gives_the_same_rest(lines: list[Any], done: int) -> None:
    """A process that comes back knows only the position up to which all is there, and which pieces it wrote."""
    said = [message(n, (Text(words), *files), author) for n, (author, words, files) in enumerate(lines, start=1)]
    whole = pieces(said, 0)
    written = whole[:done]
    position = max([0, *(piece.to_position for piece in written)])
    rest = pieces([one for one in said if one.position > position], position)
    names = {piece.name for piece in written}
    again = [piece for piece in rest if piece.name not in names]
    assert [piece.text for piece in (*written, *again)] == [piece.text for piece in whole]


@trying(max_examples=30)
@given(st.text(alphabet="ab ñ\n", max_size=400), st.integers(8, 60))
def test_long_words_are_parted_within_their_room(text: str, room: int) -> None:
    found = parted(text, room)
    assert all(wording.size_of(part) <= room for part in found)
    assert "".join(found).split() == "".join(found).split()
    assert "".join("".join(found).split()) == "".join(text.split())


def test_a_hundred_thousand_characters_come_in_several_comments() -> None:
    found = pieces([message(1, "é" * 100_000), message(2, "fin")], 0)
    assert len(found) == 5
    assert [piece.to_position for piece in found] == [0, 0, 0, 1, 2]
    assert sum(piece.text.count("é") for piece in found) == 100_000
