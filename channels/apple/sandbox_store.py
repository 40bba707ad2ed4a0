"""Apple's file store in the sandbox: files lie there sealed, under an address, an owner and a signature."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import zlib
from collections.abc import Mapping

import msgspec

from channels.apple.ciphers import KEY_PREFIX, cipher

KEPT_FILES = 200


class StoredFile(msgspec.Struct, frozen=True):
    """``signature`` is base64 of the store's mark on the sealed bytes."""

    url: str
    owner: str
    sealed: bytes
    signature: str


class FileStore:
    """Forgets the oldest files. Each address to upload or download works once."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[str, str, int]] = {}
        self._files: dict[str, StoredFile] = {}
        self._downloads: dict[str, str] = {}

    def place(self, size: int) -> tuple[str, str, str]:
        """A token to upload so many bytes under, and the address and owner that the file will have."""
        token, url, owner = secrets.token_hex(8), f"https://p42-content.icloud.com/{secrets.token_hex(8)}", _owner()
        self._places[token] = (url, owner, size)
        return token, url, owner

    def put(self, token: str, sealed: bytes) -> StoredFile | None:
        """Keep what was uploaded; ``None`` when no such place was given, or another size came."""
        url, owner, size = self._places.pop(token, ("", "", -1))
        return self._keep(url, owner, sealed) if size == len(sealed) else None

    def seal(self, content: bytes) -> tuple[StoredFile, str]:
        """Keep a file of a customer; the answer is the file, and its key as messages hold it."""
        key = secrets.token_bytes(32)
        url = f"https://p42-content.icloud.com/{secrets.token_hex(8)}"
        return self._keep(url, _owner(), cipher(key).update(content)), KEY_PREFIX + key.hex()

    def ticket(self, url: str, owner: str, signature: str) -> str:
        """A token to download by, once; empty when nothing is known under all three."""
        file = self._files.get(url)
        if file is None or (file.owner, file.signature) != (owner, signature):
            return ""
        ticket = secrets.token_hex(8)
        self._downloads[ticket] = url
        return ticket

    def take(self, ticket: str) -> bytes | None:
        """The sealed bytes of a ticket."""
        file = self._files.get(self._downloads.pop(ticket, ""))
        return None if file is None else file.sealed

    def opened(self, url: str, owner: str, signature: str, key: str) -> bytes | None:
        """What a customer's phone would see of a file that a message names; ``None`` when it cannot be had."""
        file = self._files.get(url)
        if file is None or (file.owner, file.signature) != (owner, signature):
            return None
        return cipher(bytes.fromhex(key.removeprefix(KEY_PREFIX))).update(file.sealed)

    def forget(self) -> None:
        """All files are gone, as after the minutes that Apple keeps their addresses for."""
        self._files.clear()

    def _keep(self, url: str, owner: str, sealed: bytes) -> StoredFile:
        mark = b"\x81" + hashlib.sha1(sealed, usedforsecurity=False).digest()
        file = StoredFile(url, owner, sealed, base64.b64encode(mark).decode())
        self._files[url] = file
        while len(self._files) > KEPT_FILES:
            del self._files[next(iter(self._files))]
        return file


def described(file: StoredFile, key: str, *, name: str, mime: str, size: int) -> dict[str, object]:
    """A file as Apple's webhooks describe it."""
    return {
        "name": name,
        "mimeType": mime,
        "size": str(size),
        "url": file.url,
        "owner": file.owner,
        "key": key,
        "signature": base64.b64decode(file.signature).hex(),
        "signature-base64": file.signature,
    }


def packed(answer: Mapping[str, object]) -> bytes:
    """A large answer in a form that only ``decodePayload`` reads; Apple's own is nobody's business."""
    return b"bp" + zlib.compress(json.dumps(answer).encode())


def unpacked(content: bytes) -> dict[str, object] | None:
    """The inverse; ``None`` for anything else."""
    if not content.startswith(b"bp"):
        return None
    try:
        return msgspec.json.decode(zlib.decompress(content[2:]), type=dict[str, object])
    except (zlib.error, msgspec.DecodeError):
        return None


def _owner() -> str:
    return f"M{secrets.token_hex(12).upper()}.C01"
