"""Where Unix sockets live: the system allows their paths about a hundred bytes, and folders may be deeper."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from gateway.core.errors import Misconfigured

MAX_SOCKET_PATH_BYTES = 100
"""Below the 104 of macOS and the 108 of Linux, with room for a terminator and a suffix."""


def socket_folder(folder: Path, longest_name: str, owner_uid: int | None = None) -> Path:
    """A folder, made if missing and closed to others, where a socket of that name fits.

    It is *folder* itself where possible, else one in the system's temporary folder whose name is derived from it,
    so that every process finds the same. ``owner_uid`` is who shall own that one (default: this process).
    Raises ``Misconfigured`` when somebody else owns it already.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if len(os.fsencode(folder / longest_name)) <= MAX_SOCKET_PATH_BYTES:
        return folder
    uid = os.geteuid() if owner_uid is None else owner_uid
    digest = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    short = Path(tempfile.gettempdir()) / f"tertulia-{uid}-{digest}"
    try:
        short.mkdir(mode=0o700)
        os.chown(short, uid, -1)
    except FileExistsError:
        found = short.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid:
            raise Misconfigured("data_dir", f"{short} belongs to somebody else; remove it") from None
    return short
