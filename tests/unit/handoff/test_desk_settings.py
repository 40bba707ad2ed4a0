"""Desks in the settings: found, checked with the keys' paths, and one that is wrong harms no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from played_desk import PlayedDesk
from pydantic import Field

from config.settings import BadSettings, Settings, load_settings
from gateway.core.channel import Finding
from gateway.core.desks import DeskKind, DeskParts, DeskPort, DeskSettings
from handoff import desks
from handoff.desks import BUILTIN, PROVIDER, discover, full_name, needed_problems, read_desks


class PlayedSettings(DeskSettings):
    subdomain: str
    per_minute: int = Field(default=100, gt=0)


class PlayedKind:
    """Fits ``DeskKind``."""

    name = "played"
    settings: type[DeskSettings] = PlayedSettings

    def read_settings(self, raw: Mapping[str, object]) -> DeskSettings:
        return PlayedSettings.model_validate(raw)

    def check(self, settings: PlayedSettings) -> Sequence[Finding]:
        if settings.subdomain == "example":
            return (Finding("bad", "subdomain", "is the one of the documentation"),)
        return ()

    def open(self, parts: DeskParts) -> DeskPort:
        return PlayedDesk(parts.name)


def kinds() -> dict[str, DeskKind]:
    return {**discover(), "played": PlayedKind()}


def settings(desk: str = "builtin", **desks: object) -> Settings:
    return load_settings(env={}, overrides={"router": {"desk": desk}, "desks": desks})


def problems(of: Settings) -> list[tuple[str, str]]:
    return [(problem.key, problem.advice) for problem in read_desks(of, kinds()).problems]


def test_two_desks_need_no_settings_and_are_always_there() -> None:
    desks = read_desks(settings(), discover())
    assert {BUILTIN, PROVIDER} <= set(desks.names())
    assert desks.problems == ()


@pytest.mark.parametrize("written", ["builtin", "builtin.main"])
def test_a_kind_alone_means_its_main_desk(written: str) -> None:
    assert settings(written).router.desk == BUILTIN
    assert full_name(written) == BUILTIN


@pytest.mark.parametrize("written", ["", ".", "zendesk.", ".main", "zendesk.main.more"])
def test_what_names_no_desk_is_refused_with_its_key(written: str) -> None:
    with pytest.raises(BadSettings) as refused:
        settings(written)
    assert refused.value.problems[0].key == "router.desk"


def test_a_desk_that_is_configured_can_be_named() -> None:
    chosen = settings("played.main", played={"main": {"subdomain": "acme"}})
    desks = read_desks(chosen, kinds())
    assert "played.main" in desks.names()
    assert needed_problems(chosen, desks) == ()


def test_what_is_wrong_is_told_with_the_path_of_its_key() -> None:
    assert problems(settings(played={"main": {"subdomian": "acme", "per_minute": 0}})) == [
        ("desks.played.main.per_minute", "Input should be greater than 0"),
        ("desks.played.main.subdomain", "missing; set it"),
        ("desks.played.main.subdomian", "unknown key; did you mean subdomain?"),
    ]
    assert problems(settings(played={"main": {"subdomain": "example"}})) == [
        ("desks.played.main.subdomain", "is the one of the documentation")
    ]
    assert problems(settings(plaid={"main": {}})) == [("desks.plaid", "no such desk; did you mean played?")]
    assert problems(settings(played={"my desk": {"subdomain": "acme"}}))[0][0] == "desks.played.my desk"


def test_a_desk_that_nobody_configured_cannot_be_named() -> None:
    ((key, advice),) = problems(settings("played.man", played={"main": {"subdomain": "acme"}}))
    assert (key, advice) == ("router.desk", "no desk is called 'played.man'; did you mean played.main?")


def test_only_what_stands_in_the_way_of_the_desk_that_is_named_keeps_the_gateway_from_starting() -> None:
    wrong = {"subdomain": "acme", "x": 1}
    aside = settings(played={"main": wrong})
    assert needed_problems(aside, read_desks(aside, kinds())) == ()
    needed = settings("played.main", played={"main": wrong, "other": wrong})
    found = needed_problems(needed, read_desks(needed, kinds()))
    assert [problem.key for problem in found] == ["desks.played.main.x"]


def test_every_folder_is_a_desk_with_a_readme_and_only_those_that_are_named_are_imported() -> None:
    for kind in discover().values():
        assert kind.settings.model_config["extra"] == "forbid"
    assert read_desks(settings()).names()[-2:] == (BUILTIN, PROVIDER)


def test_no_module_of_a_kind_takes_the_place_of_its_function() -> None:
    """A submodule that is imported becomes an attribute of its package: ``desk.py`` would hide ``desk()``."""
    for kind in discover():
        assert not (Path(desks.__path__[0]) / kind / "desk.py").exists(), kind
