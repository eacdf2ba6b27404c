"""The registry: everything the product knows about a kind of artifact, one entry each.

To add a kind, add one member. Export walks and import rewrites the same reference paths; folders, ids, ranks,
merge rules and the GraphQL enum are derived from here. The order of the members is the rank: what others need
stands first (decisions section 4; installhub.md sections 3.2, 6.4, 6.5, 8.4; decisions R23).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

#: the path of a list, and the field, or fields, by which its items are told apart
ListKeys = tuple[tuple[str, str | tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class TypeEntry:
    """What one kind of artifact looks like on the wire.

    ``references`` are paths to strings that name another artifact; ``text_references`` are paths to free text in
    which whole tokens name entity schemas. In a path, ``[]`` means every item of a list. ``merge_keys`` maps the
    path of a list to the field by which its items are matched (of several, the first that an item has); it is empty
    where Merge is not offered, and ``diff_keys`` then say the same for comparing only (decisions R7).
    ``credentials`` are paths whose values never leave a tenant (decisions R22). ``endpoints`` are paths to objects in
    which, at any depth, a member whose name asks for an address (:data:`ADDRESS_MEMBER`) says whom the artifact calls.
    """

    wire: str
    prefix: str
    folder: str
    package_type: str
    references: tuple[str, ...] = ()
    text_references: tuple[str, ...] = ()
    merge_keys: ListKeys = ()
    diff_keys: ListKeys = ()
    credentials: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()


_FIELD_REFERENCES = ("fields[].dataSource.entityId", "validationRules[].ruleSetId")
_LIBRARY_REFERENCES = ("fields[].fieldLibraryId", "fieldLibraries[]")
_FIELD_KEYS = (("fields", "fieldId"), ("validationRules", "ruleSetId"))
_NODE_KEYS = (("nodes", "nodeId"), ("variables", "name"))
_FIELD_ENDPOINTS = ("fields[].dataSource",)
_NODE_ENDPOINTS = ("nodes[].config",)


class ArtifactType(Enum):
    """The nine kinds of artifact, in rank order."""

    ENTITY_SCHEMA = TypeEntry(
        wire="EntitySchema",
        prefix="ent",
        folder="entities",
        package_type="config-package",
        merge_keys=(("fields", "fieldName"), ("indexes", ("name", "fields"))),
    )
    FIELD_LIBRARY = TypeEntry(
        wire="FieldLibrary",
        prefix="lib",
        folder="libraries",
        package_type="form-package",
        references=_FIELD_REFERENCES,
        diff_keys=_FIELD_KEYS,
        endpoints=_FIELD_ENDPOINTS,
    )
    RULE_SET = TypeEntry(
        wire="RuleSet",
        prefix="rule",
        folder="rules",
        package_type="config-package",
        text_references=("rules[].condition",),
        merge_keys=(("rules", "ruleId"),),
        endpoints=("rules[].action",),
    )
    FORM_GROUP = TypeEntry(
        wire="FormGroup",
        prefix="fgroup",
        folder="formgroups",
        package_type="form-package",
        references=(*_FIELD_REFERENCES, *_LIBRARY_REFERENCES),
        diff_keys=_FIELD_KEYS,
        endpoints=_FIELD_ENDPOINTS,
    )
    ATLAS_FORM = TypeEntry(
        wire="AtlasForm",
        prefix="form",
        folder="forms",
        package_type="form-package",
        references=(*_FIELD_REFERENCES, *_LIBRARY_REFERENCES, "formGroups[]"),
        diff_keys=(*_FIELD_KEYS, ("actions", "actionId")),
        endpoints=(*_FIELD_ENDPOINTS, "actions[]"),
    )
    THREAD_DEFINITION = TypeEntry(
        wire="ThreadDefinition",
        prefix="thread",
        folder="workflows",
        package_type="workflow-package",
        references=("nodes[].config.formId", "nodes[].config.ruleSetId", "nodes[].config.entityId"),
        diff_keys=_NODE_KEYS,
        endpoints=_NODE_ENDPOINTS,
    )
    PROCESS_DEFINITION = TypeEntry(
        wire="ProcessDefinition",
        prefix="proc",
        folder="workflows",
        package_type="workflow-package",
        references=(
            "nodes[].config.threadId",
            "nodes[].config.formId",
            "nodes[].config.ruleSetId",
            "nodes[].config.entityId",
        ),
        diff_keys=_NODE_KEYS,
        endpoints=_NODE_ENDPOINTS,
    )
    APP_DEFINITION = TypeEntry(
        wire="AppDefinition",
        prefix="app",
        folder="apps",
        package_type="app-package",
        references=("widgets[].config.formId", "actions[].workflowId", "actions[].processId"),
        merge_keys=(
            ("pages", "pageId"),
            ("panes", "paneId"),
            ("widgets", "widgetId"),
            ("actions", "actionId"),
            ("variables", "name"),
        ),
        endpoints=("widgets[].config", "actions[]"),
    )
    AGENT_DEFINITION = TypeEntry(
        wire="AgentDefinition",
        prefix="agent",
        folder="agents",
        package_type="agent-package",
        references=(
            "tools[].processId",
            "tools[].workflowId",
            "tools[].formId",
            "tools[].ruleSetId",
            "tools[].entityId",
        ),
        diff_keys=(("tools", "name"), ("mcpServers", ("name", "url", "serverUrl"))),
        credentials=("llmConfig.credentialId", "tools[].credentialId"),
        endpoints=("llmConfig", "tools[]", "mcpServers[]"),
    )

    def __init__(self, entry: TypeEntry) -> None:
        #: the registry's entry
        self.entry = entry
        #: the name as manifests and REST write it: ``AtlasForm``
        self.wire = entry.wire

    # each is there once; an enum would hash its name, in Python, a dozen times an artifact
    __hash__ = object.__hash__

    @property
    def rank(self) -> int:
        """Place in the install order among equals: what is needed by others is smaller."""
        return RANKS[self]

    @property
    def list_keys(self) -> ListKeys:
        """How the items of its lists are matched, whether to merge or only to compare (decisions R7)."""
        return self.value.merge_keys or self.value.diff_keys

    @property
    def is_mergeable(self) -> bool:
        """Whether Merge is offered (decisions R7)."""
        return bool(self.value.merge_keys)

    def file_of(self, artifact_id: str) -> str:
        """The artifact's file inside a bundle: ``artifacts/forms/form-2005.json``."""
        return f"artifacts/{self.value.folder}/{artifact_id}.json"


RANKS: Mapping[ArtifactType, int] = {member: rank for rank, member in enumerate(ArtifactType)}
BY_WIRE_NAME: Mapping[str, ArtifactType] = {member.wire: member for member in ArtifactType}
FOLDERS = frozenset(member.value.folder for member in ArtifactType)
PACKAGE_TYPES = tuple(sorted({member.value.package_type for member in ArtifactType}))

_PREFIXES = "|".join(member.value.prefix for member in ArtifactType)
#: an id that can stand for an artifact of ours: a registered prefix, a hyphen, letters, digits, hyphens (R23)
LITERAL_ID = re.compile(rf"(?:{_PREFIXES})-[A-Za-z0-9-]+")
#: the same as a whole token inside any bytes: what a *possible* reference looks like
ID_TOKEN = re.compile(rb"(?<![A-Za-z0-9_-])(?:" + _PREFIXES.encode() + rb")-[A-Za-z0-9-]+(?![A-Za-z0-9_])")
#: whole-token ids of entity schemas inside a rule's condition (installhub.md section 6.4)
ENTITY_TOKEN = re.compile(rf"(?<![A-Za-z0-9_-]){ArtifactType.ENTITY_SCHEMA.value.prefix}-[A-Za-z0-9-]+(?![A-Za-z0-9_])")
ID_LENGTH_MAX = 128

#: the name of a member whose value is an address: ``url``, ``mcpServerUrl``, ``endpoint``
ADDRESS_MEMBER = re.compile(r"(?:url|uri|endpoint|host|hostname|server|address)$", re.IGNORECASE)


def is_id_of(artifact_id: str, artifact_type: ArtifactType) -> bool:
    """True for an id that artifacts of this kind may have in a tenant of ours."""
    return (
        len(artifact_id) <= ID_LENGTH_MAX
        and artifact_id.startswith(artifact_type.value.prefix + "-")
        and LITERAL_ID.fullmatch(artifact_id) is not None
    )
