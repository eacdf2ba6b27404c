"""All a door is given."""

from __future__ import annotations

from dataclasses import dataclass

from domain.action_changes import ActionChanges
from domain.authoring import Authoring
from domain.batches import Batches
from domain.bindings import Bindings
from domain.conflicts import Conflicts
from domain.deleting import Deleting
from domain.excepting import ImportExceptions
from domain.exporting import Exporter
from domain.following import Follower
from domain.freezing import Freezing
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
from domain.market.remote_updates import RemoteNews, updates_of
from domain.market.reported import Reported
from domain.market.reporting import Reporting
from domain.market.reviews import Reviews
from domain.market.submitting import Submissions
from domain.market.updates import Updates
from domain.notices.notices import Notices
from domain.notices.relaying import Relay
from domain.notices.sending import Post
from domain.notices.webhooks import Webhooks
from domain.observing import NOBODY, Observer
from domain.passwords import Passwords
from domain.plan_views import PlanViews
from domain.plans import Plans
from domain.ports import Blobs, Clock, Ports
from domain.purging import Purging
from domain.records import Records
from domain.rescanning import Rescans
from domain.sessions import Sessions
from domain.signing import Links
from domain.snapshots import Snapshots
from domain.tenancy import Tenancy
from domain.tenant_changes import TenantChanges
from domain.timing import Timing
from domain.undos import Undos
from domain.upkeep import Upkeep
from domain.uploads import Uploads
from domain.users import Users
from domain.watching import Watching


@dataclass(frozen=True, slots=True)
class Services:
    """The product, whoever asks."""

    tenancy: Tenancy
    tenant_changes: TenantChanges
    authoring: Authoring
    exporter: Exporter
    deleting: Deleting
    purging: Purging
    snapshots: Snapshots
    uploads: Uploads
    line: Line
    undos: Undos
    freezing: Freezing
    import_exceptions: ImportExceptions
    installs: Installs
    plans: Plans
    plan_views: PlanViews
    action_changes: ActionChanges
    importer: Importer
    records: Records
    conflicts: Conflicts
    batches: Batches
    timing: Timing
    bindings: Bindings
    links: Links
    upkeep: Upkeep
    rescans: Rescans
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
    reported: Reported
    reporting: Reporting
    remote_news: RemoteNews
    blobs: Blobs
    notices: Notices
    webhooks: Webhooks
    relay: Relay
    post: Post
    users: Users
    sessions: Sessions
    clock: Clock
    installation: Installation


def services(ports: Ports, installation: Installation, observer: Observer = NOBODY) -> Services:
    """Put the services together over their ports; ``observer`` is told what happens."""
    follower = Follower(ports.store, ports.bell, ports.courtesy, observer)
    records = Records(ports, follower)
    examiner = Examiner(ports, installation, observer)
    publication = Publication(ports, installation, examiner)
    passwords = Passwords()
    line = Line(ports, installation, records, observer)
    return Services(
        tenancy=Tenancy(ports, installation),
        tenant_changes=TenantChanges(ports),
        authoring=Authoring(ports),
        exporter=Exporter(ports, installation),
        deleting=Deleting(ports),
        purging=Purging(ports),
        snapshots=Snapshots(ports, installation, records),
        uploads=Uploads(ports),
        line=line,
        undos=Undos(ports, installation, line, records),
        freezing=Freezing(ports),
        import_exceptions=ImportExceptions(ports, installation, records, line),
        installs=Installs(ports, line, records),
        plans=Plans(ports, line, records),
        plan_views=PlanViews(ports),
        action_changes=ActionChanges(ports, installation),
        importer=Importer(ports, installation, observer),
        records=records,
        conflicts=Conflicts(ports, installation, records),
        batches=Batches(ports),
        timing=Timing(ports),
        bindings=Bindings(ports),
        links=Links(ports),
        upkeep=Upkeep(ports, installation, observer),
        rescans=Rescans(ports, installation, observer),
        follower=follower,
        watching=Watching(ports),
        publishers=Publishers(ports),
        submissions=Submissions(ports, installation, examiner),
        publication=publication,
        pipeline=Pipeline(ports, installation, examiner, publication),
        curation=curation(ports, installation, examiner, publication, observer),
        catalogue=catalogue_of(ports),
        reviews=reviews_of(ports),
        updates=updates_of(ports),
        reported=Reported(ports, installation, Reviews(ports)),
        reporting=Reporting(ports),
        remote_news=RemoteNews(ports),
        blobs=ports.blobs,
        notices=Notices(ports),
        webhooks=Webhooks(ports),
        relay=Relay(ports, observer),
        post=Post(ports, installation.public_url, observer),
        users=Users(ports, passwords),
        sessions=Sessions(ports, installation, passwords),
        clock=ports.clock,
        installation=installation,
    )
