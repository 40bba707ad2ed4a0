"""Gateways with a web chat in this very process: as many as a test wants, on one database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fault_harness import ECHO_BOT
from shared_models import shared_models
from talking_visitor import ORIGIN

from config.settings import Settings, load_settings
from gateway.app.bench.processes import free_port
from gateway.app.wiring import run_worker


def settings_for(folder: Path, **changed: object) -> Settings:
    """Settings of a gateway with the site ``site``; ``site={…}`` adds to its keys, the rest is dotted in ``__``."""
    site = {"origins": [ORIGIN], "messages_per_visitor_s": 0, "messages_per_address_s": 0, **changed.pop("site", {})}  # type: ignore[dict-item]
    overrides: dict[str, object] = {
        "data_dir": str(folder),
        "server": {"host": "127.0.0.1", "port": free_port(), "public_url": ""},
        "bot": {"path": str(changed.pop("bot", ECHO_BOT))},
        "channels": {"webchat": {"site": site}},
        "models": {"url": shared_models()},
        "telemetry": {"log_level": "warning"},
    }
    for key, value in changed.items():
        section, _, name = key.partition("__")
        overrides.setdefault(section, {})[name] = value  # type: ignore[index]
    return load_settings(None, env={}, overrides=overrides)


@asynccontextmanager
async def gateway(settings: Settings, dsn: str, *, node: str = "one") -> AsyncIterator[str]:
    """A running gateway's address; it is stopped in order at the end."""
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(run_worker(settings, node=node, dsn=dsn, stop=stop, ready=ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    try:
        if task.done():
            task.result()
        yield f"http://127.0.0.1:{settings.server.port}"
    finally:
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        stop.set()
        await task
