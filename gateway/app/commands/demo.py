"""``tertulia demo``: the whole product on this machine, with sandboxes in the providers' place.

What a customer does on a phone of the page becomes a signed webhook on a loopback port; what comes back went through
database and outbox, and reached the sandbox by the channel's own client. Nothing leaves the machine.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import uvloop

from channels.discovery import discover
from channels.sandboxes import HasPeople, Sandbox, with_sandbox
from config.bot import load_bot
from config.settings import Settings
from gateway.app.commands.demo_desk import DeskName, demo_desk, desk_named, with_desk
from gateway.app.commands.demo_page import show_page
from gateway.app.commands.demo_stage import Sitting, free_port_near, sandboxes, with_sandboxes
from gateway.app.commands.demo_terminal import talk_in_terminal
from gateway.app.commands.terminal import complaints, out, settings_or_exit
from gateway.app.nodes import new_node_name
from gateway.app.runtime import migrate_at_start, open_database, stop_on_signals
from gateway.app.sample_backend import open_sample_backend
from gateway.app.telemetry import configure_logging
from gateway.core.errors import Misconfigured
from gateway.web.sandbox.showcase import Showcase, read_showcase
from handoff.desks.zendesk.sandbox import ZendeskSandbox

LANGUAGES = ("es", "en")

BACKEND = "BACKEND_URL"
"""The variable by which an author's ``actions.yml`` finds the company's systems."""

STARTS = {
    "es": "Arrancan PostgreSQL, el gateway y los sandboxes: unos segundos…",
    "en": "PostgreSQL, the gateway and the sandboxes start: a few seconds…",
}


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line said. ``channel`` empty: every one that has a sandbox, in a terminal one of them."""

    is_terminal: bool
    channel: str
    customer: str
    language: str
    desk: DeskName = "builtin"


def run_demo(
    config: Path | None,
    *,
    bot: Path | None,
    channel: str,
    customer: str,
    language: str,
    is_terminal: bool,
    desk: str = "builtin",
) -> None:
    """Run until Ctrl-C, or in a terminal until the input ends; then everything stops, in order."""
    language = (language or _language_of_this_terminal())[:2].lower()
    with complaints():
        wished_desk = desk_named(desk, is_terminal=is_terminal)
    wishes = Wishes(
        is_terminal=is_terminal,
        channel=channel,
        customer=customer,
        language=language if language in LANGUAGES else "en",
        desk=wished_desk,
    )
    overrides: dict[str, object] = {"bot": {"path": str(bot)}} if bot is not None else {}
    if is_terminal:
        overrides["server"] = {"port": 0}
    settings = settings_or_exit(config, overrides)
    with complaints():
        uvloop.run(_demo(settings, wishes))


def _language_of_this_terminal() -> str:
    named = (os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next(filter(None, named), "")


async def _demo(settings: Settings, wishes: Wishes) -> None:
    stop = stop_on_signals()
    showcase = read_showcase(load_bot(settings.bot.folder))
    port = free_port_near(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    node = new_node_name()
    channels = (wishes.channel,) if wishes.channel else with_sandbox()
    with _alone_in(settings.data_dir), (settings.data_dir / "demo.log").open("a", encoding="utf-8") as log:
        configure_logging(settings.telemetry.model_copy(update={"log_format": "json"}), node, log)
        console = out()
        if console.is_terminal:
            console.print(f"[soft]{STARTS[wishes.language]}[/]")
        async with (
            _company_systems(),
            open_database(settings) as dsn,
            sandboxes(channels, port, showcase) as opened,
            demo_desk(wishes.desk, settings, port) as zendesk,
        ):
            await migrate_at_start(settings, dsn)
            shown = _in_terminal(opened) if wishes.is_terminal else opened
            sitting = Sitting(
                console=console,
                settings=with_desk(with_sandboxes(settings, shown, port), zendesk),
                dsn=dsn,
                node=node,
                stop=stop,
                port=port,
                customer=wishes.customer,
                language=wishes.language,
            )
            await _run(sitting, shown, showcase, zendesk, is_terminal=wishes.is_terminal)


@contextmanager
def _alone_in(data_dir: Path) -> Iterator[None]:
    """Two demos on the same data would answer each other's customers. Raises ``Misconfigured``."""
    with (data_dir / "demo.lock").open("a", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            detail = f"a demo runs on {data_dir} already; end it first, or name another folder"
            raise Misconfigured("data_dir", detail) from None
        yield


@asynccontextmanager
async def _company_systems() -> AsyncIterator[None]:
    """What the bot's actions call: made up, on this machine, unless the environment names something else."""
    if os.environ.get(BACKEND):
        yield
        return
    async with open_sample_backend() as address:
        os.environ[BACKEND] = address
        try:
            yield
        finally:
            del os.environ[BACKEND]


async def _run(
    sitting: Sitting,
    shown: Mapping[str, Sandbox],
    showcase: Showcase,
    zendesk: ZendeskSandbox | None,
    *,
    is_terminal: bool,
) -> None:
    if not is_terminal:
        await show_page(sitting, shown, showcase, zendesk)
        return
    [(channel, sandbox)] = shown.items()
    assert isinstance(sandbox, HasPeople)  # noqa: S101 - it was chosen for that
    await talk_in_terminal(sitting, channel, sandbox)


def _in_terminal(opened: Mapping[str, Sandbox]) -> dict[str, Sandbox]:
    """Of the sandboxes with people to write as, that of the channel with most buttons: here they are numbers.

    Raises ``Misconfigured`` when none has people.
    """
    written = {channel: sandbox for channel, sandbox in opened.items() if isinstance(sandbox, HasPeople)}
    if not written:
        raise Misconfigured("channels", f"nobody can write in a terminal on {', '.join(opened)}; leave --terminal out")
    channels = discover()
    richest = max(written, key=lambda channel: channels[channel].capabilities.buttons)
    return {richest: written[richest]}
