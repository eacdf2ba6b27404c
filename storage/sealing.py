"""Sealing texts that may be secrets: AES-256-GCM under a key of the installation (ADR 0015).

A sealed text is bound to what it belongs to: under another tenant or another key of a binding it does not open.
"""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from binascii import Error as NotBase64

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_PREFIX = "sealed:1:"
_NONCE_BYTES = 12


def is_sealed(text: str) -> bool:
    """Whether this has the form of a sealed text."""
    return text.startswith(_PREFIX)


class Seal:
    """Seals and opens texts under one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def sealed(self, text: str, *belongs_to: str) -> str:
        """The text sealed; one that was sealed here before for the same place stays as it is."""
        if self.opened(text, *belongs_to) is not None:
            return text
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _PREFIX + b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), _place(belongs_to))).decode()

    def opened(self, text: str, *belongs_to: str) -> str | None:
        """The text that was sealed for this place; ``None`` for any other text."""
        if not is_sealed(text):
            return None
        try:
            raw = b64decode(text.removeprefix(_PREFIX), validate=True)
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _place(belongs_to)).decode()
        except (InvalidTag, NotBase64, ValueError):
            return None


def _place(parts: tuple[str, ...]) -> bytes:
    """No part holds a NUL, so the place is read in one way only."""
    return "\0".join(parts).encode()
