"""What is found in a customer's words fills slots, several at once, and is told on the turn's record."""

from __future__ import annotations

from pathlib import Path

import pytest
from talking import Customer, Oracle, keys

from config.bot import BadBot, Bot, load_bot
from config.bot_model import EntityUse
from gateway.dialogue import Dialogue
from gateway.dialogue.filling import HIDDEN, entity_finder
from gateway.dialogue.state import read_state
from nlp.language import LanguageDetector
from nlp.training_data import load_training_data

NLU = """
nlu:
- intent: buy
  examples: |
    - comprar
- intent: fly
  examples: |
    - volar de [Bogotá]{"entity": "city", "role": "from", "value": "BOG"} a [Lima]{"entity": "city", "role": "to"}
- intent: other
  examples: |
    - otra cosa
- lookup: colour
  examples: |
    - rojo oscuro
    - azul
- regex: member
  examples: |
    - 3\\d{9}
"""
FLOWS = """
flows:
  buy:
    nlu_trigger: [buy]
    steps:
      - collect: count
        validate: {type: integer, min: 1, max: 9}
      - collect: pack
        validate:
          choices: [{value: 5gb, label: "5 GB"}, {value: 10gb, label: "10 GB"}]
      - collect: day
        validate: {type: date, min: 0, max: 60}
      - collect: colour
        entity: colour
      - collect: member
        entity: member
      - collect: sure
        ask_before_filling: true
        validate: {type: yes_no}
  fly:
    nlu_trigger: [fly]
    steps:
      - collect: origin
        entity: {name: city, role: from}
      - collect: target
        entity: {name: city, role: to}
      - collect: leave
        validate: {type: date}
      - collect: return
        validate: {type: date}
"""
ASKS = ("count", "pack", "day", "colour", "member", "sure", "origin", "target", "leave", "return")


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def folder(place: Path, flows: str = FLOWS) -> Path:
    replies = "".join(f"  utter_ask_{slot}:\n    - text: {slot}?\n" for slot in ASKS)
    others = ("default", "retry", "media_received", "clarify", "flow_cancelled", "expired_choice", "other", "handoff")
    replies += "".join(f"  utter_{key}:\n    - text: {key}\n" for key in others)
    write(place / "bot.yaml", "name: Shop\nlanguages: [es]\ntime_zone: America/Bogota\ncountry: CO\n")
    write(place / "nlu" / "es.yml", NLU)
    write(place / "replies" / "all.yml", f"responses:\n{replies}")
    write(place / "flows" / "all.yml", flows)
    return place


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Bot:
    return load_bot(folder(tmp_path_factory.mktemp("shop")))


@pytest.fixture
def buyer(shop: Bot) -> Customer:
    oracle = Oracle({})
    oracle.known = _Begins({"comprar": "buy", "quiero": "buy", "volar": "fly", "otra": "other"})
    find = entity_finder(shop, load_training_data(shop.folder, shop.languages))
    return Customer(Dialogue(shop, oracle, LanguageDetector(("es",)), find=find))


class _Begins(dict[str, dict[str, float]]):
    """What an intent is, by the first word."""

    def __init__(self, intents: dict[str, str]) -> None:
        super().__init__()
        self.intents = intents

    def get(self, text: str, default: object = None) -> dict[str, float]:  # type: ignore[override]
        intent = self.intents.get(text.split(" ", maxsplit=1)[0])
        return {intent: 0.95} if intent else {}


def slots(customer: Customer) -> dict[str, object]:
    state, _ = read_state(customer.state, customer.dialogue._bot, 0)
    return dict(state.slots)


async def test_one_sentence_fills_several_slots(buyer: Customer) -> None:
    outcome = await buyer.says("quiero 2 paquetes de 5 GB para el viernes")
    assert slots(buyer) == {"count": 2, "pack": "5gb", "day": "2026-11-27"}
    assert keys(outcome) == ["utter_ask_colour"]


async def test_an_answer_may_hold_the_answers_to_later_questions(buyer: Customer) -> None:
    await buyer.says("comprar")
    outcome = await buyer.says("2, para el viernes, en azul")
    assert slots(buyer) == {"count": 2, "day": "2026-11-27", "colour": "azul"}
    assert keys(outcome) == ["utter_ask_pack"]
    await buyer.says("10 GB")
    outcome = await buyer.says("mi número de socio es 3005550142")
    assert slots(buyer)["member"] == "3005550142"
    assert keys(outcome) == ["utter_ask_sure"]


@pytest.mark.parametrize(("said", "count"), [("dos", 2), ("serían tres", 3), ("unas 4 por favor", 4)])
async def test_a_number_may_be_said_in_words(buyer: Customer, said: str, count: int) -> None:
    await buyer.says("comprar")
    assert keys(await buyer.says(said)) == ["utter_ask_pack"]
    assert slots(buyer) == {"count": count}


@pytest.mark.parametrize("said", ["50", "1 o 2", "cincuenta", "ayer"])
async def test_what_is_out_of_bounds_or_several_is_no_answer(buyer: Customer, said: str) -> None:
    await buyer.says("comprar")
    assert keys(await buyer.says(said))[0] == "utter_retry"
    assert slots(buyer) == {}


async def test_a_listed_word_is_kept_in_its_own_spelling_and_other_words_as_they_are(buyer: Customer) -> None:
    await buyer.says("quiero 2 paquetes de 5 GB para el viernes")
    await buyer.says("que sea rojo oscur")
    assert slots(buyer)["colour"] == "rojo oscuro"


async def test_roles_tell_slots_apart_and_rivals_are_asked_for(buyer: Customer) -> None:
    outcome = await buyer.says("volar de bogotá a lima el 5 de diciembre")
    assert slots(buyer) == {"origin": "BOG", "target": "Lima"}
    assert keys(outcome) == ["utter_ask_leave"], "a day could be that of leaving or that of coming back"
    outcome = await buyer.says("el 5 de diciembre")
    assert keys(outcome) == ["utter_ask_return"]


async def test_the_record_tells_what_was_found_and_hides_who_somebody_is(buyer: Customer) -> None:
    outcome = await buyer.says("quiero 2, mi correo es ana@example.com, llámame al 3005550142 el viernes")
    told = {entity.kind: entity for entity in outcome.resolution.entities}
    assert set(told) == {"number", "email", "member", "date"}
    assert (told["date"].value, told["date"].text, told["date"].source) == ("2026-11-27", "viernes", "built-in")
    for kind in ("email", "member"):  # the author's own name for what is a phone hides nothing
        assert (told[kind].value, told[kind].text) == (HIDDEN, "")
        assert told[kind].end > told[kind].start


async def test_a_turn_of_nobodys_words_finds_nothing(buyer: Customer) -> None:
    outcome = await buyer.turn(buyer.timer("flow", "buy"))
    assert outcome.resolution.entities == ()


def test_the_entity_of_a_step_is_read(shop: Bot) -> None:
    assert [step.entity for step in shop.flows["fly"].collects] == [
        EntityUse("city", "from"),
        EntityUse("city", "to"),
        None,
        None,
    ]


def test_an_entity_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBot, match="entity needs a name"):
        load_bot(folder(tmp_path, FLOWS.replace("{name: city, role: from}", "{role: from}")))


async def test_the_sample_bot_is_told_all_in_one_sentence_and_only_asks_for_a_yes(customer: Customer) -> None:
    outcome = await customer.says("quiero cambiar al plan plus en la línea 300 555 0142 desde el lunes que viene")
    assert keys(outcome) == ["utter_ask_plan_confirmed"]
    assert (slots(customer)["plan"], slots(customer)["plan_start"]) == ("plus", "2026-11-23")
    assert slots(customer)["line"] == "3005550142"
    assert keys(await customer.says("no, mejor desde el martes")) == ["utter_ask_plan_confirmed"]
    assert slots(customer)["plan_start"] == "2026-11-24"


async def test_a_complaint_in_the_customers_own_words_fills_nothing_else(customer: Customer) -> None:
    await customer.presses("/flow:complaint")
    await customer.says("la señal")
    outcome = await customer.says("desde el lunes no funciona y ya llamé al 601 555 0142 tres veces")
    assert keys(outcome) == ["utter_ask_line"]
    assert str(slots(customer)["complaint_text"]).startswith("desde el lunes")
