"""The built-in desk in the browser: its page, its JSON API, and the socket over which news reach it."""

from __future__ import annotations

from gateway.web.desk.doors import DeskDoors, DeskParts
from gateway.web.desk.shapes import ReplyLine

__all__ = ["DeskDoors", "DeskParts", "ReplyLine"]
