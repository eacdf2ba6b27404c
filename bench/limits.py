"""The physical limits: the same work by the standard library alone, with none of the product around it."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import zipfile
from pathlib import Path


def _database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS a (id TEXT, tenant TEXT, sha TEXT, body BLOB, PRIMARY KEY (tenant, id))"
    )
    connection.execute("CREATE TABLE IF NOT EXISTS r (tenant TEXT, source TEXT, target TEXT)")
    connection.execute("CREATE INDEX IF NOT EXISTS r_source ON r (tenant, source)")
    return connection


def import_bundle(path: Path, tenant: str, data: bytes) -> None:
    """zipfile, sha256, json and one transaction: the least an import can do (W1)."""
    connection = _database(path)
    rows = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        for entry in manifest["artifacts"]:
            raw = archive.read(entry["file"])
            digest = hashlib.sha256(raw).hexdigest()
            tree = json.loads(raw)
            rows.append((tree["id"], tenant, digest, raw))
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO a VALUES (?, ?, ?, ?)", rows)
    connection.execute("COMMIT")
    connection.close()


def fill(path: Path, tenant: str, artifacts: list[dict[str, object]], edges: list[tuple[str, str]]) -> None:
    """Put artifacts and their references where :func:`export_bundle` finds them."""
    connection = _database(path)
    bodies = [json.dumps(artifact, indent=2, sort_keys=True).encode() for artifact in artifacts]
    rows = [(artifact["id"], tenant, "", body) for artifact, body in zip(artifacts, bodies, strict=True)]
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO a VALUES (?, ?, ?, ?)", rows)
    connection.executemany("INSERT INTO r VALUES (?, ?, ?)", [(tenant, *edge) for edge in edges])
    connection.execute("COMMIT")
    connection.close()


def export_bundle(path: Path, tenant: str, roots: list[str]) -> bytes:
    """The graph's closure in SQL, sha256 and zipfile at level 6 (W2)."""
    connection = _database(path)
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS root (id TEXT)")
    connection.execute("DELETE FROM root")
    connection.executemany("INSERT INTO root VALUES (?)", [(root,) for root in roots])
    found = connection.execute(
        """WITH RECURSIVE needed(id) AS (SELECT id FROM root UNION
           SELECT r.target FROM r JOIN needed ON r.source = needed.id WHERE r.tenant = ?)
           SELECT a.id, a.body FROM a JOIN needed ON a.id = needed.id WHERE a.tenant = ? ORDER BY a.id""",
        (tenant, tenant),
    )
    out, rows = io.BytesIO(), []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for artifact_id, body in found:
            rows.append({"id": artifact_id, "hash": hashlib.sha256(body).hexdigest()})
            archive.writestr(f"artifacts/{artifact_id}.json", body)
        archive.writestr("manifest.json", json.dumps(rows))
    connection.close()
    return out.getvalue()
