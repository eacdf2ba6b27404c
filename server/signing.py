"""Key pairs and signatures of publishers, on the command line: ``keygen``, ``sign`` (decisions section 8)."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner

from domain.market.signatures import signed
from server.errands import CommandRefusedError
from server.logs import printable
from server.verifying import Checked, checked

_FILE_BYTES_MAX = 1 << 20


def signature_file(bundle: Path) -> Path:
    """Where a bundle's signature lies: beside it."""
    return bundle.with_name(f"{bundle.name}.dsse.json")


def make_key_pair(place: Path) -> str:
    """Write a new private key, for its owner alone, and beside it the public one, ``.pub``. Gives the key's id.

    Raises ``FileExistsError``: a key is never written over.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for name, content, mode in ((place, private, 0o600), (place.with_name(f"{place.name}.pub"), public, 0o644)):
        with os.fdopen(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as file:
            file.write(content)
    return CryptoSigner(key).public_key.keyid


def sign(bundle: Path, key: Path) -> tuple[Checked, str, Path]:
    """Check a bundle and write its signature beside it: what was signed, the key's id, and the file.

    Raises a refusal when the bundle is not sound: nobody should have signed such a thing.
    """
    signer = _signer(key)
    found = checked(bundle)
    place = signature_file(bundle)
    place.write_text(json.dumps(signed(found.manifest, signer), indent=2) + "\n", encoding="utf-8")
    return found, signer.public_key.keyid, place


def read_small(place: Path) -> bytes:
    """A file that somebody wrote by hand. Raises ``OSError``, and ``CommandRefusedError`` when it is too large."""
    with place.open("rb") as file:
        content = file.read(_FILE_BYTES_MAX + 1)
    if len(content) > _FILE_BYTES_MAX:
        raise CommandRefusedError(f"{printable(str(place))}: this is no key and no signature: it is too large")
    return content


def _signer(place: Path) -> CryptoSigner:
    try:
        key = load_pem_private_key(read_small(place), None)
    except (ValueError, TypeError) as error:
        raise CommandRefusedError(f"{printable(str(place))}: this is no private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise CommandRefusedError(f"{printable(str(place))}: this is no Ed25519 key")
    return CryptoSigner(key)
