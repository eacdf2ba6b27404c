"""Installs: imports that came out of the marketplace, and the packages that each of them brings (decisions R8, R30)."""

from __future__ import annotations

import strawberry

from domain import import_model
from domain.import_model import ImportState
from domain.market.installs import estimate, install_id
from domain.market.model import Offer, TrustLevel
from domain.model import name_key
from schema.context import Info
from schema.fields import described
from schema.imports import Failure, ImportJob, Progress
from schema.nodes import Node, upward
from schema.powers import Powers
from schema.refusals import RefusalShown


@strawberry.type(description="One package of an install: the one that was asked for, or one that it needs.")
class InstallMember:
    key: strawberry.ID = strawberry.field(description="Unique within the install.")
    listing_id: strawberry.ID = strawberry.field(description="Its listing.")
    package_name: str = strawberry.field(description="Its name.")
    version: str = strawberry.field(description="The version that is installed.")
    trust_level: TrustLevel = strawberry.field(description="How far it was looked at before it was offered.")
    publisher_name: str = strawberry.field(description="Who offers it.")
    needed_by: list[str] = strawberry.field(description="Packages of the install that need it, by name.")

    @classmethod
    def of(cls, offer: Offer, beside: list[Offer]) -> InstallMember:
        key = name_key(offer.name)
        needing = [
            other.name for other in beside if any(name_key(need.package_name) == key for need in other.dependencies)
        ]
        return cls(
            key=strawberry.ID(offer.full_name),
            listing_id=strawberry.ID(offer.listing_id),
            package_name=offer.name,
            version=offer.version,
            trust_level=offer.trust_level,
            publisher_name=offer.publisher_name,
            needed_by=needing,
        )


@strawberry.type(description="Bringing a package of the marketplace into a tenant, with all that it needs.")
class Install(Node):
    listing_id: strawberry.ID = strawberry.field(description="The listing that was asked for.")
    version: str = strawberry.field(description="Its version.")
    state: ImportState = strawberry.field(description="Where it stands.")
    members: list[InstallMember] = strawberry.field(description="What it brings, what is needed first.")
    index_version: int | None = strawberry.field(
        description="The version of the hub's index that it was resolved against."
    )
    failure: Failure | None = strawberry.field(description="How it ended badly.")
    powers: Powers | None = strawberry.field(
        description="What its packages will be able to do; null until it is planned."
    )
    new_powers: Powers | None = strawberry.field(
        description="What of that their versions in the tenant cannot do; null until it is planned."
    )
    job: strawberry.Private[import_model.ImportJob]

    @described("The tenant it brings artifacts into.", upward("Tenant", "tenants"))
    async def tenant(self, info: Info) -> Node:
        return await info.context.tenant(self.job.tenant_id)

    @described("What was asked for; null once the hub does not show it any more.", upward("Listing", "listings") | None)
    async def listing(self, info: Info) -> Node | None:
        return await info.context.listing(self.listing_id)

    @described("How far it is.")
    async def progress(self, info: Info) -> Progress:
        return Progress.of(await info.context.progress(self.job), self.job)

    @described("The import that does it: its plan, its journal, its outcome.")
    def import_job(self) -> ImportJob:
        return ImportJob.of(self.job)

    @described("In how many seconds it will probably be done, from past installs of its size.")
    async def estimated_seconds(self, info: Info) -> int:
        return estimate(self.job, await info.context.past_runs())

    @classmethod
    def of(cls, job: import_model.ImportJob) -> Install:
        offers = [package.offer for package in job.packages if package.offer]
        outcome = job.outcome or {}
        return cls(
            id=strawberry.ID(install_id(job)),
            listing_id=strawberry.ID(offers[-1].listing_id),
            version=offers[-1].version,
            state=job.shown_state,
            members=[InstallMember.of(offer, offers) for offer in offers],
            index_version=job.install.index_version if job.install else None,
            failure=Failure.of(job.failure) if job.failure else None,
            powers=Powers.of(outcome.get("powers")),
            new_powers=Powers.of(outcome.get("newPowers")),
            job=job,
        )


@strawberry.type(description="The install that was begun.")
class InstallPackagePayload:
    install: Install | None = strawberry.field(
        default=None, description="The install, in line: follow `installProgress`."
    )
    refusal: RefusalShown | None = strawberry.field(default=None, description="Why nothing was done.")
