"""Looking after the market, all of it in one place of the unit."""

from __future__ import annotations

from storage.curating import SqlManaged
from storage.judging import SqlAsked
from storage.safety import SqlSafety


class SqlCuration(SqlManaged, SqlAsked, SqlSafety):
    """:class:`domain.market.curation_rows.CurationRows`."""
