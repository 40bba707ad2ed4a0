"""The chat as a person uses it: what is written, pressed and seen, on whichever page shows a conversation."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from playwright.async_api import Locator, Page, expect

_ATTACH, _SEND = re.compile("Adjuntar|Attach"), re.compile("^(Enviar|Send)$")

_LINES = """thread => [...thread.shadowRoot.querySelectorAll(
  ".items > .row:is([data-seq], [data-client])"
)].map(row => ({
  seq: Number(row.dataset.seq ?? 0),
  author: ['customer', 'bot', 'agent'].find(one => row.classList.contains(one)) ?? 'system',
  text: [...row.querySelectorAll('.bubble')].map(bubble => bubble.textContent).join(' '),
  media: row.querySelectorAll('.media').length,
}))"""


class Line(msgspec.Struct, frozen=True):
    """A message on the screen; ``seq`` 0 as long as it is under way."""

    seq: int
    author: str
    text: str
    media: int


class Chat:
    """The widget on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.widget = page.locator("tertulia-widget")
        self.thread = self.widget.locator("tertulia-thread")
        self.panel = self.widget.get_by_role("dialog")
        self.launcher = self.widget.locator(".launcher")
        self.input = self.widget.locator("textarea")
        self.banner = self.widget.locator(".banner")

    async def open(self) -> None:
        await self.launcher.click()
        await expect(self.input).to_be_visible()

    async def say(self, text: str) -> None:
        """Type it and press Enter."""
        await self.input.fill(text)
        await self.input.press("Enter")

    async def press(self, label: str) -> None:
        """The button of this label under the newest message."""
        await self.button(label).click()

    def button(self, label: str) -> Locator:
        return self.thread.get_by_role("button", name=label, exact=True).last

    async def attach(self, file: Path) -> None:
        """Choose a file and send it."""
        async with self.page.expect_file_chooser() as chooser:
            await self.widget.get_by_role("button", name=_ATTACH).click()
        await (await chooser.value).set_files(file)
        await self.widget.get_by_role("button", name=_SEND).click()

    def bubble(self, text: str, author: str = "bot") -> Locator:
        """The newest bubble of *author* that contains *text*."""
        return self.thread.locator(f".row.{author} .bubble", has_text=text).last

    async def sees(self, text: str, author: str = "bot") -> None:
        """Wait until it is said, and on the screen."""
        await expect(self.bubble(text, author)).to_be_in_viewport()

    async def lines(self) -> list[Line]:
        """Everything that is on the screen, in its order."""
        return msgspec.convert(await self.thread.evaluate(_LINES), list[Line])

    async def all_is_stored(self) -> None:
        """Wait until nothing is under way."""
        await expect(self.thread.locator(".row.customer:not([data-seq])")).to_have_count(0)
