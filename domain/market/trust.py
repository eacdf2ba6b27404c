"""Who may install what, judged over everything that an install brings (source: marketplace-install; section 9.1).

Permission comes before acknowledgement, and acknowledgement before any download.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.access import Caller, Right, require
from domain.errors import ErrorCode, Problem, refuse_if
from domain.market.model import Offer, TrustLevel

_MESSAGE = "This is a Community package. Set 'acknowledgeCommunityPackage': true to confirm."


def require_install(caller: Caller) -> None:
    """Refuse with ``InsufficientPermission`` whoever may not install anything."""
    require(caller, Right.IMPORT)
    require(caller, Right.INSTALL)


def require_trusted(caller: Caller, offers: Sequence[Offer], *, acknowledged: bool) -> None:
    """Refuse an install with a Community package that the caller may not install, or did not acknowledge.

    Raises ``InsufficientPermission``, then ``AcknowledgmentRequired``.
    """
    require_permitted(caller, offers)
    refuse_if(acknowledgment_problems(offers, acknowledged=acknowledged))


def require_permitted(caller: Caller, offers: Sequence[Offer]) -> None:
    """The permission alone: what a dry run needs, which installs nothing (R17)."""
    require_install(caller)
    if _community(offers):
        require(caller, Right.INSTALL_COMMUNITY)


def acknowledgment_problems(offers: Sequence[Offer], *, acknowledged: bool) -> list[Problem]:
    """What is printed where a Community package was not acknowledged; ``packages`` where it is not the only one."""
    community = [] if acknowledged else _community(offers)
    if not community:
        return []
    rows = [{"packageName": offer.name, "version": offer.version, "packageId": offer.listing_id} for offer in community]
    details = {"packages": rows} if len(offers) > 1 else {}
    return [Problem(ErrorCode.ACKNOWLEDGMENT_REQUIRED, _MESSAGE, "acknowledgeCommunityPackage", details=details)]


def _community(offers: Sequence[Offer]) -> list[Offer]:
    return [offer for offer in offers if offer.trust_level is TrustLevel.COMMUNITY]
