"""The author's folder: a good one loads, and each mistake is shown with file, line and what to do."""

from __future__ import annotations

import re
import shutil
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import config
from config.bot import BadBot, bot_version, check_bot, load_bot
from config.bot_model import Collect, Decide, GoTo, Say, SetSlots

TELECOM = Path(config.__file__).parent / "bots" / "telecom"

BOT = """\
name: Test
languages: [es, en]
time_zone: America/Bogota
chain: [commands, flow, {intents: {confidence: 0.6}}, clarify, {handoff: {after_unresolved: 2, intents: [person]}}]
commands: {/start: utter_greet, menu: flow:order}
labels:
  greet: {es: Saludar, en: Greet}
"""
NLU = """\
nlu:
- intent: greet
  examples: |
    - hola
- intent: order
  examples: |
    - pedir
- intent: person
  examples: |
    - persona
"""
REPLIES = """\
responses:
  utter_greet:
    - text: {es: Hola, en: Hello}
  utter_default:
    - text: {es: "No entendí", en: "I did not understand"}
  utter_media_received:
    - text: {es: Recibido, en: Received}
  utter_clarify:
    - text: {es: "¿Cuál?", en: "Which?"}
  utter_handoff:
    - text: {es: "Te paso", en: "Passing on"}
  utter_flow_cancelled:
    - text: {es: Cancelado, en: Cancelled}
  utter_expired_choice:
    - text: {es: Vencido, en: Expired}
  utter_ask_size:
    - text: {es: "¿Qué tamaño?", en: "What size?"}
  utter_done:
    - text: {es: "Listo: {size}", en: "Done: {size}"}
"""
FLOWS = """\
flows:
  order:
    nlu_trigger: [{intent: order}]
    timeout: {after_min: 5}
    steps:
      - collect: size
        validate: {choices: [S, M, {value: L, label: {es: Grande, en: Large}, also: [big]}]}
        next:
          - if: size == "L"
            then:
              - set_slots: [{size: XL}]
                next: finish
          - else: finish
      - id: finish
        say: utter_done
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {
        "bot.yaml": BOT,
        "nlu/all.yml": NLU,
        "replies/all.yml": REPLIES,
        "flows/all.yml": FLOWS,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path


def change(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new), encoding="utf-8")


def test_a_good_folder_has_no_problems(folder: Path) -> None:
    assert check_bot(folder) == []


@pytest.mark.parametrize("name", sorted(path.name for path in TELECOM.parent.iterdir() if path.is_dir()))
def test_the_sample_bots_have_no_problems(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND_URL", "http://127.0.0.1:9")
    assert check_bot(TELECOM.parent / name) == []


def test_without_the_backends_address_the_author_is_told_that_samples_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BACKEND_URL", raising=False)
    (problem,) = check_bot(TELECOM)
    assert str(problem) == (
        "actions.yml:3: warning: backend: BACKEND_URL is not set, so every action answers with its 'sample:'"
    )


def test_the_folder_becomes_a_bot(folder: Path) -> None:
    bot = load_bot(folder)
    assert bot.languages == ("es", "en")
    assert bot.chain == ("commands", "flow", "intents", "clarify", "handoff")
    assert (bot.settings.confidence, bot.settings.after_unresolved) == (0.6, 2)
    assert bot.answers == {
        "greet": GoTo("reply", "utter_greet"),
        "order": GoTo("flow", "order"),
        "person": GoTo("handoff", ""),
    }
    assert bot.commands == {"/start": GoTo("reply", "utter_greet"), "menu": GoTo("flow", "order")}
    assert bot.replies["utter_greet"][0].text.get("en") == "Hello"
    assert bot.slots == {"size"}


def test_nested_steps_become_flat_and_know_where_they_go_on(folder: Path) -> None:
    flow = load_bot(folder).flows["order"]
    assert list(flow.steps) == ["0_collect", "0_collect.0.0_set_slots", "finish"]
    first = flow.steps[flow.first]
    assert isinstance(first, Collect)
    assert first.ask == "utter_ask_size"
    assert [(branch.condition, branch.target) for branch in first.next] == [
        ('size == "L"', "0_collect.0.0_set_slots"),
        ("", "finish"),
    ]
    nested = flow.steps["0_collect.0.0_set_slots"]
    assert isinstance(nested, SetSlots)
    assert nested.next[0].target == "finish"
    assert isinstance(flow.steps["finish"], Say)
    assert flow.steps["finish"].next[0].target == "END"
    assert flow.timeout_s == 300


def test_a_step_may_only_decide(folder: Path) -> None:
    change(folder, "flows/all.yml", "      - id: finish", "      - next: finish\n      - id: finish")
    assert any(isinstance(step, Decide) for step in load_bot(folder).flows["order"].steps.values())


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "words"),
    [
        ("replies/all.yml", "text: {es: Hola, en: Hello}", "text: {es: Hola}", 3, "has no text in 'en'"),
        ("replies/all.yml", "text: {es: Hola, en: Hello}", "text: Hola", 3, "one text for 2 languages"),
        ("replies/all.yml", "text: {es: Hola, en: Hello}", "txt: {es: Hola}", 3, "says nothing"),
        ("replies/all.yml", "utter_done:", "utter_made:", 15, "uses reply 'utter_done', which does not exist"),
        ("replies/all.yml", "utter_ask_size:", "utter_size:", 6, "uses reply 'utter_ask_size'"),
        ("replies/all.yml", "utter_default:", "utter_x:", 0, "no reply 'utter_default'"),
        ("replies/all.yml", "{size}", "{colour}", 19, "uses 'colour', which no flow fills"),
        ("replies/all.yml", "{size}", "{{ size", 19, "the template does not compile"),
        ("replies/all.yml", "  utter_done:", "  utter_greet:", 18, "twice"),
        ("flows/all.yml", "intent: order", "intent: ordering", 3, "uses intent 'ordering', which does not exist"),
        ("flows/all.yml", "else: finish", "else: finnish", 13, "step 'finnish', which does not exist"),
        ("flows/all.yml", "say: utter_done", "sya: utter_done", 15, "does not know the key 'sya'"),
        (
            "flows/all.yml",
            "say: utter_done",
            "action: check_stock",
            15,
            "uses action 'check_stock', which does not exist",
        ),
        ("flows/all.yml", "say: utter_done", "link: other", 15, "uses flow 'other', which does not exist"),
        ("flows/all.yml", 'size == "L"', 'size == "L', 9, "the condition does not compile"),
        ("flows/all.yml", 'size == "L"', 'sise == "L"', 9, "uses 'sise', which no flow fills"),
        ("flows/all.yml", "after_min: 5", "after_min: soon", 4, "must be a number"),
        ("flows/all.yml", "choices: [S", "regex: '(', choices: [S", 7, "the regex does not compile"),
        ("flows/all.yml", "choices: [S", "type: colour, choices: [S", 7, "type is one of"),
        ("bot.yaml", "time_zone: America/Bogota", "time_zone: Bogota", 3, "'Bogota' is not known"),
        ("bot.yaml", "clarify,", "llm,", 4, "'llm' comes with a later release"),
        ("bot.yaml", "clarify,", "clarity,", 4, "'clarity' is not known"),
        ("bot.yaml", "confidence: 0.6", "confidence: 6", 4, "must lie between 0 and 1"),
        ("bot.yaml", "intents: [person]", "intents: [human]", 4, "uses intent 'human'"),
        ("bot.yaml", "menu: flow:order", "menu: order", 5, "must be a reply's key"),
        ("bot.yaml", "  greet: {", "  greeting: {", 7, "uses intent 'greeting'"),
        ("bot.yaml", "name: Test", "nmae: Test", 1, "does not know the key 'nmae'"),
        ("bot.yaml", "name: Test", "name: Test\nopening_hours: {mon-fri: 9-5}", 2, "is not a span like"),
        ("bot.yaml", "name: Test", "name: Test\nopening_hours: {monday: '09:00-17:00'}", 2, "is not a day like mon"),
        ("bot.yaml", "name: Test", "name: Test\nholidays: [25-12-2026]", 2, "is not a date like"),
        ("bot.yaml", "name: Test", "name: [Test", 2, "is not valid YAML"),
    ],
)
def test_a_mistake_is_shown_with_file_and_line(
    folder: Path, name: str, old: str, new: str, line: int, words: str
) -> None:
    change(folder, name, old, new)
    problems = [problem for problem in check_bot(folder) if words in problem.what]
    assert [problem.line for problem in problems][:1] == [line], [str(each) for each in check_bot(folder)]
    assert problems[0].level == "error"
    with pytest.raises(BadBot) as caught:
        load_bot(folder)
    assert words in str(caught.value)


def test_all_problems_are_reported_at_once(folder: Path) -> None:
    change(folder, "bot.yaml", "time_zone: America/Bogota", "time_zone: Bogota")
    change(folder, "flows/all.yml", "else: finish", "else: finnish")
    change(folder, "replies/all.yml", "{es: Hola, en: Hello}", "{es: Hola}")
    assert {problem.file for problem in check_bot(folder)} == {"bot.yaml", "flows/all.yml", "replies/all.yml"}


def test_what_is_merely_odd_is_a_warning(folder: Path) -> None:
    change(folder, "nlu/all.yml", "- intent: greet", "- intent: lonely\n  examples: |\n    - x\n- intent: greet")
    change(folder, "replies/all.yml", "  utter_done:", "  utter_never:\n    - text: {es: a, en: b}\n  utter_done:")
    assert [(each.level, each.line) for each in check_bot(folder)] == [("warning", 2), ("warning", 19)]
    assert load_bot(folder).name == "Test"


def test_an_empty_or_missing_folder_is_told_without_a_crash(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        assert any("bot.yaml" in str(problem) for problem in check_bot(place))


def test_a_plain_text_will_do_for_a_bot_of_one_language(folder: Path) -> None:
    change(folder, "bot.yaml", "languages: [es, en]", "languages: [es]")
    change(folder, "bot.yaml", "greet: {es: Saludar, en: Greet}", "greet: Saludar")
    change(folder, "flows/all.yml", "{es: Grande, en: Large}", "Grande")
    lines = [line if "text:" not in line else "    - text: algo" for line in REPLIES.splitlines()]
    (folder / "replies" / "all.yml").write_text("\n".join(lines), encoding="utf-8")
    assert check_bot(folder) == []


def test_rasas_own_forms_of_condition_and_payload_are_read(folder: Path) -> None:
    change(
        folder,
        "replies/all.yml",
        "    - text: {es: Hola, en: Hello}",
        "    - text: {es: Grande, en: Big}\n      condition: [{type: slot, name: size, value: L}]\n"
        '      buttons: [{title: Ok, payload: \'/order{"size": "L"}\'}]\n    - text: {es: Hola, en: Hello}',
    )
    assert check_bot(folder) == []
    assert load_bot(folder).replies["utter_greet"][0].condition == "size == 'L'"


def test_the_version_follows_the_content_and_nothing_else(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    version = bot_version(folder)
    elsewhere = tmp_path_factory.mktemp("copy") / "bot"
    shutil.copytree(folder, elsewhere)
    assert bot_version(elsewhere) == version
    (elsewhere / ".git").mkdir()
    (elsewhere / ".git" / "HEAD").write_text("x")
    assert bot_version(elsewhere) == version
    change(elsewhere, "nlu/all.yml", "hola", "holaa")
    assert bot_version(elsewhere) != version


def test_opening_hours_know_days_holidays_and_the_next_opening() -> None:
    hours = load_bot(TELECOM).hours
    bogota = ZoneInfo("America/Bogota")
    friday = datetime(2026, 11, 20, 19, 59, tzinfo=bogota)
    assert hours.is_open(friday)
    assert not hours.is_open(friday.replace(hour=20, minute=0))
    assert hours.next_opening(friday.replace(hour=21)) == datetime(2026, 11, 21, 9, 0, tzinfo=bogota)
    christmas = datetime(2026, 12, 24, 22, 0, tzinfo=bogota)
    assert not hours.is_open(christmas.replace(day=25, hour=10))
    assert hours.next_opening(christmas) == datetime(2026, 12, 26, 9, 0, tzinfo=bogota)
    assert hours.closing(friday) == time(20)
    assert hours.closing(christmas) is None
    assert hours.week[5] == ((time(9), time(14)),)


def test_the_examples_of_the_authors_page_are_valid(tmp_path: Path) -> None:
    page = (Path(config.__file__).parents[1] / "docs" / "bots.md").read_text(encoding="utf-8")
    settings, outside, examples, _, flow, actions = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    folder = tmp_path / "bot"
    shutil.copytree(TELECOM, folder)
    (folder / "bot.yaml").write_text(settings + outside, encoding="utf-8")
    (folder / "nlu" / "page.yml").write_text(examples, encoding="utf-8")
    (folder / "flows" / "data_packs.yml").write_text(flow, encoding="utf-8")
    shutil.copytree(TELECOM, tmp_path / "acting")
    (tmp_path / "acting" / "actions.yml").write_text(actions, encoding="utf-8")
    missing = {problem.what.split("'")[1] for problem in check_bot(tmp_path / "acting") if problem.level == "error"}
    assert missing <= load_bot(TELECOM).actions.specs.keys() | load_bot(TELECOM).slots, "only what the page leaves out"
    errors = [problem.what for problem in check_bot(folder) if problem.level == "error"]
    assert {what.split("'")[1] for what in errors} == {
        *("utter_pack_timeout", "utter_retry_pack", "utter_ask_confirmed"),
        *("utter_pack_how_to", "pack_order"),
    }


def test_a_rule_about_sentiment_switches_it_on(folder: Path) -> None:
    change(folder, "bot.yaml", "after_unresolved: 2,", "sentiment: {times: 3, strongly: 0.9},")
    settings = load_bot(folder).settings
    assert (settings.sentiment, settings.after_negative, settings.strongly_negative) == (True, 3, 0.9)


def test_a_rule_about_sentiment_that_is_off_is_refused(folder: Path) -> None:
    change(folder, "bot.yaml", "after_unresolved: 2,", "sentiment: {times: 3},")
    change(folder, "bot.yaml", "name: Test", "name: Test\nsentiment: false")
    with pytest.raises(BadBot, match="take one of them away"):
        load_bot(folder)
