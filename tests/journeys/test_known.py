"""The same package again: what an earlier import has read of these very bytes is neither read nor scanned twice."""

from __future__ import annotations

import pytest

from domain import known
from domain.import_model import EventKind, ImportState, Stage
from domain.options import ConflictStrategy
from tests.journeys.inside import ACME, BOOKS, GLOBEX, REPLACE, ROOT, SKIP
from tests.makers import a_suite, an_entity

COPY = ConflictStrategy.COPY
NOT_READ = "these very bytes were read and scanned for an earlier import"


async def is_read(inside, job):
    """Whether the bytes of an import's package were read."""
    told = [event for event in await inside.events(job.import_id) if event.kind is EventKind.STAGE_ENDED]
    (said,) = [event.message for event in told if event.progress.stage is Stage.VALIDATION]
    return NOT_READ not in said


@pytest.fixture
async def package(inside):
    """Four artifacts over three levels, which came from acme to globex."""
    await inside.save(ACME, *a_suite())
    package = (await inside.export(ACME, ROOT)).package
    await inside.bring(GLOBEX, package, default_strategy=REPLACE)
    return package


async def test_the_same_package_again_is_not_read_and_writes_no_artifact(inside, package):
    shown = await inside.bring(GLOBEX, package, default_strategy=REPLACE, dry_run=True)
    before = await inside.row_counts()
    heads = await inside.heads(GLOBEX)

    again = await inside.bring(GLOBEX, package, default_strategy=REPLACE)

    after = await inside.row_counts()
    assert not await is_read(inside, again)
    assert await is_read(inside, shown)
    assert {name for name in after if after[name] != before[name]} <= BOOKS
    assert await inside.heads(GLOBEX) == heads
    assert again.outcome["artifactsUnchanged"] == len(heads) == len(again.outcome["idRemapTable"])
    assert again.outcome["planHash"] == shown.outcome["planHash"]
    assert again.outcome["securityScanResult"] == "PASS"


async def test_it_goes_on_so_from_one_import_to_the_next(inside, package):
    jobs = [await inside.bring(GLOBEX, package, default_strategy=REPLACE) for _ in range(3)]

    assert [await is_read(inside, job) for job in jobs] == [False, False, False]


async def test_what_somebody_changed_since_has_the_package_read(inside, package):
    (form,) = [head for head in (await inside.heads(GLOBEX)).values() if head.artifact_type.wire == "AtlasForm"][:1]
    await inside.change(GLOBEX, archive=[form.artifact_id])

    again = await inside.bring(GLOBEX, package, default_strategy=REPLACE)

    told = [event.message for event in await inside.events(again.import_id)]
    assert "The tenant does not have the package just so any more; it is read." in told
    assert again.outcome["artifactsWritten"] == 1
    assert (await inside.heads(GLOBEX))[form.name].status is form.status


async def test_the_rules_of_the_scan_must_be_those_of_then(inside, package, monkeypatch):
    monkeypatch.setattr(known, "rules_version", lambda: "newer")

    assert await is_read(inside, await inside.bring(GLOBEX, package, default_strategy=REPLACE))


async def test_what_was_asked_otherwise_has_the_package_read(inside, package):
    mapped = {"endpoint_mapping": {"https://nowhere.example": "https://here.example"}}
    backed_up = {"backup_before_replace": True}

    for options in (mapped, backed_up):
        assert await is_read(inside, await inside.bring(GLOBEX, package, default_strategy=REPLACE, **options))


async def test_other_bytes_and_other_tenants_are_read(inside, package):
    later = (await inside.export(ACME, ROOT, version="1.0.1")).package

    assert await is_read(inside, await inside.bring(GLOBEX, later, default_strategy=REPLACE))
    assert await is_read(inside, await inside.bring(GLOBEX, package, allow_version_downgrade=True))
    assert await is_read(inside, await inside.bring(ACME, package, default_strategy=REPLACE))


@pytest.mark.rules
@pytest.mark.parametrize("left_out", [SKIP, COPY])
async def test_what_an_import_left_out_is_written_by_the_next_one_of_the_same_bytes(inside, left_out):
    await inside.save(ACME, an_entity("ent-1", "one", name="Log"))
    first = (await inside.export(ACME, "ent-1")).package
    await inside.save(ACME, an_entity("ent-1", "two", name="Log"))
    second = (await inside.export(ACME, "ent-1", version="1.0.1")).package
    await inside.bring(GLOBEX, first, default_strategy=REPLACE)
    await inside.bring(GLOBEX, second, default_strategy=left_out)

    again = await inside.bring(GLOBEX, second, default_strategy=REPLACE)

    assert again.outcome["artifactsWritten"] == 1
    assert (await inside.contents(GLOBEX))["Log"]["fields"][0]["fieldName"] == "two"


@pytest.mark.rules
@pytest.mark.parametrize(
    ("strategy", "state"), [(None, ImportState.WAITING_FOR_DECISIONS), (COPY, ImportState.SUCCEEDED)]
)
async def test_what_somebody_edited_is_a_conflict_as_in_any_package(inside, strategy, state):
    await inside.save(ACME, an_entity("ent-1", "one", name="Log"))
    package = (await inside.export(ACME, "ent-1")).package
    await inside.bring(GLOBEX, package)
    (head,) = (await inside.heads(GLOBEX)).values()
    await inside.save(GLOBEX, an_entity(head.artifact_id, "mine", name="Log"))

    again = await inside.bring(GLOBEX, package, default_strategy=strategy)

    assert (again.state, again.failure) == (state, None)
    assert (await inside.contents(GLOBEX))["Log"]["fields"][0]["fieldName"] == "mine"
