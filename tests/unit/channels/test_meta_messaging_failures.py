"""What the Send API refuses, by code, by subcode, and by its words alone."""

import pytest

from channels._meta.failures import GraphError
from channels._meta.messaging.failures import is_done, named
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry


def error(code=0, subcode=0, message="", http_status=400, **more):
    return GraphError(http_status=http_status, code=code, subcode=subcode, message=message, **more)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("(#10) This message is sent outside of allowed window. Learn more", "window_closed"),
        ("(#10) Message failed to send because another app is controlling this thread now.", "not_in_control"),
        ("(#100) The thread owner has changed", "not_in_control"),
        ("(#551) This person isn't available right now.", "unreachable"),
        ("(#551) This person isn\u2019t available right now.", "unreachable"),
        ("(#200) This person isn't receiving messages from you right now.", "unreachable"),
        ("(#100) No matching user found", "unreachable"),
    ],
)
@pytest.mark.parametrize("code", [10, 100, 200])
def test_words_stand_in_for_a_missing_or_new_subcode_so_that_one_person_stops_no_account(code, message, reason):
    for subcode in (0, 9_999_999):
        failure = named(error(code, subcode, message))
        assert isinstance(failure, GiveUp)
        assert failure.reason == reason


def test_a_new_subcode_of_ten_concerns_the_message_and_none_the_permission():
    assert named(error(10, 9_999_999, "Something new")).reason == "refused"
    assert isinstance(named(error(10, 0, "Application does not have permission")), Misconfigured)


def test_a_limit_is_a_limit_whatever_its_subcode_says():
    failure = named(error(613, 2018278))
    assert isinstance(failure, Retry)
    assert failure.whole_account


def test_codes_of_the_platform_go_before_those_of_every_platform():
    assert named(error(200, 1545041)).reason == "unreachable"
    assert isinstance(named(error(200)), Misconfigured)
    assert isinstance(named(error(2, 0, http_status=500)), Retry)
    assert isinstance(named(error(http_status=504, has_envelope=False)), Ambiguous)


@pytest.mark.parametrize(("code", "subcode"), [(506, 0), (10903, 0), (100, 2534025)])
def test_what_is_there_already_is_done(code, subcode):
    assert is_done(error(code, subcode))
    assert not is_done(error(100, 2018001))


def test_the_code_for_the_operator_holds_the_subcode():
    assert named(error(10, 2018278)).code == "10/2018278"
