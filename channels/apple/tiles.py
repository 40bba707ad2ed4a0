"""The pictures of links that have none of their own: Apple's form of a link asks for one.

Two tiles of 120 by 120 pixels, drawn for this purpose: a pin for places and an arrow for pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_PIN = (
    "iVBORw0KGgoAAAANSUhEUgAAAHgAAAB4BAMAAADLSivhAAAAGFBMVEXo7PLW3OTEy9ayu8ihq7qPm6x9ip5repCK0T+qAAACZklEQVR42u2WsW"
    "7UQBCGx3tJQaBwApFSHgcPwHG5SFAdiLwAdPAKvBkg0dAgpNsHQD5XFAiISyTkixukFOtbitzaPu/szCwFBfI0Wc/mu392/e94AYYYYoghhvjH"
    "MaImk8mhvaLmw1O3Z1MAWH9excPJ6dPtqHxbRZadnD92w4Ppl6s4+OxRO1YhWuHs8ZMdhecxyur17vPN3z/lyvN+4plcefTS09gvpMqnohSurF"
    "4hOUwaUz7GVB4Ky15g8H4qgkdjdGsXIvgO7oiJCH7QDtcX5Nbu+UeiqXrzaQVHc/dbalzwysrtjH2zAlh/LJCKgnBT3tcCAMC+c893BfChK/r9"
    "9V+jw0V6GbfkXy6RBZuOD7slO0EwVbTyptkoux0lqVh502byXk1h2K2sA19Gw5dtaiOGXXR6tfVTDCyJIJz6K+HLtj2jdeBKDHf8dCRfc+Ud33"
    "E0rNJ+d7ACuOj3rL10d0ES+L5L3PM9F4SdtUbbatUiAm7+5/y63Llb/IUArpupFylAcrboHy6yod46cfeJ2Y3JfNoY4IOg9ULetMlkhlVEervE"
    "zV6KYIPfnLTsVGmMrYXf5+8Y/E14no3/UsBqaTNYCjcChZG3konbELI5ubyHadnrUzJDlBHd0xPSMa035x0ShjN2+wnYsC+egG0efuI/N0uiDh"
    "auWXtRcMHZi/pKarY7EHDJ9iUC7sjpaLhdaMBeJJwx9iJhw9iLhJ2tQvaib0NL2l40XNP2YuCCtBdzidOkvRi4JO3FwKai7MXdPXPKXhycUfbi"
    "YEPZi4NtTtiLvW8vDfw9XP+AIYYYYoj/Nf4AVRypqw6iF4YAAAAASUVORK5CYII="
)
_ARROW = (
    "iVBORw0KGgoAAAANSUhEUgAAAHgAAAB4BAMAAADLSivhAAAAGFBMVEXo7PLW3OTEy9ayu8ihq7qPm6x9ip5repCK0T+qAAABF0lEQVR42u2WwQ"
    "2CQBBFWYJnqcFYgIl2QANWYzsUwMEKTCzADjSEu5c9g4oHMB6Y2fnOHjRx3nHCy8sOJGySGIZhGIZhfB9Hj2fb6ayaTDJaThdIOaXHPTRK4dM4"
    "WMb4ObmPkR0kM+/5dnrpfr7MP5Tvh/cTm4iFFRHbzlYRchHxnkNhUS4ivrAh3B9V8hDuGo08nnifa+Qh3DaaM4/hUrWwMew1shQOylI4JIvhkC"
    "yGA7IcDshymJeBMC8DYVZGwqyMhDkZCnMyFGZkLMzIWJiWwTAtk2HwWkGHHfajm4bPFfqXJMKPGj0zuGpSRldNyms4TMg1HCbkq0fD1MJKNEzJ"
    "rQfD9GV7l+tvgN1FHzYMwzAM4295Ai22R8gvdkPGAAAAAElFTkSuQmCC"
)


def _image(data: str) -> Mapping[str, str]:
    return MappingProxyType({"data": data, "mimeType": "image/png"})


PLACE = _image(_PIN)
"""As a link's ``assets.image``: base64 and its type."""

PAGE = _image(_ARROW)
