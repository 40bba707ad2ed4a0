"""The desk as an agent uses it."""

from __future__ import annotations

from playwright.async_api import Page, expect

LABELS = {
    "es": {
        "queue": "Cola",
        "name": "Tu nombre",
        "save": "Guardar",
        "take": "Tomar",
        "answer": "Tu respuesta",
        "give_back": "Devolver al bot",
    },
    "en": {
        "queue": "Queue",
        "name": "Your name",
        "save": "Save",
        "take": "Take",
        "answer": "Your answer",
        "give_back": "Give back to the bot",
    },
}


class Desk:
    """The page of one agent."""

    def __init__(self, page: Page, agent: str, language: str = "es") -> None:
        self.page = page
        self.agent = agent
        self.thread = page.locator("tertulia-thread")
        self._labels = LABELS[language]

    async def open(self, url: str, token: str) -> None:
        """With the address that the gateway prints at its start."""
        await self.page.goto(f"{url}/desk?token={token}")
        await expect(self.page.get_by_role("tab", name=self._labels["queue"])).to_be_visible()

    async def choose(self, last_words: str) -> None:
        """Open the case whose newest message contains *last_words*."""
        await self.page.locator(".case", has_text=last_words).click()
        await expect(self.thread).to_be_visible()

    async def take(self) -> None:
        """Take the open case, and introduce oneself when asked to."""
        await self.page.get_by_role("button", name=self._labels["take"], exact=True).first.click()
        answer = self.page.get_by_role("textbox", name=self._labels["answer"])
        name = self.page.get_by_role("textbox", name=self._labels["name"])
        await expect(answer.or_(name).first).to_be_visible()
        if await name.is_visible():
            await name.fill(self.agent)
            await self.page.get_by_role("button", name=self._labels["save"]).click()
        await expect(answer).to_be_visible()

    async def answer(self, text: str) -> None:
        """Type it and press Enter."""
        field = self.page.get_by_role("textbox", name=self._labels["answer"])
        await field.fill(text)
        await field.press("Enter")
        await self.sees(text, "agent")

    async def give_back(self) -> None:
        await self.page.get_by_role("button", name=self._labels["give_back"]).first.click()

    async def sees(self, text: str, author: str = "customer") -> None:
        """Wait until it stands in the open conversation."""
        await expect(self.thread.locator(f".row.{author} .bubble", has_text=text).last).to_be_visible()
