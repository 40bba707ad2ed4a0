"""What the customer's app can show, and what may be said there now: asked of the channels through wiring."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from gateway.core.channel import ApprovedTemplate
from gateway.core.ids import AccountId, ConversationId
from gateway.core.messages import MediaKind, Parts
from gateway.store.consent import Standing


class Speaking(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether an agent may write now.

    ``open``: anything, until ``until`` (absent: without end). ``late``: the window is over, and a person's words still
    go. ``held``: the template ``stand_in`` goes instead, and the words when the customer answers. ``closed``: only an
    approved template goes. ``refused``: nothing does. ``since``: when the window closed (absent: it never was open).
    ``words`` tell an agent why, by language (``es``, ``en``).
    """

    kind: Literal["open", "late", "held", "closed", "refused"] = "open"
    until: datetime | None = None
    since: datetime | None = None
    reason: str = ""
    words: dict[str, str] = {}
    stand_in: str = ""
    has_templates: bool = False


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """Whom something would be said to, as far as showing it depends on them."""

    conversation_id: ConversationId
    account_id: AccountId
    recipient: str
    language: str = ""
    agent: str = ""


class Surfaces(Protocol):
    """The accounts of this process as agents need to know them. ``None`` and nothing for those served elsewhere."""

    def speaking(self, standing: Standing) -> Speaking:
        """Whether an agent may write in a conversation that stands so."""
        ...

    def media(self, account_id: AccountId) -> frozenset[MediaKind] | None:
        """The kinds of files that the app shows as they are; ``None``: not known here."""
        ...

    def losses(self, to: Recipient, parts: Parts) -> tuple[str, ...]:
        """What the app would lose of these parts (``image as document``). Raises ``GiveUp`` when nothing is left."""
        ...

    async def templates(self, account_id: AccountId) -> Sequence[ApprovedTemplate]:
        """What may be sent at any time. Raises ``Retry`` or ``GiveUp`` when the provider cannot be asked."""
        ...

    def template_text(self, account_id: AccountId, name: str, language: str) -> str:
        """The text of a template that was told before, with its blanks; empty when it is not known."""
        ...


class NoSurfaces:
    """Fits ``Surfaces`` where nothing is known of any account: all is tried, and the rules of sending decide."""

    def speaking(self, standing: Standing) -> Speaking:  # noqa: ARG002  the protocol's
        return Speaking()

    def media(self, account_id: AccountId) -> frozenset[MediaKind] | None:  # noqa: ARG002
        return None

    def losses(self, to: Recipient, parts: Parts) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    async def templates(self, account_id: AccountId) -> Sequence[ApprovedTemplate]:  # noqa: ARG002
        return ()

    def template_text(self, account_id: AccountId, name: str, language: str) -> str:  # noqa: ARG002
        return ""
