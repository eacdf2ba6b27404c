"""How REST callers ask. ``DIALECTS`` is all that the server mounts."""

from __future__ import annotations

from rest_compat import installhub, marketplace

DIALECTS = (installhub.DIALECT, marketplace.DIALECT)
#: the rows behind them, for the OpenAPI document
OPERATIONS = (*installhub.OPERATIONS, *marketplace.OPERATIONS)
