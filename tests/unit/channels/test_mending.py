"""A webhook that does not fit is kept with the place where it does not."""

import msgspec
import pytest

from channels.mending import misfit_of, unparsed


def test_what_does_not_fit_is_kept_with_its_place():
    def error_of(body):
        with pytest.raises(msgspec.ValidationError) as raised:
            msgspec.json.decode(body, type=dict[str, list[int]])
        return raised.value

    reason, path = misfit_of(error_of(b'{"a": ["x"]}'))
    assert "int" in reason
    assert path == "$[...][0]"
    assert misfit_of(error_of(b"[]"))[1] == "$"
    kept = unparsed(b"raw", error_of(b'{"a": 1}'), below="$.events[0]")
    assert (kept.raw, kept.path) == (b"raw", "$.events[0][...]")
