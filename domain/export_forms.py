"""How a revision leaves its tenant: without credentials, and without what looks like one (R6, R22; pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from domain.contents import without_credentials
from domain.model import HASH_PREFIX, ArtifactHead, Package
from domain.rows import ExportForm
from domain.scanning import secret_paths


def export_form(head: ArtifactHead, body: bytes) -> tuple[bytes, ExportForm]:
    """The bytes that leave, and what is remembered of them."""
    secrets = dict(secret_paths(head.artifact_type.wire, None, raw=body))
    body, taken = without_credentials(body, head.artifact_type, secrets)
    bindings = tuple((pointer, secrets.get(pointer, "credential")) for pointer in taken)
    return body, ExportForm(HASH_PREFIX + hashlib.sha256(body).hexdigest(), bindings)


def known_checksum(earlier: Package | None, heads: Sequence[ArtifactHead], forms: Mapping[str, ExportForm]) -> str:
    """The checksum of an earlier package that holds exactly these files in this order, or else an empty text.

    What is kept leaves as it is then: what was hashed together once need not be inflated to be hashed again. What
    is cut out anew each time is not among it.
    """
    if earlier is None:
        return ""
    hashes = {row["id"]: row["hash"] for row in earlier.manifest["artifacts"]}
    before = [(artifact_id, hashes[artifact_id]) for artifact_id in earlier.install_order]
    now = [(head.artifact_id, _hash_of_all(forms.get(head.revision_id))) for head in heads]
    return earlier.checksum if before == now else ""


def _hash_of_all(form: ExportForm | None) -> str:
    """Of a file from which nothing has to go; empty for what is not known to be one."""
    return form.file_hash if form is not None and not form.bindings else ""
