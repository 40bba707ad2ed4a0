"""A client's question whether anybody is there."""

from __future__ import annotations

import msgspec

from channels.webchat.frames import PingIn, pong, read_frame


def test_a_ping_is_a_frame_whatever_else_it_holds_and_has_an_answer() -> None:
    assert read_frame(b'{"type":"ping"}') == PingIn()
    assert read_frame(b'{"type":"ping","of":"something newer"}') == PingIn()
    assert msgspec.json.decode(pong()) == {"type": "pong"}
