"""What a tenant remembers of bindings, read and replaced (R22)."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import strawberry

from domain.access import tenant_of
from domain.errors import ErrorCode, refuse
from domain.model import TenantId
from resolvers.context import Operation
from resolvers.mutations import Input
from resolvers.queries import Info
from resolvers.refusals import refusable
from schema.bindings import BindingFile, SaveBindingsInput, SaveBindingsPayload
from schema.fields import described
from schema.nodes import tenant_id_of


@strawberry.type
class BindingQuery:
    @described("What a tenant remembers for packages that come from another one; who may import there may ask.")
    async def bindings(
        self,
        info: Info,
        source_tenant_id: Annotated[strawberry.ID, strawberry.argument(description="Where the packages come from.")],
        target_tenant_id: Annotated[strawberry.ID, strawberry.argument(description="The tenant that remembers.")],
    ) -> BindingFile:
        asked = info.context
        source, target = tenant_id_of(source_tenant_id), _target(asked, target_tenant_id)
        return BindingFile.of(await asked.services.bindings.file(asked.caller, source, target))


@strawberry.type
class BindingMutation:
    @described("Replaces what a tenant remembers for packages that come from another one.")
    @refusable(SaveBindingsPayload)
    async def save_bindings(self, info: Info, input: Input[SaveBindingsInput]) -> SaveBindingsPayload:
        asked = info.context
        source, target = tenant_id_of(input.source_tenant_id), _target(asked, input.target_tenant_id)
        if twice := [key for key, count in Counter(str(row.key) for row in input.bindings).items() if count > 1]:
            raise refuse(ErrorCode.INVALID_OPTIONS, "A key stands twice.", "bindings", keys=twice)
        values = {str(row.key): row.value for row in input.bindings}
        kept = await asked.services.bindings.save(asked.caller, source, target, values)
        return SaveBindingsPayload(binding_file=BindingFile.of(kept))


def _target(asked: Operation, tenant_id: str) -> TenantId:
    """The tenant that is named (R1). Raises ``TENANT_MISMATCH``."""
    return tenant_of(asked.caller, body=tenant_id_of(tenant_id), header=asked.tenant_header, where="targetTenantId")
