"""From a request's bytes to a wish: every field is checked, and what is wrong is named with its place."""

from __future__ import annotations

import hashlib
import re
from typing import TypeVar

import msgspec

from gateway.core.company import NotWorkable, Wish
from gateway.core.ids import ContactId, ConversationId
from gateway.core.inbound import AddressKey
from gateway.core.messages import Media, Parts, Template, Text
from gateway.web.api.shapes import ContactChange, LearningConsent, MessageRequest

_PATH = re.compile(r"^(.*?) - at `(.*)`$", re.DOTALL)
_KEY = re.compile(r"^[\x21-\x7e]{1,200}$")

Asked = TypeVar("Asked")

_decoder = msgspec.json.Decoder(MessageRequest)
_changes = msgspec.json.Decoder(ContactChange)
_consents = msgspec.json.Decoder(LearningConsent)


def wish_of(body: bytes, idempotency_key: str) -> Wish:
    """What is asked for. Raises ``NotWorkable`` with the field that is wrong."""
    if idempotency_key and not _KEY.match(idempotency_key):
        raise NotWorkable(
            400,
            "bad_header",
            "an Idempotency-Key has 1 to 200 visible ASCII characters",
            where="Idempotency-Key",
            advice="use a UUID, or the number of the order that the message is about",
        )
    request = _decoded(body, _decoder)
    _check_addressee(request)
    return Wish(
        account=request.account,
        to=None if request.to is None else AddressKey(request.to.kind, request.to.value),
        contact_id=None if request.contact_id is None else ContactId(request.contact_id),
        conversation_id=None if request.conversation_id is None else ConversationId(request.conversation_id),
        parts=_parts(request),
        at=request.at,
        category=request.category,
        idempotency_key=idempotency_key,
        digest=hashlib.sha256(msgspec.json.encode(request)).digest(),
    )


def change_of(body: bytes) -> ContactChange:
    """What is known better about a customer. Raises ``NotWorkable`` with the field that is wrong."""
    return _decoded(body, _changes)


def consent_of(body: bytes) -> LearningConsent:
    """A word on learning. Raises ``NotWorkable`` with the field that is wrong."""
    return _decoded(body, _consents)


def _decoded(body: bytes, decoder: msgspec.json.Decoder[Asked]) -> Asked:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        found = _PATH.match(str(error))
        message, where = (found[1], found[2]) if found else (str(error), "$")
        raise NotWorkable(422, "bad_field", message, where=where, advice="see /api/v1/openapi.json") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotWorkable(400, "bad_json", "the body is not JSON", where="$", advice="send a JSON object") from None


def _check_addressee(request: MessageRequest) -> None:
    given = [name for name in ("to", "contact_id", "conversation_id") if getattr(request, name) is not None]
    if len(given) != 1:
        advice = "give exactly one of to, contact_id and conversation_id"
        raise NotWorkable(422, "bad_addressee", f"{len(given) or 'no'} addressees", where="$", advice=advice)
    if request.to is not None and not request.account:
        advice = "name the account that the address is on, as channel.endpoint.account"
        raise NotWorkable(422, "account_needed", "an address alone does not tell", where="$.account", advice=advice)


def _parts(request: MessageRequest) -> Parts:
    given = [name for name in ("text", "template", "parts") if getattr(request, name)]
    if len(given) != 1:
        advice = "give exactly one of text, template and parts"
        raise NotWorkable(422, "bad_content", f"{len(given) or 'no'} contents", where="$", advice=advice)
    if request.template is not None:
        template = request.template
        return (Template(template.name, template.language, template.values),)
    if request.parts:
        for number, part in enumerate(request.parts):
            _check_part(part, f"$.parts[{number}]")
        return request.parts
    if not request.text.strip():
        raise NotWorkable(422, "bad_content", "the text is empty", where="$.text", advice="say something")
    return (Text(request.text, markup=request.markup),)


def _check_part(part: object, where: str) -> None:
    """Files come from a public address: handles of providers and keys of our blob store are nobody else's business."""
    if isinstance(part, Text) and not part.text.strip():
        raise NotWorkable(422, "bad_content", "the text is empty", where=f"{where}.text", advice="say something")
    if not isinstance(part, Media):
        return
    if part.provider_ref or part.blob or part.unique_ref:
        advice = "leave provider_ref, blob and unique_ref out, and give url"
        raise NotWorkable(422, "bad_media", "only a url can be sent", where=where, advice=advice)
    if not part.url.startswith("https://"):
        raise NotWorkable(
            422, "bad_media", "a file needs a public https address", where=f"{where}.url", advice="give an https url"
        )
