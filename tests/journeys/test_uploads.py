"""Uploads wait for their import, stored bytes go when nothing needs them, and what came to nothing is tried again."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportPackage, ImportState
from domain.line import ImportOrder
from domain.options import ImportOptions
from domain.repeating import KEPT
from domain.uploads import LIFETIME
from tests.journeys.inside import ACME, GLOBEX, REPLACE, a_caller, codes
from tests.makers import a_bundle, a_suite, an_entity

pytestmark = pytest.mark.rules

RAW = a_bundle(*a_suite())
BROKEN = a_bundle(an_entity("ent-1"))[:-30]


async def stored(inside, raw: bytes = RAW) -> ImportPackage:
    async with inside.blobs.create() as blob:
        await blob.write(raw)
        key = await blob.finish()
    return ImportPackage(0, key, hashlib.sha256(raw).hexdigest(), len(raw))


async def order_of(inside, upload) -> ImportOrder:
    """What a door asks for that is told the upload's id."""
    source = await inside.services.uploads.importable(inside.caller, upload.upload_id, GLOBEX)
    return ImportOrder(GLOBEX, source.package, ImportOptions(), gone=source.gone)


async def test_an_upload_is_imported_as_often_as_wished_while_it_is_kept(inside):
    uploads, line = inside.services.uploads, inside.services.line
    upload = await uploads.keep(inside.caller, GLOBEX, await stored(inside))

    for state in (ImportState.SUCCEEDED, ImportState.SUCCEEDED):
        await line.submit(inside.caller, await order_of(inside, upload))
        assert (await inside.run_next()).state is state

    assert upload.expires_at - inside.clock.now() == LIFETIME


@pytest.mark.parametrize(
    ("changes", "target"),
    [({"subject": "boris"}, GLOBEX), ({"issuer": "elsewhere"}, GLOBEX), ({}, ACME)],
    ids=["another subject", "another issuer", "another tenant"],
)
async def test_an_upload_is_unknown_to_everybody_else(inside, changes, target):
    upload = await inside.services.uploads.keep(inside.caller, GLOBEX, await stored(inside))

    with pytest.raises(Refusal) as foreign:
        await inside.services.uploads.importable(replace(inside.caller, **changes), upload.upload_id, target)
    with pytest.raises(Refusal) as unknown:
        await inside.services.uploads.importable(inside.caller, "upl-nothing", GLOBEX)

    assert foreign.value.code is ErrorCode.NOT_FOUND
    assert str(foreign.value) == str(unknown.value)


async def test_an_upload_that_waited_too_long_is_gone(inside):
    upload = await inside.services.uploads.keep(inside.caller, GLOBEX, await stored(inside))
    inside.clock.advance(LIFETIME)

    told = []
    for days in (0, 1, 28):
        inside.clock.advance(timedelta(days=days))
        await inside.services.upkeep.forget_expired()
        with pytest.raises(Refusal) as caught:
            await inside.services.line.submit(inside.caller, await order_of(inside, upload), key=f"day-{days}")
        told.append((caught.value.code, caught.value.status))

    assert told == [(ErrorCode.UPLOAD_EXPIRED, 410)] * 3


async def test_the_record_of_an_upload_goes_a_month_after_its_bytes(inside):
    upload = await inside.services.uploads.keep(inside.caller, GLOBEX, await stored(inside))
    inside.clock.advance(LIFETIME + KEPT + timedelta(hours=1))

    await inside.services.upkeep.forget_expired()

    with pytest.raises(Refusal) as caught:
        await inside.services.uploads.importable(inside.caller, upload.upload_id, GLOBEX)
    assert caught.value.code is ErrorCode.NOT_FOUND


async def test_an_upload_sent_again_under_its_key_is_the_first_one(inside):
    keep = inside.services.uploads.keep
    first = await keep(inside.caller, GLOBEX, await stored(inside), key="once")

    again = await keep(inside.caller, GLOBEX, await stored(inside), key="once")

    assert again == first
    with pytest.raises(Refusal) as caught:
        await keep(inside.caller, GLOBEX, await stored(inside, BROKEN), key="once")
    assert caught.value.code is ErrorCode.IDEMPOTENCY_KEY_REUSED


async def test_uploading_needs_the_permission_to_import(inside):
    reader = a_caller("reader", scopes=frozenset({"installhub:read"}))

    with pytest.raises(Refusal) as caught:
        await inside.services.uploads.keep(reader, GLOBEX, await stored(inside))

    assert caught.value.code is ErrorCode.INSUFFICIENT_PERMISSION


def to_the_day(inside, days: float) -> None:
    """Stored bytes are as old as their keys say, by the real clock; move the manual one there, and on."""
    inside.clock.advance(datetime.now(UTC) - inside.clock.now() + timedelta(days=days))


async def test_stored_bytes_go_when_nothing_needs_them_any_more(inside):
    to_the_day(inside, 0)
    orphan = await stored(inside)
    unused = await stored(inside)
    used = await stored(inside)
    await inside.services.uploads.keep(inside.caller, GLOBEX, unused)
    await inside.services.line.submit(inside.caller, ImportOrder(GLOBEX, used, ImportOptions()))
    await inside.run_next()
    is_stored = inside.services.records.is_stored

    kept = []
    for days in (0.9, 0.2, 27, 4):
        inside.clock.advance(timedelta(days=days))
        await inside.services.upkeep.forget_expired()
        await inside.services.upkeep.sweep_blobs()
        kept.append([await is_stored(one.blob_key) for one in (orphan, unused, used)])

    assert kept == [[True, True, True], [False, False, True], [False, False, True], [False, False, False]]


async def test_what_a_door_has_just_offered_outlives_every_sweep_of_the_next_hour(inside):
    to_the_day(inside, 0)
    uploads, upkeep = inside.services.uploads, inside.services.upkeep
    upload = await uploads.keep(inside.caller, GLOBEX, await stored(inside))
    inside.clock.advance(LIFETIME - timedelta(seconds=1))
    order = await order_of(inside, upload)

    inside.clock.advance(timedelta(hours=1))
    await upkeep.forget_expired()
    await upkeep.sweep_blobs()
    await inside.services.line.submit(inside.caller, order)

    assert (await inside.run_next()).state is ImportState.SUCCEEDED


async def test_the_bundle_of_an_import_that_has_not_ended_is_never_swept(inside):
    to_the_day(inside, 0)
    package = await stored(inside)
    await inside.services.line.submit(inside.caller, ImportOrder(GLOBEX, package, ImportOptions()))
    inside.clock.advance(timedelta(days=400))

    await inside.services.upkeep.sweep_blobs()

    assert (await inside.run_next()).state is ImportState.SUCCEEDED


async def test_a_packages_bytes_are_kept_until_it_expires(inside, package):
    to_the_day(inside, 1)
    await inside.services.upkeep.sweep_blobs()
    before = await inside.services.records.is_stored(package.blob_key)

    inside.clock.advance(package.expires_at - inside.clock.now() + timedelta(hours=1))
    await inside.services.upkeep.sweep_blobs()

    assert (before, await inside.services.records.is_stored(package.blob_key)) == (True, False)


async def test_an_import_that_failed_is_tried_again_with_its_own_options(inside):
    await inside.bring(GLOBEX, a_bundle(an_entity("ent-1", name="One", _version="2.0.0")))
    older = a_bundle(an_entity("ent-1", name="One", _version="1.0.0"))
    failed = await inside.bring(GLOBEX, older, default_strategy=REPLACE)
    assert failed.state is ImportState.FAILED

    again = await inside.services.line.retry(inside.caller, failed.import_id, None)

    assert (again.retry_of, again.options, again.packages) == (failed.import_id, failed.options, failed.packages)
    ended = await inside.run_next()
    assert (ended.import_id, codes(ended)) == (again.import_id, codes(failed))
    assert (await inside.job(failed.import_id)) == failed


async def test_a_retry_under_a_key_makes_one_new_import(inside):
    failed = await inside.bring(GLOBEX, BROKEN)

    made = [await inside.services.line.retry(inside.caller, failed.import_id, None, key="again") for _ in range(2)]

    assert made[0].import_id == made[1].import_id != failed.import_id


async def test_only_what_came_to_nothing_is_tried_again(inside):
    done = await inside.bring(GLOBEX, RAW)
    waiting = await inside.submit(GLOBEX, RAW)

    for job in (done, waiting):
        with pytest.raises(Refusal) as caught:
            await inside.services.line.retry(inside.caller, job.import_id, None)
        assert caught.value.code is ErrorCode.BAD_USER_INPUT


async def test_an_import_whose_bundle_is_gone_cannot_be_tried_again(inside):
    failed = await inside.bring(GLOBEX, BROKEN)
    await inside.blobs.delete(failed.packages[0].blob_key)

    with pytest.raises(Refusal) as caught:
        await inside.services.line.retry(inside.caller, failed.import_id, None)

    assert (caught.value.code, caught.value.status) == (ErrorCode.BUNDLE_EXPIRED, 410)


async def test_another_tenants_import_cannot_be_tried_again(inside):
    failed = await inside.bring(GLOBEX, BROKEN)
    foreigner = a_caller("carl", tenants=frozenset({ACME}), scopes=frozenset({"installhub:import"}))

    with pytest.raises(Refusal) as foreign:
        await inside.services.line.retry(foreigner, failed.import_id, foreigner.reach)

    assert foreign.value.code is ErrorCode.NOT_FOUND


async def test_a_retry_needs_what_an_import_of_the_same_package_needs(inside, package):
    job = await inside.submit(GLOBEX, package)
    await inside.services.line.cancel(inside.caller, job.import_id, None)
    rights = frozenset({"installhub:import"})
    stranger = a_caller("carl", tenants=frozenset({GLOBEX}), scopes=rights | {"installhub:export"})
    member = a_caller("dora", tenants=frozenset({ACME, GLOBEX}), scopes=rights)

    told = []
    for caller in (stranger, member):
        with pytest.raises(Refusal) as caught:
            await inside.services.line.retry(caller, job.import_id, caller.reach, key="again")
        told.append(caught.value.code)

    assert told == [ErrorCode.NOT_FOUND, ErrorCode.INSUFFICIENT_PERMISSION]
    able = a_caller("emma", tenants=frozenset({ACME, GLOBEX}), scopes=rights | {"installhub:export"})
    assert (await inside.services.line.retry(able, job.import_id, able.reach)).retry_of == job.import_id
