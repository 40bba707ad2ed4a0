"""The demo as `make demo` starts it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from shared_models import shared_models

from gateway.app.bench.processes import Child, free_port, tertulia
from gateway.app.bench.subjects import as_toml
from gateway.web.access import ensure_access_token


class Demo:
    """One ``tertulia demo`` with data of its own; an empty *database_url* is the embedded one's."""

    def __init__(self, folder: Path, database_url: str = "", language: str = "es", desk: str = "builtin") -> None:
        self._data_dir = folder / "data"
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "tertulia.toml"
        settings = {"data_dir": str(self._data_dir), "server.port": self.port, "database.url": database_url}
        settings["models.url"] = shared_models()
        config.write_text(as_toml(settings), encoding="utf-8")
        argv = tertulia("demo", "--language", language, "--desk", desk)
        self.child = Child("tertulia demo", argv, log=folder / "demo.out", env={"TERTULIA_CONFIG": str(config)})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def page(self, name: str) -> str:
        """The address of ``sandbox``, ``desk`` or ``sandbox/site``, as it is printed."""
        return f"{self.url}/{name}?token={ensure_access_token(self._data_dir).value}"

    async def start(self) -> None:
        """Start, and wait until it is ready."""
        self.child.start()
        await self.child.answers(self.port, "/readyz", 90)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.child.stop()
