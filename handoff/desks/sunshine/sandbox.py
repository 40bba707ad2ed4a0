"""A local stand-in for Sunshine Conversations as the desk uses it, with agents in the workspace behind it.

    async with SunshineDeskSandbox("http://127.0.0.1:8080/webhooks/desks/sunshine/main") as sandbox:
        (talk,) = sandbox.talks()
        sandbox.agent_says(talk.id, "Hello, I am Luis", name="Luis")
        sandbox.agent_sends_file(talk.id, b"...", name="invoice.pdf", mime="application/pdf")
        sandbox.closes_ticket(talk.id)

It is the channel's stand-in with the desk's seat and triggers: the same server, the same rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from channels.sunshine.sandbox import SunshineSandbox
from channels.sunshine.sandbox_rules import Json
from channels.sunshine.sandbox_world import AGENTS, Hook, Talk
from gateway.core.clock import Clock
from handoff.desks.sunshine.parse import TRIGGERS

SEAT = "tertulia-desk"


class SunshineDeskSandbox(SunshineSandbox):
    """One app without a widget: people and conversations are made through the API.

    *meets_agents_first*: what nobody was passed is the agents' at once, as in accounts without a bot.
    """

    def __init__(
        self,
        webhook_url: str = "",
        *,
        clock: Clock | None = None,
        time_scale: float = 1.0,
        per_s: int = 0,
        port: int = 0,
        meets_agents_first: bool = True,
    ) -> None:
        super().__init__(
            webhook_url,
            clock=clock,
            time_scale=time_scale,
            port=port,
            seat=SEAT,
            is_first=False,
            triggers=TRIGGERS,
            per_s=per_s,
        )
        if meets_agents_first:
            self.world.first = next(seat.id for seat in self.world.seats.values() if seat.integration_type == AGENTS)
        self._losses = 0

    @property
    def settings_values(self) -> Mapping[str, object]:
        """The settings of a desk that talks to this sandbox."""
        return {
            "app_id": self.app_id,
            "key_id": self.key_id,
            "key_secret": self.key_secret,
            "webhook_secret": self.webhook_secret,
            "api_url": f"{self.server.url}/sc",
            "switchboard_name": SEAT,
        }

    # ------------------------------------------------------------ what agents see

    def talks(self) -> Sequence[Talk]:
        """All conversations, the oldest first."""
        return list(self.world.talks.values())

    def seen(self, talk_id: str) -> list[tuple[str, str]]:
        """Who said what in a conversation, as an agent reads it: ``user`` or a name, and the words or the file's."""
        return [(_who(message["author"]), _words(message["content"])) for message in self.world.talk(talk_id).messages]

    # ------------------------------------------------------------ what agents do

    def agent_sends(self, talk_id: str, content: Json, *, name: str = "Agent", avatar_url: str = "") -> str:
        """A content of Sunshine's own; returns the message's id."""
        author: Json = {"type": "business", "displayName": name}
        if avatar_url:
            author["avatarUrl"] = avatar_url
        return str(self.world.says(self.world.talk(talk_id), author, content, AGENTS)["id"])

    def agent_sends_file(self, talk_id: str, content: bytes, *, name: str, mime: str, agent: str = "Agent") -> str:
        """A picture or another file; returns the message's id."""
        address = f"{self.server.url}/sc/attachments/public/{self.world.add_file(content, mime)}"
        kind = "image" if mime.startswith("image/") else "file"
        shown: Json = {"type": kind, "mediaUrl": address, "mediaType": mime, "mediaSize": len(content), "altText": name}
        return self.agent_sends(talk_id, shown, name=agent)

    def agent_types(self, talk_id: str, *, is_typing: bool = True, name: str = "Agent") -> None:
        talk = self.world.talk(talk_id)
        author: Json = {"type": "business", "displayName": name}
        activity: Json = {"type": f"typing:{'start' if is_typing else 'stop'}", "author": author}
        self.world.emit(talk, "conversation:typing", {"conversation": self.world.described(talk), "activity": activity})

    def closes_ticket(self, conversation: str | int) -> None:
        """The ticket is closed: control goes back to the desk's seat, or to nobody."""
        talk = self.world.talk(str(conversation))
        talk.ticket["status"] = "closed"
        self.world.pass_control(talk, SEAT, reason="ticketClosed")

    def releases(self, talk_id: str, reason: str = "") -> None:
        """Nobody has control any more."""
        talk = self.world.talk(talk_id)
        talk.ticket["status"] = "closed"
        self.world.release_control(talk, reason=reason)

    # ------------------------------------------------------------ faults

    def lose_next(self, count: int = 1) -> None:
        """The next *count* webhooks never leave."""
        self._losses += count

    def _send(self, hook: Hook, body: bytes, key: str) -> None:
        if self._losses > 0:
            self._losses -= 1
            return
        super()._send(hook, body, key)


def _who(author: object) -> str:
    if not isinstance(author, dict):
        return ""
    return "user" if author.get("type") == "user" else str(author.get("displayName", ""))


def _words(content: object) -> str:
    if not isinstance(content, dict):
        return ""
    return str(content.get("text") or content.get("altText") or content.get("type", ""))
