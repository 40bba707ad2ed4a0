"""``tertulia channels``: what is configured, and what the providers say about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import typer

from config.settings import BadSettings, ConfiguredEndpoints, EndpointConfig, RefusedEndpoint, Settings, read_endpoints
from gateway.app.checkup import Examined, configured_name, examine
from gateway.app.commands.check import show_findings
from gateway.app.commands.session import database_session
from gateway.app.commands.terminal import EXIT_WRONG, complain, complaints, print_json, print_rows, settings_or_exit
from gateway.core.channel import Finding
from gateway.core.errors import TertuliaError
from gateway.store import health
from gateway.store.accounts import find_accounts
from gateway.store.health import AccountState
from gateway.store.kept import KeptValues


class ListedEndpoint(msgspec.Struct, frozen=True):
    endpoint: str
    accounts: str
    apps: str
    webhook: str
    problem: str = ""


def list_channels(config: Path | None, *, as_json: bool) -> None:
    settings = settings_or_exit(config)
    with complaints():
        found = _endpoints(settings)
        rows = [_listed(settings, endpoint) for endpoint in found.served]
        rows += [_listed_refused(settings, endpoint) for endpoint in found.refused]
    empty = "no channel is configured; add [channels.<channel>.<endpoint>] to the settings"
    columns = ("endpoint", "accounts", "apps", "webhook", *(("problem",) if found.refused else ()))
    print_rows(rows, columns, empty=empty, as_json=as_json)


def connect_channel(config: Path | None, endpoint_name: str) -> None:
    settings = settings_or_exit(config)
    if not settings.server.public_url:
        complain("server.public_url: set it to the https address by which the provider reaches this server")
    with complaints():
        endpoint = _one_endpoint(settings, endpoint_name)
        url = settings.server.webhook_url(endpoint.channel.name, endpoint.name)
        try:
            findings = asyncio.run(_connect(settings, endpoint, url))
        except TertuliaError as error:
            complain(f"{endpoint_name}: {error}")
    show_findings(list(findings))
    _exit_when_bad(findings)


def examine_channels(config: Path | None, endpoint_name: str, *, as_json: bool) -> None:
    settings = settings_or_exit(config)
    with complaints():
        if endpoint_name:
            found = ConfiguredEndpoints((_one_endpoint(settings, endpoint_name),), ())
        else:
            found = _endpoints(settings)
        findings = asyncio.run(_examine(settings, found.served))
        findings += asyncio.run(_remembered(settings, found.served))
    findings += [Finding("bad", problem.key, problem.advice) for problem in found.problems]
    if as_json:
        print_json(findings)
    else:
        show_findings(findings)
    _exit_when_bad(findings)


def _listed(settings: Settings, endpoint: EndpointConfig) -> ListedEndpoint:
    accounts = endpoint.channel.accounts(endpoint.settings)
    return ListedEndpoint(
        f"{endpoint.channel.name}.{endpoint.name}",
        ", ".join(account.name for account in accounts),
        ", ".join(sorted({account.app for account in accounts})),
        settings.server.webhook_url(endpoint.channel.name, endpoint.name),
    )


def _listed_refused(settings: Settings, endpoint: RefusedEndpoint) -> ListedEndpoint:
    return ListedEndpoint(
        f"{endpoint.channel}.{endpoint.name}",
        "",
        "",
        settings.server.webhook_url(endpoint.channel, endpoint.name),
        "; ".join(str(problem) for problem in endpoint.problems),
    )


def _endpoints(settings: Settings) -> ConfiguredEndpoints:
    from channels.discovery import discover

    return read_endpoints(settings, discover())


def _one_endpoint(settings: Settings, name: str) -> EndpointConfig:
    """The endpoint of that name. Raises ``BadSettings`` when its settings are wrong."""
    found = _endpoints(settings)
    served = {f"{endpoint.channel.name}.{endpoint.name}": endpoint for endpoint in found.served}
    refused = {f"{endpoint.channel}.{endpoint.name}": endpoint for endpoint in found.refused}
    if name in refused:
        raise BadSettings(refused[name].problems)
    if name not in served:
        complain(f"no endpoint {name}; configured: {', '.join(sorted(served)) or 'none'}")
    return served[name]


async def _connect(settings: Settings, endpoint: EndpointConfig, url: str) -> Sequence[Finding]:
    client = endpoint.channel.client(endpoint.settings, _no_blob, _KeptWhenNeeded(settings, configured_name(endpoint)))
    await client.open()
    try:
        return await client.connect(url)
    finally:
        await client.close()


async def _examine(settings: Settings, endpoints: Sequence[EndpointConfig]) -> list[Finding]:
    findings: list[Finding] = []
    for endpoint in endpoints:
        name = configured_name(endpoint)
        client = endpoint.channel.client(endpoint.settings, _no_blob, _KeptWhenNeeded(settings, name))
        public_url = settings.server.webhook_url(endpoint.channel.name, endpoint.name)
        await client.open()
        try:
            found = await examine(Examined(name, client, endpoint.settings, public_url))
        finally:
            await client.close()
        findings.extend(_named(name, finding) for finding in found)
    return findings


async def _remembered(settings: Settings, endpoints: Sequence[EndpointConfig]) -> list[Finding]:
    """What our own database knows: when customers last wrote, and what went wrong last."""
    if settings.database.is_embedded and not (settings.data_dir / "postgres").exists():
        return [Finding("ok", "nothing was received yet: the gateway has not run here", about="last inbound")]
    findings: list[Finding] = []
    try:
        async with database_session(settings) as database:
            for endpoint in endpoints:
                accounts = await find_accounts(database, endpoint.channel.name, endpoint.name)
                names = {account.id: f"{configured_name(endpoint)}.{account.name}" for account in accounts}
                async with database.lane().transaction() as connection:
                    states = await health.states(connection, list(names))
                for state in states:
                    findings += _told_by(names[state.account_id], state)
    except TertuliaError as error:
        return [Finding("warn", f"the database does not say how the accounts did ({error})")]
    return findings


def _told_by(account: str, state: AccountState) -> list[Finding]:
    heard = f"last inbound {state.heard_at:%Y-%m-%d %H:%M} UTC" if state.heard_at else "no customer has written yet"
    findings = [Finding("ok" if state.heard_at else "warn", f"{account}: {heard}", about="last inbound")]
    if state.unhealthy_since is not None:
        what = f"{account}: refused since {state.unhealthy_since:%Y-%m-%d %H:%M} UTC ({state.unhealthy_reason})"
        findings.append(Finding("bad", what, "mend the setting; sending goes on by itself", about="last error"))
    elif state.failed_at is not None:
        what = f"{account}: last error {state.failed_at:%Y-%m-%d %H:%M} UTC, {state.failure}"
        findings.append(Finding("ok", what, "`dead-letters list` shows more", about="last error"))
    return findings


def _named(endpoint: str, finding: Finding) -> Finding:
    place = f"{endpoint}.{finding.account}" if finding.account else endpoint
    return msgspec.structs.replace(finding, what=f"{place}: {finding.what}")


class _KeptWhenNeeded:
    """Opens the database only for a channel that keeps something: the others are connected without one."""

    def __init__(self, settings: Settings, endpoint: str) -> None:
        self._settings = settings
        self._endpoint = endpoint

    async def get(self, name: str) -> str:
        async with database_session(self._settings) as database:
            return await KeptValues(database, self._endpoint).get(name)

    async def put(self, name: str, value: str) -> None:
        async with database_session(self._settings) as database:
            await KeptValues(database, self._endpoint).put(name, value)


async def _no_blob(key: str) -> AsyncIterator[bytes]:
    raise LookupError(f"no blob {key}: nothing is sent here")
    yield b""


def _exit_when_bad(findings: Sequence[Finding]) -> None:
    if any(finding.level == "bad" for finding in findings):
        raise typer.Exit(EXIT_WRONG)
