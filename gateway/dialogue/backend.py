"""Carries out the author's actions: one HTTP call to the company's systems each, or the sample where there are none."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

import aiohttp
import msgspec
import structlog

from config.bot_actions import resolve
from config.bot_model import Actions, ActionSpec, Json, SlotValue
from config.bot_templates import Engine, Values
from gateway.dialogue.state import MAX_SLOT_CHARS

log = structlog.get_logger(__name__)

MAX_ANSWER_BYTES = 65_536
MAX_AT_ONCE = 100
"""Calls of one process under way; more wait, within their own time."""

_BLANK = re.compile(r"\{\s*([A-Za-z_]\w*)\s*\}")

Filled = Mapping[str, SlotValue]


Observe = Callable[[str, str, float], None]
"""Hears an action's name, its result (``ok``, ``failed``), and the seconds that it took."""


class ActionFailed(Exception):
    """The call gave no answer that can be used; ``reason`` holds nothing of what was said."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Backend:
    """The company's systems, behind one session. Opened and closed by whoever wires the dialogue."""

    def __init__(
        self, actions: Actions, environment: Mapping[str, str] | None = None, observe: Observe | None = None
    ) -> None:
        """Reads the address and the headers from *environment* (``None``: this process'); *observe* hears each call."""
        values = os.environ if environment is None else environment
        self._specs = actions.specs
        self._address = resolve(actions.backend, values).rstrip("/")
        self._headers = {name: resolve(value, values) for name, value in actions.headers.items()}
        self._observe = observe
        engine = Engine()
        self._samples: Mapping[str, Sequence[tuple[Callable[[Values], bool] | None, Filled]]] = {
            name: [
                (engine.condition(sample.condition) if sample.condition else None, _picked(spec, sample.answer))
                for sample in spec.samples
            ]
            for name, spec in actions.specs.items()
        }
        self._session: aiohttp.ClientSession | None = None

    @property
    def is_sampled(self) -> bool:
        """Whether no backend is configured, so that the author's samples answer and nothing outside is called."""
        return not self._address

    async def open(self) -> None:
        if not self.is_sampled and self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MAX_AT_ONCE),
                headers={**self._headers, "Accept": "application/json"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # a small answer must not become a large one
                skip_auto_headers=("Accept-Encoding",),
            )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def sample(self, name: str, values: Callable[[], Values]) -> Filled:
        """What the author's sample fills in. Raises ``ActionFailed`` when none fits."""
        for condition, filled in self._samples[name]:
            if condition is None or condition(values()):
                return filled
        raise ActionFailed("no sample fits")

    async def call(self, name: str, values: Values, key: str) -> Filled:
        """Call the action; *key* makes a repetition harmless. Raises ``ActionFailed``."""
        spec = self._specs[name]
        began = time.monotonic()
        status = "cancelled"
        try:
            async with asyncio.timeout(spec.timeout_s):
                filled = _picked(spec, await self._answer(spec, values, key))
        except TimeoutError as error:
            status = "timeout"
            raise ActionFailed(status) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            status = f"unreachable ({type(error).__name__})"
            raise ActionFailed(status) from error
        except ActionFailed as error:
            status = error.reason
            raise
        else:
            status = "ok"
            return filled
        finally:
            self._tell(name, status, time.monotonic() - began)

    def _tell(self, name: str, status: str, seconds: float) -> None:
        is_ok = status == "ok"
        if not is_ok:
            log.warning("action_failed", action=name, reason=status, ms=round(seconds * 1000))
        if self._observe is not None:
            self._observe(name, "ok" if is_ok else "failed", seconds)

    async def _answer(self, spec: ActionSpec, values: Values, key: str) -> Json:
        if self._session is None:
            raise ActionFailed("the session is not open")
        request = self._session.request(
            spec.method,
            self._address + _path(spec.path, values),
            params={name: _text(value, values) for name, value in spec.params.items()},
            data=msgspec.json.encode(_filled(spec.json, values)) if spec.json is not None else None,
            headers={"Idempotency-Key": key, **({"Content-Type": "application/json"} if spec.json is not None else {})},
            allow_redirects=False,
        )
        async with request as response:
            if not 200 <= response.status < 300:
                raise ActionFailed(f"status {response.status}")
            return _decoded(await _bounded(response))


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_chunked(16_384):
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise ActionFailed("the answer is too large")
    return bytes(body)


def _decoded(body: bytes) -> Json:
    if not body.strip():
        return {}
    try:
        answer: Json = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ActionFailed("the answer is not JSON") from error
    if not isinstance(answer, Mapping):
        raise ActionFailed("the answer is not a JSON object")
    return answer


def _picked(spec: ActionSpec, answer: Json) -> Filled:
    """The slots that the answer fills; what is not there, or is no plain value, empties its slot."""
    return {slot: _at(answer, path) for slot, path in spec.fill.items()}


def _at(answer: Json, path: str) -> SlotValue:
    value = answer
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        return value[:MAX_SLOT_CHARS]
    return value if isinstance(value, int | float) else None


def _path(path: str, values: Values) -> str:
    """The path with each blank as one segment of it, whatever the customer wrote."""
    return _BLANK.sub(lambda found: _segment(found[1], values), path)


def _segment(name: str, values: Values) -> str:
    value = str(_value(name, values))
    if value in {"", ".", ".."}:
        raise ActionFailed(f"'{name}' is empty")
    return quote(value, safe="")


def _text(text: str, values: Values) -> str:
    return _BLANK.sub(lambda found: str(_value(found[1], values)), text)


def _filled(value: Json, values: Values) -> Json:
    """The body: a text that is one blank becomes the slot's own value, number or truth."""
    match value:
        case str():
            only = _BLANK.fullmatch(value)
            return _json_value(values.get(only[1])) if only else _text(value, values)
        case Mapping():
            return {name: _filled(each, values) for name, each in value.items()}
        case None | bool() | int() | float():
            return value
        case _:
            return [_filled(each, values) for each in value]


def _json_value(value: object) -> Json:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _value(name: str, values: Values) -> object:
    value = values.get(name)
    return "" if value is None else value
