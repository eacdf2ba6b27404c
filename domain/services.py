"""All a door is given."""

from __future__ import annotations

from dataclasses import dataclass

from domain.authoring import Authoring
from domain.exporting import Exporter
from domain.following import Follower
from domain.importing import Importer
from domain.limits import Installation
from domain.ports import Blobs, Clock, Ports
from domain.records import Records
from domain.tenancy import Tenancy
from domain.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class Services:
    """The product, whoever asks."""

    tenancy: Tenancy
    authoring: Authoring
    exporter: Exporter
    importer: Importer
    records: Records
    upkeep: Upkeep
    follower: Follower
    blobs: Blobs
    clock: Clock
    installation: Installation


def services(ports: Ports, installation: Installation) -> Services:
    """Put the services together over their ports."""
    follower = Follower(ports.store, ports.bell)
    return Services(
        tenancy=Tenancy(ports, installation),
        authoring=Authoring(ports),
        exporter=Exporter(ports, installation),
        importer=Importer(ports, installation),
        records=Records(ports, follower),
        upkeep=Upkeep(ports),
        follower=follower,
        blobs=ports.blobs,
        clock=ports.clock,
        installation=installation,
    )
