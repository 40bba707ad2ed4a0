"""The one form of every refusal: ``{"error": {"code", "message"}}``."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from aiohttp import web


def refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """A refusal. ``code`` is for programs and never changes its meaning, ``message`` is for people."""
    return as_json({"error": {"code": code, "message": message}}, status=status, headers=headers)


def as_json(content: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(content),
        status=status,
        headers={"Content-Type": "application/json", **(headers or {})},
    )
