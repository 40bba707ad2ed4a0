"""Why something cannot be done as things stand: a status, a word for programs, and words for people."""

from __future__ import annotations

from gateway.core.errors import TertuliaError


class Refused(TertuliaError):
    """The act cannot be done as things stand; ``code`` says why, for the page."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
