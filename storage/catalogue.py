"""Everything that is remembered for those who look for packages."""

from __future__ import annotations

from storage.audiences import Audiences
from storage.listing_heads import ListingHeads
from storage.listing_search import ListingSearch
from storage.session import Session


class SqlCatalogue(ListingSearch, ListingHeads, Audiences):
    """:class:`domain.market.catalogue_rows.CatalogueRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session
