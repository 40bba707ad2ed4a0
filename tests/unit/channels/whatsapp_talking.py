"""What the tests of WhatsApp share: a client that talks to a sandbox, and a webhook that takes what it sends."""

import asyncio
import contextlib
import uuid

from aiohttp import web

from channels.whatsapp import channel
from channels.whatsapp.client import WhatsAppClient
from channels.whatsapp.render import render
from channels.whatsapp.settings import WhatsAppSettings
from gateway.core.channel import WebhookRequest
from gateway.core.clock import SystemClock
from gateway.core.errors import BadSignature
from gateway.core.messages import Author, Outgoing


class Kept:
    """What a client wants to find again, in a dict."""

    def __init__(self):
        self.values = {}

    async def get(self, name):
        return self.values.get(name, "")

    async def put(self, name, value):
        self.values[name] = value


class Webhook:
    """Our side of the webhook: proves and parses what comes; answers 503 as often as it is told to."""

    def __init__(self, settings=None):
        self.settings = settings
        self.events = []
        self.bodies = []
        self.refusals = 0
        self.came = asyncio.Event()

    async def __aenter__(self):
        application = web.Application()
        application.router.add_route("*", "/hook", self.take)
        self.runner = web.AppRunner(application)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()

    async def take(self, request):
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = WebhookRequest(request.method, self.url, headers, dict(request.query), await request.read())
        if request.method == "GET":
            try:
                return web.Response(body=channel.handshake(self.settings, asked).body)
            except BadSignature:
                return web.Response(status=403)
        if self.refusals > 0:
            self.refusals -= 1
            return web.Response(status=503)
        channel.verify(self.settings, asked)
        self.bodies.append(asked.body)
        self.events.extend(channel.parse(self.settings, asked))
        self.came.set()
        return web.Response()

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


async def blobs(key):
    yield b"content of "
    yield key.encode()


def outgoing(recipient, *parts, reply_to="", message_id=None):
    """The calls of a message to *recipient*."""
    known = message_id or uuid.uuid4()
    return render(Outgoing(known, uuid.uuid4(), 1, recipient, Author.BOT, parts, reply_to=reply_to, language="es"))


@contextlib.asynccontextmanager
async def talking(sandbox, values=None, *, kept=None, clock=None, read_blob=blobs):
    """An open client of the sandbox, and the address of Ana, who has just written."""
    settings = WhatsAppSettings.model_validate(values or sandbox.settings_values)
    client = WhatsAppClient(settings, read_blob, kept, clock or SystemClock())
    ana = sandbox.meet("Ana")
    sandbox.world.heard_at[ana.address] = sandbox.world.clock.now()
    await client.open()
    try:
        yield client, ana.address
    finally:
        await client.close()
