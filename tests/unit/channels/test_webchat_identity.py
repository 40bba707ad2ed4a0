"""Signed identities: whom they let in, and every way of making one up that must not work."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from channels.webchat.identity import Identities
from channels.webchat.refusals import Refused
from channels.webchat.settings import WebchatSettings
from gateway.core.clock import ManualClock

SECRET = "a-shared-secret-of-the-site-0001"
PREVIOUS = "a-shared-secret-of-the-site-0000"
NOW_S = int(ManualClock().now().timestamp())
HOUR_S = 3600
ISSUER, AUDIENCE = "https://issuer.example/pool", "shop"


def claims(**changed: object) -> dict[str, object]:
    given = {"sub": "ana-17", "exp": NOW_S + HOUR_S, **changed}
    return {key: value for key, value in given.items() if value is not None}


def signed(secret: str = SECRET, **changed: object) -> str:
    return jwt.encode(claims(**changed), secret, algorithm="HS256")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def identities(clock: ManualClock) -> Identities:
    settings = {"origins": ["*"], "identity_secret": SECRET, "identity_secret_previous": PREVIOUS}
    return Identities(WebchatSettings.model_validate(settings), clock)


async def code_of(identities: Identities, token: str) -> str:
    with pytest.raises(Refused) as caught:
        await identities.verify(token)
    assert caught.value.status in (401, 503)
    return caught.value.code


# ---------------------------------------------------------------- with a shared secret


async def test_who_the_site_signed_for_is_let_in_with_what_it_tells(identities: Identities) -> None:
    token = signed(name="Ana", email="ana@example.org", phone="+34600", groups=["gold", "press"], colour="red")
    ana = await identities.verify(token)
    assert (ana.subject, ana.until_s, ana.name) == ("ana-17", NOW_S + HOUR_S, "Ana")
    assert ana.details == {"email": "ana@example.org", "phone": "+34600", "groups": "gold, press"}


async def test_the_previous_secret_holds_while_a_new_one_is_introduced(identities: Identities) -> None:
    assert (await identities.verify(signed(PREVIOUS))).subject == "ana-17"


async def test_a_forged_identity_is_refused(identities: Identities) -> None:
    assert await code_of(identities, signed("another-secret-that-is-long-enough")) == "identity_invalid"


async def test_an_expired_identity_is_refused_and_the_code_says_so(identities: Identities) -> None:
    assert await code_of(identities, signed(exp=NOW_S - 1)) == "identity_expired"
    assert await code_of(identities, signed(exp=NOW_S)) == "identity_expired"


async def test_an_identity_for_longer_than_a_day_is_refused(identities: Identities) -> None:
    assert await code_of(identities, signed(exp=NOW_S + 25 * HOUR_S)) == "identity_too_long"
    assert (await identities.verify(signed(exp=NOW_S + 24 * HOUR_S))).until_s == NOW_S + 24 * HOUR_S


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 17},
        {"sub": "x" * 256},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": [NOW_S + HOUR_S]},
        {"nbf": NOW_S + HOUR_S},
        {"iat": NOW_S + HOUR_S},
        {"nbf": "x"},
    ],
)
async def test_an_identity_that_lacks_what_it_needs_is_refused(
    identities: Identities, changed: Mapping[str, object]
) -> None:
    assert await code_of(identities, handmade({"alg": "HS256"}, claims(**changed), SECRET)) == "identity_invalid"


@pytest.mark.parametrize("end", [float("inf"), float("nan")])
async def test_an_identity_without_an_end_is_refused(identities: Identities, end: float) -> None:
    assert await code_of(identities, handmade({"alg": "HS256"}, claims(exp=end), SECRET)) in (
        "identity_too_long",
        "identity_expired",
    )


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", None, 5, ["HS256"], "HS512", "RS256", "ES256"]
)
async def test_no_other_algorithm_is_believed(identities: Identities, algorithm: object) -> None:
    token = handmade({"alg": algorithm}, claims(), SECRET)
    assert await code_of(identities, token) == "identity_invalid"
    assert await code_of(identities, token.rpartition(".")[0] + ".") == "identity_invalid"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "..", "\udcff.x.y", "é.é.é", "x" * 100_000, "e30.e30.e30"])
async def test_what_is_no_token_is_refused(identities: Identities, token: str) -> None:
    assert await code_of(identities, token) == "identity_invalid"


@pytest.mark.parametrize(
    "nested", ["[" * 4000, '{"a":' * 1000, "5", "null", '["alg"]', '{"alg":"HS256","crit":["b64"],"b64":false}']
)
async def test_json_that_is_no_claims_is_refused(identities: Identities, nested: str) -> None:
    raw = base64.urlsafe_b64encode(nested.encode()).rstrip(b"=").decode()
    assert await code_of(identities, f"{raw}.{raw}.{raw}") == "identity_invalid"
    assert await code_of(identities, handmade({"alg": "HS256"}, json.loads("5"), SECRET)) == "identity_invalid"


@given(st.text(max_size=300))
async def test_any_text_is_refused_in_the_same_way(token: str) -> None:
    settings = WebchatSettings.model_validate({"origins": ["*"], "identity_secret": SECRET})
    assert await code_of(Identities(settings, ManualClock()), token) == "identity_invalid"


async def test_changed_claims_break_the_signature(identities: Identities) -> None:
    header, _, signature = signed().split(".")
    token = f"{header}.{part(claims(sub='admin'))}.{signature}"
    assert await code_of(identities, token) == "identity_invalid"


async def test_facts_are_single_lines_of_bounded_length(identities: Identities) -> None:
    ana = await identities.verify(signed(name="A\x00na\r\n<b>" + "x" * 500, email=["a"], phone=5, groups={"a": 1}))
    assert ana.name.startswith("A na <b>xx")
    assert len(ana.name) == 100
    assert ana.details == {}


async def test_a_site_that_signs_nobody_in_accepts_no_identity(clock: ManualClock) -> None:
    identities = Identities(WebchatSettings(origins=("*",)), clock)
    assert await code_of(identities, signed()) == "identity_not_accepted"
    assert await code_of(identities, jwt.encode(claims(), "", algorithm="none")) == "identity_not_accepted"


# ---------------------------------------------------------------- with published keys


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def other_rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class Issuer:
    """A server that publishes keys."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.status = 200
        self.asked = 0
        self.url = ""

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response({"keys": self.keys}, status=self.status)


@pytest.fixture
async def issuer(rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey) -> AsyncIterator[Issuer]:
    issuer = Issuer()
    issuer.keys = [published(rsa_key, "r1"), published(ec_key, "e1"), {"kty": "oct", "kid": "o1", "k": "AAAA"}]
    application = web.Application()
    application.router.add_get("/jwks.json", issuer.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks.json"
    yield issuer
    await runner.cleanup()


@pytest.fixture
async def published_only(issuer: Issuer, clock: ManualClock) -> AsyncIterator[Identities]:
    settings = {
        "origins": ["*"],
        "identity_jwks_url": issuer.url,
        "identity_issuer": ISSUER,
        "identity_audience": AUDIENCE,
    }
    identities = Identities(WebchatSettings.model_validate(settings), clock)
    yield identities
    await identities.close()


def issued(key: Any, algorithm: str, kid: str | None, **changed: object) -> str:
    given = claims(iss=ISSUER, aud=AUDIENCE, **changed)
    return jwt.encode(given, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


async def test_a_token_signed_with_a_published_key_is_believed(
    published_only: Identities, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey, issuer: Issuer
) -> None:
    token = issued(rsa_key, "RS256", "r1", phone_number="+34600", **{"cognito:groups": ["gold"]})
    assert (await published_only.verify(token)).details == {"phone": "+34600", "groups": "gold"}
    assert (await published_only.verify(issued(ec_key, "ES256", "e1"))).subject == "ana-17"
    assert (await published_only.verify(issued(rsa_key, "RS256", None))).subject == "ana-17"
    assert issuer.asked == 1, "keys are kept"


async def test_a_key_that_is_not_published_is_not_believed(
    published_only: Identities, other_rsa_key: rsa.RSAPrivateKey
) -> None:
    for kid in ("r1", "r2", None):
        assert await code_of(published_only, issued(other_rsa_key, "RS256", kid)) == "identity_invalid"


async def test_a_public_key_is_no_shared_secret(
    published_only: Identities, rsa_key: rsa.RSAPrivateKey, issuer: Issuer
) -> None:
    pem = rsa_key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, pem.strip(), json.dumps(issuer.keys[0]).encode(), issuer.keys[0]["n"].encode(), b""):
        token = handmade({"alg": "HS256", "kid": "r1"}, claims(iss=ISSUER, aud=AUDIENCE), secret)
        assert await code_of(published_only, token) == "identity_invalid"
    assert issuer.asked == 0, "a token of another kind does not make us ask"


async def test_a_public_key_is_no_shared_secret_where_both_ways_are_open(
    rsa_key: rsa.RSAPrivateKey, issuer: Issuer, clock: ManualClock
) -> None:
    settings = {"origins": ["*"], "identity_secret": SECRET, "identity_jwks_url": issuer.url, "identity_audience": "a"}
    identities = Identities(WebchatSettings.model_validate(settings), clock)
    pem = rsa_key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert (
        await code_of(identities, handmade({"alg": "HS256", "kid": "r1"}, claims(aud="a"), pem)) == "identity_invalid"
    )
    assert await code_of(identities, handmade({"alg": "RS256", "kid": "r1"}, claims(aud="a"), SECRET)) == (
        "identity_invalid"
    )
    assert (await identities.verify(jwt.encode(claims(aud="a"), SECRET, algorithm="HS256"))).subject == "ana-17"
    await identities.close()


async def test_a_key_in_the_token_itself_is_not_believed(
    published_only: Identities, other_rsa_key: rsa.RSAPrivateKey, issuer: Issuer
) -> None:
    headers = {"kid": "mine", "jwk": published(other_rsa_key, "mine"), "jku": issuer.url}
    token = jwt.encode(claims(iss=ISSUER, aud=AUDIENCE), other_rsa_key, algorithm="RS256", headers=headers)
    assert await code_of(published_only, token) == "identity_invalid"


async def test_a_key_of_one_kind_checks_no_other(
    published_only: Identities, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    assert await code_of(published_only, issued(rsa_key, "RS256", "e1")) == "identity_invalid"
    assert await code_of(published_only, issued(ec_key, "ES256", "r1")) == "identity_invalid"
    assert await code_of(published_only, issued(rsa_key, "RS512", "r1")) == "identity_invalid"


@pytest.mark.parametrize("changed", [{"aud": "other-app"}, {"aud": None}, {"iss": "https://evil.test"}, {"iss": None}])
async def test_a_token_for_somebody_else_is_not_for_us(
    published_only: Identities, rsa_key: rsa.RSAPrivateKey, changed: dict[str, object]
) -> None:
    given = {key: value for key, value in {**claims(iss=ISSUER, aud=AUDIENCE), **changed}.items() if value is not None}
    token = jwt.encode(given, rsa_key, algorithm="RS256", headers={"kid": "r1"})
    assert await code_of(published_only, token) == "identity_invalid"


async def test_unknown_keys_are_asked_for_at_most_once_a_minute(
    published_only: Identities,
    rsa_key: rsa.RSAPrivateKey,
    other_rsa_key: rsa.RSAPrivateKey,
    issuer: Issuer,
    clock: ManualClock,
) -> None:
    await published_only.verify(issued(rsa_key, "RS256", "r1"))
    issuer.keys.append(published(other_rsa_key, "r2"))
    for number in range(20):
        assert await code_of(published_only, issued(other_rsa_key, "RS256", f"x{number}")) == "identity_invalid"
    assert issuer.asked == 1
    await clock.advance(61)
    assert (await published_only.verify(issued(other_rsa_key, "RS256", "r2"))).subject == "ana-17"
    assert issuer.asked == 2


async def test_a_key_that_is_withdrawn_is_believed_for_an_hour_at_most(
    published_only: Identities, rsa_key: rsa.RSAPrivateKey, issuer: Issuer, clock: ManualClock
) -> None:
    token = issued(rsa_key, "RS256", "r1", exp=NOW_S + 3 * HOUR_S)
    await published_only.verify(token)
    issuer.keys = [key for key in issuer.keys if key["kid"] != "r1"]
    await clock.advance(HOUR_S + 1)
    assert await code_of(published_only, token) == "identity_invalid"


async def test_an_issuer_that_is_away_is_our_trouble_and_not_the_visitors(
    published_only: Identities, rsa_key: rsa.RSAPrivateKey, issuer: Issuer, clock: ManualClock
) -> None:
    issuer.status = 500
    with pytest.raises(Refused) as caught:
        await published_only.verify(issued(rsa_key, "RS256", "r1"))
    assert (caught.value.status, caught.value.code) == (503, "identity_unavailable")
    assert caught.value.retry_after_s == 60
    await clock.advance(61)
    issuer.status = 200
    assert (await published_only.verify(issued(rsa_key, "RS256", "r1"))).subject == "ana-17"


async def test_old_keys_hold_while_the_issuer_is_away(
    published_only: Identities, rsa_key: rsa.RSAPrivateKey, issuer: Issuer, clock: ManualClock
) -> None:
    token = issued(rsa_key, "RS256", "r1", exp=NOW_S + 3 * HOUR_S)
    await published_only.verify(token)
    issuer.status = 500
    await clock.advance(HOUR_S + 1)
    assert (await published_only.verify(token)).subject == "ana-17"
    assert issuer.asked == 2


def published(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    public: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)  # type: ignore[arg-type]
    return {**public, "kid": kid, "use": "sig"}


def part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def handmade(header: object, content: object, secret: str | bytes) -> str:
    """A token that no honest library would write, signed by HMAC all the same."""
    signing_input = f"{part(header)}.{part(content)}"
    key = secret.encode() if isinstance(secret, str) else secret
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signing_input.encode(), key)
    return f"{signing_input}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
