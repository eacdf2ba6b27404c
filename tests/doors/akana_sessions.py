"""What the suites of sessions share: signed in or not, and cookies signed anew."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from domain.sessions import Use
from rest_compat.akana_cookies import milliseconds
from tests.doors.akana_client import Client
from tests.world import World

BOSS = "boss@acme.example"
SETTINGS = "/api/businesses/tenantbusiness.acme/securitysettings"
READS, WRITES = "ReadRequestCSRFSupport", "WriteRequestCSRFSupport"
ON, OFF = "com.soa.feature.enabled", "com.soa.feature.disabled"
AUTH, CSRF, ECHO = "AtmoAuthToken_acme", "Csrf-Token_acme", "X-Csrf-Token_acme"


async def is_signed_in(client: Client, **more: Any) -> bool:
    answer = await client.ask("GET", "/api/login/status", **more)
    assert answer.status_code in {200, 401}
    return bool(answer.status_code == 200)


async def signed_again(world: World, use: Use, value: str) -> str:
    """The same cookie, its end a moment ago, as we would have signed it then."""
    now = milliseconds(datetime.now(UTC))
    members = re.sub(r"expirationTime=\d+", f"expirationTime={now}", unquote(value).rpartition(",sig=")[0])
    return quote(f"{members},sig={await world.services.sessions.signature(use, members)}", safe="")
