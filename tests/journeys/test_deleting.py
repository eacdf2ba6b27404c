"""Who has the bytes of a package that is deleted goes on; when nobody needs them any more they are gone (R13)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportState
from tests.journeys.inside import GLOBEX

DAY = timedelta(days=1)


async def delete(inside, package):
    return await inside.services.deleting.package(inside.caller, package.package_id, None)


async def test_an_import_in_line_brings_a_package_that_is_deleted_meanwhile(inside, package):
    waiting = await inside.submit(GLOBEX, package)

    await delete(inside, package)

    assert (await inside.run_next()).import_id == waiting.import_id
    assert (await inside.job(waiting.import_id)).state is ImportState.SUCCEEDED


async def test_a_plan_of_a_deleted_package_is_applied(inside, package):
    planned = await inside.bring(GLOBEX, package, dry_run=True)
    await delete(inside, package)

    applied = await inside.services.plans.apply(inside.caller, planned.plan_id, None)

    assert (await inside.run_next()).import_id == applied.import_id
    assert (await inside.job(applied.import_id)).state is ImportState.SUCCEEDED


async def test_nobody_needs_the_bytes_of_a_deleted_package_once_its_imports_are_old(inside, package):
    job = await inside.bring(GLOBEX, package)
    await delete(inside, package)

    kept, given_up = [await unneeded(inside, package, job.ended_at + days * DAY) for days in (29, 31)]

    assert (kept, given_up) == (set(), {package.blob_key})


async def unneeded(inside, package, now):
    async with inside.sql.platform_view() as unit:
        return await unit.keeping.unnamed([package.blob_key], now=now, kept_after_use=30 * DAY)


async def test_a_download_under_way_does_not_bring_a_deleted_package_back(inside, package):
    await delete(inside, package)

    await inside.services.records.keep_longer(package, days=400)

    with pytest.raises(Refusal) as caught:
        await inside.services.records.with_bytes(
            await inside.services.records.get_package(inside.caller, package.package_id, None)
        )
    assert caught.value.code is ErrorCode.BUNDLE_EXPIRED


async def test_the_audit_says_who_deleted_a_package(inside, package):
    first = await delete(inside, package)
    inside.clock.advance(DAY)

    again = await delete(inside, package)

    assert (await inside.row_counts())["audit"] == 1
    assert again == first
