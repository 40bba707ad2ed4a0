"""Discovery finds what fits and explains what does not; the tables for people are made from it."""

from pathlib import Path

import pytest

from channels import catalogue, discovery
from channels.discovery import BrokenChannel, as_channel, discover

ROOT = Path(__file__).parents[3]


class NotQuite:
    name = "odd"
    settings = dict
    capabilities = None
    can_redeliver = True


def test_every_folder_with_a_channel_is_found_under_its_own_name():
    found = discover()
    folders = {path.parent.name for path in (ROOT / "channels").glob("[!_]*/__init__.py")}
    assert set(found) == folders
    assert all(channel.name == name for name, channel in found.items())


def test_an_object_that_does_not_fit_is_named_with_what_is_wrong():
    with pytest.raises(BrokenChannel, match=r"channels/odd: 'channel\.settings' must be a subclass"):
        as_channel("odd", NotQuite())
    with pytest.raises(BrokenChannel, match="must be 'other', the name of the folder"):
        as_channel("other", NotQuite())
    with pytest.raises(BrokenChannel, match="has no 'name'"):
        as_channel("odd", object())


def test_a_folder_without_a_channel_is_named(tmp_path, monkeypatch):
    (tmp_path / "hollow_for_test").mkdir()
    (tmp_path / "hollow_for_test" / "__init__.py").write_text("")
    (tmp_path / "failing_for_test").mkdir()
    (tmp_path / "failing_for_test" / "__init__.py").write_text("import no_such_module_at_all\n")
    monkeypatch.setattr(discovery.channels, "__path__", [str(tmp_path)])
    with pytest.raises(BrokenChannel, match=r"channels/hollow_for_test: its __init__\.py has no object"):
        discovery.load("hollow_for_test")
    with pytest.raises(BrokenChannel, match="cannot be imported"):
        discovery.load("failing_for_test")
    with pytest.raises(BrokenChannel):
        discover()


def test_the_page_about_channels_is_up_to_date():
    page = (ROOT / "docs/channels.md").read_text("utf-8")
    assert catalogue.page_with_table(page, discover()) == page, "run: python -m channels.catalogue"


def test_the_table_forgets_no_capability():
    assert catalogue.unlisted_capabilities() == set()


def test_a_ledger_with_an_unknown_answer_is_refused():
    head = "# X\n\n## Ledger\n\n| rule | state | note |\n|---|---|---|\n"
    assert catalogue.read_ledger(head + "| a | done | |\n")["a"].state == "done"
    with pytest.raises(catalogue.LedgerFault):
        catalogue.read_ledger(head + "| a | perhaps | |\n")
    with pytest.raises(catalogue.LedgerFault):
        catalogue.read_ledger("# X\n")
