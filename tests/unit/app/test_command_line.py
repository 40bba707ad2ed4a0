"""The command line: quick help with examples, one clear line for each mistake, JSON that is JSON."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import structlog
import typer
from typer.testing import CliRunner

from config.settings import DEFAULT_FILE
from gateway.app.cli import app
from gateway.app.commands.conversation import ConversationView
from gateway.app.commands.terminal import out

SECRET = "never-to-be-shown"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TERTULIA_CONFIG", raising=False)


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Commands set logging up for their process; the tests that follow must not write to a stream that is closed."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def commands(group: object = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    group = typer.main.get_command(app) if group is None else group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("command", [command for command in commands() if command[0] != "bench"], ids=" ".join)
def test_every_command_explains_itself_with_an_example(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Example: " in result.output


def test_help_does_not_import_what_only_a_command_needs() -> None:
    program = (
        "import sys; from gateway.app import cli; "
        "heavy = {'aiohttp', 'sqlalchemy', 'asyncpg', 'sklearn', 'numpy', 'telegram', 'pydantic', 'uvloop'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")
    assert finished.stdout.strip() == "[]"


def test_wrong_settings_are_told_a_line_each_and_end_with_2(tmp_path: Path) -> None:
    (tmp_path / "tertulia.toml").write_text(f'[server]\nprot = 1\nport = "{SECRET}"\n')
    result = CliRunner().invoke(app, ["run"])
    assert result.exit_code == 2
    assert [line[2:] for line in result.stderr.splitlines()] == [
        "server.port: Input should be a valid integer, unable to parse string as an integer",
        "server.prot: unknown key; did you mean port?",
    ]


def test_check_tells_what_is_wrong_with_a_desk_by_its_key_and_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "tertulia.toml").write_text(
        f"""
        [router]
        desk = "zendesk.main"
        [desks.zendesk.main]
        subdomian = "shop"
        oauth_token = "{SECRET}"
        [[desks.zendesk.main.groups]]
        grup = 1
        [desks.zendesk.main.rates]
        export = 5
        [desks.sunshien.main]
        app_id = "a"
        """
    )
    result = CliRunner().invoke(app, ["check", "--json"])
    told = {finding["what"]: finding["advice"] for finding in json.loads(result.stdout) if finding["level"] == "bad"}
    assert result.exit_code == 2
    assert told["desks.zendesk.main.subdomian"] == "unknown key; did you mean subdomain?"
    assert told["desks.zendesk.main.groups.0.grup"] == "unknown key; did you mean group?"
    assert told["desks.zendesk.main.rates.export"] == "unknown key; did you mean exports?"
    assert told["desks.sunshien"] == "no such desk; did you mean sunshine?"
    assert SECRET not in result.output


def test_check_names_a_desk_that_nobody_configured_and_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "tertulia.toml").write_text('[router]\ndesk = "zendesk.main"\n')
    result = CliRunner().invoke(app, ["check", "--json"])
    [told] = [finding for finding in json.loads(result.stdout) if finding["level"] == "bad"]
    assert (result.exit_code, told["what"]) == (2, "router.desk")


def test_check_tells_wrong_settings_as_json(tmp_path: Path) -> None:
    (tmp_path / "tertulia.toml").write_text(f'[channels.telegram.main]\ntoken = "{SECRET}"\n')
    result = CliRunner().invoke(app, ["check", "--json"])
    assert result.exit_code == 2
    assert {finding["what"] for finding in json.loads(result.output)} == {
        "channels.telegram.main.secret_token",
        "channels.telegram.main.token",
    }
    assert SECRET not in result.output


def test_check_tells_a_database_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERTULIA__DATABASE__URL", f"postgresql://u:{SECRET}@127.0.0.1:9/none")
    result = CliRunner().invoke(app, ["check", "--json"])
    assert result.exit_code == 1
    [database] = [finding for finding in json.loads(result.output) if finding["what"] == "database"]
    assert database["level"] == "bad"
    assert SECRET not in result.output


def test_check_is_content_with_a_migrated_database(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERTULIA__DATABASE__URL", dsn)
    result = CliRunner().invoke(app, ["check", "--json"])
    assert result.exit_code == 0, result.output
    assert "bad" not in {finding["level"] for finding in json.loads(result.output)}


def test_check_of_a_fresh_folder_starts_no_database_and_leaves_nothing_behind(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", "--json"])
    assert result.exit_code == 0, result.output
    assert list(tmp_path.iterdir()) == []


def test_check_finds_a_data_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TERTULIA__DATA_DIR", str(tmp_path / "file" / "data"))
    result = CliRunner().invoke(app, ["check", "--json"])
    assert result.exit_code == 1, result.output
    bad = {finding["what"] for finding in json.loads(result.output) if finding["level"] == "bad"}
    assert bad == {"data_dir"}


def test_check_shows_what_is_right_beside_an_endpoint_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tertulia.toml").write_text(
        '[channels.telegram]\nmain = {token = "123456:abc", secret_token = "s3cret"}\nother = {token = "123456:abc"}\n'
    )
    result = CliRunner().invoke(app, ["check", "--json"])
    assert result.exit_code == 2
    levels = {finding["what"]: finding["level"] for finding in json.loads(result.output)}
    assert levels["channels.telegram.main (bot)"] == "ok"
    assert levels["channels.telegram.other.secret_token"] == "bad"


def test_migrate_brings_an_empty_database_up_to_date(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERTULIA__DATABASE__URL", empty_dsn)
    result = CliRunner().invoke(app, ["migrate", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["revision"]


@pytest.mark.parametrize("command", [["dead-letters"], ["quarantine"], ["desk"]], ids=lambda group: group[0])
def test_lists_are_empty_json_on_a_fresh_database(
    command: list[str], dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERTULIA__DATABASE__URL", dsn)
    result = CliRunner().invoke(app, [*command, "list", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == []


@pytest.mark.parametrize(
    "command",
    [
        ["dead-letters", "show", "ID"],
        ["dead-letters", "replay", "ID"],
        ["quarantine", "show", "ID"],
        ["quarantine", "replay", "ID"],
        ["desk", "show", "ID"],
        ["desk", "take", "ID"],
        ["desk", "answer", "ID", "hola"],
        ["desk", "give-back", "ID"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("identity", ["nonsense", "0199f0c2-0000-7000-8000-000000000000"])
def test_unknown_id_is_one_line_and_no_traceback(
    command: list[str], identity: str, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERTULIA__DATABASE__URL", dsn)
    result = CliRunner().invoke(app, [identity if word == "ID" else word for word in command])
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert isinstance(result.exception, SystemExit)


def test_channels_list_shows_the_webhooks_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERTULIA__CHANNELS__TELEGRAM__MAIN__TOKEN", "123456:abcdefghijklmnopqrstuvwxyz012345678")
    monkeypatch.setenv("TERTULIA__CHANNELS__TELEGRAM__MAIN__SECRET_TOKEN", SECRET)
    monkeypatch.setenv("TERTULIA__SERVER__PUBLIC_URL", "https://bot.example")
    result = CliRunner().invoke(app, ["channels", "list", "--json"])
    assert json.loads(result.output)[0]["webhook"] == "https://bot.example/webhooks/telegram/main"
    assert SECRET not in result.output


def test_connect_wants_a_public_address_first() -> None:
    result = CliRunner().invoke(app, ["channels", "connect", "telegram.main"])
    assert result.exit_code == 1
    assert "server.public_url" in result.stderr


def test_number_chooses_the_button_that_was_shown_last() -> None:
    view = ConversationView(out(), is_interactive=False)
    assert view.chosen("1") is None
    view.said("bot", "bot", "¿Qué?", ["Saldo", "Factura"])
    assert [view.chosen(line) for line in ("1", "2", "3", "0", "²", "dos")] == [
        "Saldo",
        "Factura",
        None,
        None,
        None,
        None,
    ]


def test_defaults_are_installed_with_the_package() -> None:
    assert DEFAULT_FILE.is_file()


def test_the_version_is_the_packages():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"tertulia {version('tertulia')}\n")
