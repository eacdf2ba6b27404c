"""How a revision leaves its tenant: without credentials, and without what looks like one (R6, R22; pure)."""

from __future__ import annotations

import hashlib

from domain.contents import without_credentials
from domain.model import HASH_PREFIX, ArtifactHead
from domain.rows import ExportForm
from domain.scanning import secret_paths


def export_form(head: ArtifactHead, body: bytes) -> tuple[bytes, ExportForm]:
    """The bytes that leave, and what is remembered of them."""
    secrets = dict(secret_paths(head.artifact_type.wire, None, raw=body))
    body, taken = without_credentials(body, head.artifact_type, secrets)
    bindings = tuple((pointer, secrets.get(pointer, "credential")) for pointer in taken)
    return body, ExportForm(HASH_PREFIX + hashlib.sha256(body).hexdigest(), bindings)
