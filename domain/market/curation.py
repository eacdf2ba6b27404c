"""Looking after the market: all its parts, each in its own file (installhub.md sections 4.3, 9.6, 10.3 and 10.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from domain.limits import Installation
from domain.market.certifying import Certifying
from domain.market.examining import Examiner
from domain.market.excepting import Excepting
from domain.market.managing import Managing
from domain.market.publishing import Publication
from domain.market.rescanning import Rescanning
from domain.market.reviewing import Reviewing
from domain.market.safeguarding import Safeguarding
from domain.observing import NOBODY, Observer, Scanned
from domain.ports import Ports

#: deflated anew, a bundle may be larger than it was submitted; never more than what it unfolds to
_STORED_FACTOR = 5


@dataclass(frozen=True, slots=True)
class Curation:
    """What publishers do with what they offer, what people decide, and what rules do by themselves."""

    managing: Managing
    reviewing: Reviewing
    excepting: Excepting
    certifying: Certifying
    safeguarding: Safeguarding
    rescanning: Rescanning


def curation(
    ports: Ports, installation: Installation, examiner: Examiner, publication: Publication, observer: Observer = NOBODY
) -> Curation:
    """Put the parts together."""
    limits = replace(installation.limits, submission_mb=installation.limits.submission_mb * _STORED_FACTOR)
    of_published = Examiner(ports, replace(installation, limits=limits), observer, scanned=Scanned.LISTING)
    return Curation(
        managing=Managing(ports),
        reviewing=Reviewing(ports, publication),
        excepting=Excepting(ports, examiner),
        certifying=Certifying(ports, of_published),
        safeguarding=Safeguarding(ports),
        rescanning=Rescanning(ports, of_published, observer),
    )
