"""All a door is given."""

from __future__ import annotations

from dataclasses import dataclass

from domain.authoring import Authoring
from domain.batches import Batches
from domain.conflicts import Conflicts
from domain.exporting import Exporter
from domain.following import Follower
from domain.importing import Importer
from domain.limits import Installation
from domain.line import Line
from domain.market.catalogue import Catalogue
from domain.market.curation import Curation, curation
from domain.market.examining import Examiner
from domain.market.installs import Installs
from domain.market.pipeline import Pipeline
from domain.market.publishers import Publishers
from domain.market.publishing import Publication
from domain.market.remote_catalogue import catalogue_of
from domain.market.remote_reviews import reviews_of
from domain.market.reviews import Reviews
from domain.market.submitting import Submissions
from domain.market.updates import Updates
from domain.notices.notices import Notices
from domain.notices.relaying import Relay
from domain.notices.sending import Post
from domain.notices.webhooks import Webhooks
from domain.observing import NOBODY, Observer
from domain.ports import Blobs, Clock, Ports
from domain.records import Records
from domain.signing import Links
from domain.tenancy import Tenancy
from domain.upkeep import Upkeep
from domain.uploads import Uploads
from domain.watching import Watching


@dataclass(frozen=True, slots=True)
class Services:
    """The product, whoever asks."""

    tenancy: Tenancy
    authoring: Authoring
    exporter: Exporter
    uploads: Uploads
    line: Line
    installs: Installs
    importer: Importer
    records: Records
    conflicts: Conflicts
    batches: Batches
    links: Links
    upkeep: Upkeep
    follower: Follower
    watching: Watching
    publishers: Publishers
    submissions: Submissions
    publication: Publication
    pipeline: Pipeline
    curation: Curation
    catalogue: Catalogue
    reviews: Reviews
    updates: Updates
    blobs: Blobs
    notices: Notices
    webhooks: Webhooks
    relay: Relay
    post: Post
    clock: Clock
    installation: Installation


def services(ports: Ports, installation: Installation, observer: Observer = NOBODY) -> Services:
    """Put the services together over their ports; ``observer`` is told what happens."""
    follower = Follower(ports.store, ports.bell, observer)
    records = Records(ports, follower)
    examiner = Examiner(ports, installation)
    publication = Publication(ports, installation, examiner)
    line = Line(ports, installation, records, observer)
    return Services(
        tenancy=Tenancy(ports, installation),
        authoring=Authoring(ports),
        exporter=Exporter(ports, installation),
        uploads=Uploads(ports),
        line=line,
        installs=Installs(ports, line, records),
        importer=Importer(ports, installation, observer),
        records=records,
        conflicts=Conflicts(ports, installation, records),
        batches=Batches(ports),
        links=Links(ports),
        upkeep=Upkeep(ports, installation, observer),
        follower=follower,
        watching=Watching(ports),
        publishers=Publishers(ports),
        submissions=Submissions(ports, installation, examiner),
        publication=publication,
        pipeline=Pipeline(ports, installation, examiner, publication),
        curation=curation(ports, installation, examiner, publication),
        catalogue=catalogue_of(ports),
        reviews=reviews_of(ports),
        updates=Updates(ports),
        blobs=ports.blobs,
        notices=Notices(ports),
        webhooks=Webhooks(ports),
        relay=Relay(ports, observer),
        post=Post(ports, installation.public_url, observer),
        clock=ports.clock,
        installation=installation,
    )
