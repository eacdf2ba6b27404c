"""Artifacts, revisions and references, over SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from domain.artifact_types import ArtifactType
from domain.model import ArtifactFilter, ArtifactStatus, ReferenceKind
from domain.ports import NameTakenError, RevisionMovedError
from domain.rows import ExportForm, Slice
from tests.clocks import NOON
from tests.ports.rows import ACME, ANNA, GLOBEX, ORIGIN, a_revision, saved


async def test_a_saved_revision_is_active_at_once(store):
    new = a_revision("rule-1", origin=ORIGIN, body=b"\x00bytes\xff")

    (head,) = await saved(store, new)

    assert (head.revision, head.revision_id, head.name, head.origin) == (1, new.revision_id, new.name, ORIGIN)
    assert (head.changed_at, head.changed_by, head.imported_revision) == (NOON, ANNA, None)
    async with store.view(ACME) as view:
        assert await view.artifacts.bodies([new.revision_id]) == {new.revision_id: b"\x00bytes\xff"}


async def test_a_later_revision_moves_the_pointer_and_keeps_the_origin(store):
    await saved(store, a_revision("rule-1", origin=ORIGIN))
    second = a_revision("rule-1", number=2, name="New name", status=ArtifactStatus.DRAFT)

    (head,) = await saved(store, second)

    assert (head.revision, head.name, head.status, head.origin) == (2, "New name", ArtifactStatus.DRAFT, ORIGIN)


async def test_a_revision_of_an_artifact_that_moved_is_refused_and_nothing_is_written(store):
    await saved(store, a_revision("rule-1"), a_revision("rule-2"))
    late = a_revision("rule-2", number=1, name="Somebody else's")

    with pytest.raises(RevisionMovedError) as refused:
        await saved(store, a_revision("rule-1", number=2), late)

    assert refused.value.artifact_id == "rule-2"
    async with store.view(ACME) as view:
        heads = await view.artifacts.heads(["rule-1", "rule-2"])
        assert [head.revision for head in heads.values()] == [1, 1]
        assert await view.artifacts.bodies([late.revision_id]) == {}


async def test_a_number_far_ahead_of_the_active_one_is_refused(store):
    with pytest.raises(RevisionMovedError):
        await saved(store, a_revision("rule-1", number=7))


async def test_a_name_is_taken_whatever_its_case(store):
    await saved(store, a_revision("rule-1", name="Straße"))

    with pytest.raises(NameTakenError):
        await saved(store, a_revision("rule-2", name="STRASSE"))

    async with store.view(ACME) as view:
        assert list(await view.artifacts.heads(["rule-1", "rule-2"])) == ["rule-1"]


async def test_a_unit_cannot_be_committed_after_a_caught_refusal(store):
    await saved(store, a_revision("rule-1", name="Same"))

    with pytest.raises(RuntimeError, match="cannot be committed"):  # noqa: PT012 - the unit is the statement
        async with store.unit(ACME) as unit:
            await unit.artifacts.write([a_revision("rule-3", name="Other"), a_revision("rule-2", name="Same")])
            with pytest.raises(NameTakenError):
                await unit.artifacts.heads(["rule-2"])

    async with store.view(ACME) as view:
        assert await view.artifacts.heads(["rule-3"]) == {}


async def test_a_deleted_artifact_frees_its_name(store):
    await saved(store, a_revision("rule-1", name="Same"))
    await saved(store, a_revision("rule-1", name="Same", number=2, status=ArtifactStatus.DELETED))

    await saved(store, a_revision("rule-2", name="Same"))

    async with store.view(ACME) as view:
        assert [head.artifact_id for head in await view.artifacts.named([(ArtifactType.RULE_SET, "same")])] == [
            "rule-2"
        ]
        assert set(await view.artifacts.heads(["rule-1", "rule-2"])) == {"rule-1", "rule-2"}


async def test_pages_follow_each_other_by_name_without_gaps(store):
    await saved(store, *(a_revision(f"rule-{n}", name=f"Name {n:02}") for n in (3, 1, 2, 5, 4)))

    async with store.view(ACME) as view:
        first = await view.artifacts.page(ArtifactFilter(), first=2)
        after = ("name 02", first.items[-1].artifact_id)
        rest = await view.artifacts.page(ArtifactFilter(), first=3, after=after)

    assert [head.artifact_id for head in (*first.items, *rest.items)] == [f"rule-{n}" for n in range(1, 6)]
    assert (first.has_next, rest.has_next) == (True, False)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ArtifactFilter(), ["rule-1", "rule-2"]),
        (ArtifactFilter(search="ÉTÉ"), ["rule-2"]),
        (ArtifactFilter(search="100%_"), []),
        (ArtifactFilter(search="\0\ud800"), []),
        (ArtifactFilter(artifact_types=(ArtifactType.ATLAS_FORM,)), []),
        (ArtifactFilter(statuses=(ArtifactStatus.DELETED,)), ["rule-3"]),
        (ArtifactFilter(origin_package="STARTER"), ["rule-1"]),
        (ArtifactFilter(origin_artifact_id="rule-1"), ["rule-1"]),
        (ArtifactFilter(is_changed_since_import=True), []),
    ],
)
async def test_a_page_shows_what_the_filter_asks_for(store, wanted, expected):
    gone = a_revision("rule-3", name="C", number=2, status=ArtifactStatus.DELETED)
    await saved(store, a_revision("rule-1", name="A 100 percent", origin=ORIGIN), a_revision("rule-2", name="L'été"))
    await saved(store, a_revision("rule-3", name="C"))
    await saved(store, gone)

    async with store.view(ACME) as view:
        found = await view.artifacts.page(wanted, first=10)

    assert [head.artifact_id for head in found.items] == expected


async def test_used_by_knows_active_revisions_only(store):
    await saved(store, a_revision("rule-1", targets={"ent-1": 1}), a_revision("rule-2", targets={"ent-1": 1}))
    await saved(store, a_revision("rule-3", targets={"ent-1": ReferenceKind.DYNAMIC}))
    await saved(store, a_revision("rule-4", targets={"ent-1": ReferenceKind.POSSIBLE}))
    await saved(store, a_revision("rule-5", targets={"ent-1": 1}))
    await saved(store, a_revision("rule-2", number=2))
    await saved(store, a_revision("rule-5", number=2, targets={"ent-1": 1}, status=ArtifactStatus.DELETED))

    async with store.platform_view() as view:
        first = await view.batches.used_by(ACME, ["ent-1"], first=1, after=None)
        rest = await view.batches.used_by(ACME, ["ent-1"], first=5, after=("name of rule-1", "rule-1"))

    pages = [page["ent-1"] for page in (first, rest)]
    assert [head.artifact_id for page in pages for head in page.items] == ["rule-1", "rule-3"]
    assert [page.has_next for page in pages] == [True, False]


async def test_references_come_in_order_and_possible_ones_only_when_asked_for(store):
    targets = {"ent-1": ReferenceKind.LITERAL, "ent-2": ReferenceKind.POSSIBLE}
    first, second = a_revision("rule-1", targets=targets), a_revision("rule-2", targets={"ent-3": 1})
    await saved(store, second, first)

    async with store.view(ACME) as view:
        sure = await view.artifacts.references(["rule-2", "rule-1"])
        all_of_them = await view.artifacts.references(["rule-2", "rule-1"], with_possible=True)

    assert all_of_them == [*first.references, *second.references]
    assert sure == [first.references[0], second.references[0]]


async def test_the_history_is_newest_first_and_goes_on_before_a_number(store):
    for number in range(1, 6):
        await saved(store, a_revision("rule-1", number=number))

    async with store.platform_view() as view:
        pages = [
            (await view.batches.revisions(ACME, ["rule-1"], first=first, before=before))["rule-1"]
            for first, before in ((2, None), (9, 4), (1, 10**30))
        ]

    assert [[revision.number for revision in page.items] for page in pages] == [[5, 4], [3, 2, 1], [5]]
    assert [page.has_next for page in pages] == [True, False, True]


async def test_more_ids_than_one_statement_takes_are_all_found(store):
    await saved(store, *(a_revision(f"rule-{n}") for n in range(1, 1203)))

    async with store.view(ACME) as view:
        heads = await view.artifacts.heads([f"rule-{n}" for n in range(2000)])

    assert len(heads) == 1202


async def test_two_exports_that_remember_the_same_forms_do_not_both_wait_for_the_other(store, database_url):
    if "postgres" not in database_url:
        # units of SQLite come one after the other
        return
    form = ExportForm("sha256:1", ())
    blocked = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    async def remember_both():
        async with store.unit(ACME) as unit:
            await unit.artifacts.remember_export_forms({"rev-2": form, "rev-1": form})

    async with store.unit(ACME) as unit:
        await unit.artifacts.remember_export_forms({"rev-1": form})
        await unit.artifacts.heads(["rule-1"])
        other = asyncio.create_task(remember_both())
        while not await _asked(store, blocked):
            await asyncio.sleep(0.001)
        await unit.artifacts.remember_export_forms({"rev-2": form})
    await other

    async with store.view(ACME) as view:
        assert await view.artifacts.export_forms(["rev-1", "rev-2"]) == {"rev-1": form, "rev-2": form}


async def _asked(store, statement):
    async with store._engines.reader.connect() as connection:
        return (await connection.execute(statement)).scalar_one()


async def test_an_export_form_is_remembered_once(store):
    form = ExportForm("sha256:1", (("/llmConfig/credentialId", "credential"),))
    async with store.unit(ACME) as unit:
        await unit.artifacts.remember_export_forms({"rev-1": form})
        await unit.artifacts.remember_export_forms({"rev-1": ExportForm("sha256:2", ()), "rev-2": ExportForm("x", ())})

    async with store.view(ACME) as view:
        found = await view.artifacts.export_forms(["rev-1", "rev-2", "rev-3"])

    assert found == {"rev-1": form, "rev-2": ExportForm("x", ())}


async def test_an_artifact_of_a_package_is_found_by_its_origin(store):
    await saved(store, a_revision("rule-1", origin=ORIGIN), a_revision("rule-2"))

    async with store.view(ACME) as view:
        found = await view.artifacts.from_package("starter", "tenant-source")
        other = await view.artifacts.from_package("starter", "tenant-else")

    assert ([head.artifact_id for head in found], other) == (["rule-1"], [])


async def test_every_question_about_artifacts_does_not_show_other_tenants(store):
    new = a_revision("rule-1", origin=ORIGIN, targets={"ent-1": 1})
    await saved(store, new, tenant_id=GLOBEX)
    async with store.unit(GLOBEX) as unit:
        await unit.artifacts.remember_export_forms({new.revision_id: ExportForm("x", ())})

    async with store.view(ACME) as view:
        seen = view.artifacts
        nothing = [
            *(await seen.heads(["rule-1"]), await seen.references(["rule-1"]), await seen.bodies([new.revision_id])),
            *(await seen.named([(new.artifact_type, new.name.lower())]), await seen.export_forms([new.revision_id])),
            await seen.from_package("starter", "tenant-source"),
        ]
        page = await seen.page(ArtifactFilter(), first=9)
    async with store.platform_view() as view:
        nothing += [
            await view.batches.used_by(ACME, ["ent-1"], first=9, after=None),
            await view.batches.revisions(ACME, ["rule-1"], first=9, before=None),
        ]

    assert not any(nothing)
    assert page == Slice((), has_next=False)
