"""The demo as a page: phones, desk and pipeline in the browser, on one address that is printed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.style import Style
from rich.text import Text

from channels.doors import Doors
from channels.sandboxes import HasEmbed, HasPhone, HasPhones, Phone, PhoneMessage, Run, Sandbox
from gateway.app.commands.demo_stage import ENDPOINT, Sitting, serve_demo
from gateway.app.commands.terminal import LOOK
from gateway.core.desks import DeskMessage
from gateway.core.ids import ConversationId
from gateway.core.messages import Author
from gateway.core.news import News
from gateway.store.database import Database
from gateway.store.handoffs import read_messages
from gateway.store.turns import watch
from gateway.web.access import ensure_access_token
from gateway.web.sandbox.doors import SandboxDoors, Show
from gateway.web.sandbox.showcase import Showcase
from gateway.web.sandbox.trail import said
from gateway.web.sandbox.zendesk import ZendeskDoors
from handoff.desks.zendesk.sandbox import ZendeskSandbox

EARLIER_MESSAGES = 40

DESK_PAGES = {"desk": "/desk", "zendesk": "/sandbox/zendesk"}
"""Where agents work, by the word that announces it."""

TEXTS = {
    "es": {
        "open": "Abre esta dirección en el navegador:",
        "desk": "la mesa de los agentes",
        "zendesk": "Zendesk de prueba, para los agentes",
        "site": "la página de la empresa, con el chat",
        "taken": "El puerto {wished} está ocupado; la demo usa el {number}.",
        "kept": "Los datos quedan en {folder}; el registro, en {log}.",
        "end": "Ctrl-C termina. Sin navegador: tertulia demo --terminal",
        "goodbye": "Hasta luego. Las conversaciones quedan guardadas; la próxima vez siguen aquí.",
    },
    "en": {
        "open": "Open this address in your browser:",
        "desk": "the desk, for agents",
        "zendesk": "the Zendesk sandbox, for agents",
        "site": "the company's page, with the chat",
        "taken": "Port {wished} is taken; the demo uses {number}.",
        "kept": "Data is kept in {folder}; the log is {log}.",
        "end": "Ctrl-C ends it. Without a browser: tertulia demo --terminal",
        "goodbye": "Goodbye. The conversations are kept; next time they go on here.",
    },
}


async def show_page(
    sitting: Sitting, sandboxes: Mapping[str, Sandbox], showcase: Showcase, zendesk: ZendeskSandbox | None = None
) -> None:
    """Serve until the sitting ends; prints where to look as soon as there is something to see."""
    token = ensure_access_token(sitting.settings.data_dir).value
    phones = {channel: _phones(sandbox, sitting) for channel, sandbox in sandboxes.items()}
    await _recall(sitting.dsn, phones)
    embedded = _embedded(sandboxes)
    desk = "zendesk" if zendesk is not None else "desk"
    show = Show(showcase, _by_name(phones), embedded, desk_page=DESK_PAGES[desk])
    doors: list[Callable[[Database, News], Doors]] = [lambda *parts: SandboxDoors(show, token, *parts)]
    if zendesk is not None:
        doors.append(lambda *_: ZendeskDoors(zendesk, token))

    def announce() -> None:
        _announce(sitting, token, desk, has_site=embedded is not None)

    await serve_demo(sitting, announce, doors)
    if sitting.console.is_terminal:
        sitting.console.print()
    sitting.console.print(f"[soft]{TEXTS[sitting.language]['goodbye']}[/]")


def _phones(sandbox: Sandbox, sitting: Sitting) -> Mapping[str, Phone]:
    """The phones of one channel, by a short name of the app; the name is empty when there is only one."""
    if isinstance(sandbox, HasPhones):
        return sandbox.phones(sitting.customer, sitting.language)
    if isinstance(sandbox, HasPhone):
        return {"": sandbox.phone(sitting.customer, sitting.language)}
    return {}


def _by_name(phones: Mapping[str, Mapping[str, Phone]]) -> dict[str, Phone]:
    """All of them, in the order of what their apps are called; ``twilio-sms`` where a channel has several."""
    named = {
        f"{channel}-{app}" if app else channel: phone
        for channel, by_app in phones.items()
        for app, phone in by_app.items()
    }
    return dict(sorted(named.items(), key=lambda one: one[1].skin.app.casefold()))


def _embedded(sandboxes: Mapping[str, Sandbox]) -> HasEmbed | None:
    return next((sandbox for sandbox in sandboxes.values() if isinstance(sandbox, HasEmbed)), None)


async def _recall(dsn: str, phones: Mapping[str, Mapping[str, Phone]]) -> None:
    """Put the end of what was said in earlier sittings on the phones: the sandboxes forget, the database does not."""
    database = Database(dsn)
    try:
        for channel, phone in ((channel, phone) for channel, by_app in phones.items() for phone in by_app.values()):
            watched = await watch(database, channel, ENDPOINT, phone.address)
            if watched is None:
                continue
            async with database.begin() as connection:
                conversation_id = ConversationId(watched.conversation_id)
                messages = await read_messages(connection, conversation_id, after=0, limit=EARLIER_MESSAGES)
            phone.recall([_bubble(message) for message in messages if message.parts])
    finally:
        await database.close()


def _bubble(message: DeskMessage) -> PhoneMessage:
    is_own = message.author is Author.CUSTOMER
    return PhoneMessage(
        id=str(message.message_id),
        at=message.at,
        is_own=is_own,
        runs=(Run(said(message.parts)),),
        ticks=2 if is_own else 0,
    )


def _announce(sitting: Sitting, token: str, desk: str, *, has_site: bool) -> None:
    texts, port, console, folder = TEXTS[sitting.language], sitting.port, sitting.console, sitting.settings.data_dir
    if port.number != port.wished and port.wished:
        line = texts["taken"].format(wished=port.wished, number=port.number)
        console.print(f"[warn]![/] {line}", soft_wrap=True)
    title = Text.assemble(("Tertulia", "bot.name"), ("  demo\n\n", "soft"), f"  {texts['open']}\n")
    console.print(title, soft_wrap=True, end="")
    strong = LOOK.styles["accent"] + Style(bold=True)
    console.print(Text(f"  {port.origin}/sandbox?token={token}\n", strong), soft_wrap=True)
    places = {desk: DESK_PAGES[desk], **({"site": "/sandbox/site"} if has_site else {})}
    width = max(len(texts[name]) for name in places)
    for name, path in places.items():
        where = Text.assemble((f"  {texts[name]:<{width}}  ", "soft"), f"{port.origin}{path}?token={token}")
        console.print(where, soft_wrap=True)
    kept = texts["kept"].format(folder=f"{folder}/", log=folder / "demo.log")
    console.print(f"\n  [soft]{kept}[/]\n  [soft]{texts['end']}[/]", soft_wrap=True)
