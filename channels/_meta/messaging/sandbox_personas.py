"""The personas of the sandbox's account: made, listed in pages, looked up and deleted as Meta documents it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec
from aiohttp import web

from channels._meta.messaging.sandbox_rules import Json, refusal
from channels.sandbox_kit import Refused

NAME_CHARS = 50
FIRST_ID = 300_000_000_000_001
PAGE = 25
LONGEST_PAGE = 100


class MadePersona(msgspec.Struct, frozen=True):
    """``picture`` is where Meta keeps its copy: the address that it was made with is not told again."""

    id: str
    name: str
    picture: str
    given_picture: str

    @property
    def shown(self) -> Json:
        return {"id": self.id, "name": self.name, "profile_picture_url": self.picture}


class SandboxPersonas:
    """Of one account. *require_token* raises ``Refused`` for a request that is not the account's.

    *require_valid_token* looks at the token only: a persona is an object of its own.
    """

    def __init__(
        self, require_token: Callable[[web.Request], None], require_valid_token: Callable[[web.Request], None]
    ) -> None:
        self._require_token = require_token
        self._require_valid_token = require_valid_token
        self._next = FIRST_ID
        self.by_id: dict[str, MadePersona] = {}

    @property
    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [
            web.post("/{version}/{node}/personas", self._make),
            web.get("/{version}/{node}/personas", self._list),
            web.delete("/{version}/{node}", self._delete),
        ]

    def make(self, name: str, picture_url: str) -> MadePersona:
        """A persona as if somebody had made it."""
        made = MadePersona(str(self._next), name, f"https://scontent.example/{self._next}.jpg", picture_url)
        self._next += 1
        self.by_id[made.id] = made
        return made

    def name_of(self, body: Mapping[str, object]) -> str:
        """Under which name a body speaks; empty: the account's own. Raises ``Refused`` for an unknown persona."""
        if "persona_id" not in body:
            return ""
        persona = self.by_id.get(str(body["persona_id"]))
        if persona is None:
            raise Refused(refusal(100, "(#100) Invalid persona ID"))
        return persona.name

    async def _make(self, request: web.Request) -> web.Response:
        self._require_token(request)
        try:
            body = cast("object", await request.json())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Refused(refusal(100, "(#100) The body is no object"))
        name, picture = body.get("name"), body.get("profile_picture_url")
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= NAME_CHARS:
            raise Refused(refusal(100, f"(#100) Param name must be a string of at most {NAME_CHARS} characters"))
        if not isinstance(picture, str) or not picture.startswith(("https://", "http://")):
            raise Refused(refusal(100, "(#100) Param profile_picture_url must be a valid URL"))
        return web.json_response({"id": self.make(name, picture).id})

    async def _list(self, request: web.Request) -> web.Response:
        """Newest last; ``after`` is the id of the last one of the page before."""
        self._require_token(request)
        limit = min(LONGEST_PAGE, int(request.query.get("limit", PAGE)))
        after = request.query.get("after", "")
        page = [persona for key, persona in self.by_id.items() if int(key) > int(after or 0)][:limit]
        listed: Json = {"data": [persona.shown for persona in page]}
        if page:
            listed["paging"] = {"cursors": {"before": page[0].id, "after": page[-1].id}}
        return web.json_response(listed)

    async def _delete(self, request: web.Request) -> web.Response:
        self._require_valid_token(request)
        persona_id = request.match_info["node"]
        if persona_id not in self.by_id:
            raise Refused(refusal(100, "(#100) Unsupported delete request. The object does not exist"))
        del self.by_id[persona_id]
        return web.json_response({"success": True})
