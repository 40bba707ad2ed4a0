"""A gateway with three channels and a Zendesk, all in this process: customers with phones, agents with tickets."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import asyncpg
from PIL import Image
from shared_models import shared_models
from talking_visitor import ORIGIN, TalkingVisitor, words
from webchat_gateway import gateway

from channels.handset import buttons_of, words_of
from channels.sandboxes import HasPhone, Phone, Stage, open_sandbox
from config.settings import load_settings
from gateway.app.bench.processes import free_port
from handoff.desks.zendesk.sandbox import Pace, ZendeskSandbox
from handoff.desks.zendesk.sandbox_records import Ticket

JOURNEY_BOT = Path(__file__).parents[1] / "bots" / "journey"
PATIENCE_S = 60.0
MINUTE_S = 2.0
LOOK_S = 0.05


def picture(colour: str = "#7a5c99") -> bytes:
    content = BytesIO()
    Image.new("RGB", (32, 20), colour).save(content, "PNG")
    return content.getvalue()


class Customer(Protocol):
    """Somebody with the app in their hand; ``heard`` are the texts that the other side said, in order."""

    async def writes(self, text: str) -> None: ...

    async def sends_picture(self, content: bytes) -> None: ...

    async def presses(self, label: str) -> None: ...

    def heard(self) -> list[str]: ...

    def pictures(self) -> int:
        """How many pictures the other side sent."""
        ...


async def sees(customer: Customer, text: str, *, times: int = 1) -> None:
    """Wait until the other side said that so often."""
    await until(lambda: sum(text in one for one in customer.heard()) >= times, lambda: f"{text!r}: {customer.heard()}")


async def until(claim: Callable[[], object], what: Callable[[], str] = lambda: "it never came") -> None:
    give_up = asyncio.get_running_loop().time() + PATIENCE_S
    while not claim():
        assert asyncio.get_running_loop().time() < give_up, what()
        await asyncio.sleep(LOOK_S)


class PhoneCustomer:
    """A phone of a sandbox."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    async def writes(self, text: str) -> None:
        await self._phone.writes(text)

    async def sends_picture(self, content: bytes) -> None:
        await self._phone.sends_picture(content, name="mine.png", mime="image/png", caption="")

    async def presses(self, label: str) -> None:
        for message in reversed(self._phone.view(0).messages):
            for button in buttons_of(message):
                if button.label == label and button.key:
                    await self._phone.presses(message.id, button.key)
                    return
        raise LookupError(f"no message has a button {label!r}")

    def heard(self) -> list[str]:
        return [words_of(message) for message in self._phone.view(0).messages if not message.is_own]

    def speakers(self) -> list[tuple[str, str]]:
        """What the other side said, and the name above it (empty: the company's own)."""
        return [(words_of(message), message.who) for message in self._phone.view(0).messages if not message.is_own]

    def pictures(self) -> int:
        theirs = [message for message in self._phone.view(0).messages if not message.is_own]
        return sum(part.kind == "image" for message in theirs for part in message.attachments)


class VisitorCustomer:
    """A visitor of a site."""

    def __init__(self, visitor: TalkingVisitor) -> None:
        self._visitor = visitor
        self._numbers = itertools.count(1)

    async def writes(self, text: str) -> None:
        await self._visitor.says(text, f"w-{next(self._numbers)}")

    async def sends_picture(self, content: bytes) -> None:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("file", content, filename="mine.png", content_type="image/png")
        visitor = self._visitor
        async with visitor.http.post(visitor.at("uploads"), data=form, headers=visitor.headers()) as answer:
            part = await answer.json()
            assert answer.status == 200, part
        await visitor.sends(
            {
                "type": "message",
                "id": f"w-{next(self._numbers)}",
                "parts": [{"type": "media", "upload": part["upload"]}],
            }
        )

    async def presses(self, label: str) -> None:
        for seq in sorted(self._visitor.seen, reverse=True):
            for option in (one for part in self._visitor.seen[seq]["parts"] for one in part.get("options", ())):
                if option["label"] == label:
                    await self._sends({"type": "selection", "choice": option["value"], "label": label})
                    return
        raise LookupError(f"no message has a button {label!r}: {self._visitor.seen}")

    def heard(self) -> list[str]:
        return [words(frame) for frame in self._theirs()]

    def pictures(self) -> int:
        return sum(part.get("kind") == "image" for frame in self._theirs() for part in frame["parts"])

    async def _sends(self, part: dict[str, Any]) -> None:
        await self._visitor.sends({"type": "message", "id": f"w-{next(self._numbers)}", "parts": [part]})

    def _theirs(self) -> list[dict[str, Any]]:
        seen = self._visitor.seen
        return [seen[seq] for seq in sorted(seen) if seen[seq]["author"] != "customer"]


class Handing:
    """What runs: ``customer`` has the app in their hand, ``zendesk`` is the account behind, ``url`` our own address."""

    def __init__(self, customer: Customer, zendesk: ZendeskSandbox, sql: asyncpg.Connection, url: str) -> None:
        self.customer = customer
        self.zendesk = zendesk
        self.sql = sql
        self.url = url

    async def ticket(self, count: int = 1) -> Ticket:
        """The newest, once there are so many."""
        await until(lambda: len(self.zendesk.tickets()) >= count, lambda: f"{len(self.zendesk.tickets())} tickets")
        return self.zendesk.tickets()[-1]

    async def holds(self, ticket: Ticket, text: str) -> None:
        """Wait until the ticket has those words."""
        await until(
            lambda: any(text in comment.body for comment in ticket.comments),
            lambda: f"{text!r}: {[comment.body for comment in ticket.comments]}",
        )

    async def asks_for_a_person(self) -> Ticket:
        """Not understood twice."""
        await self.customer.writes("una cosa rara")
        await sees(self.customer, "No entendí")
        await self.customer.writes("otra cosa rara")
        await sees(self.customer, "Te paso con una persona")
        return await self.ticket()

    async def control(self) -> str:
        found: str = await self.sql.fetchval("SELECT control FROM conversation")
        return found

    async def controlled(self, by: str) -> None:
        """Wait until the conversation is with ``bot``, ``queued`` or ``agent``."""
        give_up = asyncio.get_running_loop().time() + PATIENCE_S
        while (now := await self.control()) != by:
            assert asyncio.get_running_loop().time() < give_up, f"with {now}, not {by}"
            await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def handing(
    channel: str,
    dsn: str,
    folder: Path,
    *,
    name: str = "Ana",
    prepare: Callable[[ZendeskSandbox], Mapping[str, object]] = lambda _: {},
    **handoff: object,
) -> AsyncIterator[Handing]:
    """A gateway with that channel and a Zendesk. *prepare* may change the Zendesk and answers with further settings of
    the desk; *handoff* are settings of that section."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        zendesk = await stack.enter_async_context(
            ZendeskSandbox(f"{origin}/webhooks/desks/zendesk/main", pace=Pace(minute_s=MINUTE_S, closes_after_s=10**6))
        )
        wanted = Stage(
            webhook_url=f"{origin}/webhooks/{channel}/site",
            origin=origin,
            endpoint="site",
            bot_name="Camino",
            languages=("es",),
            starters={"es": ("saldo",)},
        )
        sandbox = await stack.enter_async_context(open_sandbox(channel, wanted))
        site: Mapping[str, object] = {"origins": [ORIGIN]} if channel == "webchat" else sandbox.settings_values
        settings = load_settings(
            None,
            env={},
            overrides={
                "data_dir": str(folder / "data"),
                "server": {"host": "127.0.0.1", "port": port, "public_url": origin},
                "bot": {"path": str(JOURNEY_BOT)},
                "router": {"desk": "zendesk.main"},
                "handoff": {"reopen_within_h": 0, "reconcile_every_s": MINUTE_S, "backoff_cap_s": 1.0, **handoff},
                "channels": {channel: {"site": site}},
                "desks": {"zendesk": {"main": {**zendesk.settings_values, **prepare(zendesk)}}},
                "models": {"url": shared_models()},
                "telemetry": {"log_level": "warning"},
            },
        )
        url = await stack.enter_async_context(gateway(settings, dsn))
        customer = await _customer(channel, sandbox, url, name, stack)
        sql = await asyncpg.connect(dsn)
        stack.push_async_callback(sql.close)
        yield Handing(customer, zendesk, sql, url)


async def _customer(channel: str, sandbox: object, url: str, name: str, stack: AsyncExitStack) -> Customer:
    if channel == "webchat":
        http = await stack.enter_async_context(aiohttp.ClientSession())
        visitor = TalkingVisitor(http, url)
        await visitor.opens(language="es")
        await visitor.connects()
        stack.push_async_callback(visitor.leaves)
        return VisitorCustomer(visitor)
    assert isinstance(sandbox, HasPhone)
    return PhoneCustomer(sandbox.phone(name, "es"))
