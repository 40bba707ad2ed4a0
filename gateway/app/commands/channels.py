"""``tertulia channels``: what is configured, and what the providers say about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import typer

from config.settings import BadSettings, ConfiguredEndpoints, EndpointConfig, RefusedEndpoint, Settings, read_endpoints
from gateway.app.commands.check import show_findings
from gateway.app.commands.terminal import EXIT_WRONG, complain, complaints, print_json, print_rows, settings_or_exit
from gateway.core.channel import Finding
from gateway.core.errors import TertuliaError


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
            findings = asyncio.run(_connect(endpoint, url))
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


async def _connect(endpoint: EndpointConfig, url: str) -> Sequence[Finding]:
    client = endpoint.channel.client(endpoint.settings, _no_blob)
    await client.open()
    try:
        return await client.connect(url)
    finally:
        await client.close()


async def _examine(settings: Settings, endpoints: Sequence[EndpointConfig]) -> list[Finding]:
    findings: list[Finding] = []
    for endpoint in endpoints:
        name = f"{endpoint.channel.name}.{endpoint.name}"
        client = endpoint.channel.client(endpoint.settings, _no_blob)
        try:
            await client.open()
            try:
                found = await client.doctor(settings.server.webhook_url(endpoint.channel.name, endpoint.name))
            finally:
                await client.close()
        except TertuliaError as error:
            found = [Finding("bad", str(error))]
        findings.extend(Finding(item.level, f"{name}: {item.what}", item.advice) for item in found)
    return findings


async def _no_blob(key: str) -> AsyncIterator[bytes]:
    raise LookupError(f"no blob {key}: nothing is sent here")
    yield b""


def _exit_when_bad(findings: Sequence[Finding]) -> None:
    if any(finding.level == "bad" for finding in findings):
        raise typer.Exit(EXIT_WRONG)
