"""Who sent a webhook: Apple's tokens are accepted, everything else is not, and PyJWT says the same."""

import base64
import hmac as standard_hmac
import json
import time

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.apple.settings import AppleSettings
from channels.apple.tokens import LIFETIME_S, OwnToken, made_token
from channels.apple.verify import verify
from gateway.core.channel import WebhookRequest
from gateway.core.clock import ManualClock
from gateway.core.errors import BadSignature

MSP_ID = "11111111-2222-3333-4444-555555555555"
SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PREVIOUS = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
AT_S = 1_767_225_600
INBOUND = (
    "eyJhbGciOiJIUzI1NiJ9."
    "eyJhdWQiOiIxMTExMTExMS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCJpYXQiOjE3NjcyMjU2MDB9."
    "M45Q8UH6COIiZH3SdW6LeXBvpFDt7Gmxb_NKbgVzwjw"
)
OUTBOUND = (
    "eyJhbGciOiJIUzI1NiJ9."
    "eyJpc3MiOiIxMTExMTExMS0yMjIyLTMzMzMtNDQ0NC01NTU1NTU1NTU1NTUiLCJpYXQiOjE3NjcyMjU2MDB9."
    "l2qwdtYr1w7qu0l8E4GdLDshGSrZCcriOGn0_ojKUXM"
)
ACCOUNTS = {"shop": {"business_id": "b-1"}}
ENDPOINT = AppleSettings.model_validate(
    {"msp_id": MSP_ID, "secret": SECRET, "secret_previous": PREVIOUS, "accounts": ACCOUNTS}
)


def accepts(token, now_s=AT_S, scheme="Bearer", endpoint=ENDPOINT):
    request = WebhookRequest("POST", "https://example.org/", {"authorization": f"{scheme} {token}"}, {}, b"{}")
    try:
        verify(endpoint, request, now_s)
    except BadSignature:
        return False
    return True


def encoded(part):
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")


def token_of(claims, secret=SECRET, header=None, digest="sha256"):
    signed = encoded({"alg": "HS256"} if header is None else header) + b"." + encoded(claims)
    signature = standard_hmac.digest(base64.b64decode(secret), signed, digest)
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def test_the_published_form_of_an_incoming_token_is_accepted():
    assert accepts(INBOUND)
    assert accepts(INBOUND, scheme="bearer")


def test_our_own_token_is_the_known_one():
    assert made_token(MSP_ID, ENDPOINT.secret, AT_S) == OUTBOUND
    claims = jwt.decode(
        OUTBOUND, base64.b64decode(SECRET), algorithms=["HS256"], issuer=MSP_ID, options={"verify_iat": False}
    )
    assert claims == {"iss": MSP_ID, "iat": AT_S}


def test_our_own_token_proves_nothing_when_it_comes_back():
    assert not accepts(OUTBOUND)


@pytest.mark.parametrize(("offset_s", "is_accepted"), [(-60, True), (-62, False), (3660, True), (3662, False)])
def test_a_token_lives_an_hour_with_a_minute_for_clocks_that_differ(offset_s, is_accepted):
    assert accepts(INBOUND, AT_S + offset_s) is is_accepted


@pytest.mark.parametrize(
    ("audience", "is_accepted"),
    [
        (MSP_ID, True),
        (["x", MSP_ID], True),
        (["x"], False),
        ([], False),
        (MSP_ID[:-1], False),
        (None, False),
        (7, False),
    ],
)
def test_a_token_must_name_our_platform(audience, is_accepted):
    assert accepts(token_of({"aud": audience, "iat": AT_S})) is is_accepted


@pytest.mark.parametrize(
    "claims", [{"aud": MSP_ID}, {"aud": MSP_ID, "iat": None}, {"aud": MSP_ID, "iat": "x"}, {}, [], 1]
)
def test_a_token_without_its_claims_is_refused(claims):
    assert not accepts(token_of(claims))


@pytest.mark.parametrize(
    "header", [{}, {"alg": "none"}, {"alg": "HS384"}, {"alg": "hs256"}, {"alg": "HS256", "crit": ["b64"]}, []]
)
def test_a_token_of_another_kind_is_refused_though_its_signature_fits(header):
    assert not accepts(token_of({"aud": MSP_ID, "iat": AT_S}, header=header))


def test_both_secrets_are_accepted_while_one_replaces_the_other():
    claims = {"aud": MSP_ID, "iat": AT_S}
    assert accepts(token_of(claims, SECRET))
    assert accepts(token_of(claims, PREVIOUS))
    assert not accepts(token_of(claims, "A" * 44))


def test_the_base64_text_is_not_the_key():
    signed = encoded({"alg": "HS256"}) + b"." + encoded({"aud": MSP_ID, "iat": AT_S})
    signature = base64.urlsafe_b64encode(standard_hmac.digest(SECRET.encode(), signed, "sha256")).rstrip(b"=")
    assert not accepts((signed + b"." + signature).decode())


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", INBOUND + ".x", INBOUND + "=", INBOUND[:-1], "é.è.ê", "\ud800"]
)
def test_what_is_no_token_is_refused(token):
    assert not accepts(token)


def test_a_monstrous_token_is_not_even_looked_at():
    assert not accepts(token_of({"aud": MSP_ID, "iat": AT_S, "pad": "x" * 5000}))


# ---------------------------------------------------------------- the same verdicts as PyJWT's

WHEN = st.sampled_from([-86_400, -4_000, -3_000, -100, -5, 0, 30, 100, 86_400])
CLAIMS = st.fixed_dictionaries(
    {"iat": WHEN},
    optional={
        "aud": st.sampled_from([MSP_ID, "other", [MSP_ID], ["a", MSP_ID], ["a"], []]),
        "exp": st.sampled_from([-1000, 1000]),
        "nbf": st.sampled_from([-1000, 1000]),
        "sub": st.text(max_size=5),
    },
)
HEADERS = st.sampled_from([{"alg": "HS256"}, {"alg": "HS256", "typ": "JWT"}, {"alg": "none"}, {"alg": "RS256"}])


def pyjwt_accepts(token, now_s):
    for secret in (SECRET, PREVIOUS):
        try:
            claims = jwt.decode(
                token,
                base64.b64decode(secret),
                algorithms=["HS256"],
                audience=MSP_ID,
                leeway=60,
                options={"require": ["iat"]},
            )
        except jwt.InvalidTokenError:
            continue
        return claims["iat"] >= now_s - ENDPOINT.token_age_s - 60
    return False


@settings(max_examples=300, deadline=None)
@given(CLAIMS, HEADERS, st.sampled_from([SECRET, PREVIOUS, "B" * 44]), st.sampled_from(["sha256", "sha384"]))
def test_pyjwt_gives_the_same_verdict_on_every_token(claims, header, secret, digest):
    now_s = time.time()
    dated = {name: int(now_s) + value if name in {"iat", "exp", "nbf"} else value for name, value in claims.items()}
    token = token_of(dated, secret, header, digest)
    assert accepts(token, now_s) == pyjwt_accepts(token, now_s)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 250), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_token_that_was_touched_is_never_accepted(place, sign):
    now_s = time.time()
    good = token_of({"aud": MSP_ID, "iat": int(now_s)})
    place %= len(good)
    touched = good[:place] + sign + good[place + 1 :]
    assert accepts(touched, now_s) is (touched == good)


# ---------------------------------------------------------------- our own


async def test_our_own_token_is_used_again_for_fifty_minutes():
    clock = ManualClock()
    token = OwnToken(MSP_ID, ENDPOINT.secret, clock)
    first = token.header()
    await clock.advance(LIFETIME_S - 1)
    assert token.header() == first
    await clock.advance(1)
    assert token.header() != first


async def test_our_own_token_is_made_anew_when_the_clock_was_put_back():
    clock = ManualClock()
    token = OwnToken(MSP_ID, ENDPOINT.secret, clock)
    first = token.header()
    clock._elapsed_s = -7200.0
    assert token.header() != first
    assert SECRET not in repr(token) + repr(vars(token))


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"secret": ""}, "is empty"),
        ({"secret": "not base64!"}, "base64 text"),
        ({"secret": "AAEC"}, "too short"),
        ({"secret_previous": "???"}, "base64 text"),
        ({"msp_id": "a b"}, "MSP id"),
        ({"accounts": {}}, "at least one business"),
        ({"accounts": {"a": {"business_id": "x"}, "b": {"business_id": "urn:biz:X"}}}, "same business_id"),
        ({"accounts": {"a": {"business_id": ""}}}, "business id"),
        ({"api_url": "mspgw.push.apple.com"}, "address"),
        ({"msp_agent": "x" * 65}, "64"),
        ({"msp_agent": "a\nb"}, "pattern"),
    ],
)
def test_a_wrong_setting_says_what_is_wrong_and_repeats_no_secret(change, words):
    values = {"msp_id": MSP_ID, "secret": SECRET, "accounts": ACCOUNTS, **change}
    with pytest.raises(ValueError, match=words) as raised:
        AppleSettings.model_validate(values)
    assert SECRET not in str(raised.value)
