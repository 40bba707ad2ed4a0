"""Somebody with a token who asks the Zendesk sandbox, and a receiver of its webhooks."""

import base64
import json

import aiohttp
from aiohttp import web

from channels.sandbox_kit import ProviderServer


class Caller:
    """Calls the API, and keeps the newest answer's headers."""

    def __init__(self, sandbox, token=None):
        self.sandbox = sandbox
        token = sandbox.world.account.oauth_token if token is None else token
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})
        self.headers = {}

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self._session.close()

    async def ask(self, method, path, body=None, **more):
        """The answer's status and content."""
        address = path if path.startswith("http") else f"{self.sandbox.server.url}/api/v2/{path}"
        async with self._session.request(method, address, json=body, **more) as response:
            self.headers = response.headers
            content = await response.read()
            is_json = response.content_type == "application/json"
            return response.status, json.loads(content) if is_json and content else content

    async def makes(self, external_id="case:1", *, headers=None, **ticket):
        """A ticket of a customer who is known by an external id."""
        _, made = await self.ask("POST", "users/create_or_update", {"user": {"name": "Ana", "external_id": "wa:57"}})
        wished = {
            "subject": "WhatsApp: Ana",
            "comment": {"body": "Quién escribió qué", "public": False},
            "requester_id": made["user"]["id"],
            "external_id": external_id,
            **ticket,
        }
        _, answer = await self.ask("POST", "tickets", {"ticket": wished}, headers=headers)
        return answer["ticket"]

    async def updates(self, ticket_id, **ticket):
        return await self.ask("PUT", f"tickets/{ticket_id}", {"ticket": ticket})


def basic(name, token):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{token}".encode()).decode()}


class Receiver:
    """Takes webhooks; ``answers`` are given one by one, as status or status and headers, then always 200."""

    def __init__(self):
        self.requests, self.answers = [], []
        self.server = ProviderServer([web.route("*", "/hook", self._take)])

    async def __aenter__(self):
        await self.server.__aenter__()
        return self

    async def __aexit__(self, *error):
        await self.server.__aexit__(*error)

    @property
    def url(self):
        return f"{self.server.url}/hook"

    async def _take(self, request):
        self.requests.append((request, await request.read()))
        status = self.answers.pop(0) if self.answers else 200
        status, headers = status if isinstance(status, tuple) else (status, {})
        return web.Response(status=status, headers=headers)

    @property
    def events(self):
        return [json.loads(body) for _, body in self.requests]

    def of(self, kind):
        return [event for event in self.events if event["type"] == f"zen:event-type:ticket.{kind}"]
