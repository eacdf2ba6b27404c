"""What packages can do once they are installed (installhub.md section 12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import strawberry

from domain.market.powers import powers_from


@strawberry.type(description="Places of one entity.")
class EntityUse:
    entity: str = strawberry.field(description="The entity's name, or its id where the name is not known.")
    entity_fields: list[str] = strawberry.field(description="Its fields; `*` stands for all of them.")

    @classmethod
    def all_of(cls, uses: Mapping[str, frozenset[str]], names: Mapping[str, str]) -> list[EntityUse]:
        return [cls(entity=names.get(one, one), entity_fields=sorted(fields)) for one, fields in sorted(uses.items())]


@strawberry.type(description="What packages are able to do once they are installed, as far as their artifacts say so.")
class Powers:
    hosts: list[str] = strawberry.field(description="Outside hosts that they may call; `*` stands for any.")
    reads: list[EntityUse] = strawberry.field(description="What they read.")
    writes: list[EntityUse] = strawberry.field(description="What they write.")
    agent_tools: list[str] = strawberry.field(description="Tools that their agents use.")

    @classmethod
    def of(cls, row: Mapping[str, Any] | None) -> Powers | None:
        if row is None:
            return None
        powers = powers_from(row)
        return cls(
            hosts=sorted(powers.hosts),
            reads=EntityUse.all_of(powers.reads, powers.entities),
            writes=EntityUse.all_of(powers.writes, powers.entities),
            agent_tools=sorted(powers.agent_tools),
        )
