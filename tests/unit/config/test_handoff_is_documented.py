"""What an operator can set around a handoff is told where they look for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from config.settings import HandoffSettings
from gateway.core.desks import DeskSettings
from gateway.core.handoff_reasons import Asked, Ended
from handoff.desks.sunshine.settings import SunshineDeskRates, SunshineDeskSettings
from handoff.desks.zendesk.settings import ZendeskRates, ZendeskSettings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/handoff.md").read_text("utf-8")


def test_every_setting_stands_on_the_page_and_in_the_file_of_defaults() -> None:
    keys = set(HandoffSettings.model_fields)
    defaults = (ROOT / "config/default.toml").read_text("utf-8").partition("\n[handoff]\n")[2].partition("\n[")[0]
    assert keys == set(re.findall(r"^(\w+) = ", defaults, flags=re.MULTILINE))
    section = PAGE.partition("\n## Settings\n")[2].partition("\n## ")[0]
    assert {key for key in keys if f"`{key}`" not in section} == set()


def test_the_defaults_on_the_page_are_the_defaults() -> None:
    section = PAGE.partition("\n## Settings\n")[2].partition("\n## ")[0]
    told = dict(re.findall(r"`(\w+)` \(([\w.]+)\)", section))
    defaults = (ROOT / "config/default.toml").read_text("utf-8").partition("\n[handoff]\n")[2].partition("\n[")[0]
    for key, value in re.findall(r"^(\w+) = (\S+)$", defaults, flags=re.MULTILINE):
        assert told[key] == value.removesuffix(".0"), key


@pytest.mark.parametrize(
    ("kind", "settings", "rates"),
    [
        ("zendesk", ZendeskSettings, ZendeskRates),
        ("sunshine", SunshineDeskSettings, SunshineDeskRates),
    ],
)
def test_every_key_of_a_desk_stands_in_its_readme(
    kind: str, settings: type[DeskSettings], rates: type[BaseModel]
) -> None:
    readme = (ROOT / f"handoff/desks/{kind}/README.md").read_text("utf-8")
    keys = (set(settings.model_fields) - {"rates"}) | {f"rates.{name}" for name in rates.model_fields}
    assert {key for key in keys if f"`{key}`" not in readme} == set()


def test_every_reason_stands_on_the_page() -> None:
    assert {reason.value for reason in (*Asked, *Ended) if f"`{reason.value}`" not in PAGE} == set()
