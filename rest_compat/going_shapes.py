"""What answers say of imports that go on, besides the documented members (decisions R40)."""

from __future__ import annotations

from typing import Literal

from rest_compat.shapes import Count, Shape, Time, always, maybe


class QueuePlace(Shape):
    """A place in a tenant's line."""

    position: Count = always("1 for the next one.")
    reason: Literal["TENANT_BUSY", "TENANT_FROZEN", "NO_FREE_WORKER", "RETRY_DELAY"] = always("Why it still waits.")
    holder: str = maybe("The import that runs there now.")
    holder_lease_until: Time = maybe("Until when that one is taken to be alive.")


class TimeLeft(Shape):
    """How long an import still runs, from past runs like it; in line, once its turn has come."""

    p50_seconds: Count = always("Half of those like it were done by then.")
    p90_seconds: Count = always("Nine of ten were.")
