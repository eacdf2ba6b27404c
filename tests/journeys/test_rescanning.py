"""What is kept is scanned again when the rules change, and who owns it is told (security.md section 3.3, rule 7)."""

from __future__ import annotations

import asyncio
import threading

import pytest

from domain import scanning
from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportState
from domain.model import ArtifactStatus
from domain.notices.model import NoticeKind
from domain.ports import UnavailableError
from domain.rescan_rows import Keeping
from domain.scanning import Scanner
from domain.scanning.custom import read_rules
from tests.journeys.inside import ACME, GLOBEX, Inside, a_caller
from tests.makers import a_bundle, a_process, a_rule_set

pytestmark = pytest.mark.rules

RULE = 'rule forbidden { meta: severity = "High" strings: $word = "Approval" condition: $word }'
HARMLESS = a_bundle(a_process("proc-1", name="Approval"))
EXCEPTED = a_bundle(a_rule_set("rule-1", rules=[{"ruleId": "r", "condition": "{{env.SECRET}} > 1"}]))


@pytest.fixture(autouse=True)
def _afterwards():
    yield
    scanning.put_in_force(Scanner())


@pytest.fixture
def forbidding(tmp_path):
    """Other rules than those in force: the name of :data:`HARMLESS` is forbidden by them."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "more.yar").write_text(RULE)
    return Scanner(read_rules(folder))


async def rescans(inside: Inside, caller=None, reach=None):
    return (await inside.services.rescans.page(caller or inside.caller, reach=reach, first=20)).items


async def told(inside: Inside) -> list[tuple[str, str]]:
    """Title and link of all that the caller is told about scans."""
    await inside.services.relay.empty()
    page = await inside.services.notices.page(inside.caller, inside.caller.reach, first=10)
    return [(one.title, one.link) for one in page.items if one.kind is NoticeKind.PACKAGE_FORBIDDEN]


async def test_what_newer_rules_forbid_stays_installed_and_its_owner_is_told_once(inside, forbidding):
    job = await inside.bring(GLOBEX, HARMLESS)
    (first,) = await inside.services.records.scan_reports(inside.caller, job)
    early = await inside.services.rescans.scan_due()
    scanning.put_in_force(forbidding)

    counts = [await inside.services.rescans.scan_due() for _ in range(2)]

    (made,) = await rescans(inside)
    shown = await inside.services.rescans.find(inside.caller, made.rescan_id, frozenset({GLOBEX}))
    assert (early, counts) == (0, [1, 0])
    assert (made.keeping, made.import_id, made.result) == (Keeping.INSTALLED, job.import_id, "FAIL")
    assert (made.rules_version, shown.report["rulesVersion"]) == (forbidding.version, forbidding.version)
    assert {finding["rule"] for finding in shown.report["checkResults"][-1]["findings"]} == {"Custom.more.forbidden"}
    assert await inside.services.records.scan_reports(inside.caller, job) == [first]
    assert (await inside.heads(GLOBEX))["Approval"].status is ArtifactStatus.PUBLISHED
    title = f"{job.package_name} {job.package_version} is forbidden by newer rules"
    assert await told(inside) == [(title, f"/api/installhub/rescans/{made.rescan_id}")]


async def test_what_is_exported_is_scanned_and_its_owner_is_told_when_newer_rules_forbid_it(inside, forbidding):
    await inside.save(ACME, a_process("proc-1", name="Approval"))
    await inside.export(ACME, "proc-1")
    results = []

    for scanner in (forbidding, Scanner(), forbidding):
        scanning.put_in_force(scanner)
        scanned = await inside.services.rescans.scan_due()
        results.append((scanned, [one.result for one in await rescans(inside)], len(await told(inside))))

    # nothing was let pass before the first scan, and earlier rules have their report already
    assert results == [(1, ["FAIL"], 0), (1, ["PASS", "FAIL"], 0), (0, ["PASS", "FAIL"], 0)]


async def test_an_export_that_was_let_pass_and_is_forbidden_now_is_told_of(inside, forbidding):
    await inside.save(ACME, a_process("proc-1", name="Approval"))
    exported = (await inside.export(ACME, "proc-1")).package
    await inside.services.rescans.scan_due()
    scanning.put_in_force(forbidding)

    await inside.services.rescans.scan_due()

    assert [title for title, _ in await told(inside)] == ["Starter 1.0.0 is forbidden by newer rules"]
    assert [one.package_id for one in await rescans(inside)] == [exported.package_id] * 2
    assert (await inside.services.records.get_package(inside.caller, exported.package_id, None)) == exported


async def test_where_the_bytes_are_gone_the_report_says_so_and_nobody_tries_again(inside, forbidding):
    job = await inside.bring(GLOBEX, HARMLESS)
    await inside.blobs.delete(job.packages[0].blob_key)
    scanning.put_in_force(forbidding)

    counts = [await inside.services.rescans.scan_due() for _ in range(2)]

    (made,) = await rescans(inside)
    shown = await inside.services.rescans.find(inside.caller, made.rescan_id, None)
    assert (counts, made.result, await told(inside)) == ([1, 0], "ERROR", [])
    assert shown.report["error"] == "The package's bundle is no longer kept, so it could not be scanned by these rules."


async def test_what_a_tenants_people_let_pass_stays_let_pass(inside, forbidding):
    failed = await inside.bring(GLOBEX, EXCEPTED)
    service, boris = inside.services.import_exceptions, a_caller("boris")
    made = await service.ask(inside.caller, failed.import_id, None, finding_index=0, explanation="A label")
    await service.decide(boris, failed.import_id, made.exception_id, None, is_approved=True, details="It is")
    job = await inside.bring(GLOBEX, EXCEPTED, allow_security_warnings=True)
    scanning.put_in_force(forbidding)

    await inside.services.rescans.scan_due()

    assert job.state is ImportState.SUCCEEDED
    assert [one.result for one in await rescans(inside)] == ["WARN"]
    assert await told(inside) == []


async def test_who_is_stopped_over_a_scan_gives_it_back(inside):
    class Hanging(Scanner):
        @property
        def version(self):
            return "newer"

        def artifact(self, *_what):
            begun.set()
            released.wait()
            return []

    begun, released = threading.Event(), threading.Event()
    await inside.bring(GLOBEX, HARMLESS)
    scanning.put_in_force(Hanging())
    dying = asyncio.create_task(inside.services.rescans.scan_due())
    await asyncio.to_thread(begun.wait)
    dying.cancel()
    released.set()
    await asyncio.gather(dying, return_exceptions=True)
    between = await rescans(inside)

    count = await inside.services.rescans.scan_due()

    assert (dying.cancelled(), between, count) == (True, (), 1)
    assert [one.result for one in await rescans(inside)] == ["PASS"]


async def test_what_takes_down_whoever_scans_it_is_given_up(inside, forbidding):
    await inside.bring(GLOBEX, HARMLESS)
    scanning.put_in_force(forbidding)
    async with inside.sql.platform_unit() as unit:
        (kept,) = await unit.rescans.due(forbidding.version, inside.clock.now(), most=5)
        for number in range(3):
            assert await unit.rescans.claim(kept, forbidding.version, f"rsc-{number}", lease_seconds=-1.0)

    count = await inside.services.rescans.scan_due()

    (made,) = await rescans(inside)
    shown = await inside.services.rescans.find(inside.caller, made.rescan_id, None)
    assert (count, made.result, shown.report["error"]) == (
        *(1, "ERROR"),
        "The scan was begun 3 times and came to no end.",
    )
    assert [title for title, _ in await told(inside)] == [
        f"{made.package_name} {made.package_version} could not be scanned anew"
    ]


async def test_while_the_stored_bytes_cannot_be_asked_for_nothing_is_decided(inside, forbidding, monkeypatch):
    await inside.bring(GLOBEX, HARMLESS)
    scanning.put_in_force(forbidding)

    def unavailable(*_what, **_more):
        raise UnavailableError

    with monkeypatch.context() as patched:
        patched.setattr(inside.blobs, "local", unavailable)
        for _ in range(4):
            with pytest.raises(UnavailableError):
                await inside.services.rescans.scan_due()
    between = await rescans(inside)
    await inside.services.rescans.scan_due()

    assert between == ()
    assert [one.result for one in await rescans(inside)] == ["FAIL"]


class BugError(Exception):
    """Something that nobody thought of."""


@pytest.mark.parametrize(("trouble", "later"), [(UnavailableError, 1), (BugError, 0)])
async def test_a_bundle_that_fails_keeps_no_other_waiting_and_is_tried_later_but_not_soon_after_a_bug(
    inside, forbidding, monkeypatch, trouble, later
):
    """Nobody takes it from who may still be at it; whoever cannot read it now gives it back."""
    jobs = [await inside.bring(tenant, HARMLESS) for tenant in (ACME, GLOBEX)]
    scanning.put_in_force(forbidding)
    local, (broken, sound) = inside.blobs.local, jobs

    def failing(key, **more):
        if key == broken.packages[0].blob_key:
            raise trouble
        return local(key, **more)

    with monkeypatch.context() as patched:
        patched.setattr(inside.blobs, "local", failing)
        with pytest.raises(trouble):
            await inside.services.rescans.scan_due()
    between = await rescans(inside)
    count = await inside.services.rescans.scan_due()

    assert [one.import_id for one in between] == [sound.import_id]
    assert (count, len(await rescans(inside))) == (later, 1 + later)


async def test_scans_are_shown_to_those_alone_who_may_see_what_was_scanned(inside, forbidding):
    await inside.bring(GLOBEX, HARMLESS)
    await inside.export(GLOBEX, (await inside.heads(GLOBEX))["Approval"].artifact_id)
    scanning.put_in_force(forbidding)
    await inside.services.rescans.scan_due()
    reader = a_caller("rita", scopes=frozenset({"installhub:read"}))
    nobody = a_caller("nick", scopes=frozenset())

    seen = await rescans(inside, reader)
    exported = next(one for one in await rescans(inside) if one.keeping is Keeping.EXPORTED)

    assert [one.keeping for one in seen] == [Keeping.INSTALLED]
    assert await rescans(inside, reach=frozenset({ACME})) == ()
    assert await inside.services.rescans.find(reader, exported.rescan_id, None) is None
    assert await inside.services.rescans.find(inside.caller, exported.rescan_id, frozenset({ACME})) is None
    with pytest.raises(Refusal) as refused:
        await rescans(inside, nobody)
    assert refused.value.code is ErrorCode.INSUFFICIENT_PERMISSION
