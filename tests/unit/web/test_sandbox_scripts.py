"""Scripts are sent without comments and spaces; this holds them to the forms that survive it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import channels
import gateway.web

ROOTS = (Path(channels.__file__).parent, Path(gateway.web.__file__).parent)
SCRIPTS = sorted(path for root in ROOTS for path in root.rglob("*.js"))


def nested_templates(line: str) -> bool:
    """Whether a template literal holds another one on this line."""
    inside: list[str] = []
    letters: Iterator[str] = iter(line)
    before = ""
    for letter in letters:
        in_text = bool(inside) and inside[-1] == "`"
        if letter == "\\":
            next(letters, "")
        elif letter == "`" and in_text:
            inside.pop()
        elif letter == "`":
            if "`" in inside:
                return True
            inside.append("`")
        elif letter == "{" and inside and (not in_text or before == "$"):
            inside.append("{")
        elif letter == "}" and inside and not in_text:
            inside.pop()
        before = letter
    return False


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_template_literal_holds_another_one(path: Path) -> None:
    found = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if nested_templates(line)]
    assert not found, "the minifier takes spaces out of the inner one; put it into a name first"


def test_the_check_knows_a_nested_template_when_it_sees_one() -> None:
    assert nested_templates('`${a} ms${b ? "" : ` · ${c}`}`')
    assert not nested_templates("`${a}` + `${b}` + `{`")
