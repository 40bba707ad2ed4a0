"""When a person is asked for: the author's rules, words for it in every language, and what is told of the reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec
import pytest
from talking import Customer, Oracle, detail, keys

from config.bot import Bot, check_bot
from config.bot_handoff import HandoffRule, HandoffTalk, SlotTest
from gateway.core.errors import Unavailable
from gateway.core.ids import ContactId, new_id
from gateway.dialogue import Dialogue
from nlp.language import LanguageDetector

KNOWN = {
    "cancel my line": {"cancel_service": 0.95},
    "my balance": {"balance": 0.95},
    "thank you": {"thanks": 0.95},
    "i have a complaint": {"complaint": 0.95},
}


class Contacts:
    """What is known of everybody; counts how often it was asked for."""

    def __init__(self, **details: str) -> None:
        self.details = details
        self.asked = 0

    async def __call__(self, contact_id: ContactId, names: Collection[str]) -> Mapping[str, str]:
        assert contact_id
        self.asked += 1
        return {name: value for name, value in self.details.items() if name in names}


def customer_of(bot: Bot, detector: LanguageDetector, contacts: Contacts, *rules: HandoffRule) -> Customer:
    ruled = msgspec.structs.replace(bot, handoff=HandoffTalk(rules=rules, leaves_messages=True))
    customer = Customer(Dialogue(ruled, Oracle(KNOWN), detector, details=contacts), profile="en")
    customer.contact_id = ContactId(new_id())
    return customer


VIP = HandoffRule(
    reason="vip", is_urgent=True, intents=frozenset({"cancel_service"}), contact={"vip": frozenset({"true"})}
)


async def test_a_rule_by_intent_and_contact_goes_to_a_person_instead_of_the_flow(
    bot: Bot, detector: LanguageDetector
) -> None:
    customer = customer_of(bot, detector, Contacts(vip="True"), VIP)
    outcome = await customer.says("cancel my line")
    assert (outcome.hand_off, detail(outcome), keys(outcome)) == ("rule", "vip", ["utter_handoff"])
    assert outcome.handing is not None
    assert outcome.handing.is_urgent
    assert outcome.resolution.intent == "cancel_service"


@pytest.mark.parametrize("contacts", [Contacts(), Contacts(vip="false"), Contacts(name="vip")])
async def test_who_does_not_fit_the_rule_is_answered_as_always(
    bot: Bot, detector: LanguageDetector, contacts: Contacts
) -> None:
    customer = customer_of(bot, detector, contacts, VIP)
    assert keys(await customer.says("cancel my line")) == ["utter_ask_cancel_wish"]


async def test_a_contact_is_asked_about_only_when_all_else_fits(bot: Bot, detector: LanguageDetector) -> None:
    contacts = Contacts(vip="true")
    customer = customer_of(bot, detector, contacts, VIP)
    await customer.says("my balance")
    assert contacts.asked == 0


async def test_a_database_that_is_away_stops_no_turn(bot: Bot, detector: LanguageDetector) -> None:
    class Away(Contacts):
        async def __call__(self, contact_id: ContactId, names: Collection[str]) -> Mapping[str, str]:
            raise Unavailable("database")

    customer = customer_of(bot, detector, Away(), VIP)
    assert keys(await customer.says("cancel my line")) == ["utter_ask_cancel_wish"]


async def test_a_slot_that_is_filled_turns_after_the_intent_still_belongs_to_it(
    bot: Bot, detector: LanguageDetector
) -> None:
    rule = HandoffRule(
        reason="billing",
        intents=frozenset({"complaint"}),
        slots=(SlotTest(slot="complaint_about", is_one_of=frozenset({"billing"})),),
    )
    customer = customer_of(bot, detector, Contacts(), rule)
    assert keys(await customer.says("i have a complaint")) == ["utter_ask_complaint_about"]
    outcome = await customer.says("charge")
    assert (outcome.hand_off, detail(outcome), keys(outcome)) == ("rule", "billing", ["utter_handoff"])
    assert outcome.handing is not None
    assert outcome.handing.slots["complaint_about"] == "billing"


@pytest.mark.parametrize(
    ("test", "value", "holds"),
    [
        (SlotTest(slot="line", above=100_000), "150000", True),
        (SlotTest(slot="line", above=100_000), "100000", False),
        (SlotTest(slot="line", below=10), "9", True),
        (SlotTest(slot="line", above=1), "many", False),
        (SlotTest(slot="line"), "any", True),
        (SlotTest(slot="line", is_one_of=frozenset({"5"})), 5.0, True),
    ],
)
async def test_numbers_are_compared_as_numbers(
    bot: Bot, detector: LanguageDetector, test: SlotTest, value: str | float, *, holds: bool
) -> None:
    customer = customer_of(bot, detector, Contacts(), HandoffRule(reason="amount", slots=(test,)))
    customer.state = msgspec.json.encode({"v": 1, "bot": bot.version, "slots": {"line": value}, "day": 20777})
    assert (await customer.says("my balance")).hand_off == ("rule" if holds else "")


async def test_a_rule_by_app_holds_on_that_app_only_and_small_talk_is_of_no_rule(
    bot: Bot, detector: LanguageDetector
) -> None:
    rule = HandoffRule(reason="app", apps=frozenset({"whatsapp"}))
    customer = customer_of(bot, detector, Contacts(), rule)
    assert (await customer.says("my balance")).hand_off == ""
    customer.channel = "whatsapp"
    assert (await customer.says("thank you")).hand_off == ""
    assert (await customer.says("my balance")).hand_off == "rule"


@pytest.mark.parametrize(
    "words", ["agente", "Quiero hablar con una persona", "talk to a human", "falar com uma pessoa", "HUMANO!"]
)
async def test_the_words_for_a_person_need_no_model(bot: Bot, detector: LanguageDetector, words: str) -> None:
    customer = customer_of(bot, detector, Contacts())
    outcome = await customer.says(words)
    assert (outcome.hand_off, outcome.resolution.link) == ("asked", "handoff")


@pytest.mark.parametrize("words", ["agente", "quiero hablar con una persona", "talk to a human"])
async def test_they_count_while_a_question_is_open(bot: Bot, detector: LanguageDetector, words: str) -> None:
    customer = customer_of(bot, detector, Contacts())
    await customer.says("cancel my line")
    assert (await customer.says(words)).hand_off == "asked"


async def test_a_word_that_is_one_of_the_answers_is_the_answer(bot: Bot, detector: LanguageDetector) -> None:
    customer = customer_of(bot, detector, Contacts())
    await customer.says("i have a complaint")
    outcome = await customer.says("agent")  # "agent" names how one was treated
    assert (outcome.hand_off, keys(outcome)) == ("", ["utter_ask_complaint_text"])


BOT = """name: Shop
languages: [en]
chain:
  - commands
  - flow
  - intents
  - handoff:
      intents: [person]
      rules:
{rules}
"""


def problems_of(folder: Path, rules: str) -> list[str]:
    (folder / "nlu").mkdir(exist_ok=True)
    (folder / "replies").mkdir(exist_ok=True)
    (folder / "nlu" / "all.yml").write_text(
        "version: '3.1'\nnlu:\n- intent: person\n  examples: |\n    - a person\n", encoding="utf-8"
    )
    (folder / "replies" / "all.yml").write_text(
        "responses:\n" + "".join(f"  {key}:\n    - text: hello\n" for key in
                                 ("utter_default", "utter_media_received", "utter_handoff")), encoding="utf-8"
    )  # fmt: skip
    lines = "\n".join(f"        - {line}" for line in rules.splitlines())
    (folder / "bot.yaml").write_text(BOT.format(rules=lines), encoding="utf-8")
    return [str(problem) for problem in check_bot(folder)]


def test_good_rules_have_no_problems(tmp_path: Path) -> None:
    rules = "{when: {intent: person, contact.vip: true, app: [whatsapp, sms]}, urgent: true, reason: vip}"
    assert problems_of(tmp_path, rules) == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{when: {intent: persn}}", "uses intent 'persn', which does not exist"),
        ("{when: {slot.amount: {above: 5}}}", "uses 'amount', which no flow fills"),
        ("{when: {sentiment: angry}}", "'angry' is not known; it takes negative, neutral, positive"),
        ("{when: {slots.amount: 5}}", "does not know 'slots.amount'; it takes intent, slot.<name>"),
        ("{urgent: true}", "says not when"),
        ("{when: {intent: person}, urgnt: true}", "does not know the key 'urgnt'"),
        ("{when: {intent: person}, reason: Very Important}", "is not a short name"),
        ("{when: {intent: person}, urgent: maybe}", "must be true or false"),
    ],
)
def test_a_bad_rule_is_told_with_file_and_line(tmp_path: Path, rule: str, said: str) -> None:
    found = problems_of(tmp_path, "{when: {intent: person}}\n" + rule)
    assert len(found) == 1, found
    assert found[0].startswith("bot.yaml:11: ")
    assert said in found[0]
