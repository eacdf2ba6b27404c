"""How REST callers ask. ``DIALECTS`` is all that the server mounts."""

from __future__ import annotations

from rest_compat import installhub

DIALECTS = (installhub.DIALECT,)
