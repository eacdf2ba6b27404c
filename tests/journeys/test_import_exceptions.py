"""A false alarm in a tenant's own import: asked for, decided by somebody else, and then a warning (section 9.6)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.access import OVERRIDE_SECURITY
from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportFilter, ImportState
from domain.market.curation_rows import Judgement
from tests.journeys.inside import ACME, ANNA, GLOBEX, Inside, a_caller, codes
from tests.makers import a_bundle, a_rule_set

BORIS = a_caller("boris")
STRANGER = a_caller("sam", tenants=frozenset({ACME}), scopes=frozenset({"installhub:admin"}))
FORBIDDEN = a_bundle(a_rule_set("rule-1", rules=[{"ruleId": "r", "condition": "{{env.SECRET}} > 1"}]))
CHANGED = a_bundle(a_rule_set("rule-1", rules=[{"ruleId": "r", "condition": "{{env.SECRET}} > 2"}]))


async def asked_for(inside: Inside, *, caller=ANNA, **options):
    """An import that the scan forbade, and the exception that was asked for it."""
    job = await inside.bring(GLOBEX, FORBIDDEN, **options)
    service = inside.services.import_exceptions
    made = await service.ask(caller, job.import_id, None, finding_index=0, explanation="A label", justification="Used")
    return job, made


async def decided(inside: Inside, made, *, caller=BORIS, yes=True, **more):
    service, details = inside.services.import_exceptions, more.pop("details", "It is never run")
    return await service.decide(
        caller, made.import_id, made.exception_id, None, is_approved=yes, details=details, **more
    )


async def test_what_was_let_pass_is_a_warning_that_the_caller_has_to_allow(inside: Inside):
    job, made = await asked_for(inside)

    await decided(inside, made)
    careless = await inside.bring(GLOBEX, FORBIDDEN)
    careful = await inside.bring(GLOBEX, FORBIDDEN, allow_security_warnings=True)

    assert codes(job) == {ErrorCode.SECURITY_SCAN_FAILED}
    assert (careless.state, codes(careless)) == (ImportState.FAILED, {ErrorCode.SECURITY_WARNINGS_NOT_ALLOWED})
    outcome = careful.outcome or {}
    assert (careful.state, outcome["securityScanResult"]) == (ImportState.SUCCEEDED, "WARN")
    assert "ScanException" in {row["code"] for row in outcome["warnings"]}


async def test_an_import_that_allowed_warnings_is_tried_again_when_its_exception_is_approved(inside: Inside):
    job, made = await asked_for(inside, allow_security_warnings=True)

    await decided(inside, made)
    listed = await inside.services.records.import_jobs(ANNA, None, ImportFilter(), first=5, after=None)

    assert [one.retry_of for one in listed.items] == [job.import_id, None]


async def test_until_somebody_agrees_and_after_it_was_taken_back_the_scan_forbids(inside: Inside):
    _, made = await asked_for(inside)

    early = await inside.bring(GLOBEX, FORBIDDEN, allow_security_warnings=True)
    await decided(inside, made)
    await decided(inside, made, caller=ANNA, yes=False)
    late = await inside.bring(GLOBEX, FORBIDDEN, allow_security_warnings=True)

    assert codes(early) == codes(late) == {ErrorCode.SECURITY_SCAN_FAILED}


async def test_an_exception_ends_with_its_time(inside: Inside):
    _, made = await asked_for(inside)
    await decided(inside, made, valid_until=inside.clock.now() + timedelta(hours=1))

    inside.clock.advance(timedelta(hours=2))
    job = await inside.bring(GLOBEX, FORBIDDEN, allow_security_warnings=True)

    assert codes(job) == {ErrorCode.SECURITY_SCAN_FAILED}


@pytest.mark.parametrize("other", ["content", "tenant"])
async def test_it_counts_for_these_bytes_in_this_tenant_alone(inside: Inside, other: str):
    _, made = await asked_for(inside)
    await decided(inside, made)

    target, package = (GLOBEX, CHANGED) if other == "content" else (ACME, FORBIDDEN)
    job = await inside.bring(target, package, allow_security_warnings=True)

    assert codes(job) == {ErrorCode.SECURITY_SCAN_FAILED}


async def refused(asked) -> set[ErrorCode]:
    with pytest.raises(Refusal) as caught:
        await asked
    return {problem.code for problem in caught.value.problems}


async def test_what_nobody_may_ask_or_decide(inside: Inside):
    job, made = await asked_for(inside)
    service = inside.services.import_exceptions
    reader = a_caller(scopes=frozenset({"installhub:import", OVERRIDE_SECURITY}))
    wish = {"explanation": "A label"}
    late = inside.clock.now() + timedelta(days=400)

    refusals = {
        "no administrator": await refused(service.ask(reader, job.import_id, None, finding_index=0, **wish)),
        "no reason": await refused(service.ask(ANNA, job.import_id, None, finding_index=0, explanation=" ")),
        "no finding": await refused(service.ask(ANNA, job.import_id, None, finding_index=9, **wish)),
        "twice": await refused(service.ask(ANNA, job.import_id, None, finding_index=0, **wish)),
        "a stranger": await refused(service.ask(STRANGER, job.import_id, STRANGER.reach, finding_index=0, **wish)),
        "one's own": await refused(decided(inside, made, caller=ANNA)),
        "for ever": await refused(decided(inside, made, valid_until=late)),
        "without why": await refused(decided(inside, made, details="")),
    }

    assert refusals == {
        "no administrator": {ErrorCode.INSUFFICIENT_PERMISSION},
        "no reason": {ErrorCode.MISSING_REQUIRED_FIELD},
        "no finding": {ErrorCode.BAD_USER_INPUT},
        "twice": {ErrorCode.STATE_CONFLICT},
        "a stranger": {ErrorCode.NOT_FOUND},
        "one's own": {ErrorCode.STATE_CONFLICT},
        "for ever": {ErrorCode.BAD_USER_INPUT},
        "without why": {ErrorCode.MISSING_REQUIRED_FIELD},
    }


async def test_what_was_asked_and_decided_is_listed_and_in_the_audit(inside: Inside):
    job, made = await asked_for(inside)
    await decided(inside, made)

    listed = await inside.services.import_exceptions.page(ANNA, GLOBEX, first=5)
    elsewhere = await inside.services.import_exceptions.page(ANNA, ACME, first=5)
    waiting = await inside.services.import_exceptions.page(ANNA, GLOBEX, statuses=(Judgement.UNDER_REVIEW,), first=5)
    audit = [entry.action for entry in await inside.services.records.audit(ANNA, job)]

    assert [(one.exception_id, one.status) for one in listed.items] == [(made.exception_id, Judgement.APPROVED)]
    assert (elsewhere.items, waiting.items) == ((), ())
    assert audit[-2:] == ["scanException.asked", "scanException.approved"]
