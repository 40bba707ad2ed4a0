"""Actions, ratings, holidays: a good folder is read, and each mistake is shown with file, line and what to do."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config.bot import check_bot, load_bot
from config.bot_model import CallAction, GoTo, Rate, Sample
from config.bot_templates import Engine

BOT = """\
name: Shop
languages: [en, es]
country: es
after_handoff: flow:rating
opening_hours: {mon-fri: 09:00-18:00}
holidays: {public: true, region: MD, also: [2026-12-24], except: [2026-12-25]}
chain: [commands, flow, intents, {handoff: {intents: [person]}}]
"""
ACTIONS = """\
backend: ${SHOP_URL}
headers: {Authorization: "Bearer ${SHOP_TOKEN:-none}"}
timeout_s: 3
actions:
  stock:
    get: /stock/{size}
    params: {for: "{contact}"}
    fill: {left: stock.left, price: price}
    sample:
      - if: size == "S"
        then: {stock: {left: 0}}
      - else: {stock: {left: 4}, price: 9.5}
  order:
    post: /orders
    json: {size: "{size}", count: 2}
    timeout_s: 10
    fill: {number: number}
    sample: {number: N-1}
"""
FLOWS = """\
flows:
  order:
    nlu_trigger: [order]
    keep: [size]
    steps:
      - collect: size
        validate: {choices: [S, M]}
      - action: stock
        on_error: away
        next:
          - if: left
            then: buy
          - else: away
      - id: buy
        action: order
      - say: utter_done
        next: END
      - id: away
        say: utter_away
  rating:
    optional: true
    steps:
      - collect: score
        validate: {choices: ["1", "2", "3", "4", "5"]}
      - rate: score
"""
NLU = """\
nlu:
- intent: order
  examples: |
    - order
- intent: person
  examples: |
    - human
"""
TEXTS = {
    "utter_default": "what", "utter_media_received": "seen", "utter_handoff": "a person",
    "utter_handoff_closed": "later", "utter_flow_cancelled": "left", "utter_expired_choice": "old",
    "utter_ask_size": "size?", "utter_done": "{number}: {price}", "utter_away": "no {left}",
    "utter_ask_score": "score?",
    "utter_agent_joined": "{agent} is here", "utter_action_failed": "sorry",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHOP_URL", "https://shop.example")
    replies = "".join(f"  {key}:\n    - text: {{en: '{text}', es: '{text}'}}\n" for key, text in TEXTS.items())
    for name, content in {
        "bot.yaml": BOT,
        "actions.yml": ACTIONS,
        "flows/all.yml": FLOWS,
        "replies/all.yml": "responses:\n" + replies,
        "nlu/en.yml": NLU,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path


def test_a_good_folder_becomes_actions_steps_and_a_calendar(folder: Path) -> None:
    assert check_bot(folder) == []
    bot = load_bot(folder)
    stock, order = bot.actions.specs["stock"], bot.actions.specs["order"]
    assert (stock.method, stock.path, stock.timeout_s) == ("GET", "/stock/{size}", 3.0)
    assert stock.samples[1] == Sample("", {"stock": {"left": 4}, "price": 9.5})
    assert (order.method, order.json, order.timeout_s) == ("POST", {"size": "{size}", "count": 2}, 10.0)
    step = bot.flows["order"].steps["1_action"]
    assert isinstance(step, CallAction)
    assert (step.fills, step.on_error) == (("left", "price"), "away")
    assert isinstance(bot.flows["rating"].steps["1_rate"], Rate)
    assert (bot.country, bot.after_handoff) == ("ES", GoTo("flow", "rating"))
    assert bot.flows["rating"].is_optional
    assert bot.flows["order"].keeps == {"size"}


def test_public_holidays_of_a_region_close_except_where_the_author_says_otherwise(folder: Path) -> None:
    hours = load_bot(folder).hours
    noon = datetime(2026, 12, 8, 12, tzinfo=ZoneInfo("UTC"))
    assert not hours.is_open(noon)
    name = hours.holiday(noon.date())
    assert name is not None
    assert (name.get("en"), name.get("es")) == ("Immaculate Conception", "Inmaculada Concepción")
    assert hours.is_open(noon.replace(day=25)), "the author opens on that day"
    assert not hours.is_open(noon.replace(day=24)), "the author closes on that day"
    assert hours.holiday(date(2031, 5, 2)) is not None, "Madrid's own day, in a year far ahead"


MISTAKES = [
    ("actions.yml", "get: /stock", "fetch: /stock", 6, "does not know the key 'fetch'"),
    ("actions.yml", "get: /stock/{size}", "get: stock/{size}", 6, "the path begins with /"),
    ("actions.yml", "get: /stock/{size}", "get: /stock?size={size}", 6, "has no ? or #"),
    ("actions.yml", "/stock/{size}", "/stock/{sizes}", 6, "uses 'sizes', which no flow fills"),
    ("actions.yml", "get: /stock", "delete: /x\n    get: /stock", 6, "needs one of get, post"),
    ("actions.yml", "left: stock.left", "left: stock..left", 8, "is not a path into the answer"),
    ("actions.yml", 'if: size == "S"', "if: size ==", 10, "the condition does not compile"),
    ("actions.yml", "timeout_s: 10", "timeout_s: 100", 16, "must lie between 0.1 and 30"),
    ("actions.yml", "Authorization:", "Idempotency-Key:", 2, "cannot be set here"),
    ("actions.yml", "${SHOP_URL}", "ftp://shop", 1, "is not an address"),
    ("actions.yml", "${SHOP_URL}\n", "${SHOP_URL}/${SHOP_PATH}\n", 1, "the environment has no SHOP_PATH"),
    (
        "actions.yml",
        "actions:\n  stock:",
        "actions:\n  other: {get: /o}\n  stock:",
        5,
        "nothing uses the action 'other'",
    ),
    ("flows/all.yml", "action: stock", "action: stocks", 8, "uses action 'stocks'"),
    ("flows/all.yml", "on_error: away", "on_error: gone", 9, "goes on to step 'gone'"),
    ("flows/all.yml", "keep: [size]", "keep: [sise]", 3, "keeps 'sise', which it never fills"),
    ("flows/all.yml", "optional: true", "optional: maybe", 21, "must be true or false"),
    ("flows/all.yml", "rate: score", "rate: size", 25, "rate needs a slot"),
    ("flows/all.yml", '"5"]', '"6"]', 25, "rate needs a slot"),
    ("bot.yaml", "country: es", "country: spain", 3, "is not a code of two letters"),
    ("bot.yaml", "country: es\n", "", 5, "public needs 'country:'"),
    ("bot.yaml", "country: es", "country: xx", 6, "Country XX not available"),
    ("bot.yaml", "region: MD", "region: QQ", 6, "QQ"),
    ("bot.yaml", "also: [2026-12-24]", "also: [24.12.2026]", 6, "is not a date like"),
    ("bot.yaml", "flow:rating", "flow:ratings", 4, "uses flow 'ratings'"),
    ("bot.yaml", "flow:rating", "handoff", 4, "after_handoff must be flow:name"),
]


@pytest.mark.parametrize(("name", "old", "new", "line", "what"), MISTAKES)
def test_a_mistake_is_shown_with_file_and_line(
    folder: Path, name: str, old: str, new: str, line: int, what: str
) -> None:
    path = folder / name
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    found = [(each.file, each.line) for each in check_bot(folder) if what in each.what]
    assert (name, line) in found, [str(each) for each in check_bot(folder)]


def test_without_an_address_every_action_needs_a_sample(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_URL")
    assert [str(each) for each in check_bot(folder)] == [
        "actions.yml:1: warning: backend: SHOP_URL is not set, so every action answers with its 'sample:'"
    ]
    path = folder / "actions.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("    sample: {number: N-1}\n", ""), encoding="utf-8")
    assert [str(each) for each in check_bot(folder)] == [
        "actions.yml:1: backend: SHOP_URL is not set, and order has no 'sample:' to answer with"
    ]


@pytest.mark.parametrize(
    ("template", "language", "text"),
    [
        ("{{ n | number }}", "es", "12.400,5"),
        ("{{ n | number }}", "en", "12,400.5"),
        ("{{ n | number }}", "qq", "12,400.5"),
        ("{{ d | date }}", "es", "1 de diciembre"),
        ("{{ d | full_date }}", "en", "December 1, 2026"),
        ("{{ s | date }}{{ s | number }}", "en", "soonsoon"),
        ("[{{ nothing | date }}{{ nothing | number }}]", "en", "[]"),
    ],
)
def test_numbers_and_days_are_written_as_the_customers_language_does(template: str, language: str, text: str) -> None:
    values = {"n": 12400.5, "d": "2026-12-01", "s": "soon", "language": language}
    assert Engine().template(template, is_markdown=False)(lambda: values) == text
