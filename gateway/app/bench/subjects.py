"""What is measured: the real gateway as an operator starts it, with the fake provider behind it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from gateway.app.bench.processes import Child, ChildFailed, Cost, PipedChild, cost_of, free_port, python, tertulia
from gateway.app.bench.provider import LOG_PAGE, Behaviour, Counts, LogEntry

WEBHOOK_PATH = "/webhooks/telegram/main"
BOT_TOKEN = "222222:bench-bench-bench-bench-bench-bench"  # noqa: S105  # the fake provider takes any


class ProviderProcess:
    """The fake provider, and its log."""

    def __init__(self) -> None:
        self._child = PipedChild("the fake provider", python("gateway.app.bench.provider"))
        self._session: aiohttp.ClientSession | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        await self._child.__aenter__()
        self.port = int(await self._child.read_line(20))
        self._session = aiohttp.ClientSession(self.url, timeout=aiohttp.ClientTimeout(total=30))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        await self._child.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        """The ``api_url`` of a bot that talks to it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._child.pid

    async def counts(self) -> Counts:
        return msgspec.json.decode(await self._get("/counts"), type=Counts)

    async def log(self, first: int = 0) -> list[LogEntry]:
        """Every call from position *first* on, in the order of arrival."""
        entries: list[LogEntry] = []
        while page := msgspec.json.decode(await self._get(f"/log/{first + len(entries)}"), type=list[LogEntry]):
            entries.extend(page)
            if len(page) < LOG_PAGE:
                break
        return entries

    async def reset(self) -> None:
        await self._post("/reset", b"")

    async def behave(self, behaviour: Behaviour) -> None:
        """Answer like this from now on."""
        await self._post("/behave", msgspec.json.encode(behaviour))

    async def _get(self, path: str) -> bytes:
        async with self._opened().get(path) as response:
            return await response.read()

    async def _post(self, path: str, body: bytes) -> None:
        async with self._opened().post(path, data=body) as response:
            if response.status != 200:
                raise ChildFailed(f"the fake provider refused {path}: {await response.text()}")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise ChildFailed("the fake provider was not started")
        return self._session


class Raised(msgspec.Struct, frozen=True):
    """Settings of the gateway that differ from the defaults while it is measured, by their path."""

    values: dict[str, str | int | float | bool]

    def describe(self) -> str:
        return ", ".join(f"{key} = {value}" for key, value in self.values.items())


SettingValue = str | int | float | bool | Sequence[object] | Mapping[str, object]

UNLIMITED_RATES: dict[str, str | int | float | bool] = {
    "channels.telegram.main.rates.per_s": 0,
    "channels.telegram.main.rates.per_recipient_s": 0,
    "channels.telegram.main.rates.per_group_min": 0,
    "channels.telegram.main.rates.concurrency": 256,
}
"""Telegram's own limits (30 a second) would be all that is measured."""


class Gateway:
    """One ``tertulia run`` with settings of its own in *folder*; it may be started again and again.

    *folder* holds its settings, its log and, when *database_url* is empty, its embedded database. Without a
    *provider_url* it has no endpoint but those in *settings*.
    """

    def __init__(
        self,
        folder: Path,
        *,
        provider_url: str = "",
        database_url: str = "",
        redis_url: str = "",
        workers: int = 1,
        port: int = 0,
        secret: str = "",
        data_dir: Path | None = None,
        models_url: str = "",
        settings: Mapping[str, SettingValue] | None = None,
    ) -> None:
        self.port = port or free_port()
        self.secret = secret or secrets.token_urlsafe(24)
        self.folder = folder
        self.models_url = models_url
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "tertulia.toml"
        values: dict[str, SettingValue] = {
            "data_dir": str(data_dir or folder / "data"),
            "server.port": self.port,
            "database.url": database_url,
            "redis.url": redis_url,
            "models.url": models_url,
            "telemetry.log_level": "info",
            "telemetry.log_format": "json",
            **(self._telegram(provider_url) if provider_url else {}),
            **(settings or {}),
        }
        self.config.write_text(as_toml(values), encoding="utf-8")
        argv = tertulia("run", *(("--workers", str(workers)) if workers > 1 else ()))
        self.child = Child("tertulia run", argv, log=folder / "gateway.log", env={"TERTULIA_CONFIG": str(self.config)})

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.child.stop()

    def _telegram(self, api_url: str) -> dict[str, SettingValue]:
        return {
            "channels.telegram.main.token": BOT_TOKEN,
            "channels.telegram.main.secret_token": self.secret,
            "channels.telegram.main.api_url": api_url,
            **UNLIMITED_RATES,
        }

    async def start(self, patience_s: float = 90.0) -> None:
        """Start, and wait until it is ready."""
        self.child.start()
        await self.child.answers(self.port, "/readyz", patience_s)

    def cost(self) -> Cost:
        return cost_of([self.child.pid])


def as_toml(values: Mapping[str, SettingValue]) -> str:
    """Settings by their path as a TOML document of dotted keys."""
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in values.items())


def _toml_value(value: object) -> str:
    """JSON's spelling of a string, a number or a boolean is TOML's too."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{key} = {_toml_value(of_key)}" for key, of_key in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_toml_value, value)) + "]"
        case _:
            return msgspec.json.encode(value).decode()
