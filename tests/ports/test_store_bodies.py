"""Contents at rest: deflated, as long as they are, each its own tenant's, and never another than was written."""

from __future__ import annotations

import gzip
import hashlib
import json

import pytest
from sqlalchemy import text

from domain.deflating import Deflated
from domain.errors import ErrorCode, Refusal
from tests.ports.rows import ACME, GLOBEX, a_revision, saved

LONG = json.dumps({"rules": ["the same again"] * 500}).encode()
SHA256 = hashlib.sha256(LONG).digest()


async def _tell(store, statement, **values):
    async with store._engines.writer.begin() as connection:
        await connection.execute(text(statement), values)


async def test_a_content_is_kept_as_a_gzip_file_and_measured_as_it_is(store):
    new = a_revision("rule-1", body=LONG)

    await saved(store, new)

    async with store._engines.reader.connect() as connection:
        kept = (await connection.execute(text("SELECT body FROM revision_body"))).scalar_one()
    assert (gzip.decompress(kept), len(kept) < len(LONG) / 10) == (LONG, True)
    async with store.view(ACME) as view:
        assert await view.artifacts.body_sizes([new.revision_id]) == {new.revision_id: len(LONG)}
        assert await view.artifacts.bodies([new.revision_id]) == {new.revision_id: LONG}
        assert await view.artifacts.deflated_bodies([new.revision_id]) == {new.revision_id: Deflated.of(LONG)}


@pytest.mark.parametrize("sha256", [SHA256, None])
async def test_a_content_of_an_older_version_is_read_like_any_other(store, sha256):
    new = a_revision("rule-1", body=b"{}")
    await saved(store, new)

    statement = "UPDATE revision_body SET body = :body, sha256 = :hash, content_size = NULL"
    await _tell(store, statement, body=LONG, hash=sha256)

    async with store.view(ACME) as view:
        assert await view.artifacts.body_sizes([new.revision_id]) == {new.revision_id: len(LONG)}
        assert await view.artifacts.bodies([new.revision_id]) == {new.revision_id: LONG}
        assert await view.artifacts.deflated_bodies([new.revision_id]) == {new.revision_id: Deflated.of(LONG)}


async def test_contents_of_another_tenant_are_as_absent(store):
    new = a_revision("rule-1", body=LONG)
    await saved(store, new)

    async with store.view(GLOBEX) as view:
        found = [
            await ask([new.revision_id, "unknown"])
            for ask in (view.artifacts.body_sizes, view.artifacts.bodies, view.artifacts.deflated_bodies)
        ]

    assert found == [{}, {}, {}]


@pytest.mark.parametrize(
    "damage",
    [
        "body = :other",
        "sha256 = :other",
        "body = :other, sha256 = :its_hash",
        "content_size = NULL",
        "content_size = 7",
    ],
)
async def test_a_damaged_content_is_given_to_nobody(store, caplog, damage):
    new = a_revision("rule-1", body=LONG)
    await saved(store, new)
    values = {"other": LONG, "its_hash": SHA256}

    await _tell(store, f"UPDATE revision_body SET {damage}", **{k: v for k, v in values.items() if f":{k}" in damage})

    async with store.view(ACME) as view:
        for ask in (view.artifacts.bodies, view.artifacts.deflated_bodies):
            with pytest.raises(Refusal) as refused:
                await ask([new.revision_id])
            assert refused.value.code is ErrorCode.CONTENT_DAMAGED
    assert caplog.text.count("is damaged") == 2
