"""``make new-channel NAME=…``: copies this folder under a new name. Nothing else changes."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_NOT_COPIED = {"__main__.py"}


def make_channel(name: str, source: Path) -> Path:
    """Make ``channels/<name>`` beside *source*, and return it. Raises ``ValueError`` for a bad or taken name."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a channel: small letters, digits and _, such as 'line' or 'my_chat'")
    target = source.parent / name
    if target.exists():
        raise ValueError(f"{target} is there already")
    for path in sorted(source.rglob("*")):
        if path.is_dir() or path.name in _NOT_COPIED or "__pycache__" in path.parts:
            continue
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(renamed(path.read_text("utf-8"), name), "utf-8")
    return target


def renamed(text: str, name: str) -> str:
    """*text* about the new channel."""
    camel = "".join(word.capitalize() for word in name.split("_"))
    own = text.replace("A channel to begin with: `make new-channel NAME=…` copies this folder. It speaks", "Speaks")
    return own.replace("_skeleton", name).replace("Skeleton", camel).replace("skeleton", name)


def main(arguments: Sequence[str]) -> int:
    """Exit code 2 for a name that will not do."""
    try:
        target = make_channel(arguments[0] if arguments else "", Path(__file__).parent)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    name = target.name
    sys.stdout.write(
        f"channels/{name} is there. Next:\n"
        f"  pytest tests/contract -k {name}      what every channel must keep; it passes now\n"
        f"  docs/adding-a-channel.md       how to replace the invented protocol by the real one\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
