"""What axe has against a page, in all of its frames and shadow roots."""

from __future__ import annotations

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

GRAVE = ("serious", "critical")


async def grave_findings(page: Page) -> list[str]:
    """Serious and critical findings, a line each: the rule, what it is about, and where."""
    return [
        f"{finding['id']} ({finding['impact']}): {finding['help']}: {node['target']} {node['html'][:160]}"
        f" ({'; '.join(check['message'] for check in (*node['any'], *node['all'], *node['none']))})"
        for frame in page.frames
        for finding in (await Axe().run(frame)).response["violations"]
        if finding["impact"] in GRAVE
        for node in finding["nodes"]
    ]
