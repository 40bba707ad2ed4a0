"""Seals and opens files as Apple's file store keeps them: AES-256 in counter mode, the counter beginning at zero.

Every file has a key of its own, so that no key meets the same counter twice.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

KEY_BYTES = 32
KEY_PREFIX = "00"
"""Stands before the hexadecimal key in messages."""

_ZERO_COUNTER = bytes(16)


def cipher(key: bytes) -> CipherContext:
    """Turns plain bytes into sealed ones and back, which is the same thing in counter mode; nothing gets longer."""
    return Cipher(AES(key), CTR(_ZERO_COUNTER)).encryptor()
