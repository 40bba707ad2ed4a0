"""Puts messages into a conversation at Zendesk: in order, and each piece once.

Sunshine knows no key of idempotency. So what is about to be sent is written down first; whoever finds such a note left
behind (the process was killed, the answer was lost) looks for the piece among the newest messages, by the metadata that
it carries, before it is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
import structlog

from gateway.core.channel import BlobReader, Upload
from gateway.core.desks import NotYet
from gateway.core.errors import Ambiguous, GiveUp, Retry, TertuliaError
from gateway.store.database import Database
from gateway.store.sunshine import Stay, SunshineTables
from handoff.desks.sunshine.client import SunshineCalls
from handoff.desks.sunshine.failures import Missing
from handoff.desks.sunshine.settings import SunshineDeskSettings
from handoff.desks.sunshine.wire import PostReference, post_reference
from handoff.desks.sunshine.words import Piece

log = structlog.get_logger(__name__)

SEARCHED_PAGES = 20
"""So many pages of a hundred messages are read, newest first, to find one of ours."""

CLOCK_SLACK = timedelta(minutes=5)
"""By how much Zendesk's clock and ours may differ."""

TEXT_CHARS = 2000
"""Of words that stand for a content that was refused; in any unit well within Sunshine's 4096."""


class Post(msgspec.Struct, frozen=True):
    """What is to be said, under a *marker* that is its own in the conversation, as *author* of Sunshine's.

    With the last piece, all of the conversation is there up to *position*.
    """

    marker: str
    author: Mapping[str, object]
    pieces: Sequence[Piece]
    position: int = 0


class Posting:
    """One call at a time for one conversation."""

    def __init__(
        self,
        settings: SunshineDeskSettings,
        calls: SunshineCalls,
        database: Database,
        tables: SunshineTables,
        read_blob: BlobReader,
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._database = database
        self._tables = tables
        self._read_blob = read_blob

    async def settle(self, stay: Stay) -> Stay:
        """Find out what became of a piece that was left under way. Raises ``NotYet`` while it may still arrive."""
        if stay.posting_s < 0:
            return stay
        if stay.posting_s < self._settings.unclear_wait_s:
            wait_s = self._settings.unclear_wait_s - stay.posting_s
            raise NotYet("a message may still be on its way", after_s=wait_s)
        is_there = await self._is_there(stay)
        log.info("sunshine_post_settled", conversation_id=str(stay.conversation_id), is_there=is_there)
        async with self._database.begin() as connection:
            if is_there:
                await self._tables.posted(connection, stay, stay.posting, stay.posting_call + 1)
            else:
                await self._tables.not_posted(connection, stay, stay.posting)
            settled = await self._tables.stay(connection, stay.conversation_id)
        return settled or stay

    async def put(self, stay: Stay, post: Post) -> None:
        """Post what is not there yet of it. *stay* was read, or settled, since the last post of another process."""
        done = stay.posting_call if stay.posting == post.marker else 0
        for number, piece in enumerate(post.pieces):
            if number >= done:
                await self._put(stay, post, number, piece)

    async def _put(self, stay: Stay, post: Post, number: int, piece: Piece) -> None:
        content = await self._content(stay, piece)
        try:
            await self._send(stay, post, number, content)
        except GiveUp as error:
            log.warning("sunshine_content_refused", conversation_id=str(stay.conversation_id), reason=error.reason)
            await self._send(stay, post, number, {"type": "text", "text": piece.instead[:TEXT_CHARS]})

    async def _send(self, stay: Stay, post: Post, number: int, content: Mapping[str, object]) -> None:
        metadata = {"tertulia_post": post.marker, "tertulia_piece": number}
        async with self._database.begin() as connection:
            if not await self._tables.begin_post(connection, stay, post.marker, number, position=post.position):
                raise Retry("the conversation moved, or another process posts in it", after_s=0.1)
        try:
            await self._calls.post(stay.talk_id, {"author": post.author, "content": content, "metadata": metadata})
        except Ambiguous:
            raise
        except TertuliaError:  # surely it is not there: the next try need not look for it
            async with self._database.begin() as connection:
                await self._tables.not_posted(connection, stay, post.marker)
            raise
        position = post.position if number + 1 == len(post.pieces) else 0
        async with self._database.begin() as connection:
            await self._tables.posted(connection, stay, post.marker, number + 1, position=position)

    async def _is_there(self, stay: Stay) -> bool:
        wanted = PostReference(stay.posting, stay.posting_call)
        since = stay.posting_at - CLOCK_SLACK if stay.posting_at is not None else None
        before = ""
        for _ in range(SEARCHED_PAGES):
            try:
                page = await self._calls.page(stay.talk_id, before)
            except Missing:
                return False
            if any(post_reference(listed.message.metadata) == wanted for listed in page):
                return True
            dated = [(listed.at, listed.message.id) for listed in page if listed.at is not None]
            if not dated or (since is not None and min(dated)[0] < since):
                return False
            before = min(dated)[1]
        return False

    # ------------------------------------------------------------ files

    async def _content(self, stay: Stay, piece: Piece) -> Mapping[str, object]:
        if piece.upload is None:
            return piece.content
        try:
            address = await self._uploaded(stay, piece.upload)
        except (GiveUp, LookupError) as error:
            reason = error.reason if isinstance(error, GiveUp) else "missing"
            log.warning("desk_file_refused", conversation_id=str(stay.conversation_id), reason=reason)
            return {"type": "text", "text": piece.instead[:TEXT_CHARS]}
        return {**piece.content, "mediaUrl": address}

    async def _uploaded(self, stay: Stay, upload: Upload) -> str:
        content = bytearray()
        async for chunk in self._read_blob(upload.blob):
            content += chunk
            if len(content) > self._settings.max_upload_bytes:
                raise GiveUp("too_large", f"a file of more than {self._settings.max_upload_bytes} bytes")
        if not content:
            raise GiveUp("refused", "the file is empty")
        return await self._calls.upload(stay.talk_id, upload.name, upload.mime, bytes(content))
