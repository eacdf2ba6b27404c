"""Endpoint mappings: which addresses a package's artifacts shall call in the target, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import strawberry

from domain.errors import refuse_if
from domain.mapping import mapping_problems


@strawberry.input(description="An address that artifacts of the package call, and what stands for it in the tenant.")
class EndpointMappingInput:
    source: str = strawberry.field(
        description="An http or https address, met as it stands or, on a path boundary, as the beginning of another."
    )
    target: str = strawberry.field(description="The http or https address that takes its place.")


@strawberry.type(description="An address of an artifact that a mapping changed.")
class MappedEndpoint:
    artifact_id: str = strawberry.field(description="The artifact, by its id in the package.")
    pointer: str = strawberry.field(description="Where, as a JSON pointer.")
    source: str = strawberry.field(description="The source of the mapping that it met.")
    before: str = strawberry.field(description="What the package has there.")
    after: str = strawberry.field(description="What the tenant gets.")


@strawberry.type(description="What an endpoint mapping does to a package.")
class EndpointsMapped:
    count: int = strawberry.field(description="How many addresses it changes.")
    endpoints: list[MappedEndpoint] = strawberry.field(description="The first hundred of them.")
    unknown_source_count: int = strawberry.field(description="How many of its sources stand nowhere in the package.")
    unknown_sources: list[str] = strawberry.field(description="The first hundred of those.")

    @classmethod
    def of(cls, outcome: Mapping[str, Any]) -> EndpointsMapped | None:
        """Out of an import's outcome; ``None`` where there was no mapping, or nothing is planned yet."""
        told = outcome.get("endpointsMapped")
        if told is None:
            return None
        rows = [
            MappedEndpoint(
                artifact_id=row["artifactId"],
                pointer=row["pointer"],
                source=row["source"],
                before=row["before"],
                after=row["after"],
            )
            for row in told["endpoints"]
        ]
        return cls(
            count=told["count"],
            endpoints=rows,
            unknown_source_count=told["unknownSourceCount"],
            unknown_sources=list(told["unknownSources"]),
        )


def targets_of(pairs: Sequence[EndpointMappingInput] | None) -> dict[str, str]:
    """Targets by source. Raises ``InvalidOptions`` with every pair that is wrong."""
    rows = [(f"options.endpointMapping[{place}]", pair.source, pair.target) for place, pair in enumerate(pairs or ())]
    refuse_if(mapping_problems(rows))
    return {source: target for _, source, target in rows}
