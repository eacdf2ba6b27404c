"""The Akana-compatible door: other words, cookies and statuses over the same services (akana.md).

Sessions here, bearer tokens at the other doors; neither signs anybody in at the other's.
"""

from __future__ import annotations

from rest_compat import akana_login, akana_packages, akana_security
from rest_compat.akana_faults import render_fault
from rest_compat.dialect import Dialect
from rest_compat.operations import routes_of

#: everything that callers can ask, in the order in which paths are matched
OPERATIONS = (
    *akana_login.OPERATIONS,
    *akana_security.OPERATIONS,
    *akana_packages.OPERATIONS,
)

DIALECT = Dialect(
    name="akana",
    prefixes=("/api/login", "/api/properties", "/api/businesses", "/api/tenants", "/api/apis", "/api/apps/"),
    routes=routes_of(OPERATIONS),
    render_refusal=render_fault,
    is_for_other_origins=False,
)
