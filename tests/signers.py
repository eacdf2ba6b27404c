"""Publishers who can sign: key pairs for tests."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from securesystemslib.signer import CryptoSigner


def a_signer() -> CryptoSigner:
    """A new Ed25519 key pair; its ``public_key.keyid`` is what the public key is called."""
    return CryptoSigner.generate_ed25519()


def public_pem(signer: CryptoSigner) -> str:
    """The public key as publishers register it."""
    key = load_pem_private_key(signer.private_bytes, None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def in_force(*signers: CryptoSigner) -> dict[str, str]:
    """Public keys by their ids."""
    return {signer.public_key.keyid: public_pem(signer) for signer in signers}
