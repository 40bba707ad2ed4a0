"""Who the site says that its visitor is: a JWT, signed with the site's secret or by its issuer's published keys.

What is accepted follows from the settings, never from the token alone: HS256 is checked with the secret and nothing
else, RS256 and ES256 with a published key of that very kind and nothing else, and no other algorithm is known.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import aiohttp
import jwt
import msgspec
import structlog

from channels.webchat.refusals import Refused
from channels.webchat.settings import WebchatSettings
from gateway.core.clock import Clock

MAX_LIFE = timedelta(hours=24)
LEEWAY_S = 60
"""Clocks of the site and of ours may differ by so much, where that makes nothing live longer."""

MAX_TOKEN_CHARS = 8_192
MAX_SUBJECT_CHARS = 255

KEYS_MAX_AGE_S = 3600
KEYS_MIN_PAUSE_S = 60
KEYS_MAX_BYTES = 256 * 1024
KEYS_TIMEOUT_S = 5

MAX_DETAIL_CHARS = {"name": 100, "email": 254, "phone": 40, "groups": 300}

log = structlog.get_logger(__name__)

_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, RecursionError)
"""What a token that somebody made up by hand can lead the library to."""

_UNWANTED = re.compile(r"[\x00-\x1f\x7f]+")


class Identity(msgspec.Struct, frozen=True):
    """Somebody that the site vouches for until the Unix time ``until_s``. ``details``: email, phone, groups."""

    subject: str
    until_s: int
    name: str = ""
    details: dict[str, str] = {}


def cleaned(value: object, field: str) -> str:
    """A fact about a person as one line of bounded length; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    return " ".join(_UNWANTED.sub(" ", value).split())[: MAX_DETAIL_CHARS[field]]


class Identities:
    """Checks the identities of one site. ``Refused`` with 401 tells in its code what was wrong, 503 that it is us."""

    def __init__(self, settings: WebchatSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        secrets = (settings.identity_secret, settings.identity_secret_previous)
        self._secrets = tuple(secret.get_secret_value() for secret in secrets if secret.get_secret_value())
        self._keys = PublishedKeys(settings.identity_jwks_url, clock) if settings.identity_jwks_url else None

    async def close(self) -> None:
        if self._keys is not None:
            await self._keys.close()

    async def verify(self, token: str) -> Identity:
        """Who the token names."""
        if not self._settings.accepts_identities:
            raise Refused(401, "identity_not_accepted", "this site signs nobody in")
        if len(token) > MAX_TOKEN_CHARS or not token.isascii():
            raise _invalid("the identity is no signed token")
        return self._identity(await self._claims(token))

    async def _claims(self, token: str) -> Mapping[str, Any]:
        """The claims, once the signature holds. Their times are not checked yet."""
        try:
            header = jwt.get_unverified_header(token)
        except _UNREADABLE:
            raise _invalid("the identity is no signed token") from None
        algorithm = header.get("alg")
        if algorithm == "HS256" and self._secrets:
            return self._decode(token, algorithm, self._secrets)
        if algorithm in ("RS256", "ES256") and self._keys is not None:
            return self._decode(token, algorithm, await self._keys.find(header.get("kid"), algorithm))
        raise _invalid("the identity is not signed in a way that this site accepts")

    def _decode(self, token: str, algorithm: str, keys: tuple[str, ...] | tuple[jwt.PyJWK, ...]) -> Mapping[str, Any]:
        settings = self._settings
        for key in keys:
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=[algorithm],
                    audience=settings.identity_audience or None,
                    issuer=settings.identity_issuer or None,
                    options={
                        "require": ["exp", "sub"],
                        # Times are checked below, by the clock that was handed in.
                        "verify_exp": False,
                        "verify_nbf": False,
                        "verify_iat": False,
                        "verify_aud": bool(settings.identity_audience),
                        "verify_iss": bool(settings.identity_issuer),
                    },
                )
            except jwt.InvalidSignatureError:
                continue
            except _UNREADABLE as error:
                raise _invalid(f"the identity is not for us ({type(error).__name__})") from None
        raise _invalid("the identity's signature does not hold")

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        until_s = self._end(claims)
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_CHARS:
            raise _invalid(f"sub must be a text of 1 to {MAX_SUBJECT_CHARS} characters")
        groups = claims.get("groups", claims.get("cognito:groups"))
        given = {
            "email": cleaned(claims.get("email"), "email"),
            "phone": cleaned(claims.get("phone", claims.get("phone_number")), "phone"),
            "groups": cleaned(_joined(groups), "groups"),
        }
        details = {key: value for key, value in given.items() if value}
        return Identity(subject, until_s, cleaned(claims.get("name"), "name"), details)

    def _end(self, claims: Mapping[str, Any]) -> int:
        now_s = self._clock.now().timestamp()
        times = {key: claims[key] for key in ("exp", "nbf", "iat") if key in claims}
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in times.values()):
            raise _invalid("exp, nbf and iat must be numbers")
        if not times["exp"] > now_s:
            raise Refused(401, "identity_expired", "the identity has expired; ask the site for a new one")
        if not times["exp"] <= now_s + MAX_LIFE.total_seconds() + LEEWAY_S:
            raise Refused(401, "identity_too_long", "an identity may be valid for 24 hours at most")
        if not all(times.get(key, 0) <= now_s + LEEWAY_S for key in ("nbf", "iat")):
            raise _invalid("the identity is not valid yet")
        return int(times["exp"])


class PublishedKeys:
    """An issuer's public keys, fetched when needed: after an hour, and for an unknown key at most once a minute."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def find(self, name: object, algorithm: str) -> tuple[jwt.PyJWK, ...]:
        """The keys to try: that of this name, or all of the kind when the token names none. Raises ``Refused``."""
        if self._clock.monotonic() - self._fetched_at > KEYS_MAX_AGE_S or not self._fitting(name, algorithm):
            await self._refresh(name, algorithm)
        found = self._fitting(name, algorithm)
        if not found:
            raise _invalid("the identity is signed with a key that its issuer does not publish")
        return found

    def _fitting(self, name: object, algorithm: str) -> tuple[jwt.PyJWK, ...]:
        named = [key for kid, key in self._keys.items() if name is None or kid == name]
        return tuple(key for key in named if key.algorithm_name == algorithm)[:8]

    async def _refresh(self, name: object, algorithm: str) -> None:
        async with self._lock:
            now = self._clock.monotonic()
            is_fresh = now - self._fetched_at <= KEYS_MAX_AGE_S and self._fitting(name, algorithm)
            if is_fresh or now - self._tried_at < KEYS_MIN_PAUSE_S:
                return self._need_any()
            self._tried_at = now
            try:
                self._keys = _read_keys(await self._fetch())
                self._fetched_at = now
            except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError, jwt.PyJWTError) as error:
                log.warning("identity_keys_not_fetched", channel="webchat", error=type(error).__name__)
        return self._need_any()

    def _need_any(self) -> None:
        """Without any key we cannot tell; old ones are better than none while the issuer is away."""
        if not self._keys:
            wait_s = KEYS_MIN_PAUSE_S - (self._clock.monotonic() - self._tried_at)
            raise Refused(503, "identity_unavailable", "identities cannot be checked right now", max(1.0, wait_s))

    async def _fetch(self) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=KEYS_TIMEOUT_S))
        async with self._session.get(self._url, allow_redirects=False) as response:
            if response.status != 200:
                raise aiohttp.ClientError(f"the issuer answered {response.status}")
            body = await response.content.read(KEYS_MAX_BYTES + 1)
            while not response.content.at_eof() and len(body) <= KEYS_MAX_BYTES:
                body += await response.content.read(KEYS_MAX_BYTES)
        if len(body) > KEYS_MAX_BYTES:
            raise aiohttp.ClientError("the issuer's keys are too large")
        return body


def _read_keys(body: bytes) -> dict[str, jwt.PyJWK]:
    """The keys for signatures, by name. One that we cannot use is left out."""
    keys: dict[str, jwt.PyJWK] = {}
    for number, raw in enumerate(msgspec.json.decode(body, type=dict[str, list[dict[str, Any]]]).get("keys", [])):
        if raw.get("use", "sig") != "sig" or raw.get("kty") not in ("RSA", "EC"):
            continue
        try:
            keys[str(raw.get("kid", f"#{number}"))] = jwt.PyJWK.from_dict(raw)
        except jwt.PyJWTError:
            continue
    if not keys:
        raise jwt.PyJWKSetError("no usable key")
    return keys


def _joined(groups: object) -> str:
    if isinstance(groups, list):
        return ", ".join(group for group in groups if isinstance(group, str))
    return groups if isinstance(groups, str) else ""


def _invalid(message: str) -> Refused:
    return Refused(401, "identity_invalid", message)
