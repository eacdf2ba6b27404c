"""Publishing, all of it in one place of the unit."""

from __future__ import annotations

from storage.listings import SqlOfferings
from storage.publishers import SqlPublishers
from storage.submissions import SqlSubmissions


class SqlPublishing(SqlPublishers, SqlSubmissions, SqlOfferings):
    """:class:`domain.market.publishing_rows.PublishingRows`."""
