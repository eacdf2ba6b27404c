"""Whatever three people of two tenants do, in whatever order, and wherever a process dies: I1-I8 hold after each step.

The model knows who may do what, and what clients were told; the rest is for the invariants to say.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.access import ADMIN, Caller, tenant_of
from domain.errors import ErrorCode, Refusal
from domain.export_order import ExportOrder
from domain.import_model import ImportPackage
from domain.line import ImportOrder
from domain.model import TenantId
from domain.options import Activation, ImportOptions
from domain.undo_order import UndoAsked
from tests.chaos.invariants import Acknowledged, examine
from tests.journeys.inside import ACME, GLOBEX, MERGE, REPLACE, SKIP, Inside, a_caller, an_inside
from tests.journeys.test_undo_model import FOLDER, migrated
from tests.journeys.trouble import KilledError, Troubled, killed
from tests.makers import a_bundle, a_form, an_entity

#: ``make chaos`` asks for more
EXAMPLES = int(os.environ.get("CHAOS_EXAMPLES", "5"))
NAMES = ("A", "B", "C")
TENANTS = (ACME, GLOBEX)
PEOPLE = {
    "anna": a_caller("anna", scopes=frozenset({ADMIN})),
    "ben": a_caller("ben", scopes=frozenset({ADMIN}), tenants=frozenset({ACME})),
    "cora": a_caller("cora", scopes=frozenset({ADMIN}), tenants=frozenset({GLOBEX})),
}
STRATEGIES = (None, REPLACE, MERGE, SKIP)
#: what people and the world can rightly be told
REFUSALS = {
    ErrorCode.ARTIFACT_NOT_FOUND,
    ErrorCode.BAD_USER_INPUT,
    ErrorCode.CANCEL_TOO_LATE,
    ErrorCode.INCOMPLETE_ARTIFACT,
    ErrorCode.VERSION_CONFLICT,
}
Ask = Callable[[Caller], Coroutine[Any, Any, Any]]
WHERE = st.sampled_from(("before", "inside", "after"))
WHO, WHOSE, WHICH = st.sampled_from(sorted(PEOPLE)), st.sampled_from(TENANTS), st.sampled_from(NAMES)


class Whatever(RuleBasedStateMachine):
    """Two tenants, three people, one worker that may die."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = TemporaryDirectory(dir=FOLDER)
        self.told = Acknowledged()
        self.revoked: set[str] = set()
        self.orders: dict[str, tuple[str, ImportOrder]] = {}
        self.count = 0

    @initialize()
    def an_installation(self) -> None:
        self.place = Path(self.folder.name)
        shutil.copy(migrated(), self.place / "hub.db")
        self.url = f"sqlite+aiosqlite:///{self.place}/hub.db"
        self.opened = an_inside(self.url, self.place)
        self.inside: Inside = self.does(self.opened.__aenter__())
        for tenant in TENANTS:
            self.does(
                self.inside.save(tenant, an_entity("ent-1", name="A"), a_form("form-1", name="F", entity="ent-1"))
            )

    def does(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def asks(self, who: str, tenant: TenantId, ask: Ask, *, names_tenant: bool = True) -> Any:
        """What somebody gets; ``None`` when it is rightly refused. Nobody gets what is not theirs."""
        is_allowed, refused = who not in self.revoked and tenant in PEOPLE[who].tenants, None
        caller = replace(PEOPLE[who], scopes=frozenset()) if who in self.revoked else PEOPLE[who]
        try:
            if names_tenant:
                tenant_of(caller, body=tenant)  # as every door does
            got = self.does(ask(caller))
        except Refusal as refusal:
            got, refused = None, refusal.code
        assert refused in REFUSALS | {None} if is_allowed else refused is not None
        return got

    def next(self) -> int:
        self.count += 1
        return self.count

    @rule(who=WHO, tenant=WHOSE)
    def something_is_exported(self, who: str, tenant: TenantId) -> None:
        number = self.next()
        order = ExportOrder(tenant, "Starter", "workflow-package", f"1.{number}.0", ("form-1",))
        export = self.inside.services.exporter.export
        if made := self.asks(who, tenant, lambda caller: export(caller, order, key=f"export-{number}")):
            self.told.exports[f"export-{number}"] = (made.package.package_id, made.package.checksum)

    @rule(
        who=WHO,
        tenant=WHOSE,
        members=st.lists(WHICH, min_size=1, max_size=3, unique=True),
        strategy=st.sampled_from(STRATEGIES),
        dry=st.booleans(),
        activation=st.sampled_from(Activation),
    )
    def something_is_imported(self, who, tenant, members, strategy, dry, activation) -> None:
        number = self.next()
        trees = [an_entity(f"ent-{name}", f"f{number}", name=name) for name in members]
        raw = a_bundle(*trees, name="Suite", version=f"1.{number}.0")
        options = ImportOptions(
            default_strategy=strategy,
            merge_fallback=REPLACE,
            dry_run=dry,
            activation=Activation.AUTOMATIC if dry else activation,
        )
        order = ImportOrder(tenant, self.does(self.stored(raw)), options)
        key = f"import-{number}"
        self.submits(who, order, key)

    def submits(self, who: str, order: ImportOrder, key: str) -> None:
        submit = self.inside.services.line.submit
        if job := self.asks(who, order.tenant_id, lambda caller: submit(caller, order, key=key)):
            first = self.told.imports.setdefault(key, (str(job.import_id), None))
            assert job.import_id == first[0]
            self.orders[key] = who, order

    async def stored(self, raw: bytes) -> ImportPackage:
        async with self.inside.blobs.create() as blob:
            await blob.write(raw)
            return ImportPackage(0, await blob.finish(), "", len(raw))

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def a_request_is_delivered_again(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.orders)))
        self.submits(*self.orders[key], key)

    @rule()
    def the_worker_runs_what_is_next(self) -> None:
        job = self.does(self.inside.claim())
        if job is not None:
            self.does(self.inside.services.importer.run(job))

    @rule(at=st.integers(1, 6), where=WHERE)
    def the_process_dies_while_it_runs_an_import_and_is_started_again(self, at: int, where: str) -> None:
        job = self.does(self.inside.claim())
        if job is None:
            return
        dying = self.inside.over(Troubled(self.inside.sql, at, **{where: killed}))
        try:
            self.does(dying.services.importer.run(job))
        except KilledError:
            self.holds()
        self.inside = self.inside.over(self.inside.sql)
        self.does(self.inside.services.upkeep.requeue_lost(all_running=True))

    @rule(who=WHO, tenant=WHOSE, at=st.integers(1, 3), where=WHERE)
    def the_process_dies_while_it_exports(self, who: str, tenant: TenantId, at: int, where: str) -> None:
        number, dying = self.next(), self.inside.over(Troubled(self.inside.sql, at, **{where: killed}))
        order = ExportOrder(tenant, "Starter", "workflow-package", f"1.{number}.0", ("form-1",))
        try:
            export = dying.services.exporter.export
            self.asks(who, tenant, lambda caller: export(caller, order, key=f"export-{number}"))
        except KilledError:
            self.inside = self.inside.over(self.inside.sql)

    @precondition(lambda self: self.told.imports)
    @rule(data=st.data(), who=WHO, undo=st.booleans())
    def an_import_is_cancelled_or_taken_back(self, data: st.DataObject, who: str, undo: bool) -> None:  # noqa: FBT001
        import_id, _ = self.told.imports[data.draw(st.sampled_from(sorted(self.told.imports)))]
        job = self.does(self.inside.job(import_id))
        services, key = self.inside.services, f"undo-{self.next()}"
        if undo:

            def ask(caller: Caller) -> Any:
                return services.undos.roll_back(caller, import_id, caller.reach, UndoAsked(), key=key)
        else:

            def ask(caller: Caller) -> Any:
                return services.line.cancel(caller, import_id, caller.reach)

        made = self.asks(who, job.tenant_id, ask, names_tenant=False)
        if made is not None and undo:
            self.told.imports[key] = str(made.import_id), None

    @rule(tenant=WHOSE, name=WHICH, removes=st.booleans())
    def an_artifact_is_saved_or_removed(self, tenant: TenantId, name: str, removes: bool) -> None:  # noqa: FBT001
        heads = self.does(self.inside.heads(tenant))
        number = self.next()
        if removes and name in heads:
            # what a form refers to stays
            with suppress(Refusal):
                self.does(self.inside.change(tenant, remove=(heads[name].artifact_id,)))
        elif name in heads:
            tree = an_entity(heads[name].artifact_id, f"f{number}", name=name)
            self.does(self.inside.save(tenant, tree))

    @rule(who=WHO)
    def somebodys_rights_are_revoked_or_given_back(self, who: str) -> None:
        self.revoked ^= {who}

    @rule(hours=st.sampled_from((-1, 1, 25)))
    def the_clock_steps_and_the_server_tidies_up(self, hours: int) -> None:
        self.inside.clock.advance(timedelta(hours=hours))
        upkeep = self.inside.services.upkeep
        for repair in (upkeep.expire_waiting, upkeep.remind_waiting, upkeep.sweep_held, upkeep.forget_expired):
            self.does(repair())
        self.does(upkeep.sweep_blobs())

    @rule()
    def the_outbox_is_relayed(self) -> None:
        self.does(self.inside.services.relay.empty())

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "inside"):
            return
        findings = self.does(examine(self.url, self.place, self.told))
        assert {one.name: one.violations for one in findings if one.violations} == {}
        for key, (import_id, state) in self.told.imports.items():
            job = self.does(self.inside.job(import_id))
            if state is None and job.state.is_final:
                self.told.imports[key] = import_id, job.state.value

    def teardown(self) -> None:
        if hasattr(self, "inside"):
            while (job := self.does(self.inside.claim())) is not None:
                self.does(self.inside.services.importer.run(job))
            self.does(self.inside.services.relay.empty())
            self.does(self.inside.services.upkeep.sweep_held())
            findings = self.does(examine(self.url, self.place, self.told, is_settled=True))
            self.does(self.opened.__aexit__(None, None, None))
            assert {one.name: one.violations for one in findings if one.violations} == {}
        self.loop.close()
        self.folder.cleanup()


TestWhateverHappens = Whatever.TestCase
TestWhateverHappens.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=14,
    deadline=None,
    derandomize=True,
    # a run of its own takes long enough: what is found is told as it was met
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
