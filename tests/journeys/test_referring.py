"""Leaving to another package what it brings: exported apart, installed apart, and referred to across (decisions 9)."""

from __future__ import annotations

import pytest

from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportState
from domain.market.installs import InstallOrder
from domain.market.model import InstallWish, ListingId
from domain.model import ArtifactId, ArtifactStatus, ExternalReference, PackageDependency
from domain.options import Activation, ImportOptions
from domain.referring import DependencyMode
from tests.journeys.inside import ACME, GLOBEX, REPLACE, ROOT, a_caller, codes
from tests.makers import a_bundle, a_form, a_process, a_rule_set, a_suite, an_entity
from tests.market import published

pytestmark = pytest.mark.rules

BASE = "acme-base"
REFER = DependencyMode.REFER
ENTITY = ArtifactType.ENTITY_SCHEMA
INSTALLER = a_caller(
    scopes=frozenset({"installhub:import", "marketplace:install", "marketplace:install:community"}),
)


@pytest.fixture
async def core(inside):
    """Rules and their entity: a package of another tenant, which acme has installed."""
    await inside.services.tenancy.add(BASE, (await inside.services.tenancy.find(inside.caller, ACME)).plan)
    await inside.save(BASE, an_entity("ent-44"), a_rule_set("rule-305", "ent-44"))
    made = (await inside.export(BASE, "rule-305", package_name="Core", version="1.2.0")).package
    await inside.bring(ACME, made)
    return made


@pytest.fixture
async def suite(inside, core):
    """A process and its form, whose entity and rules are those of Core, referred to."""
    ids = {name: head.artifact_id for name, head in (await inside.heads(ACME)).items()}
    entity, rules = ids["EntitySchema 44"], ids["RuleSet 305"]
    await inside.save(ACME, a_form(entity=entity, rules=rules), a_process(form="form-2005"))
    return await inside.export(ACME, ROOT, dependency_mode=REFER)


async def test_what_another_package_brought_is_left_out_and_that_package_needed(inside, suite):
    manifest = suite.package.manifest

    assert [row["id"] for row in manifest["artifacts"]] == ["form-2005", "proc-1001"]
    rows = [{k: v for k, v in row.items() if k != "artifactId"} for row in manifest["externalReferences"]]
    core = {"packageName": "Core", "packageSource": BASE}
    assert rows == [
        {"type": "EntitySchema", "name": "EntitySchema 44", "sourceId": "ent-44", **core},
        {"type": "RuleSet", "name": "RuleSet 305", "sourceId": "rule-305", **core},
    ]
    assert manifest["packageDependencies"] == [{"packageName": "Core", "minVersion": "1.2.0", "maxVersion": "2.0.0"}]
    assert suite.warnings == ()


async def test_without_the_wish_everything_is_included_as_before(inside, suite):
    included = await inside.export(ACME, ROOT, version="1.1.0")

    assert included.package.artifact_count == 4
    assert "externalReferences" not in included.package.manifest


async def test_it_is_installed_on_the_tenants_own_artifacts_of_that_package(inside, core, suite):
    await inside.bring(GLOBEX, core)
    before = await inside.heads(GLOBEX)

    job = await inside.bring(GLOBEX, suite.package)

    heads, form = await inside.heads(GLOBEX), (await inside.contents(GLOBEX))["AtlasForm 2005"]
    assert job.state is ImportState.SUCCEEDED
    assert form["fields"][0]["dataSource"]["entityId"] == heads["EntitySchema 44"].artifact_id
    assert form["validationRules"][0]["ruleSetId"] == heads["RuleSet 305"].artifact_id
    assert heads["RuleSet 305"] == before["RuleSet 305"]
    again = await inside.bring(GLOBEX, suite.package)
    assert again.outcome["counts"]["unchanged"] == 2


async def test_without_the_package_the_import_names_what_is_missing_and_writes_nothing(inside, suite):
    job = await inside.bring(GLOBEX, suite.package)

    assert codes(job) == {ErrorCode.MISSING_PACKAGE_DEPENDENCY}
    assert [problem.where for problem in job.failure.problems] == ["packageDependencies[0]", "externalReferences[0]"]
    assert await inside.heads(GLOBEX) == {}


async def test_a_namesake_will_do_where_the_package_is_there_without_the_artifact(inside, core, suite):
    await inside.bring(GLOBEX, core)
    heads = await inside.heads(GLOBEX)
    await inside.change(GLOBEX, remove=[heads["RuleSet 305"].artifact_id])
    await inside.save(GLOBEX, a_rule_set("rule-9", name="ruleset 305"))

    await inside.bring(GLOBEX, suite.package)

    form = (await inside.contents(GLOBEX))["AtlasForm 2005"]
    assert form["validationRules"] == [{"ruleSetId": "rule-9"}]


async def test_another_tenants_artifacts_are_never_referred_to(inside, core, suite):
    await inside.bring(GLOBEX, core)
    heads = await inside.heads(GLOBEX)
    await inside.change(GLOBEX, remove=[heads["RuleSet 305"].artifact_id])

    job = await inside.bring(GLOBEX, suite.package)

    (problem,) = job.failure.problems
    assert problem.code is ErrorCode.MISSING_PACKAGE_DEPENDENCY
    assert [row["name"] for row in problem.details["missingArtifacts"]] == ["RuleSet 305"]


async def test_what_waits_to_be_switched_on_stays_off_when_what_it_refers_to_has_gone(inside, core, suite):
    await inside.bring(GLOBEX, core)
    held = await inside.bring(GLOBEX, suite.package, activation=Activation.MANUAL)
    await inside.change(GLOBEX, remove=[(await inside.heads(GLOBEX))["RuleSet 305"].artifact_id])
    before = await inside.heads(GLOBEX)

    await inside.services.line.activate(inside.caller, held.import_id, None)
    job = await inside.run_next()

    assert held.state is ImportState.WAITING_FOR_ACTIVATION
    assert codes(job) == {ErrorCode.PLAN_STALE}
    assert await inside.heads(GLOBEX) == before


async def test_it_comes_back_into_its_own_tenant(inside, suite):
    job = await inside.bring(ACME, suite.package, default_strategy=REPLACE)

    assert job.state is ImportState.SUCCEEDED
    assert job.outcome["counts"]["unchanged"] == 2


async def test_a_local_change_of_what_is_left_out_is_told(inside, suite):
    rules = (await inside.heads(ACME))["RuleSet 305"]
    await inside.save(ACME, a_rule_set(rules.artifact_id, name=rules.name, version="1.1.0"))

    exported = await inside.export(ACME, ROOT, version="1.1.0", dependency_mode=REFER)

    assert [(one.code, one.artifact_id) for one in exported.warnings] == [
        (ErrorCode.LOCAL_CHANGE_NOT_EXPORTED, rules.artifact_id)
    ]


async def test_a_root_and_what_the_package_itself_brought_are_never_left_out(inside, core):
    ids = {name: head.artifact_id for name, head in (await inside.heads(ACME)).items()}

    root = await inside.export(ACME, ids["RuleSet 305"], version="1.0.0", dependency_mode=REFER)
    own = await inside.export(ACME, ids["RuleSet 305"], package_name="CORE", version="1.0.0", dependency_mode=REFER)

    assert [row["type"] for row in root.package.manifest["artifacts"]] == ["RuleSet"]
    assert [row["type"] for row in own.package.manifest["artifacts"]] == ["EntitySchema", "RuleSet"]


async def test_a_stated_dependency_on_that_package_stays_as_it_was_stated(inside, suite):
    stated = (PackageDependency("core", "1.0.0"),)

    exported = await inside.export(ACME, ROOT, version="1.1.0", dependency_mode=REFER, package_dependencies=stated)

    assert exported.package.manifest["packageDependencies"] == [{"packageName": "core", "minVersion": "1.0.0"}]


async def test_a_preview_tells_what_would_be_left_out(inside, suite):
    preview = inside.services.exporter.preview

    referring = await preview(inside.caller, ACME, [ROOT], package_name="Starter", mode=REFER)
    including = await preview(inside.caller, ACME, [ROOT])

    assert sorted(external.head.name for external in referring.externals.values()) == ["EntitySchema 44", "RuleSet 305"]
    assert (including.externals, len(including.heads)) == ({}, 4)


async def test_an_installed_package_says_what_it_needs(inside, core, suite):
    await inside.bring(GLOBEX, core)
    await inside.bring(GLOBEX, suite.package)

    async with inside.sql.view(GLOBEX) as unit:
        installed = {one.name: one.dependencies for one in await unit.imports.installed()}

    assert installed == {"Core": (), "Starter": (PackageDependency("Core", "1.2.0", "2.0.0"),)}


async def test_a_package_of_the_same_install_brings_what_is_referred_to(inside):
    await published(inside, name="Core", raw=a_bundle(an_entity("ent-1", name="Person"), name="Core"))
    reference = ExternalReference(ArtifactId("ent-44"), ENTITY, "Person", "Core", "elsewhere", "ent-1")
    needs = (PackageDependency("Core", "1.0.0"),)
    form = a_bundle(a_form(entity="ent-44"), external_references=(reference,), package_dependencies=needs)
    suite = await published(inside, name="Starter", raw=form)
    wish = InstallWish(ListingId(suite.listing_id), None, acknowledged=True)

    await inside.services.installs.submit(INSTALLER, InstallOrder(GLOBEX, wish, ImportOptions()))
    job = await inside.run_next()

    brought = (await inside.contents(GLOBEX))["AtlasForm 2005"]
    assert job.state is ImportState.SUCCEEDED
    assert brought["fields"][0]["dataSource"]["entityId"] == (await inside.heads(GLOBEX))["Person"].artifact_id


# ---- which version tells of what changed


async def test_a_version_that_tells_too_little_is_warned_of_with_what_changed(inside):
    await inside.save(ACME, *a_suite())
    await inside.export(ACME, ROOT, version="1.0.0")
    await inside.save(ACME, an_entity("ent-44", "hours", version="1.1.0"))

    small = await inside.export(ACME, ROOT, version="1.0.1")
    enough = await inside.export(ACME, ROOT, version="2.0.0")

    (warning,) = small.warnings
    assert (warning.code, warning.where) == (ErrorCode.VERSION_BUMP_TOO_SMALL, "version")
    assert warning.details["suggestedVersion"] == "2.0.0"
    assert warning.details["earlierVersion"] == "1.0.0"
    assert warning.details["changes"][0] == "EntitySchema 44: fields[0] was removed."
    assert enough.warnings == ()


async def test_a_preview_suggests_the_version_and_knows_no_other_tenants(inside):
    preview = inside.services.exporter.preview
    for tenant in (ACME, GLOBEX):
        await inside.save(tenant, *a_suite())
    await inside.export(ACME, ROOT, version="1.4.0")
    unchanged = await preview(inside.caller, ACME, [ROOT], package_name="starter")
    await inside.save(ACME, an_entity("ent-50"), a_rule_set("rule-305", "ent-44", "ent-50", version="1.1.0"))

    advised = await preview(inside.caller, ACME, [ROOT], package_name="starter")

    assert unchanged.advice.suggested == "1.4.1"
    assert advised.advice.suggested == "1.5.0"
    assert (await preview(inside.caller, ACME, [ROOT])).advice is None
    assert (await preview(inside.caller, GLOBEX, [ROOT], package_name="Starter")).advice is None


async def test_where_the_earlier_bundle_is_gone_a_changed_artifact_is_a_patch(inside):
    await inside.save(ACME, *a_suite())
    made = await inside.export(ACME, ROOT, version="1.0.0")
    await inside.blobs.delete(made.package.blob_key)
    await inside.save(ACME, an_entity("ent-44", "hours", version="1.1.0"))

    gathered = await inside.services.exporter.preview(inside.caller, ACME, [ROOT], package_name="Starter")

    assert gathered.advice.suggested == "1.0.1"
    assert gathered.advice.reasons == ("EntitySchema 44 (ent-44) was changed.",)


async def test_an_export_that_fails_says_nothing_of_versions(inside):
    await inside.save(ACME, *a_suite())
    await inside.export(ACME, ROOT, version="1.0.0")
    await inside.save(ACME, an_entity("ent-44", "hours"), status=ArtifactStatus.DRAFT)

    with pytest.raises(Refusal) as refused:
        await inside.export(ACME, ROOT, version="1.0.1")

    assert refused.value.code is ErrorCode.INCOMPLETE_ARTIFACT
