"""The API for files: taken in before the comment that shows them, given out to whoever may see them."""

from __future__ import annotations

import secrets
from datetime import datetime

from aiohttp import web

from handoff.desks.zendesk.sandbox_account import UPLOAD_BYTES
from handoff.desks.zendesk.sandbox_door import Door, answered, who
from handoff.desks.zendesk.sandbox_records import Attachment, Json, Person
from handoff.desks.zendesk.sandbox_time import stamp
from handoff.desks.zendesk.sandbox_wire import not_found, refuse
from handoff.desks.zendesk.sandbox_world import World

LINK_LIFE_S = 300.0
LINKS_AT_MOST = 1_000


class FileApi:
    """Routes over one world. With *is_private*, an attachment's address leads on for those who prove who they are."""

    def __init__(self, world: World, *, is_private: bool) -> None:
        self._world = world
        self._is_private = is_private
        self._links: dict[str, tuple[Attachment, datetime]] = {}

    def routes(self, door: Door) -> list[web.RouteDef]:
        return [
            door.route("POST", "/uploads", self._upload),
            door.route("DELETE", "/uploads/{token}", self._forget),
            web.get("/attachments/token/{secret}/", self._attachment),
            web.get("/attachments/token/{secret}", self._attachment),
            web.get("/content/{link}", self._content),
        ]

    async def _upload(self, request: web.Request, _by: Person) -> web.Response:
        name = request.query.get("filename", "")
        if not name:
            refuse(400, "InvalidRequest", "filename is required")
        content = await request.read()
        if len(content) > UPLOAD_BYTES:
            refuse(413, "AttachmentTooLarge", "The file exceeds the maximum size of 50 MB")
        if not content:
            refuse(422, "AttachmentUnprocessable", "The file is empty")
        attachment = self._world.add_file(name, request.content_type, content)
        token = self._world.upload(attachment, request.query.get("token", ""))
        upload = self._world.account.uploads[token]
        described: list[Json] = [one.described(self._world.origin) for one in upload.attachments]
        told: Json = {"token": token, "expires_at": stamp(upload.expires_at)}
        told |= {"attachment": attachment.described(self._world.origin), "attachments": described}
        self._world.changed()
        return answered({"upload": told}, status=201)

    async def _forget(self, request: web.Request, _by: Person) -> web.Response:
        self._world.account.uploads.pop(request.match_info["token"], None)
        return web.Response(status=204)

    async def _attachment(self, request: web.Request) -> web.Response:
        attachment = self._known(request.match_info["secret"])
        if not self._is_private:
            return self._sent(attachment)
        if who(self._world, request) is None:
            refuse(401, "Unauthorized", "This attachment is for people who are signed in")
        link = secrets.token_urlsafe(24)
        self._links[link] = (attachment, self._world.clock.now() + self._world.clock.lasting(LINK_LIFE_S))
        while len(self._links) > LINKS_AT_MOST:
            del self._links[next(iter(self._links))]
        return web.Response(status=302, headers={"Location": f"{self._world.origin}/content/{link}"})

    async def _content(self, request: web.Request) -> web.Response:
        attachment, until = self._links.get(request.match_info["link"], (None, None))
        if attachment is None or until is None or until <= self._world.clock.now():
            not_found()
        return self._sent(attachment)

    def _known(self, secret: str) -> Attachment:
        return self._world.attachment(secret) or not_found()

    def _sent(self, attachment: Attachment) -> web.Response:
        content = self._world.files.get(attachment.secret)
        if content is None:
            not_found()
        return web.Response(body=content, headers={"Content-Type": attachment.content_type})
