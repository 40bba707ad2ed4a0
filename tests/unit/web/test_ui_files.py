"""The browser's files agree with one another: words in every language, the mark, what is fetched ahead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UI = ROOT / "gateway" / "web" / "ui"
WIDGET = ROOT / "channels" / "webchat" / "widget"

_KEY = re.compile(r"^  (\w+): ", re.MULTILINE)
_BLANK = re.compile(r"\{(\w+)\}")
_LINE = re.compile(r"^  (\w+): (.*),$", re.MULTILINE)
_IMPORT = re.compile(r'^(?:import|export) (?:[^"\n]+ from )?"(\.[^"]+)";$', re.MULTILINE)


def _words(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((folder / "words").glob("*.js"))}


@pytest.mark.parametrize("folder", [UI, WIDGET], ids=["view", "widget"])
def test_every_language_says_the_same_things_with_the_same_blanks(folder: Path) -> None:
    words = _words(folder)
    assert list(words) == ["en", "es", "pt"]
    blanks = {
        language: {key: sorted(set(_BLANK.findall(line))) for key, line in _LINE.findall(text)}
        for language, text in words.items()
    }
    assert len(blanks["en"]) > 20
    assert blanks["es"] == blanks["en"] == blanks["pt"]
    for text in words.values():
        keys = _KEY.findall(text)
        assert len(keys) == len(set(keys))
        assert "!" not in text, "sentences end calmly"


def test_the_mark_as_a_file_is_the_mark_in_the_pages() -> None:
    found = re.search(r'const BUBBLE = "([^"]+)";', (UI / "icons.js").read_text(encoding="utf-8"))
    assert found is not None
    assert (UI / "mark.svg").read_text(encoding="utf-8").count(f'd="{found.group(1)}"') == 2


def test_the_widget_fetches_ahead_exactly_what_it_always_needs() -> None:
    needed: set[Path] = set()
    waiting = [WIDGET / "element.js"]
    while waiting:
        path = waiting.pop()
        needed.add(path)
        text = path.read_text(encoding="utf-8")
        waiting += [found for name in _IMPORT.findall(text) if (found := _served(path, name)) not in needed]
    script = (WIDGET / "widget.js").read_text(encoding="utf-8")
    ahead = {
        folder / f"{name}.js"
        for variable, folder in (("view", UI), ("own", WIDGET))
        for name in re.findall(rf'const {variable} = "([^"]+)"', script)[0].split()
    }
    assert ahead == needed


def _served(importer: Path, name: str) -> Path:
    """Where a module's relative import leads, as the addresses are: ``/ui/`` and ``/widget/`` side by side."""
    if name.startswith("../ui/"):
        return UI / name.removeprefix("../ui/")
    return (importer.parent / name).resolve()


@pytest.mark.parametrize("path", sorted([*UI.rglob("*.js"), *WIDGET.rglob("*.js")]), ids=lambda path: path.name)
def test_no_script_writes_markup(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert text.startswith(("// ", "/* ")), "the first line says why the module exists"
