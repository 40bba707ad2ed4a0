"""What proves that Meta speaks: the signature over raw bytes, and the handshake."""

import pytest
from pydantic import SecretStr

from channels._meta.handshake import answer_handshake
from channels._meta.verify import SIGNATURE_HEADER, appsecret_proof, require_signature, signature
from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadSignature, NotSupported

BODY = (
    b'{"object":"page","entry":[{"id":"1","time":1767225600123,"messaging":[{"sender":{"id":"2"},'
    b'"recipient":{"id":"1"},"timestamp":1767225600000,"message":{"mid":"m_1","text":"ol\\u00e1"}}]}]}'
)
SIGNATURE = "sha256=f6547d6e7467d1a1c8173153663fabbc536da1884e525748f1d27ed50269c76c"
SECRET, PREVIOUS, NONE = SecretStr("app_secret_1"), SecretStr("app_secret_0"), SecretStr("")


def posted(body, header):
    headers = {} if header is None else {SIGNATURE_HEADER: header}
    return WebhookRequest("POST", "https://example.org/", headers, {}, body)


def asked(**query):
    return WebhookRequest(
        "GET", "https://example.org/", {}, {f"hub.{name}": value for name, value in query.items()}, b""
    )


def test_a_known_body_has_the_known_signature():
    assert signature(BODY, "app_secret_1") == SIGNATURE
    require_signature(posted(BODY, SIGNATURE), SECRET, NONE)


def test_a_known_token_has_the_known_proof():
    assert appsecret_proof("PAGE_TOKEN", "app_secret_1") == (
        "9a93d4685bc39db6ea098ca65e83d758d202970fe387f7a666ed10570f8931c5"
    )


def test_the_secret_that_is_being_replaced_is_accepted_too():
    for current, previous in ((SECRET, PREVIOUS), (PREVIOUS, SECRET)):
        require_signature(posted(BODY, SIGNATURE), current, previous)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        SIGNATURE.removeprefix("sha256="),
        SIGNATURE.upper(),
        SIGNATURE[:-1],
        SIGNATURE + "0",
        SIGNATURE.replace("sha256", "sha1"),
        "sha256=ñ",
        "sha256=\udcff",
        "sha256=",
    ],
)
def test_any_other_header_is_refused(header):
    with pytest.raises(BadSignature):
        require_signature(posted(BODY, header), SECRET, PREVIOUS)


def test_one_changed_byte_is_refused_also_when_the_json_means_the_same():
    for body in (BODY + b" ", BODY.replace(b"\\u00e1", "á".encode())):
        with pytest.raises(BadSignature):
            require_signature(posted(body, SIGNATURE), SECRET)


def test_an_empty_secret_signs_nothing():
    with pytest.raises(BadSignature):
        require_signature(posted(BODY, signature(BODY, "")), NONE, NONE)


def test_the_challenge_comes_back_as_plain_text():
    answer = answer_handshake(asked(mode="subscribe", challenge="1158201444", verify_token="known"), SecretStr("known"))
    assert (answer.body, answer.content_type) == (b"1158201444", "text/plain")


@pytest.mark.parametrize("token", ["", "Known", "knowm", "known ", "ñ", "\udcff"])
def test_a_wrong_token_hears_no_challenge(token):
    with pytest.raises(BadSignature):
        answer_handshake(asked(mode="subscribe", challenge="1", verify_token=token), SecretStr("known"))


def test_an_emptied_token_lets_nobody_in():
    with pytest.raises(BadSignature):
        answer_handshake(asked(mode="subscribe", challenge="1", verify_token=""), NONE)


def test_a_missing_or_endless_challenge_is_refused():
    for challenge in ("", "9" * 1001):
        with pytest.raises(BadSignature):
            answer_handshake(asked(mode="subscribe", challenge=challenge, verify_token="t"), SecretStr("t"))


def test_another_question_is_not_answered():
    for query in ({}, {"mode": "unsubscribe", "verify_token": "t", "challenge": "1"}):
        with pytest.raises(NotSupported):
            answer_handshake(asked(**query), SecretStr("t"))
