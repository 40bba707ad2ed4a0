"""Where the demo's conversations go when they want a person: to our own desk, or to a Zendesk that runs here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from config.settings import Settings, merge
from gateway.app.commands.demo_stage import Port
from gateway.core.errors import Misconfigured
from handoff.desks.zendesk.sandbox import ZendeskSandbox

DESK = "main"
FIELDS = {"App": "app", "Intent": "intent", "Reason": "reason"}
"""The ticket's fields that the demo fills, and what of a case goes into each."""

DeskName = Literal["builtin", "zendesk"]


def desk_named(name: str, *, is_terminal: bool) -> DeskName:
    """The desk that the command line asks for. Raises ``Misconfigured``."""
    if name in ("", "builtin"):
        return "builtin"
    if name != "zendesk":
        raise Misconfigured("--desk", f"there is builtin and zendesk, but no {name}")
    if is_terminal:
        raise Misconfigured("--desk", "the agents of the Zendesk sandbox work on a page; leave --terminal out")
    return "zendesk"


@asynccontextmanager
async def demo_desk(name: DeskName, settings: Settings, port: Port) -> AsyncIterator[ZendeskSandbox | None]:
    """The Zendesk of the demo while it runs; its account is kept in the data folder. ``None`` for our own desk."""
    if name == "builtin":
        yield None
        return
    url = f"{port.origin}/webhooks/desks/zendesk/{DESK}"
    async with ZendeskSandbox(url, memory=settings.data_dir / "demo-zendesk") as zendesk:
        for title in FIELDS:
            zendesk.add_field(title)
        yield zendesk


def with_desk(settings: Settings, zendesk: ZendeskSandbox | None) -> Settings:
    """The settings with this desk and no other: the demo never talks to a real Zendesk."""
    name = f"zendesk.{DESK}" if zendesk is not None else f"builtin.{DESK}"
    router = settings.router.model_copy(update={"desk": name})
    desks = {"zendesk": {DESK: merge({}, _values(zendesk))}} if zendesk is not None else {}
    return settings.model_copy(update={"router": router, "desks": desks})


def _values(zendesk: ZendeskSandbox) -> dict[str, object]:
    fields = {str(zendesk.add_field(title).id): place for title, place in FIELDS.items()}
    return {**zendesk.settings_values, "fields": fields}
