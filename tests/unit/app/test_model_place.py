"""What the settings say of models: which encoder a training gets, and how its key comes to whoever asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings import BadSettings, Settings, load_settings
from gateway.app.model_place import ENCODER_KEY, encoder_for_turns, encoder_to_train, lend_encoder_key, models_url
from gateway.core.errors import Misconfigured
from nlp.intents.endpoint import KEY_VARIABLE

SERVICE = "openai:https://host.example/v1#small"


def with_encoder(encoder: str) -> Settings:
    return load_settings(env={"TERTULIA__MODELS__ENCODER": encoder})


def test_what_trains_for_turns_leaves_services_out_and_folders_are_named_for_good(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    expected = {"": "", "minilm": "minilm", "folder:./e5": f"folder:{tmp_path / 'e5'}", SERVICE: "", "titan:m": ""}
    for written, meant in expected.items():
        assert encoder_for_turns(with_encoder(written), "intent") == meant
        assert encoder_for_turns(with_encoder(written), "sentiment") == ""


def test_the_command_line_goes_before_the_settings_and_none_means_none() -> None:
    settings = with_encoder(SERVICE)
    assert encoder_to_train(settings, "topic", "") == SERVICE
    assert encoder_to_train(settings, "intent", "minilm") == "minilm"
    assert encoder_to_train(settings, "intent", "none") == ""
    assert encoder_to_train(settings, "sentiment", "") == ""
    with pytest.raises(Misconfigured, match="without sentence vectors"):
        encoder_to_train(settings, "sentiment", "minilm")


@pytest.mark.parametrize(
    "wrong", ["word2vec", "folder:", "openai:https://host/v1", "openai:host#m", "titan:", "minilm "]
)
def test_an_encoder_that_is_no_encoder_is_a_wrong_setting(wrong: str) -> None:
    with pytest.raises(BadSettings, match=r"models\.encoder: must be empty, minilm, folder:PATH"):
        with_encoder(wrong)


def test_the_key_of_the_settings_file_reaches_the_encoder_and_is_never_shown(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(ENCODER_KEY, "")
    file = tmp_path / "tertulia.toml"
    file.write_text('[models]\nencoder_key = "very-secret"\n')
    settings = load_settings(file, env={})
    assert "very-secret" not in repr(settings)
    lend_encoder_key(settings)
    assert os.environ[KEY_VARIABLE] == "very-secret"


def test_where_models_lie_is_known_without_importing_what_serves(tmp_path: Path) -> None:
    assert models_url(load_settings(env={"TERTULIA__DATA_DIR": str(tmp_path)})) == str(tmp_path / "models")
    code = (
        "import sys, gateway.app.model_place; print([m for m in ('numpy', 'sqlalchemy', 'fsspec') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
