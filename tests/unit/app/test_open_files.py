"""A gateway may keep as many sockets open as the system allows, whatever its shell was content with."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from gateway.app.runtime import allow_open_files


@pytest.fixture
def few_files() -> Iterator[int]:
    """The hard limit, while the soft one is as low as a shell's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, soft), hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_limit_is_raised_to_what_the_system_allows(few_files: int) -> None:
    allow_open_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (few_files, few_files)
