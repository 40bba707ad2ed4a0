"""``tertulia run``: the gateway as it serves, with one worker in this process or several under a supervisor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog
import typer
import uvloop
from rich.text import Text

from channels.discovery import discover
from channels.doors import HasDoors
from config.settings import ConfiguredEndpoints, EndpointConfig, Settings, endpoints_to_serve, merge
from gateway.app.commands.terminal import EXIT_WRONG, complaints, out, settings_or_exit
from gateway.app.nodes import new_node_name, release_dead_nodes
from gateway.app.runtime import allow_open_files, migrate_at_start, open_database, stop_on_signals
from gateway.app.supervisor import Supervisor, claim_port
from gateway.app.telemetry import configure_logging
from gateway.app.worker import Orders, run_one_worker
from gateway.web.access import AccessToken, ensure_access_token


def run_gateway(config: Path | None, workers: int, host: str | None, port: int | None) -> None:
    """Run until told to stop. Exit code 1 when something had to be cut short, 2 when nothing could be served."""
    asked: dict[str, object] = {"host": host, "port": port}
    overrides: dict[str, object] = {"server": {key: value for key, value in asked.items() if value is not None}}
    settings = settings_or_exit(config, overrides)
    with complaints():
        bound = {"server": {"port": claim_port(settings), **({"reuse_port": True} if workers > 1 else {})}}
        overrides = merge(overrides, bound)
        settings = settings_or_exit(config, overrides)
        endpoints = endpoints_to_serve(settings, discover())
        configure_logging(settings.telemetry, new_node_name())
        _log_what_is_not_served(endpoints)
        allow_open_files()
        is_in_order = uvloop.run(_serve(settings, endpoints, workers, Orders(str(config or ""), overrides, "")))
    if not is_in_order:
        raise typer.Exit(EXIT_WRONG)


def _log_what_is_not_served(endpoints: ConfiguredEndpoints) -> None:
    """One wrong endpoint stops no other, and must not go unnoticed either."""
    log = structlog.get_logger(__name__)
    for endpoint in endpoints.refused:
        reasons = [str(problem) for problem in endpoint.problems]
        log.error("endpoint_not_served", channel=endpoint.channel, endpoint=endpoint.name, reasons=reasons)
    if not endpoints.served:
        log.warning("no_endpoint_configured")


async def _serve(settings: Settings, endpoints: ConfiguredEndpoints, workers: int, orders: Orders) -> bool:
    from gateway.store.leases import release_node

    stop = stop_on_signals()
    token = ensure_access_token(settings.data_dir)

    async with open_database(settings) as dsn:
        await migrate_at_start(settings, dsn)

        async def release(node: str) -> None:
            await release_node(dsn, node)

        run_dir = settings.data_dir / "run"
        await release_dead_nodes(run_dir, release)
        ready = _announcement(settings, endpoints, token, workers)
        if workers == 1:
            return await run_one_worker(settings, dsn, stop, ready)
        await _first_model(settings, dsn)
        supervisor = Supervisor(
            workers,
            Orders(orders.config, orders.overrides, dsn),
            run_dir=run_dir,
            drain_s=settings.server.drain_s,
            release=release,
        )
        await supervisor.run(stop, ready)
        return True


async def _first_model(settings: Settings, dsn: str) -> None:
    """What the first start trains is trained before the workers are: they have less time to be ready."""
    from config.bot import load_bot
    from gateway.app.wiring import open_database as connect
    from gateway.store.models import ModelPointers
    from nlp.models.versions import place_of

    place = place_of(load_bot(settings.bot.folder).name)
    database = connect(settings, dsn)
    try:
        if not (await ModelPointers(database, place.bot, place.task).read()).version:
            from gateway.app.models import first_model

            await first_model(settings, database)
    finally:
        await database.close()


def _announcement(
    settings: Settings, endpoints: ConfiguredEndpoints, token: AccessToken, workers: int
) -> Callable[[], None]:
    """What to say, on standard output only, once everything is ready. The token is shown when it is new."""
    address = f"http://{settings.server.host}:{settings.server.port}"

    def announce() -> None:
        console = out()
        console.print(f"[ok]✓[/] tertulia serves {address}" + (f" with {workers} workers" if workers > 1 else ""))
        for served in endpoints.served:
            way_in = Text(_way_in(served, settings.server.public_url.rstrip("/") or address), style="soft")
            console.print(Text.assemble(f"  {served.channel.name}.{served.name}: ", way_in), soft_wrap=True)
        for problem in endpoints.problems:
            console.print("[bad]✗[/]", Text(f"not served: {problem}"), soft_wrap=True)
        if not endpoints.served:
            console.print("[warn]![/] no channel is configured: nobody can write yet", soft_wrap=True)
        if token.is_new:
            for page in ("desk", "metrics"):
                console.print(f"  {page}: {address}/{page}?token={token.value}", soft_wrap=True)
            console.print(f"  [soft]the token is kept in {token.path}[/]", soft_wrap=True)

    return announce


def _way_in(endpoint: EndpointConfig, address: str) -> str:
    """How customers come to an endpoint: by its provider's webhooks, or as the channel itself says."""
    if isinstance(endpoint.channel, HasDoors):
        return endpoint.channel.invitation(endpoint.name, address)
    return f"/webhooks/{endpoint.channel.name}/{endpoint.name}"
