"""``imports rollback`` and ``tenant freeze | unfreeze``, without a token."""

from __future__ import annotations

import asyncio
import json

from server.jobs import Worker
from tests.server.installation import a_submitted_import, opened


def worked(import_id: str | None = None) -> str:
    """An import that a worker ran, this one or a new one; its id."""

    async def run() -> str:
        async with opened() as runtime:
            records = runtime.services.records
            if import_id is None:
                job = await a_submitted_import(runtime)
            else:
                async with runtime.ports.store.platform_view() as view:
                    found = await view.lookup.import_job(import_id, None)
                assert found is not None
                job = found
            async with Worker(runtime).working(is_alone=True):
                return (await records.settled(job)).import_id

    return asyncio.run(run())


def test_an_import_is_taken_back_from_the_command_line(here, tenants):
    import_id = worked()

    shown = json.loads(here("imports", "rollback", import_id, "--dry-run").stdout)
    asked = json.loads(here("imports", "rollback", import_id, "--reason", "the wrong tenant").stdout)
    worked(asked["importId"])
    ended = json.loads(here("imports", "show", asked["importId"]).stdout)

    assert (shown["state"], asked["state"], ended["state"]) == ("QUEUED", "QUEUED", "SUCCEEDED")
    assert [entry["action"] for entry in ended["audit"]][-1] == "import.undone"
    assert "APP-1" not in here("artifacts", "list", "--tenant", "acme-prod").stdout


def test_what_cannot_be_taken_back_is_said(here, tenants):
    said = here("imports", "rollback", "imp-nobody")

    assert (said.returncode, said.stderr) == (1, "installhub: There is no such import.\n")


def test_a_tenant_is_frozen_and_let_go_from_the_command_line(here, tenants):
    frozen = here("tenant", "freeze", "acme-prod", "--reason", "The quarter is being closed.")
    let_go = here("tenant", "unfreeze", "acme-prod")
    unknown = here("tenant", "freeze", "nobody", "--reason", "why")

    assert frozen.stdout == "acme-prod is frozen: new imports wait, undos go on.\n"
    assert let_go.stdout == "acme-prod is not frozen: what waits goes on.\n"
    assert (unknown.returncode, unknown.stderr) == (1, "installhub: There is no tenant nobody.\n")
