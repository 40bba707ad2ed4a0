"""``make new-channel``: the skeleton keeps what every channel must keep, and nothing but its folder changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from channels._skeleton.__main__ import main, make_channel

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
NEEDED = ("channels", "config", "gateway", "tests/contract", "pyproject.toml")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project as far as the contract suite needs it."""
    for name in NEEDED:
        source, target = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return tmp_path


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def runs(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", "-m", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_new_channel_keeps_the_contract_and_only_its_folder_changes(copy: Path) -> None:
    before = files(copy)
    made = runs(copy, "channels._skeleton", "acme_chat")
    assert made.returncode == 0, made.stderr
    after = files(copy)
    assert {name: after[name] for name in before} == before
    new = set(after) - set(before)
    assert new
    assert all(name.startswith("channels/acme_chat/") for name in new)
    assert not any("skeleton" in after[name].decode().lower() for name in new)
    suite = runs(copy, "pytest", "-q", "-p", "no:cacheprovider", "tests/contract", "-k", "acme_chat")
    assert suite.returncode == 0, suite.stdout[-3000:]
    assert " passed" in suite.stdout


def test_a_name_that_will_not_do_is_refused_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    skeleton = ROOT / "channels" / "_skeleton"
    for name in ("", "Acme", "9lives", "a-b", "../x", "telegram"):
        assert main([name]) == 2
        assert name in capsys.readouterr().err
    source = tmp_path / "channels" / "_skeleton"
    shutil.copytree(skeleton, source)
    assert make_channel("acme", source) == tmp_path / "channels" / "acme"
    with pytest.raises(ValueError, match="is there already"):
        make_channel("acme", source)
