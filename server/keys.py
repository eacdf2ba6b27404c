"""The development key pair: made once, kept beside the data, readable by its owner alone (decisions section 6)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import uuid_utils
from joserfc.jwk import RSAKey

_PRIVATE = "development.private.json"
_PUBLIC = "development.jwks.json"
_RSA_BITS = 2048
#: the members of an RSA key that everybody may know (RFC 7517 section 4, RFC 7518 section 6.3.1)
_SHOWN = frozenset({"kty", "n", "e", "kid", "alg", "use"})


def public_keys_file(folder: Path) -> Path:
    """Where the development key set lies, for ``INSTALLHUB_JWKS``."""
    return folder / _PUBLIC


def ensure_key_pair(folder: Path) -> None:
    """Make the key pair unless it is there. Two processes that try at once end with one pair."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / _PRIVATE).exists():
        key = RSAKey.generate_key(_RSA_BITS, {"alg": "RS256", "use": "sig"}, auto_kid=True)
        _put(folder / _PRIVATE, json.dumps(key.as_dict(private=True)))
    public = {"keys": [_public_half(json.loads((folder / _PRIVATE).read_text(encoding="utf-8")))]}
    with suppress(FileNotFoundError):
        if json.loads(public_keys_file(folder).read_text(encoding="utf-8")) == public:
            return
    public_keys_file(folder).unlink(missing_ok=True)
    _put(public_keys_file(folder), json.dumps(public, indent=2))


def private_key(folder: Path) -> RSAKey:
    """The key that signs development tokens. Raises ``FileNotFoundError``."""
    return RSAKey.import_key(json.loads((folder / _PRIVATE).read_text(encoding="utf-8")))


def _public_half(key: Mapping[str, Any]) -> dict[str, Any]:
    """Picked, not computed: to check an RSA key's numbers takes longer than all else at a start."""
    return {name: value for name, value in key.items() if name in _SHOWN}


def _put(place: Path, content: str) -> None:
    """Write a file whole, or leave the one that somebody else put there first."""
    part = place.with_name(f"{place.name}.{uuid_utils.uuid7().hex}")
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    with suppress(FileExistsError):
        os.link(part, place)
    part.unlink()
