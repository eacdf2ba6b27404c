"""The example tenants and their suite, as the tests of documented shapes use them."""

from __future__ import annotations

from typing import Any

import httpx

from tests.doors.rest import EXAMPLES, HUB, bearer
from tests.world import World

SUITE = {
    "tenantId": "acme-dev",
    "packageName": "Employee Onboarding Suite",
    "packageType": "workflow-package",
    "version": "2.1.0",
    "description": "Complete onboarding workflow",
    "author": "HR Automation Team",
    "tags": ["hr", "onboarding"],
    "artifactIds": ["proc-1001"],
}


async def onboarding(world: World) -> None:
    """Both tenants with what they have; the client is a caller of both."""
    for tenant, folder in (("acme-dev", "acme-source"), ("acme-prod", "acme-target")):
        await world.tenant(tenant)
        await world.load(tenant, EXAMPLES / folder)
    world.http.headers.update(bearer(world, "acme-dev", "acme-prod"))


async def exported(world: World, **changes: Any) -> dict[str, Any]:
    """The export's answer for the suite."""
    answer = await world.http.post(f"{HUB}/packages/export", json=SUITE | changes)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def imported(world: World, package_id: str, **options: Any) -> httpx.Response:
    """The suite's import into the other tenant."""
    body = {"sourcePackageId": package_id, "options": {"targetTenantId": "acme-prod", **options}}
    return await world.http.post(f"{HUB}/packages/import", json=body)
