"""What has an identity of its own: the interface ``Node``, and how its ids are made and read (decisions R2, 9.5).

Packages, imports and plans go by the id that REST knows them by, which is unique in the installation. Tenants and
artifacts have opaque ids: an artifact's own id is unique only inside its tenant.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import strawberry
from strawberry.types.lazy_type import LazyType

from schema.opaque import opened, sealed


class Kind(Enum):
    """What a Node is; the value begins the id."""

    TENANT = "tenant"
    ARTIFACT = "artifact"
    PACKAGE = "pkg-"
    IMPORT = "imp-"
    PLAN = "plan-"
    LISTING = "mkt-pkg-"
    NOTIFICATION = "ntc-"
    INSTALL = "mkt-install-"
    PUBLISHER = "pub-"
    SUBMISSION = "sub-"


_BY_PREFIX = (
    Kind.PACKAGE,
    Kind.IMPORT,
    Kind.PLAN,
    Kind.LISTING,
    Kind.NOTIFICATION,
    Kind.INSTALL,
    Kind.PUBLISHER,
    Kind.SUBMISSION,
)


@strawberry.interface(description="Something with an identity of its own. Ids are unique in the whole installation.")
class Node:
    id: strawberry.ID = strawberry.field(description="Unique over all types and tenants. Keep it, give it back.")


@dataclass(frozen=True, slots=True)
class NodeKey:
    """A Node id, read. ``tenant_id`` is empty where the id alone is unique."""

    kind: Kind
    local_id: str
    tenant_id: str = ""


def tenant_node_id(tenant_id: str) -> strawberry.ID:
    return strawberry.ID(sealed(Kind.TENANT.value, tenant_id))


def artifact_node_id(tenant_id: str, artifact_id: str) -> strawberry.ID:
    return strawberry.ID(sealed(Kind.ARTIFACT.value, tenant_id, artifact_id))


def key_of(node_id: str) -> NodeKey | None:
    """What a Node id names, or nothing: an id that is not ours is like one that is unknown."""
    for kind in _BY_PREFIX:
        if node_id.startswith(kind.value):
            return NodeKey(kind, node_id)
    match opened(node_id, str, str) or opened(node_id, str, str, str):
        case (Kind.TENANT.value, str(tenant_id)):
            return NodeKey(Kind.TENANT, tenant_id, tenant_id)
        case (Kind.ARTIFACT.value, str(tenant_id), str(artifact_id)):
            return NodeKey(Kind.ARTIFACT, artifact_id, tenant_id)
    return None


def tenant_id_of(value: str) -> str:
    """The tenant that an argument names: by its own id, or by its Node id."""
    key = key_of(value)
    return key.tenant_id if key is not None and key.kind is Kind.TENANT else value


def upward(type_name: str, module: str) -> Any:
    """The GraphQL type of a field that leads to a type declared further up, whose module imports this one."""
    return LazyType(type_name, f"schema.{module}")
