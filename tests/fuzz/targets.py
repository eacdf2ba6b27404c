"""What is fuzzed: readers of foreign bytes. Each gives a value or one kind of refusal, and never anything else.

A target takes any bytes, and raises where a promise is broken: another exception than a refusal, content that others
read differently, a value that does not come back the way it went out.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from domain.bundle import CheckedBundle, read_bundle
from domain.errors import Refusal
from domain.model import TenantId
from domain.spool import Spool
from domain.strict_json import NotStrict, canonical, read
from rest_compat.multipart import BINDINGS, OPTIONS, PACKAGE, Parts
from rest_compat.properties import endpoint_mapping, properties
from tests.bundles import good, insides
from tests.fuzz.java import Malformed, java_entries
from tests.makers import limits

Target = Callable[[bytes], None]

_FOLDER = tempfile.TemporaryDirectory(prefix="installhub-fuzz-", ignore_cleanup_errors=True)
_LIMITS = limits()
_TENANT = TenantId("tenant-target")
BOUNDARY = b"sep"
_FORM = f"multipart/form-data; boundary={BOUNDARY.decode()}"
#: what a refusal of one reader may be; a 5xx is none
_SERVER_FAULT = 500
_SHOWN_MAX = 1_000


def _refused_rightly(refusal: Refusal) -> None:
    assert refusal.status < _SERVER_FAULT
    _shown_rightly(*(problem.message for problem in refusal.problems))


def _shown_rightly(*texts: str) -> None:
    """No message repeats an unprintable character, or more of a foreign document than fits a line or two."""
    assert all(text.isprintable() and len(text) < _SHOWN_MAX for text in texts)


def _checked(raw: bytes) -> CheckedBundle | None:
    with Spool(Path(_FOLDER.name) / "spool") as spool:
        try:
            return read_bundle(io.BytesIO(raw), spool, limits=_LIMITS, target=_TENANT)
        except Refusal as refusal:
            _refused_rightly(refusal)
            return None


def bundle(raw: bytes) -> None:
    """An archive: what is accepted is what the standard library reads, names and bytes."""
    if (checked := _checked(raw)) is None:
        return
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.testzip() is None
        theirs = {row.filename: archive.read(row) for row in archive.infolist() if not row.is_dir()}
    files = {row.file: row.hash for row in checked.manifest.artifacts}
    assert {*theirs} == {"manifest.json", "README.md", *files}
    assert all(good.sha256(theirs[file]) == stated for file, stated in files.items())


def manifest(raw: bytes) -> None:
    """A manifest in a right archive."""
    if (checked := _checked(insides.bundled(raw))) is not None:
        said = json.loads(raw)
        assert (checked.manifest.name, checked.manifest.version) == (said["name"], said["version"])


def artifact(raw: bytes) -> None:
    """An artifact's file, with hashes that fit it."""
    if _checked(insides.holding(raw)) is not None:
        assert json.loads(raw)["id"] == "form-1"


def strict_json(raw: bytes) -> None:
    """A document: what is accepted is what the standard library reads, and comes back from our own writer."""
    try:
        value = read(raw)
    except NotStrict as flaw:
        _shown_rightly(flaw.reason, flaw.pointer)
        return
    assert repr(value) == repr(json.loads(raw))
    rewritten = canonical(value)
    assert canonical(read(rewritten)) == rewritten


def java_properties(raw: bytes) -> None:
    """A properties file: what is accepted holds what Java's own rules find in it."""
    with suppress(Refusal):
        endpoint_mapping(raw, "part")
    try:
        ours = [(entry.key, entry.value) for entry in properties(raw, "part")]
    except Refusal as refusal:
        _refused_rightly(refusal)
        return
    try:
        theirs = java_entries(raw)
    except Malformed:
        theirs = []
    assert ours == theirs


def multipart(raw: bytes) -> None:
    """A body: it says the same whole and in pieces. The first byte tells how long the pieces are."""
    step, body = (raw[0] % 61) + 1 if raw else 1, raw[1:]
    assert _parts([body]) == _parts([body[at : at + step] for at in range(0, len(body), step)])


def _parts(chunks: list[bytes]) -> tuple[bool, dict[str, bytes]] | None:
    """Whether the body is complete, and the bytes of its parts; ``None`` for a refused one."""
    parts, found = Parts(_FORM), dict[str, bytes]()
    try:
        for chunk in chunks:
            for piece in parts.cut(chunk):
                found[piece.part] = found.get(piece.part, b"") + piece.data
    except Refusal as refusal:
        _refused_rightly(refusal)
        return None
    assert {*found} <= {PACKAGE, OPTIONS, BINDINGS}
    return parts.is_complete, found


TARGETS: dict[str, Target] = {
    "bundle": bundle,
    "manifest": manifest,
    "artifact": artifact,
    "strict_json": strict_json,
    "java_properties": java_properties,
    "multipart": multipart,
}
