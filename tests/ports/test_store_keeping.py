"""Secrets, uploads and requests that come again, over SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.model import Actor, BlobKey, Upload, UploadId
from domain.ports import KeyTakenError
from domain.rows import HistoryFilter, Remembered
from tests.clocks import NOON
from tests.ports.rows import ACME, GLOBEX, with_tenants

LATER = NOON + timedelta(days=1)
UPLOAD = Upload(UploadId("upl-1"), ACME, "iss anna", BlobKey("a" * 32), "0" * 64, 12, Actor("anna"), LATER)
MADE = Remembered("hash", {"importId": "imp-1"})


async def test_a_secret_is_made_once_whoever_asks(store):
    async def asked(name):
        async with store.platform_unit() as unit:
            return await unit.keeping.secret(name)

    links = await asyncio.gather(*(asked("links") for _ in range(5)))

    assert len(set(links)) == 1
    assert len(links[0]) == 64
    assert await asked("other") != links[0]


async def test_an_upload_is_found_in_its_own_tenant_only(store):
    await with_tenants(store, ACME, GLOBEX)
    async with store.unit(ACME) as unit:
        await unit.uploads.add(UPLOAD)

    async with store.view(ACME) as mine, store.view(GLOBEX) as other:
        assert await mine.uploads.find("upl-1") == UPLOAD
        assert await other.uploads.find("upl-1") is None
        assert await mine.uploads.find("upl-2\0") is None


async def test_a_request_is_remembered_by_tenant_subject_and_key_until_its_time(store):
    await with_tenants(store, ACME, GLOBEX)
    async with store.unit(ACME) as unit:
        await unit.repeats.remember("anna", "k", MADE, expires_at=LATER)

    async with store.view(ACME) as mine, store.view(GLOBEX) as other:
        assert await mine.repeats.find("anna", "k", NOON) == MADE
        assert await mine.repeats.find("anna", "k", LATER) is None
        assert await mine.repeats.find("boris", "k", NOON) is None
        assert await mine.repeats.find("anna", "K", NOON) is None
        assert await other.repeats.find("anna", "k", NOON) is None


async def test_a_key_cannot_be_taken_twice_and_its_unit_writes_nothing(store):
    await with_tenants(store, ACME)
    async with store.unit(ACME) as unit:
        await unit.repeats.remember("anna", "k", MADE, expires_at=LATER)

    async def again() -> None:
        async with store.unit(ACME) as unit:
            await unit.uploads.add(UPLOAD)
            await unit.repeats.remember("anna", "k", replace(MADE, request_hash="other"), expires_at=LATER)

    with pytest.raises(KeyTakenError):
        await again()

    async with store.view(ACME) as view:
        assert await view.uploads.find("upl-1") is None
        assert await view.repeats.find("anna", "k", NOON) == MADE


async def test_what_is_past_its_time_is_forgotten_and_nothing_else(store):
    await with_tenants(store, ACME)
    async with store.unit(ACME) as unit:
        await unit.uploads.add(UPLOAD)
        await unit.uploads.add(replace(UPLOAD, upload_id=UploadId("upl-2"), expires_at=LATER + timedelta(seconds=1)))
        await unit.repeats.remember("anna", "k", MADE, expires_at=LATER)

    async with store.platform_unit() as unit:
        keys = await unit.keeping.forget_expired(LATER, uploads_kept=timedelta(days=1))
        uploads = await unit.keeping.forget_expired(LATER + timedelta(days=1), uploads_kept=timedelta(days=1))

    async with store.view(ACME) as view:
        assert (keys, uploads) == (1, 1)
        assert await view.uploads.find("upl-1") is None
        assert await view.uploads.find("upl-2") is not None


async def test_the_export_history_is_counted_paged_and_filtered_in_its_own_tenant(store):
    await with_tenants(store, ACME, GLOBEX)
    for tenant in (ACME, GLOBEX):
        async with store.unit(tenant) as unit:
            for number in range(3):
                await unit.packages.record_export({"n": number, "exportedBy": f"user{number % 2}"})

    async with store.view(ACME) as view:
        second = await view.packages.history(HistoryFilter(), page=2, page_size=2)
        by_one = await view.packages.history(HistoryFilter(exported_by="user1"), page=1, page_size=9)
        now = store._clock.now()
        early = await view.packages.history(HistoryFilter(until=now), page=1, page_size=9)
        late = await view.packages.history(HistoryFilter(since=now), page=1, page_size=9)

    assert ([row["n"] for row in second.items], second.total_count) == ([0], 3)
    assert ([row["n"] for row in by_one.items], by_one.total_count) == ([1], 1)
    assert (early.total_count, late.total_count) == (0, 3)
