"""Looks over a browser's shoulder: what a page complains of, and where it sends requests."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Request, WebError

_LOOPBACK = {"127.0.0.1", "localhost", "[::1]", "::1"}


class Watch:
    """Collects from every page of the contexts that it was shown."""

    def __init__(self) -> None:
        self._complaints: list[str] = []
        self._expected: list[str] = []
        self._is_resting = False
        self.strangers: list[str] = []

    def look_at(self, context: BrowserContext) -> None:
        """From now on, in every page that it has or opens."""
        context.on("console", self._heard)
        context.on("weberror", self._broke)
        context.on("request", self._asked)

    def expect(self, text: str) -> None:
        """Complaints with *text* in them are part of this test (a network that goes away complains in the console)."""
        self._expected.append(text)

    def rest(self) -> None:
        """Hear nothing any more: the gateway is about to go away from under the pages."""
        self._is_resting = True

    @property
    def complaints(self) -> list[str]:
        """Errors of the console and of scripts that nobody expected."""
        return [said for said in self._complaints if not any(text in said for text in self._expected)]

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not self._is_resting:
            self._complaints.append(f"{message.text} ({message.location['url']}:{message.location['lineNumber']})")

    def _broke(self, error: WebError) -> None:
        self._complaints.append(f"{error.error.message} ({error.page.url if error.page else ''})")

    def _asked(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname not in _LOOPBACK:
            self.strangers.append(request.url)
