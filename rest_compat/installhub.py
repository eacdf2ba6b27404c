"""InstallHub over REST: the routes of the source documents (A1, A2) and their neighbours (decisions section 9.3)."""

from __future__ import annotations

from rest_compat import bodies, conflicts, undos
from rest_compat.applying import APPLY_OPERATIONS
from rest_compat.bindings import BINDING_OPERATIONS
from rest_compat.dialect import Dialect, render_refusal
from rest_compat.events import EVENT_OPERATIONS
from rest_compat.import_operations import IMPORT_OPERATIONS
from rest_compat.installed import INSTALLED_OPERATIONS
from rest_compat.neighbours import NEIGHBOUR_OPERATIONS
from rest_compat.operations import routes_of
from rest_compat.packages import PACKAGE_OPERATIONS
from rest_compat.plans import PLAN_OPERATIONS
from rest_compat.rescans import RESCAN_OPERATIONS
from rest_compat.scan_exceptions import SCAN_EXCEPTION_OPERATIONS
from rest_compat.uploads import UPLOAD_OPERATIONS

#: everything that callers can ask, in the order in which paths are matched
OPERATIONS = (
    *PACKAGE_OPERATIONS,
    *UPLOAD_OPERATIONS,
    *PLAN_OPERATIONS,
    *APPLY_OPERATIONS,
    *BINDING_OPERATIONS,
    *IMPORT_OPERATIONS,
    *SCAN_EXCEPTION_OPERATIONS,
    *RESCAN_OPERATIONS,
    *undos.OPERATIONS,
    *EVENT_OPERATIONS,
    *conflicts.OPERATIONS,
    *INSTALLED_OPERATIONS,
    *NEIGHBOUR_OPERATIONS,
)

DIALECT = Dialect(
    name="installhub", prefixes=(bodies.PREFIX,), routes=routes_of(OPERATIONS), render_refusal=render_refusal
)
