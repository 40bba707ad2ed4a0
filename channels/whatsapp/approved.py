"""The texts that Meta approved for a number, as far as a message of ours can fill them: blanks of the body alone."""

from __future__ import annotations

import re

import msgspec
from pydantic import SecretStr

from channels._meta.failures import GraphRefused
from channels._meta.graph import GraphLine
from channels.whatsapp.settings import WhatsAppAccount
from gateway.core.channel import ApprovedTemplate
from gateway.core.errors import GiveUp, Retry

PAGE = 100
MOST_PAGES = 5

_BLANK = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_MEDIA_HEADERS = frozenset({"IMAGE", "VIDEO", "DOCUMENT", "LOCATION"})


class _Button(msgspec.Struct, frozen=True):
    type: str = ""
    url: str = ""


class _Component(msgspec.Struct, frozen=True):
    type: str
    format: str = ""
    text: str = ""
    buttons: tuple[_Button, ...] = ()


class _Template(msgspec.Struct, frozen=True):
    name: str
    language: str = ""
    status: str = ""
    category: str = ""
    parameter_format: str = "POSITIONAL"
    components: tuple[_Component, ...] = ()


class _Cursors(msgspec.Struct, frozen=True):
    after: str = ""


class _Paging(msgspec.Struct, frozen=True):
    cursors: _Cursors = _Cursors()
    next: str = ""


class _Page(msgspec.Struct, frozen=True):
    data: tuple[_Template, ...] = ()
    paging: _Paging = _Paging()


_decode = msgspec.json.Decoder(_Page).decode


async def approved(line: GraphLine, account: WhatsAppAccount, token: SecretStr) -> list[ApprovedTemplate]:
    """What may be sent from the number now, by name. Raises ``Retry`` or ``GiveUp``."""
    found: list[_Template] = []
    params = {"fields": "name,language,status,category,parameter_format,components", "limit": str(PAGE)}
    try:
        for _ in range(MOST_PAGES):
            page = _decode((await line.get(f"{account.waba_id}/message_templates", params, token)).body)
            found.extend(page.data)
            if not (page.paging.next and page.paging.cursors.after):
                break
            params["after"] = page.paging.cursors.after
    except GraphRefused as refused:
        raise GiveUp("refused", "Meta does not tell the templates", code=refused.error.label) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Retry(f"the list of templates cannot be read ({type(error).__name__})") from error
    usable = [template for template in found if template.status.upper() == "APPROVED" and _can_be_filled(template)]
    return sorted(map(_told, usable), key=lambda template: (template.name, template.language))


def _can_be_filled(template: _Template) -> bool:
    """Whether nothing but the body has blanks, and those are numbers."""
    is_named = template.parameter_format.upper() == "NAMED"
    return not (is_named and _blanks(_text_of(template, "BODY"))) and not any(map(_needs_more, template.components))


def _needs_more(component: _Component) -> bool:
    match component.type.upper():
        case "HEADER":
            return component.format.upper() in _MEDIA_HEADERS or bool(_blanks(component.text))
        case "BUTTONS":
            return any(_blanks(button.url) or button.type.upper() == "COPY_CODE" for button in component.buttons)
        case "CAROUSEL" | "LIMITED_TIME_OFFER":
            return True
        case _:
            return False


def _told(template: _Template) -> ApprovedTemplate:
    """Header and footer are shown with the body: that is what the customer reads."""
    body = _text_of(template, "BODY")
    pieces = (_text_of(template, "HEADER"), body, _text_of(template, "FOOTER"))
    text = "\n\n".join(piece for piece in pieces if piece)
    return ApprovedTemplate(template.name, template.language, text, len(_blanks(body)), template.category)


def _text_of(template: _Template, kind: str) -> str:
    return next((each.text for each in template.components if each.type.upper() == kind), "")


def _blanks(text: str) -> list[str]:
    return list(dict.fromkeys(_BLANK.findall(text)))
