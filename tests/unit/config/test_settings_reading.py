"""The settings: one file of defaults, what goes over it, and one clear line for each mistake."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from channels.discovery import discover
from config.settings import DEFAULT_FILE, BadSettings, Settings, endpoints_to_serve, load_settings, read_endpoints

SECRET = "never-to-be-shown"
FREE_TABLES = {"channels", "desks", "forwarders"}


def keys_of_model(model: type[BaseModel], prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            keys |= keys_of_model(annotation, f"{prefix}{name}.")
        elif name not in FREE_TABLES:
            keys.add(prefix + name)
    return keys


def keys_of_file(table: dict[str, object], prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for name, value in table.items():
        keys |= keys_of_file(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return keys


def problems(env: dict[str, str], path: Path | None = None) -> list[str]:
    with pytest.raises(BadSettings) as caught:
        load_settings(path, env)
    return [str(problem) for problem in caught.value.problems]


def test_default_file_and_model_have_exactly_the_same_keys() -> None:
    assert keys_of_file(tomllib.loads(DEFAULT_FILE.read_text())) == keys_of_model(Settings)


def test_every_key_of_the_default_file_stands_under_a_comment() -> None:
    explained = False
    for line in DEFAULT_FILE.read_text().splitlines():
        if line.startswith("#"):
            explained = True
        elif re.match(r"^\w+ = ", line):
            assert explained, f"no comment above {line!r}"
        else:
            explained = False


def test_no_model_field_has_a_default_of_its_own() -> None:
    for section in (field.annotation for field in Settings.model_fields.values()):
        if isinstance(section, type) and issubclass(section, BaseModel):
            assert all(field.is_required() for field in section.model_fields.values())


def test_the_defaults_alone_are_valid() -> None:
    settings = load_settings(None, {})
    assert settings.server.max_body_bytes == 1_048_576
    assert settings.database.is_embedded
    assert settings.channels == {}


def test_file_goes_over_defaults_and_environment_over_both(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[server]\nport = 1\nhost = "0.0.0.0"\n')
    settings = load_settings(None, {"TERTULIA_CONFIG": str(file), "TERTULIA__SERVER__PORT": "2"})
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 2)


def test_file_in_the_working_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tertulia.toml").write_text("[server]\nport = 77\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, {}).server.port == 77


def test_what_the_command_line_says_goes_over_everything() -> None:
    settings = load_settings(None, {"TERTULIA__SERVER__PORT": "2"}, {"server": {"port": 3}})
    assert settings.server.port == 3


def test_every_mistake_is_told_at_once_a_line_each_with_its_key() -> None:
    found = problems({
        "TERTULIA__SERVER__PROT": "1",
        "TERTULIA__SERVER__PORT": "many",
        "TERTULIA__SERVRE__HOST": "x",
        "TERTULIA__TELEMETRY__LOG_LEVEL": "loud",
    })  # fmt: skip
    assert [line.split(":")[0] for line in found] == ["server.port", "server.prot", "servre", "telemetry.log_level"]
    assert all("\n" not in line for line in found)


def test_unknown_key_names_the_nearest_known_one() -> None:
    assert problems({"TERTULIA__SERVER__PROT": "1"}) == ["server.prot: unknown key; did you mean port?"]


def test_no_message_shows_the_value_that_was_given(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(f'[server]\nport = "{SECRET}"\n[redis]\nurl = ["{SECRET}"]\n')
    assert SECRET not in "\n".join(problems({}, file))


def test_secrets_are_not_shown_when_settings_are_printed() -> None:
    env = {
        "TERTULIA__DATABASE__URL": f"postgresql://u:{SECRET}@h/d",
        "TERTULIA__CHANNELS__TELEGRAM__MAIN__TOKEN": SECRET,
    }
    settings = load_settings(None, env)
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)
    assert isinstance(settings.database.url, SecretStr)


@pytest.mark.parametrize(
    ("content", "said"),
    [("[server", "is not TOML"), (None, "no such file")],
)
def test_file_that_cannot_be_read_is_named(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "own.toml"
    if content is not None:
        file.write_text(content)
    [line] = problems({}, file)
    assert line.startswith(str(file))
    assert said in line


def test_broken_json_in_a_variable_names_the_variable() -> None:
    [line] = problems({"TERTULIA__CHANNELS__TELEGRAM__MAIN__RATES": "{nope"})
    assert line.startswith("TERTULIA__CHANNELS__TELEGRAM__MAIN__RATES")


def test_endpoint_from_the_environment_gets_its_channels_own_settings() -> None:
    env = {
        "TERTULIA__CHANNELS__TELEGRAM__MAIN__TOKEN": "123456:abcdefghijklmnopqrstuvwxyz012345678",
        "TERTULIA__CHANNELS__TELEGRAM__MAIN__SECRET_TOKEN": "s3cret",
        "TERTULIA__CHANNELS__TELEGRAM__MAIN__RATES": '{"per_s": 5}',
    }
    [endpoint] = endpoints_to_serve(load_settings(None, env), discover()).served
    assert (endpoint.channel.name, endpoint.name) == ("telegram", "main")
    assert endpoint.settings.model_dump()["rates"]["per_s"] == 5


def test_endpoint_without_a_secret_is_refused() -> None:
    settings = load_settings(None, {"TERTULIA__CHANNELS__TELEGRAM__MAIN__TOKEN": "123456:abc"})
    with pytest.raises(BadSettings, match=r"channels\.telegram\.main\.secret_token: missing"):
        endpoints_to_serve(settings, discover())


def test_unknown_channel_and_unknown_key_of_a_channel_are_told_together() -> None:
    env = {
        "TERTULIA__CHANNELS__TELEGRAMM__MAIN__TOKEN": "x",
        "TERTULIA__CHANNELS__TELEGRAM__MAIN__TOKEN": "123456:abc",
        "TERTULIA__CHANNELS__TELEGRAM__MAIN__SECRET_TOKEN": "s3cret",
        "TERTULIA__CHANNELS__TELEGRAM__MAIN__USERNAM": "x",
    }
    with pytest.raises(BadSettings) as caught:
        endpoints_to_serve(load_settings(None, env), discover())
    assert [str(problem) for problem in caught.value.problems] == [
        "channels.telegram.main.usernam: unknown key; did you mean username?",
        "channels.telegramm: no such channel; did you mean telegram?",
    ]


def test_one_wrong_endpoint_does_not_keep_the_others_from_being_served() -> None:
    env = {
        "TERTULIA__CHANNELS__TELEGRAM__MAIN__TOKEN": "123456:abc",
        "TERTULIA__CHANNELS__TELEGRAM__MAIN__SECRET_TOKEN": "s3cret",
        "TERTULIA__CHANNELS__TELEGRAM__OTHER__TOKEN": "123456:abc",
        "TERTULIA__CHANNELS__TELEGRAMM__MAIN__TOKEN": "x",
    }
    found = endpoints_to_serve(load_settings(None, env), discover())
    assert [endpoint.name for endpoint in found.served] == ["main"]
    assert {(endpoint.channel, endpoint.name) for endpoint in found.refused} == {
        ("telegram", "other"),
        ("telegramm", "main"),
    }
    assert [problem.key for problem in found.problems] == ["channels.telegram.other.secret_token", "channels.telegramm"]


@pytest.mark.parametrize("name", ["we ird", "../up", "a/b", "", "é", "x" * 65])
def test_endpoint_whose_name_cannot_be_part_of_an_address_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(f'[channels.telegram."{name}"]\ntoken = "123456:abc"\nsecret_token = "s3cret"\n')
    [problem] = read_endpoints(load_settings(file, {}), discover()).problems
    assert problem.key == f"channels.telegram.{name}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("server = 3", "server: must be a table of settings, like [server]"),
        ("[channels]\ntelegram = 3", "channels.telegram: must be a table of settings, like [channels.telegram]"),
        ('[database]\nurl = "mysql://u:pass@h/d"', "database.url: must be empty or an address like postgresql://"),
        ('[redis]\nurl = "localhost"', "redis.url: must be empty or an address like redis://"),
        ('[telemetry]\notlp_endpoint = "x"', "telemetry.otlp_endpoint: must be an address like http://127.0.0.1:4318"),
    ],
)
def test_mistake_is_told_in_words_of_the_settings(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(content)
    [problem] = problems({}, file)
    assert problem.startswith(said)


def test_without_any_endpoint_nothing_is_wrong() -> None:
    assert read_endpoints(load_settings(None, {}), discover()).problems == ()


def test_empty_bot_path_is_the_sample_bot() -> None:
    assert load_settings(None, {}).bot.folder.name == "telecom"
