"""How REST callers ask. ``DIALECTS`` is all that the server mounts."""

from __future__ import annotations

from rest_compat import akana, installhub, marketplace
from rest_compat.dialect import Dialect

DIALECTS = (installhub.DIALECT, marketplace.DIALECT, akana.DIALECT)
#: the rows behind them, for the OpenAPI document
OPERATIONS = (*installhub.OPERATIONS, *marketplace.OPERATIONS, *akana.OPERATIONS)


def dialect_of(path: str) -> Dialect:
    """Who answers for a path; the first dialect where it is nobody's."""
    return next((dialect for dialect in DIALECTS if dialect.has(path)), DIALECTS[0])
