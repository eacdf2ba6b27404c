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
    importer: Importer
    records: Records
    conflicts: Conflicts
    batches: Batches
    links: Links
    upkeep: Upkeep
    follower: Follower
    watching: Watching
    blobs: Blobs
    clock: Clock
    installation: Installation


def services(ports: Ports, installation: Installation, observer: Observer = NOBODY) -> Services:
    """Put the services together over their ports; ``observer`` is told what happens."""
    follower = Follower(ports.store, ports.bell, observer)
    records = Records(ports, follower)
    return Services(
        tenancy=Tenancy(ports, installation),
        authoring=Authoring(ports),
        exporter=Exporter(ports, installation),
        uploads=Uploads(ports),
        line=Line(ports, installation, records, observer),
        importer=Importer(ports, installation, observer),
        records=records,
        conflicts=Conflicts(ports, installation, records),
        batches=Batches(ports),
        links=Links(ports),
        upkeep=Upkeep(ports, installation, observer),
        follower=follower,
        watching=Watching(ports),
        blobs=ports.blobs,
        clock=ports.clock,
        installation=installation,
    )
