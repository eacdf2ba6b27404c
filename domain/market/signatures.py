"""What a publisher signs, and whether somebody did: Ed25519 over a DSSE envelope (decisions sections 4 and 8, R6).

The signed statement (in-toto) names the package, its version, the documented ``checksum``, the ``contentChecksum`` of
the bundle as it was exported, and ``statedChecksum``: the hash of all that a hub does not re-state. So one signature
is good for the bundle that was exported and for what a hub makes of it, and ZIP bytes are never signed.

A check fails closed: whatever is not understood is a problem, and nothing but problems comes out of it.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SecuresystemsError
from securesystemslib.signer import Signature, Signer, SSlibKey

from domain import strict_json
from domain.errors import ErrorCode, Problem
from domain.manifest import content_checksum
from domain.model import HASH_PREFIX

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:installhub:package:1"
#: what a hub writes anew in a manifest (installhub.md section 10.4)
RESTATED = frozenset({"tenantId", "exportedBy", "exportedAt", "packageId", "readmeHash", "contentChecksum"})

_BOUND = ("name", "version", "checksum", "statedChecksum")
_SIGNATURES_MAX = 16
_PAYLOAD_LENGTH_MAX = 64 << 10
_SIGNATURE_LENGTH_MAX = 1024
_SHOWN = 80
_KIND = "ed25519"
#: what stands before the 32 bytes of an Ed25519 public key in its PEM (RFC 8410, section 4)
_DER = bytes.fromhex("302a300506032b6570032100")
_PEM_BEGIN, _PEM_END = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"
_WHERE = "signature"


def key_id(public_pem: str) -> str:
    """What a public key is called: SHA-256 of its description in canonical JSON, as TUF and DSSE tools compute it.

    Raises ``ValueError`` when this is no Ed25519 public key in PEM.
    """
    return public_key(public_pem).keyid


def public_key(public_pem: str) -> SSlibKey:
    """An Ed25519 public key that can verify. Raises ``ValueError`` when the PEM holds anything else."""
    text = public_pem.strip()
    if not (text.startswith(_PEM_BEGIN) and text.endswith(_PEM_END)):
        raise ValueError("this is no public key in PEM")
    try:
        der = b64decode("".join(text[len(_PEM_BEGIN) : -len(_PEM_END)].split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("this is no public key in PEM") from error
    raw = der.removeprefix(_DER)
    if len(raw) != len(der) - len(_DER) or len(raw) != 32:  # noqa: PLR2004 - RFC 8032
        raise ValueError("this is no Ed25519 public key")
    value = {"public": raw.hex()}
    described = strict_json.jcs({"keytype": _KIND, "scheme": _KIND, "keyval": value})
    return SSlibKey(hashlib.sha256(described).hexdigest(), _KIND, _KIND, value)


def stated_checksum(manifest: Mapping[str, Any]) -> str:
    """The hash of what a manifest says and no hub says anew: it is the same before and after re-stating.

    Raises :class:`domain.strict_json.NotStrict` when the manifest has no RFC 8785 form.
    """
    kept = {key: value for key, value in manifest.items() if key not in RESTATED}
    # written and read again: a member that is null is one that is not there (X31)
    written = strict_json.trusted(strict_json.canonical(kept))
    return HASH_PREFIX + hashlib.sha256(strict_json.jcs(written)).hexdigest()


def statement(manifest: Mapping[str, Any]) -> bytes:
    """The bytes that are signed for a bundle with this ``manifest.json``, in their RFC 8785 form.

    The manifest is one that :func:`domain.manifest.read_manifest` took, as JSON.
    """
    stated = stated_checksum(manifest)
    named = f"{manifest['name']}@{manifest['version']}"
    tree: strict_json.Json = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": named, "digest": {"sha256": stated.removeprefix(HASH_PREFIX)}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "name": manifest["name"],
            "version": manifest["version"],
            "checksum": manifest["checksum"],
            "contentChecksum": manifest.get("contentChecksum") or content_checksum(manifest),
            "statedChecksum": stated,
        },
    }
    return strict_json.jcs(tree)


def signed(manifest: Mapping[str, Any], signer: Signer) -> dict[str, Any]:
    """The DSSE envelope, as JSON, of a bundle with this manifest."""
    envelope = Envelope(statement(manifest), PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return envelope.to_dict()


def signature_problems(envelope: object, *, manifest: Mapping[str, Any], keys: Mapping[str, str]) -> list[Problem]:
    """Why a bundle does not count as signed; empty when one of the keys signed for exactly this package.

    Args:
        envelope: the DSSE envelope as JSON, from whomever; ``None`` when there is none.
        manifest: ``manifest.json`` of the bundle, exported or re-stated, as JSON that was checked.
        keys: public keys in PEM by key id: those in force, so a revoked key is one that is not there.
    """
    return [Problem(ErrorCode.SIGNATURE_INVALID, text, _WHERE) for text in _flaws(envelope, manifest, keys)]


def _flaws(found: object, manifest: Mapping[str, Any], keys: Mapping[str, str]) -> Iterator[str]:
    if found is None:
        yield "The package is not signed."
        return
    try:
        envelope = _envelope(found)
    except ValueError as flaw:
        yield f"The signature is no DSSE envelope: {flaw}."
        return
    unsigned = _unsigned(envelope, keys)
    if unsigned:
        yield unsigned
        return
    yield from _statement_flaws(envelope.payload, manifest)


def _envelope(found: object) -> Envelope:
    """The envelope that this JSON stands for. Raises ``ValueError``."""
    if not isinstance(found, Mapping):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - the JSON's value is what is wrong
    payload_type, rows = found.get("payloadType"), found.get("signatures")
    if payload_type != PAYLOAD_TYPE:
        raise ValueError(f"its payloadType is not {PAYLOAD_TYPE}")
    if not isinstance(rows, list) or not 0 < len(rows) <= _SIGNATURES_MAX:
        raise ValueError(f"signatures is not a list of 1 to {_SIGNATURES_MAX}")
    signatures: dict[str, Signature] = {}
    for signature in map(_signature, rows):
        if signature.keyid in signatures:
            raise ValueError("a key signed twice")
        signatures[signature.keyid] = signature
    return Envelope(_decoded(found.get("payload"), "payload", _PAYLOAD_LENGTH_MAX), payload_type, signatures)


def _signature(row: object) -> Signature:
    name = row.get("keyid") if isinstance(row, Mapping) else None
    if not isinstance(row, Mapping) or not isinstance(name, str):
        raise ValueError("a signature does not name its key")  # noqa: TRY004 - the same
    return Signature(name, _decoded(row.get("sig"), "sig", _SIGNATURE_LENGTH_MAX).hex())


def _decoded(text: object, name: str, length_max: int) -> bytes:
    if not isinstance(text, str) or len(text) > length_max:
        raise ValueError(f"{name} is not a text of at most {length_max} characters")
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{name} is not base64") from error


def _unsigned(envelope: Envelope, keys: Mapping[str, str]) -> str:
    """Why none of the signatures counts; empty when one does."""
    if not keys:
        return "The publisher has no key in force, so nothing can be signed by it."
    known = [name for name in envelope.signatures if name in keys]
    if not known:
        named = ", ".join(strict_json.shown(name, limit=_SHOWN) for name in envelope.signatures)
        return f"No signature is by a key of the publisher that is in force: the key is unknown or revoked ({named})."
    if not any(_is_signed_by(envelope, name, keys[name]) for name in known):
        named = ", ".join(strict_json.shown(name, limit=_SHOWN) for name in known)
        return f"The signature does not fit what it signs ({named})."
    return ""


def _is_signed_by(envelope: Envelope, name: str, public_pem: str) -> bool:
    try:
        key = public_key(public_pem)
        if key.keyid != name:
            return False
        envelope.verify([key], 1)
    except (SecuresystemsError, ValueError):
        return False
    return True


def _statement_flaws(payload: bytes, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Where a signed statement is about something else than this manifest."""
    try:
        tree = strict_json.read(payload)
        expected: Any = strict_json.trusted(statement(manifest))
    except strict_json.NotStrict as flaw:
        yield f"The signed statement cannot be read: {flaw.reason}."
        return
    if not isinstance(tree, dict) or tree.get("_type") != STATEMENT_TYPE or tree.get("predicateType") != PREDICATE_TYPE:
        yield "What is signed is not a statement about a package."
        return
    predicate = tree.get("predicate")
    said = predicate if isinstance(predicate, dict) else {}
    for name in _BOUND:
        if said.get(name) != expected["predicate"][name]:
            shown = strict_json.shown(str(said.get(name)), limit=_SHOWN)
            yield f"The signed statement is about a package with {name} {shown}, not {expected['predicate'][name]}."
    if tree.get("subject") != expected["subject"]:
        yield "The signed statement's subject is another package."
