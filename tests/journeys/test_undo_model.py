"""Whatever happened in whatever order: a tenant is as if what was taken back had never been."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.import_model import ImportState
from domain.options import BlockerChoice
from domain.undo_order import UndoAsked
from storage.migrate import migrate
from tests.journeys.inside import GLOBEX, REPLACE, Inside, an_inside
from tests.makers import a_bundle, an_entity

_MEMORY = Path("/dev/shm")
FOLDER = _MEMORY if _MEMORY.is_dir() else None
_TEMPLATE = TemporaryDirectory(dir=FOLDER)
NAMES = ("A", "B", "C", "D")
PACKAGES = ("One", "Two")
CHOICES = (BlockerChoice.REFUSE, BlockerChoice.UNDO_THOSE_TOO)
MEMBERS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)


@cache
def migrated() -> Path:
    """An empty tenant's database, made once."""
    made = Path(_TEMPLATE.name) / "hub.db"
    asyncio.run(migrate(f"sqlite+aiosqlite:///{made}"))
    return made


@dataclass
class Deed:
    """An edit of one artifact, an import of some, or the undo of another deed."""

    writes: dict[str, str]
    package: str = ""
    import_id: str = ""
    undoes: list[Deed] = field(default_factory=list)
    is_off: bool = False


@dataclass
class Model:
    """What a tenant holds when every deed that was taken back is left out of its past."""

    deeds: list[Deed] = field(default_factory=list)

    def contents(self) -> dict[str, str]:
        state: dict[str, str] = {}
        for deed in self.deeds:
            if not deed.is_off:
                state |= deed.writes
        return state

    def installed(self) -> dict[str, str]:
        return {deed.package: deed.import_id for deed in self.deeds if deed.package and not deed.is_off}

    def on_top_of(self, deeds: list[Deed]) -> list[Deed]:
        """Deeds in effect that wrote an artifact after one of these did; an artifact written alike is not written."""
        first = {name: self.deeds.index(deed) for deed in reversed(deeds) for name in deed.writes}
        return [
            later
            for place, later in enumerate(self.deeds)
            if not later.is_off and later not in deeds and any(first.get(name, place) < place for name in later.writes)
        ]


class Undoing(RuleBasedStateMachine):
    """Imports, edits, undos, undos of undos and uninstalls, in a tenant of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = TemporaryDirectory(dir=FOLDER)
        self.model = Model()
        self.count = 0

    @initialize()
    def a_tenant(self) -> None:
        folder = Path(self.folder.name)
        shutil.copy(migrated(), folder / "hub.db")
        self.opened = an_inside(f"sqlite+aiosqlite:///{folder}/hub.db", folder)
        self.inside: Inside = self.does(self.opened.__aenter__())

    def does(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @rule(members=MEMBERS, package=st.sampled_from(PACKAGES))
    def something_is_imported(self, members: list[str], package: str) -> None:
        self.count += 1
        content = f"f{self.count}"
        trees = [an_entity(f"ent-{package}{name}", content, name=name) for name in members]
        raw = a_bundle(*trees, name=package, version=f"1.{self.count}.0")
        job = self.does(self.inside.bring(GLOBEX, raw, default_strategy=REPLACE))
        assert job.state is ImportState.SUCCEEDED, job.failure
        self.model.deeds.append(Deed(dict.fromkeys(members, content), package, job.import_id))

    @precondition(lambda self: self.model.contents())
    @rule(data=st.data())
    def something_is_edited(self, data: st.DataObject) -> None:
        self.count += 1
        name = data.draw(st.sampled_from(sorted(self.model.contents())))
        head = self.does(self.inside.heads(GLOBEX))[name]
        self.does(self.inside.save(GLOBEX, an_entity(head.artifact_id, f"f{self.count}", name=name)))
        self.model.deeds.append(Deed({name: f"f{self.count}"}))

    @precondition(lambda self: any(deed.import_id and not deed.is_off for deed in self.model.deeds))
    @rule(data=st.data(), choice=st.sampled_from(CHOICES))
    def an_import_is_taken_back(self, data: st.DataObject, choice: BlockerChoice) -> None:
        deeds = [deed for deed in self.model.deeds if deed.import_id and not deed.is_off]
        deed = data.draw(st.sampled_from(deeds), "deed")
        ask = self.inside.services.undos.roll_back(self.inside.caller, deed.import_id, None, UndoAsked(choice))
        self.takes_back([deed], ask, choice)

    @precondition(lambda self: self.model.installed())
    @rule(data=st.data(), choice=st.sampled_from(CHOICES))
    def a_package_is_uninstalled(self, data: st.DataObject, choice: BlockerChoice) -> None:
        package = data.draw(st.sampled_from(sorted(self.model.installed())))
        deeds = [deed for deed in self.model.deeds if deed.package == package and not deed.is_off]
        ask = self.inside.services.undos.uninstall(self.inside.caller, GLOBEX, package, UndoAsked(choice))
        self.takes_back(deeds, ask, choice)

    def takes_back(self, deeds: list[Deed], ask: Coroutine[Any, Any, Any], choice: BlockerChoice) -> None:
        self.does(ask)
        job = self.does(self.inside.run_next())
        while choice is BlockerChoice.UNDO_THOSE_TOO and (more := self.model.on_top_of(deeds)):
            deeds = deeds + more
        if self.model.on_top_of(deeds):
            assert job.state is ImportState.FAILED
            return
        assert job.state is ImportState.SUCCEEDED, job.failure
        assert set(job.outcome["undoes"]) == {deed.import_id for deed in deeds if deed.import_id}
        for deed in deeds:
            deed.is_off = True
        self.last_undo = job.import_id, deeds, len(self.model.deeds)

    @precondition(lambda self: hasattr(self, "last_undo") and self.last_undo[2] == len(self.model.deeds))
    @rule()
    def the_last_undo_is_undone(self) -> None:
        import_id, deeds, _ = self.last_undo
        undos: Callable[..., Coroutine[Any, Any, Any]] = self.inside.services.undos.roll_back
        self.does(undos(self.inside.caller, import_id, None, UndoAsked()))
        job = self.does(self.inside.run_next())
        assert job.state is ImportState.SUCCEEDED, job.failure
        for deed in deeds:
            deed.is_off = False
        del self.last_undo

    @invariant()
    def the_tenant_is_as_the_model_says(self) -> None:
        if not hasattr(self, "inside"):
            return
        contents = self.does(self.inside.contents(GLOBEX))
        found = {name: tree["fields"][0]["fieldName"] for name, tree in contents.items()}
        assert found == self.model.contents()

    @invariant()
    def what_is_installed_is_what_came_last_and_stayed(self) -> None:
        if not hasattr(self, "inside"):
            return

        async def installed() -> dict[str, str]:
            async with self.inside.sql.view(GLOBEX) as unit:
                return {package.name: package.import_id for package in await unit.imports.installed()}

        assert self.does(installed()) == self.model.installed()

    def teardown(self) -> None:
        if hasattr(self, "inside"):
            self.does(self.opened.__aexit__(None, None, None))
        self.loop.close()
        self.folder.cleanup()


TestUndoing = Undoing.TestCase
TestUndoing.settings = settings(
    max_examples=50,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
