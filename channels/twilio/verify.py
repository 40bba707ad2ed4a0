"""Proves that a webhook is Twilio's: its signature covers the public address and every field, known or not.

The fields are signed without anything between them, so a signature also fits the same letters cut into other
fields. ``parse`` therefore takes only a message id of the exact length: no copy of a webhook has another id.
"""

from __future__ import annotations

import hashlib
import hmac
from binascii import b2a_base64
from collections.abc import Iterator
from typing import Literal

from channels.twilio.forms import join_sorted, read_pairs, sorted_fields
from channels.twilio.settings import TwilioSettings
from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadPayload, BadSignature

SIGNATURE = "x-twilio-signature"
SIGNATURE_SETTINGS = "x-twilio-webhooks-signature-settings"
BODY_HASH = "bodySHA256"

Digest = Literal["sha1", "sha256"]
_DIGESTS: dict[str, Digest] = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_PORTS = {"https": "443", "http": "80"}


def verify(settings: TwilioSettings, request: WebhookRequest) -> None:
    """Raise ``BadSignature`` unless the request was signed with a secret of *settings*, in constant time.

    A form is signed with its fields, a GET without; any other body must be hashed in the address. Twilio adds or
    leaves out the port in its own way, so both forms of the address are tried.
    """
    given = request.headers.get(SIGNATURE, "").encode("utf-8", "surrogateescape")
    if not given:
        raise BadSignature("the signature is missing")
    secrets, digest = _secrets(settings, request.headers.get(SIGNATURE_SETTINGS, ""))
    called = _called_url(settings, request)
    for fields in _signed_fields(request):
        for url in _forms_of(called):
            signed = url + fields
            for secret in secrets:
                expected = b2a_base64(hmac.digest(secret, signed, digest), newline=False)
                if hmac.compare_digest(given, expected):
                    return
    raise BadSignature("the signature is wrong")


def _secrets(settings: TwilioSettings, announced: str) -> tuple[list[bytes], Digest]:
    """The secrets that may have signed, and how. A key of a webhook is named by its id."""
    if not announced.strip():
        tokens = (settings.auth_token, settings.auth_token_previous)
        return [token.get_secret_value().encode() for token in tokens if token.get_secret_value()], "sha1"
    facts = dict(_fact(part) for part in announced.split(","))
    digest = _DIGESTS.get(facts.get("algorithm", "").upper())
    if digest is None:
        raise BadSignature("signed in a way that we do not know")
    key = settings.shared_keys.get(facts.get("key", ""))
    if key is None or not key.get_secret_value():
        raise BadSignature("signed with a key that we do not have")
    return [key.get_secret_value().encode()], digest


def _fact(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip(), value.strip()


def _signed_fields(request: WebhookRequest) -> Iterator[bytes]:
    """What follows the address in the signed text; the exact reading comes second, as it takes longer."""
    if request.method in {"GET", "HEAD"}:
        yield b""
    elif is_form(request):
        quick = sorted_fields(request.body)
        if quick is not None:
            yield quick
        try:
            yield join_sorted(read_pairs(request.body))
        except BadPayload:
            raise BadSignature("the body is no form") from None
    elif _has_its_hash(request):
        yield b""
    else:
        raise BadSignature("the body is not the one that was signed")


def is_form(request: WebhookRequest) -> bool:
    """Whether the body is a form; Twilio names the type of all others."""
    kind = request.headers.get("content-type", "")
    return not kind or kind.lower().startswith("application/x-www-form-urlencoded")


def _has_its_hash(request: WebhookRequest) -> bool:
    given = request.query.get(BODY_HASH, "").lower().encode("utf-8", "surrogateescape")
    return hmac.compare_digest(given, hashlib.sha256(request.body).hexdigest().encode())


def _called_url(settings: TwilioSettings, request: WebhookRequest) -> str:
    """The address as Twilio knows it, with the query of this request."""
    if not settings.webhook_url:
        return request.url
    beginning, _, _ = settings.webhook_url.partition("?")
    _, mark, query = request.url.partition("?")
    return beginning + mark + query


def _forms_of(url: str) -> Iterator[bytes]:
    """The address as it is, and with its port left out or the usual one put in."""
    yield url.encode("utf-8", "surrogatepass")
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    name, colon, port = host.rpartition(":")
    if colon and port.isdecimal():
        other = f"{scheme}://{name}{slash}{path}"
    else:
        other = f"{scheme}://{host}:{_PORTS.get(scheme, '80')}{slash}{path}"
    yield other.encode("utf-8", "surrogatepass")
