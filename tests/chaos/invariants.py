"""Whether an installation is whole: I1-I8, from its database and its store alone (security.md section 4).

``python -m tests.chaos.invariants DATABASE_URL DATA [BLOBS_URL]`` prints each with what was counted and what violates
it, and ends with 1 where something does. SQLite is looked at in a copy: whoever starts next finds what the last one
left.

What is said in SQL is written here anew, not with the server's own statements: those may be what is wrong.
"""

from __future__ import annotations

import asyncio
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import NullPool, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from domain import strict_json
from domain.artifact_types import BY_WIRE_NAME
from domain.contents import content_hash, content_of
from domain.model import ArtifactId
from domain.ports import UnavailableError
from server.printing import say
from storage.lock import single_process_lock
from storage.s3_place import s3_place
from tests.chaos.rules import COUNTS, NAMES, RULES, TENANTS_OF_IMPORTS
from tests.chaos.stored import Files, Objects, Stored

#: violations that are told of one rule; more say nothing more
_TOLD = 5
#: bytes that nobody needs are swept so long after they came, at the latest: a day of grace and an hour's turn
_SWEPT_HOURS = 26
_MESSAGES = "SELECT tenant_id, payload FROM outbox WHERE kind = 'import.ended'"
_HEADS = """SELECT a.tenant_id, a.artifact_id, a.type, a.version, a.content_hash, b.body, b.content_size FROM artifact a
  JOIN revision_body b ON b.body_id = a.revision_id"""
#: rows that need their bytes: where they are, and how long and what they are if that is kept
_BLOBS = (
    "SELECT package_id, blob_key, size_bytes, bundle_sha256 FROM package WHERE deleted_at IS NULL",
    """SELECT p.import_id, p.blob_key, p.size_bytes, p.sha256 FROM import_package p
       JOIN import_job j ON j.import_id = p.import_id WHERE j.ended_at IS NULL AND p.blob_key <> ''""",
    "SELECT upload_id, blob_key, size_bytes, sha256 FROM upload",
    "SELECT listing_id, blob_key, NULL, NULL FROM listing_version",
)
_NAMING = ("package", "import_package", "upload", "listing_version", "submission")


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What clients were told, by the idempotency keys of their requests."""

    #: the import of a key, and its final state if the answer told it
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    #: the package of a key, and its checksum
    exports: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant: what was looked at, and what violates it."""

    name: str
    says: str
    counted: int
    violations: tuple[str, ...]

    def __str__(self) -> str:
        head = f"{self.name}  {self.counted:>7}  {'VIOLATED' if self.violations else 'holds':8}  {self.says}"
        return "\n".join([head, *(f"      {one}" for one in self.violations)])


async def examine(
    database: str,
    data: Path,
    told: Acknowledged | None = None,
    *,
    is_settled: bool = False,
    stored: Stored | None = None,
) -> list[Finding]:
    """Look at everything. ``is_settled``: the server had its time after a restart and has nothing to do.

    ``stored`` are its blobs, where they are not in its folder.
    """
    told, stored = told or Acknowledged(), stored or Files(data / "blobs")
    async with _reading(database) as connection:
        violations: dict[str, list[str]] = {name: [] for name in NAMES}
        for rule in RULES:
            if is_settled or not rule.is_of_rest:
                rows = await connection.execute(text(f"{rule.sql} LIMIT {_TOLD}"))
                violations[rule.invariant] += [f"{rule.says}: {' '.join(map(str, row))}" for row in rows]
        for table in TENANTS_OF_IMPORTS:
            violations["I6"] += await _strangers(connection, table)
        violations["I2"] += [*await _wrong_hashes(connection), *await _wrong_blobs(connection, stored)]
        violations["I4"] += await _lost(connection, told)
        violations["I5"] += await _answered_otherwise(connection, told)
        if is_settled:
            violations["I7"] += [*await _old_orphans(connection, stored), *_left(data)]
        violations["I8"] += await _told_wrongly(connection)
        counts = {name: (await connection.execute(text(sql))).scalar_one() for name, sql in COUNTS.items()}
    counts["I4"] = len(told.imports) + len(told.exports)
    return [Finding(name, says, counts[name], tuple(violations[name])) for name, says in NAMES.items()]


@asynccontextmanager
async def _reading(database: str) -> AsyncIterator[AsyncConnection]:
    url = make_url(database)
    with TemporaryDirectory(prefix="installhub-") as folder:
        if url.get_backend_name() == "sqlite":
            url = url.set(database=str(_copied(Path(url.database or ""), Path(folder))))
        engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                yield connection
        finally:
            await engine.dispose()


def _copied(file: Path, folder: Path) -> Path:
    """The file with its log of commits: without the index of that log, which is made anew.

    A server that lives moves its log into the file at any moment, so then SQLite makes the copy, as one more reader.
    """
    copy = folder / file.name
    try:
        with single_process_lock(file):
            for source in (file, file.with_name(f"{file.name}-wal")):
                if source.exists():
                    shutil.copy(source, folder)
    except UnavailableError:
        with (
            closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as lived_in,
            closing(sqlite3.connect(copy)) as made,
        ):
            lived_in.backup(made)
    return copy


async def _strangers(connection: AsyncConnection, table: str) -> list[str]:
    sql = f"""SELECT t.tenant_id, j.tenant_id, t.import_id FROM {table} t JOIN import_job j ON j.import_id = t.import_id
        WHERE t.tenant_id <> j.tenant_id LIMIT {_TOLD}"""
    return [f"a row of {table} names another tenant's import: {row}" for row in await connection.execute(text(sql))]


async def _wrong_hashes(connection: AsyncConnection) -> list[str]:
    """I2: what an artifact holds is what its row says, credentials and volatile lines aside (decisions R6)."""
    wrong = []
    for tenant, artifact_id, kind, version, stated, body, size in await connection.execute(text(_HEADS)):
        content = content_of(
            strict_json.trusted(bytes(body) if size is None else gzip.decompress(body)),
            artifact_type=BY_WIRE_NAME[kind],
            artifact_id=ArtifactId(artifact_id),
            version=version,
        )
        if content_hash(content.template.plain) != stated:
            wrong.append(f"{artifact_id} of {tenant} does not hash to its row")
    return wrong[:_TOLD]


async def _wrong_blobs(connection: AsyncConnection, stored: Stored) -> list[str]:
    wrong = []
    for sql in _BLOBS:
        for owner, key, size, digest in await connection.execute(text(sql)):
            content = await stored.content(key)
            if content is None:
                wrong.append(f"the bytes of {owner} are not there")
            elif size is not None and len(content) != size:
                wrong.append(f"the bytes of {owner} are {len(content)}, not {size}")
            elif digest and hashlib.sha256(content).hexdigest() != digest:
                wrong.append(f"the bytes of {owner} are other ones")
    return wrong[:_TOLD]


async def _lost(connection: AsyncConnection, told: Acknowledged) -> list[str]:
    jobs = dict(tuple(row) for row in await connection.execute(text("SELECT import_id, state FROM import_job")))
    packages = {row[0] for row in await connection.execute(text("SELECT package_id FROM package"))}
    lost = [f"import {one} was acknowledged and is gone" for one, _ in told.imports.values() if one not in jobs]
    lost += [
        f"import {one} was told to be {state} and is {jobs[one]}"
        for one, state in told.imports.values()
        if state is not None and jobs.get(one, state) != state
    ]
    gone = {one for one, _ in told.exports.values()} - packages
    return lost + [f"package {one} was acknowledged and is gone" for one in gone]


async def _answered_otherwise(connection: AsyncConnection, told: Acknowledged) -> list[str]:
    """I5: a key has the effect that its client was told, and a package the checksum."""
    effects = await connection.execute(text("SELECT idempotency_key, effect FROM idempotency"))
    made = {key: _tree(effect) for key, effect in effects}
    sums = dict(tuple(row) for row in await connection.execute(text("SELECT package_id, checksum FROM package")))
    others = [
        f"key {key} made {made.get(key, {}).get(member)}, and its client was told {one}"
        for member, answers in (("importId", told.imports), ("packageId", told.exports))
        for key, (one, _) in answers.items()
        if made.get(key, {}).get(member) != one
    ]
    return others + [
        f"package {one} has another checksum than its client was told"
        for one, checksum in told.exports.values()
        if sums.get(one, checksum) != checksum
    ]


def _tree(stored: Any) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(stored) if isinstance(stored, str) else stored
    return tree


async def _told_wrongly(connection: AsyncConnection) -> list[str]:
    """I8: who asked is told of each end once: in a message that waits, or in a notice."""
    ended = await connection.execute(
        text("SELECT import_id FROM import_job WHERE mode = 'APPLY' AND ended_at IS NOT NULL AND identity <> ''")
    )
    counts = {row[0]: 0 for row in ended}
    for _, payload in await connection.execute(text(_MESSAGES)):
        _count(counts, _tree(payload)["importId"])
    for row in await connection.execute(text("SELECT import_id FROM notification WHERE kind <> 'import.expires'")):
        _count(counts, row[0])
    return [f"the end of {one} is told {count} times" for one, count in counts.items() if count != 1][:_TOLD]


def _count(counts: dict[str, int], import_id: str | None) -> None:
    if import_id in counts:
        counts[import_id] += 1


async def _old_orphans(connection: AsyncConnection, stored: Stored) -> list[str]:
    """I7: bytes that no row names go within a day and an hour's turn; a key begins with the time of its bytes."""
    named: set[str] = set()
    for table in _NAMING:
        named |= {row[0] for row in await connection.execute(text(f"SELECT blob_key FROM {table}"))}
    before = f"{int((time.time() - _SWEPT_HOURS * 3600) * 1000):012x}"
    found = await stored.keys()
    return [f"{key} is needed by nobody and not swept" for key in found if key < before and key not in named][:_TOLD]


def _left(data: Path) -> list[str]:
    """I7: places of processes that are no more, and files that nobody is writing any more."""
    left = []
    for root in (data / "blobs" / "incoming", data / "scratch"):
        for den in root.iterdir() if root.is_dir() else ():
            if not _is_lived_in(den):
                left.append(f"{root.name}/{den.name} belongs to nobody")
            left += [f"{root.name}/{den.name}/{file.name} is left" for file in den.iterdir() if file.name != "lock"]
    return left[:_TOLD]


def _is_lived_in(den: Path) -> bool:
    lock = os.open(den / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(lock)


def report(findings: Sequence[Finding]) -> str:
    """Every invariant, a line each, and below it what violates it."""
    return "\n".join(map(str, findings))


def main(words: Sequence[str]) -> int:
    database, data, *bucket = words
    stored = Objects(s3_place(bucket[0])) if bucket else None
    findings = asyncio.run(examine(database, Path(data), stored=stored))
    say(report(findings))
    return int(any(finding.violations for finding in findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
