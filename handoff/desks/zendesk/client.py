"""Talks to Zendesk, in threads of its own: the only module that imports zenpy, and it does so when it is opened.

zenpy is an extra (``tertulia[zendesk]``). What writes goes through its objects; what reads goes through the session
that it signed. That session is ours: it leads to the configured address, bounds every wait and answer, names every
refusal before zenpy could sleep on it, and reads what is left of the budget. No error holds an address or a body.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import structlog

from gateway.core.errors import Ambiguous, BadPayload, Misconfigured, Retry, TertuliaError
from gateway.core.fence import is_still_ours
from handoff.desks.zendesk.budget import RequestBudget
from handoff.desks.zendesk.failures import named
from handoff.desks.zendesk.settings import ZendeskSettings
from handoff.desks.zendesk.wire import (
    MARKER,
    Changed,
    Comments,
    Export,
    Listed,
    Named,
    OneSecret,
    OneTicket,
    OneUpload,
    OneUser,
    OneWebhook,
    Tickets,
    Uploaded,
    Webhooks,
    WireComment,
    WireTicket,
    WireUser,
    WireWebhook,
)

if TYPE_CHECKING:
    import requests

log = structlog.get_logger(__name__)

ANSWER_LIMIT_BYTES = 16_000_000
CHUNK_BYTES = 65_536
COMMENTS_PAGE = 100
MAX_PAGES = 10
WIDE = "wide"
"""The subdomain that zenpy is given where there is none: the session leads elsewhere anyway."""

T = TypeVar("T")
W = TypeVar("W", bound=msgspec.Struct)


class NewComment(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written into a ticket. ``author_id`` 0: ourselves. ``status`` empty: as it is."""

    body: str
    is_public: bool
    author_id: int = 0
    uploads: tuple[str, ...] = ()
    status: str = ""
    assignee_id: int = 0
    marker: str = ""


class NewTicket(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket to be made, with its first comment. 0 and empty: not set."""

    subject: str
    requester_id: int
    external_id: str
    comment: NewComment
    tags: tuple[str, ...] = ()
    priority: str = ""
    form: int = 0
    brand: int = 0
    group: int = 0
    assignee_id: int = 0
    fields: Mapping[int, str] = {}
    follows: int = 0


class ZendeskClient:
    """Opened before use. Every call raises ``NotYet`` without being made while there is no room for it.

    Otherwise ``Retry`` (``Ambiguous`` when it may have been acted on), ``GiveUp`` or ``Misconfigured``.
    """

    def __init__(self, settings: ZendeskSettings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self.budget = RequestBudget(settings.rates, monotonic)
        self._threads: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Import zenpy and make the threads; no request is made. Raises ``Misconfigured`` without the extra."""
        if self._threads is None:
            await asyncio.to_thread(require_zenpy)
            self._loop = asyncio.get_running_loop()
            self._threads = ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="zendesk")

    async def close(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown, wait=True, cancel_futures=True)
        while self._sessions:
            self._sessions.pop().close()

    # ------------------------------------------------------------ people

    async def me(self) -> WireUser:
        """Who the token belongs to."""
        return (await self._read("users/me.json", OneUser)).user

    async def user(self, user_id: int, *, is_urgent: bool = False) -> WireUser:
        return (await self._read(f"users/{user_id}.json", OneUser, is_urgent=is_urgent)).user

    async def make_user(self, external_id: str, name: str, locale: str = "") -> WireUser:
        """The user of that external id, made if there is none. Nobody is found by a phone number or an address.

        *locale* (``es-419``) is the language in which Zendesk writes to them. Raises ``Invalid``.
        """

        def work(zenpy: Any) -> object:
            from zenpy.lib.api_objects import User

            user = User(name=name, external_id=external_id, role="end-user", verified=True, skip_verify_email=True)
            if locale:
                user.locale = locale
            return zenpy.users.create_or_update(user)

        return (await self._write(work, OneUser)).user

    # ------------------------------------------------------------ tickets

    async def ticket(self, ticket_id: int, *, is_urgent: bool = False) -> WireTicket:
        """Raises ``Gone`` for one that was deleted."""
        return (await self._read(f"tickets/{ticket_id}.json", OneTicket, is_urgent=is_urgent)).ticket

    async def find_tickets(self, external_id: str) -> list[WireTicket]:
        """The tickets of that external id, which is not unique."""
        return (await self._read("tickets.json", Tickets, {"external_id": external_id})).tickets

    async def make_ticket(self, ticket: NewTicket, key: str) -> Changed:
        """Make a ticket, once for each *key* as long as Zendesk remembers it. Raises ``SameKey``, ``Invalid``."""
        return await self._write(lambda zenpy: zenpy.tickets.create(_ticket_object(ticket)), Changed, key=key)

    async def write(self, ticket_id: int, comment: NewComment) -> Changed:
        """Write into a ticket. Raises ``Closed``, ``Gone``, ``Invalid``; after ``Ambiguous`` look first."""
        return await self._write(lambda zenpy: zenpy.tickets.update(_update_object(ticket_id, comment)), Changed)

    async def comments(self, ticket_id: int, back_to: Callable[[WireComment], bool]) -> list[WireComment]:
        """The comments of a ticket in their order, from the page on in which *back_to* holds for one; bounded."""
        found: list[WireComment] = []
        for page in range(1, MAX_PAGES + 1):
            asked = {"sort_order": "desc", "per_page": str(COMMENTS_PAGE), "page": str(page)}
            answer = await self._read(f"tickets/{ticket_id}/comments.json", Comments, asked, is_urgent=True)
            found += answer.comments
            if not answer.next_page or not answer.comments or any(back_to(comment) for comment in answer.comments):
                break
        by_id = {comment.id: comment for comment in found}  # a comment that came meanwhile shifts the pages
        return sorted(by_id.values(), key=lambda comment: (comment.created_at or "", comment.id))

    async def export(self, cursor: str, start_time: int) -> Export:
        """A page of what changed: after *cursor*, or without one since *start_time* (seconds of the epoch)."""
        asked = {"cursor": cursor} if cursor else {"start_time": str(start_time)}
        return await self._read("incremental/tickets/cursor.json", Export, asked)

    async def upload(self, file: IO[bytes], name: str, mime: str) -> Uploaded:
        """Bring a file to Zendesk, where it waits for a comment; *file* is closed."""

        def work(zenpy: Any) -> object:
            return zenpy.attachments.upload(file, target_name=name, content_type=mime or "application/octet-stream")

        return (await self._write(work, OneUpload, is_upload=True)).upload

    # ------------------------------------------------------------ set-up

    async def listed(self, what: str) -> list[Named]:
        """All ``groups``, ``ticket_fields``, ``ticket_forms``, ``brands`` or ``triggers``; at most a thousand."""
        found: list[Named] = []
        for page in range(1, MAX_PAGES + 1):
            answer = await self._read(f"{what}.json", Listed, {"per_page": "100", "page": str(page)})
            found += getattr(answer, what)
            if not answer.next_page:
                break
        return found

    async def webhooks(self) -> list[WireWebhook]:
        return (await self._read("webhooks", Webhooks, {"page[size]": "100"})).webhooks

    async def webhook_secret(self, webhook_id: str) -> str:
        """What a webhook signs with."""
        return (await self._read(f"webhooks/{webhook_id}/signing_secret", OneSecret)).signing_secret.secret

    async def make_webhook(self, fields: Mapping[str, object]) -> WireWebhook:
        made: OneWebhook = await self._send("POST", "webhooks", {"webhook": fields}, OneWebhook)
        return made.webhook

    async def change_webhook(self, webhook_id: str, fields: Mapping[str, object]) -> None:
        await self._send("PATCH", f"webhooks/{webhook_id}", {"webhook": fields}, None)

    async def make_trigger(self, fields: Mapping[str, object]) -> None:
        await self._send("POST", "triggers.json", {"trigger": fields}, None)

    async def change_trigger(self, trigger_id: int, fields: Mapping[str, object]) -> None:
        await self._send("PUT", f"triggers/{trigger_id}.json", {"trigger": fields}, None)

    async def server_time(self) -> str:
        """The ``Date`` of an answer; empty when there was none."""
        return await self._run(_ServerTime(self._settings), is_urgent=False)

    # ------------------------------------------------------------ calls

    async def _read(
        self, path: str, kind: type[W], asked: Mapping[str, str] | None = None, *, is_urgent: bool = False
    ) -> W:
        """A request that may be made twice without harm: raises ``Retry`` for whatever went wrong on the way."""

        def work(line: _Line) -> W:
            line.session.get(_url(self._settings, path), params=asked)
            return _decoded(line, kind)

        try:
            return await self._run(work, is_urgent=is_urgent)
        except Ambiguous as error:
            raise Retry(error.detail, after_s=error.after_s) from None

    async def _send(self, method: str, path: str, body: Mapping[str, Any], kind: type[W] | None) -> Any:
        def work(line: _Line) -> W | None:
            line.session.request(method, _url(self._settings, path), json=body)
            return None if kind is None else _decoded(line, kind)

        return await self._run(work, is_urgent=False)

    async def _write(self, act: Callable[[Any], object], kind: type[W], *, key: str = "", is_upload: bool = False) -> W:
        def work(line: _Line) -> W:
            with line.using(key, is_upload=is_upload):
                try:
                    act(line.zenpy)
                except TertuliaError:
                    raise
                except Exception:  # noqa: BLE001  zenpy's own, whose words may hold secrets
                    if not line.answer:
                        raise Ambiguous("zenpy gave up") from None
                return _decoded(line, kind)

        return await self._run(work, is_urgent=False)

    async def _run(self, work: Callable[[_Line], T], *, is_urgent: bool) -> T:
        """In a thread that has a client of its own. Cancelling leaves the thread to its own bounds."""
        if self._threads is None or self._loop is None:
            raise RuntimeError("the client is not open")
        self.budget.begin(is_urgent=is_urgent)
        context = contextvars.copy_context()
        future = self._loop.run_in_executor(self._threads, context.run, self._work, work)
        future.add_done_callback(self._ended)
        return await asyncio.shield(future)

    def _ended(self, future: asyncio.Future[Any]) -> None:
        self.budget.end()
        if not future.cancelled():
            future.exception()  # nobody may be waiting any more

    def _work(self, work: Callable[[_Line], T]) -> T:
        line = getattr(self._local, "line", None)
        if line is None:
            line = self._local.line = _Line(self._settings, self._told, self._shut)
            self._sessions.append(line.session)
        line.answer = b""
        return work(line)

    def _told(self, headers: Mapping[str, str]) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.budget.told, headers)

    def _shut(self, after_s: float) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.budget.shut, after_s)


def require_zenpy() -> None:
    """Raise ``Misconfigured`` where the extra is not installed."""
    try:
        import zenpy  # noqa: F401
    except ImportError:
        raise Misconfigured(
            "desks.zendesk", "needs zenpy, which is not installed: pip install 'tertulia[zendesk]'"
        ) from None
    logging.getLogger("zenpy").setLevel(logging.ERROR)  # its debug lines hold bodies


class _Line:
    """One thread's client: zenpy and the session under it. ``answer`` is the last body that came with a 2xx."""

    def __init__(
        self, settings: ZendeskSettings, told: Callable[[Mapping[str, str]], None], shut: Callable[[float], None]
    ) -> None:
        from zenpy import Zenpy

        self._settings = settings
        self._told = told
        self._shut = shut
        self._key = ""
        self._is_upload = False
        self.answer = b""
        self.session = _session(self)
        has_oauth = settings.has_oauth
        self.zenpy = Zenpy(
            subdomain=settings.subdomain or WIDE,
            session=self.session,
            oauth_token=settings.oauth_token.get_secret_value().strip() if has_oauth else None,
            email=None if has_oauth else settings.email.strip(),
            token=None if has_oauth else settings.api_token.get_secret_value().strip(),
            timeout=settings.read_timeout_s,
            ratelimit_budget=1,
            disable_cache=True,
        )

    @contextmanager
    def using(self, key: str, *, is_upload: bool) -> Iterator[None]:
        """Within it requests carry this key of idempotency, and may take as long as files do."""
        self._key, self._is_upload = key, is_upload
        try:
            yield
        finally:
            self._key, self._is_upload = "", False

    def send(
        self,
        request: requests.PreparedRequest,
        pass_on: Callable[[requests.PreparedRequest, dict[str, Any]], requests.Response],
        options: dict[str, Any],
    ) -> requests.Response:
        """Make one request to where it belongs. Raises our own errors for whatever is not a 2xx."""
        request.url = self._led(request.url or "")
        if self._key and request.method == "POST":
            request.headers["Idempotency-Key"] = self._key
        within_s = self._settings.upload_timeout_s if self._is_upload else self._settings.read_timeout_s
        options |= {"timeout": (self._settings.connect_timeout_s, within_s), "stream": True, "allow_redirects": False}
        if not is_still_ours():
            raise Retry("its lease ran out")
        with _network_errors():
            response = pass_on(request, options)
            body = _bounded(response, time.monotonic() + within_s)
        headers = {name.lower(): value for name, value in response.headers.items()}
        self._told(headers)
        if not 200 <= response.status_code <= 299:
            error = named(response.status_code, body, headers.get("retry-after", ""))
            if response.status_code == 429 and isinstance(error, Retry):
                self._shut(error.after_s or 1.0)
            raise error
        self.answer = body
        response._content = body  # noqa: SLF001  read here, so that it is bounded
        response._content_consumed = True  # noqa: SLF001
        return response

    def _led(self, url: str) -> str:
        path = urlsplit(url)
        query = f"?{path.query}" if path.query else ""
        return f"{self._settings.base_url}{path.path}{query}"


def _session(line: _Line) -> requests.Session:
    """A session whose every request goes through *line*; it reads nothing from the machine's surroundings."""
    import requests

    class Session(requests.Session):
        def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            return line.send(request, lambda prepared, given: super(Session, self).send(prepared, **given), options)

    session = Session()
    session.trust_env = False  # a .netrc would replace our token
    session.headers["User-Agent"] = "Tertulia"
    session.cookies.set_policy(_NoCookies())
    return session


def _NoCookies() -> Any:  # noqa: N802  stands for a class
    from http.cookiejar import DefaultCookiePolicy

    return DefaultCookiePolicy(allowed_domains=[])


@contextmanager
def _network_errors() -> Iterator[None]:
    """``Retry`` when a request surely never left, ``Ambiguous`` when it may have been acted on."""
    import requests
    import urllib3

    try:
        yield
    except requests.ConnectTimeout:
        raise Retry("no connection (timeout)") from None
    except requests.ConnectionError as error:
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        if isinstance(reason, urllib3.exceptions.NewConnectionError):
            raise Retry("no connection") from None
        raise Ambiguous("interrupted") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
        raise Misconfigured("api_url", "is not an address that can be called") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise Ambiguous(f"interrupted ({type(error).__name__})") from None


def _bounded(response: requests.Response, until: float) -> bytes:
    """All of an answer. Raises ``Ambiguous`` for one beyond any reason."""
    taken = io.BytesIO()
    with response:
        for chunk in response.iter_content(CHUNK_BYTES):
            taken.write(chunk)
            if taken.tell() > ANSWER_LIMIT_BYTES or time.monotonic() > until:
                raise Ambiguous("an answer that does not end")
    return taken.getvalue()


def _decoded(line: _Line, kind: type[W]) -> W:
    try:
        return msgspec.json.decode(line.answer, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        path = str(error).partition(" - at ")[2].strip("`") or "$"
        raise _Unreadable("Zendesk's answer cannot be read", path=path) from None


class _Unreadable(Ambiguous, BadPayload):
    """An answer that says yes in words that we do not know."""

    def __init__(self, detail: str, *, path: str) -> None:
        Ambiguous.__init__(self, f"{detail} ({path})")
        self.path = path


class _ServerTime:
    def __init__(self, settings: ZendeskSettings) -> None:
        self._settings = settings

    def __call__(self, line: _Line) -> str:
        answer = line.session.get(_url(self._settings, "users/me.json"))
        return str(answer.headers.get("Date", ""))


def _url(settings: ZendeskSettings, path: str) -> str:
    return f"{settings.base_url}/api/v2/{path}"


def _ticket_object(ticket: NewTicket) -> Any:
    from zenpy.lib.api_objects import CustomField, Ticket

    comment = ticket.comment
    given: dict[str, Any] = {
        "subject": ticket.subject,
        "requester_id": ticket.requester_id,
        "external_id": ticket.external_id,
        "comment": _comment_object(comment),
        "tags": list(ticket.tags) or None,
        "priority": ticket.priority or None,
        "ticket_form_id": ticket.form or None,
        "brand_id": ticket.brand or None,
        "group_id": ticket.group or None,
        "assignee_id": ticket.assignee_id or None,
        "custom_fields": [CustomField(id=key, value=value) for key, value in ticket.fields.items()] or None,
        "via_followup_source_id": ticket.follows or None,
        "metadata": {"custom": {MARKER: comment.marker}} if comment.marker else None,
    }
    return Ticket(**{name: value for name, value in given.items() if value is not None})


def _update_object(ticket_id: int, comment: NewComment) -> Any:
    from zenpy.lib.api_objects import Ticket

    given: dict[str, Any] = {"id": ticket_id}
    if comment.body:
        given["comment"] = _comment_object(comment)
    if comment.status:
        given["status"] = comment.status
    if comment.assignee_id:
        given["assignee_id"] = comment.assignee_id
    if comment.marker:
        given["metadata"] = {"custom": {MARKER: comment.marker}}
    return Ticket(**given)


def _comment_object(comment: NewComment) -> Any:
    from zenpy.lib.api_objects import Comment

    given: dict[str, Any] = {"body": comment.body, "public": comment.is_public}
    if comment.author_id:
        given["author_id"] = comment.author_id
    if comment.uploads:
        given["uploads"] = list(comment.uploads)
    return Comment(**given)
