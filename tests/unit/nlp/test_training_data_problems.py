"""What an author is told of examples that contradict, repeat or miss something, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.bot_problems import Problem
from nlp.training_data import check_training_data, read_training_data, regex_risk
from nlp.training_data.regex_risk import risky


def put(folder: Path, name: str, content: str) -> None:
    path = folder / "nlu" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def intent(name: str, *lines: str) -> str:
    return f"- intent: {name}\n  examples: |\n" + "".join(f"    - {line}\n" for line in lines)


FIVE = ("uno", "dos", "tres", "cuatro", "cinco")


def told(folder: Path, words: str, *languages: str) -> list[tuple[str, int, str]]:
    found = [each for each in read_training_data(folder, languages)[1] if words in each.what]
    assert all(each.level == "warning" for each in found)
    return [(each.file, each.line, each.what) for each in found]


def checked(folder: Path, *used: str) -> list[Problem]:
    return [each for each in check_training_data(folder, (), used)[1] if "examples" not in each.what]


def test_the_same_text_in_two_intents_is_told_across_formats_and_with_other_digits(tmp_path: Path) -> None:
    put(tmp_path, "a.yml", "nlu:\n" + intent("one", "opción 1", *FIVE))
    put(tmp_path, "b.csv", "text,intent\nOPCION  2,two\nuno,oos\n")
    assert told(tmp_path, "keep it in one") == [
        ("nlu/b.csv", 2, "'OPCION 2' is an example of 'two' here and of 'one' in nlu/a.yml:4: keep it in one"),
        ("nlu/b.csv", 3, "'uno' is an example of 'out_of_scope' here and of 'one' in nlu/a.yml:5: keep it in one"),
    ]


def test_a_repeated_example_is_told_but_not_one_that_is_written_another_way_or_in_another_language(
    tmp_path: Path,
) -> None:
    put(tmp_path, "a.es.yml", "nlu:\n" + intent("one", "Sí  claro", "si claro", "sí claro", "no", "más"))
    put(tmp_path, "a.en.yml", "nlu:\n" + intent("one", "no"))
    assert told(tmp_path, "remove one", "es", "en") == [
        ("nlu/a.es.yml", 6, "'sí claro' is already in nlu/a.es.yml:4: remove one")
    ]


def test_a_text_of_which_only_the_beginning_is_read_is_told(tmp_path: Path) -> None:
    put(tmp_path, "a.yml", "nlu:\n" + intent("one", *FIVE, "x" * 2001))
    (found,) = told(tmp_path, "are read")
    assert found[:2] == ("nlu/a.yml", 9)
    assert found[2].endswith("…' has 2001 characters, of which 2000 are read")


def test_many_repetitions_of_an_intent_are_told_once(tmp_path: Path) -> None:
    put(tmp_path, "a.yml", "nlu:\n" + intent("one", *FIVE, *(each.upper() for each in FIVE), *FIVE))
    found = told(tmp_path, "rep") + told(tmp_path, "remove one")
    assert [line for _, line, _ in found] == [14, 9, 10, 11, 12, 13]
    assert found[0][2] == "5 more examples of 'one' from here on are repetitions"


def test_repetitions_do_not_make_an_intent_richer(tmp_path: Path) -> None:
    put(tmp_path, "a.yml", "nlu:\n" + intent("one", "uno", "uno", "Uno", "dos", "UNO"))
    assert told(tmp_path, "write at least") == [
        ("nlu/a.yml", 4, "intent 'one' has 2 examples: write at least 5, better 20")
    ]


def test_a_phrase_with_two_meanings_is_told(tmp_path: Path) -> None:
    put(
        tmp_path, "a.yml",
        "nlu:\n"
        "- synonym: COP\n  examples: |\n    - pesos\n    - lucas\n"
        "- synonym: MXN\n  examples: |\n    - Pesos\n"
        + intent("pay", "[lucas](cash:CLP)", "[bucks](cash:USD)", "[Bucks](cash:CAD)", "[bucks](pet:deer)", "[x](y)"),
    )  # fmt: skip
    assert told(tmp_path, "means") == [
        ("nlu/a.yml", 8, "'Pesos' means 'MXN' here and 'COP' in nlu/a.yml:4: keep one"),
        ("nlu/a.yml", 11, "'lucas' means 'CLP' here and 'COP' in nlu/a.yml:5: keep one"),
        ("nlu/a.yml", 13, "'Bucks' means 'CAD' here and 'USD' in nlu/a.yml:12: keep one"),
    ]
    assert read_training_data(tmp_path)[0].synonyms == {"pesos": "COP", "lucas": "COP"}


def test_an_empty_table_and_one_that_repeats_itself_are_told(tmp_path: Path) -> None:
    put(
        tmp_path, "a.yml",
        "nlu:\n" + intent("one", *FIVE)
        + "- lookup: city\n  examples: |\n    - Lima\n    - Cusco\n    - LIMA\n"
        "- lookup: dish\n  examples: |\n- synonym: s\n- regex: r\n  examples: ''\n",
    )  # fmt: skip
    assert told(tmp_path, "lookup 'city'") == [
        ("nlu/a.yml", 13, "lookup 'city' already has 'LIMA', in nlu/a.yml:11: remove one")
    ]
    assert [(line, what.split(":")[0]) for _, line, what in told(tmp_path, "is empty")] == [
        (14, "lookup 'dish' is empty"), (16, "synonym 's' is empty"), (17, "regex 'r' is empty"),
    ]  # fmt: skip


def test_languages_without_examples_are_told_as_far_as_files_tell_languages(tmp_path: Path) -> None:
    put(tmp_path, "a.es.yml", "nlu:\n" + intent("one", *FIVE) + intent("two", "a", "b", "c", "d", "e"))
    put(tmp_path, "a.en.yml", "nlu:\n" + intent("one", "v", "w", "x", "y", "z"))
    put(tmp_path, "b.csv", "text,intent,language\nbonjour,one,fr\n")
    found = [(each.file, each.line, each.what) for each in read_training_data(tmp_path, ("es", "en", "pt"))[1]]
    assert found == [
        ("nlu", 0, "no example is in 'pt': add them in nlu/pt.yml"),
        ("nlu/a.es.yml", 11, "intent 'two' has no examples in 'en'"),
        ("nlu/b.csv", 2, "'fr' is not among the bot's languages (es, en, pt)"),
    ]
    assert read_training_data(tmp_path, ("es",))[1][0].what == "'fr' is not among the bot's languages (es)"


def test_a_bot_of_several_languages_is_told_once_that_no_file_tells_its_own(tmp_path: Path) -> None:
    put(tmp_path, "a.yml", "nlu:\n" + intent("one", *FIVE) + intent("two", "a", "b", "c", "d", "e"))
    assert [(each.file, each.what) for each in read_training_data(tmp_path, ("es", "en"))[1]] == [
        (
            "nlu",
            "no file tells the language of its examples: name them like nlu/greetings.es.yml and nlu/greetings.en.yml",
        )
    ]


def test_entities_that_no_flow_asks_for_are_told_at_their_first_place(tmp_path: Path) -> None:
    put(
        tmp_path, "a.yml",
        "nlu:\n"
        + intent("fly", "to [Lima](city)", "[Cusco](city)", 'from [Ica]{"entity": "place", "role": "origin"}', "x", "y")
        + "- lookup: dish\n  examples: |\n    - ceviche\n- regex: zip\n  examples: |\n    - \\d{5}\n"
        "- lookup: drink\n  examples: |\n    - pisco\n",
    )  # fmt: skip
    assert [(each.line, each.what) for each in checked(tmp_path, "place", "drink")] == [
        (4, "no flow asks for the entity 'city': write 'entity: city' where it is collected"),
        (11, "no flow asks for the lookup table 'dish': write 'entity: dish' where it is collected"),
        (14, "no flow asks for the regex 'zip': write 'entity: zip' where it is collected"),
    ]
    assert checked(tmp_path, "city", "place", "dish", "zip", "drink") == []


def test_a_regex_that_can_hang_the_bot_is_told_with_its_line(tmp_path: Path) -> None:
    put(
        tmp_path, "a.yml",
        "nlu:\n" + intent("one", *FIVE)
        + "- regex: r\n  examples: |\n    - [A-Z]{2}-\\d{4,6}\n    - ref-(\\d+)+x\n    - \\d*\n",
    )  # fmt: skip
    found = checked(tmp_path, "r")
    assert [(each.line, each.what[:34]) for each in found] == [
        (12, "regex 'r' takes more than 0.25 s o"),
        (13, "regex 'r' also matches nothing at "),
    ]


def test_it_is_told_when_regexes_cannot_be_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.yml", "nlu:\n" + intent("one", *FIVE) + "- regex: r\n  examples: |\n    - \\d+\n")
    for child in ("import os; os._exit(3)", "import os; os.kill(os.getpid(), 9)"):
        monkeypatch.setattr(regex_risk, "_CHILD", child)
        [problem] = checked(tmp_path, "r")
        assert problem.what.startswith("the regexes were not tried on long texts")


def test_patterns_that_repeat_what_repeats_are_found_and_everyday_ones_are_not_suspected() -> None:
    slow = [r"(\w+\s?)*$", r"(?:[a-z]+){2,}!", r"(x+x+)+y", r"(a|b|ab)*c", r"(?i)q(HOLA|hola)*z"]
    fine = [
        r"\d{5}", r"[\w.+-]+@[\w-]+\.[\w.-]+", r"(?:\+?\d{1,3}[ -]?)?\d{3}[ -]?\d{4}", r"https?://\S+",
        r"^(?=a)(b|c)*\1$", r"(?P<y>\d{4})-(?P<m>0[1-9]|1[0-2])", r"\b[A-Z]{3,4}\d{6}[A-Z0-9]{3}\b",
        r"(?<!\d)\d{2}(?!\d)", "é+", r"[^\W\d_]+", "", r"a{0,99999}",
        r"(?:a(?:b(?:c)?)?)?", r"\s*[,;]\s*", r"[\]\\^-]+", r"(a)(?(1)b|c)",
        r"(?>a+)b", r"a++b", "\U0001f600*",
    ]  # fmt: skip
    assert risky([*slow, *fine], cpu_s=0.1) == set(slow)
