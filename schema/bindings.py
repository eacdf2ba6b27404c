"""Bindings: places of a package whose values never travel, and what a tenant remembers of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import strawberry

from domain import binding_slots, model
from domain.binding_slots import BindingSource
from domain.bindings import BindingFile as KeptFile
from domain.bindings import KeptBinding
from domain.suggesting import Suggestion
from schema.connections import page_size
from schema.context import Info
from schema.fields import described
from schema.inputs import BindingInput
from schema.nodes import Node, upward
from schema.refusals import RefusalShown
from schema.scalars import Json
from schema.values import Actor, ArtifactName

#: suggestions are looked for in the tenant's artifacts, which costs as much as many rows
_SUGGESTIONS_COST = 190

AfterKey: TypeAlias = Annotated[
    strawberry.ID | None, strawberry.argument(description="The key of the last one already seen.")
]


class Suggested:
    """What is suggested for a page of a plan's bindings: looked for once, when somebody asks."""

    def __init__(self, tenant_id: model.TenantId, slots: Sequence[binding_slots.BindingSlot]) -> None:
        self._tenant_id = tenant_id
        self._slots = slots
        self._found: asyncio.Future[dict[str, tuple[Suggestion, ...]]] | None = None

    async def of(self, key: str, info: Info) -> Sequence[Suggestion]:
        if self._found is None:
            asked = info.context
            asked.spend(_SUGGESTIONS_COST)
            looking = asked.services.bindings.suggestions(asked.caller, self._tenant_id, self._slots)
            self._found = asyncio.ensure_future(looking)
        return (await self._found).get(key, ())


@strawberry.type(description="A place of a package that needs a value of the tenant. The value is never shown.")
class Binding:
    key: strawberry.ID = strawberry.field(
        description="The artifact's id in the package and the JSON pointer in it: the key to supply a value by."
    )
    kind: str = strawberry.field(description="What stands there, such as `credential`.")
    label: str = strawberry.field(description="A sentence for people.")
    used_by: list[ArtifactName] = strawberry.field(description="Who needs it, by ids in the package.")
    is_resolved: bool = strawberry.field(description="Whether there is a value.")
    source: BindingSource | None = strawberry.field(description="Where the value comes from.")
    suggested: strawberry.Private[Suggested]

    @described(
        "What the tenant's artifacts of that kind have there: names as they are, secrets masked."
        " Empty for who may not import."
    )
    async def suggestions(self, info: Info) -> list[str]:
        return [one.shown for one in await self.suggested.of(str(self.key), info)]

    @classmethod
    def of(cls, slot: binding_slots.BindingSlot, suggested: Suggested) -> Binding:
        user = ArtifactName(artifact_type=slot.artifact_type, artifact_id=slot.source_id, name=slot.artifact_name)
        return cls(
            key=strawberry.ID(slot.key),
            kind=slot.kind,
            label=slot.label,
            used_by=[user],
            is_resolved=slot.source is not None,
            source=slot.source,
            suggested=suggested,
        )


def bindings_page(
    tenant_id: model.TenantId, slots: Sequence[binding_slots.BindingSlot], first: int | None, after: str | None
) -> list[Binding]:
    """A page of a plan's bindings, in install order."""
    keys = [slot.key for slot in slots]
    begin = keys.index(after) + 1 if after in keys else 0
    page = slots[begin : begin + page_size(first)]
    suggested = Suggested(tenant_id, page)
    return [Binding.of(slot, suggested) for slot in page]


@strawberry.type(description="A binding file to be filled in: every key, and no value.")
class BindingTemplate:
    bindings: Json = strawberry.field(description="A JSON object of values by key.")
    properties: str = strawberry.field(description="The same as Java properties.")

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> BindingTemplate:
        template = binding_slots.template_of(rows)
        text = binding_slots.properties_of(template, binding_slots.labels_of(rows))
        return cls(bindings=Json(template), properties=text)


@strawberry.type(description="A value that a tenant remembers for packages of another one.")
class RememberedBinding:
    key: strawberry.ID = strawberry.field(description="Its key.")
    value: str = strawberry.field(description="The name of a secret as it is; what may be a secret, masked.")
    kept_at: datetime = strawberry.field(description="Since when.")
    kept_by: Actor = strawberry.field(description="Who sent it.")

    @classmethod
    def of(cls, kept: KeptBinding) -> RememberedBinding:
        return cls(key=strawberry.ID(kept.key), value=kept.value, kept_at=kept.kept_at, kept_by=Actor.of(kept.kept_by))


@strawberry.type(description="What a tenant remembers for packages that come from another one.")
class BindingFile:
    source_tenant_id: str = strawberry.field(description="Where the packages come from, as their manifests name it.")
    file: strawberry.Private[KeptFile]

    @described("The tenant that remembers.", upward("Tenant", "tenants"))
    async def target_tenant(self, info: Info) -> Node:
        return await info.context.tenant(self.file.target)

    @described("The values, by key.")
    def bindings(
        self,
        info: Info,
        first: Annotated[int | None, strawberry.argument(description="How many, at most 100.")] = 20,
        after: AfterKey = None,
    ) -> list[RememberedBinding]:
        later = [one for one in self.file.bindings if after is None or one.key > after]
        page = later[: page_size(first)]
        info.context.spend(len(page))
        return [RememberedBinding.of(one) for one in page]

    @classmethod
    def of(cls, kept: KeptFile) -> BindingFile:
        return cls(source_tenant_id=kept.source, file=kept)


@strawberry.input(description="What a tenant is to remember for packages that come from another one, in place of all.")
class SaveBindingsInput:
    source_tenant_id: strawberry.ID = strawberry.field(description="Where the packages come from.")
    target_tenant_id: strawberry.ID = strawberry.field(description="The tenant that remembers.")
    bindings: list[BindingInput] = strawberry.field(
        description="A value that is the mask stays as it is; a key that is left out, or has no value, is forgotten."
    )


@strawberry.type(description="What is remembered now.")
class SaveBindingsPayload:
    binding_file: BindingFile | None = strawberry.field(default=None, description="The binding file.")
    refusal: RefusalShown | None = strawberry.field(default=None, description="Why nothing was done.")
