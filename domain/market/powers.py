"""What a package will be able to do once it is installed, as far as its artifacts say so (pure; never resolved or run).

* *hosts*: whom its nodes, tools, data sources and expressions may call (``domain.market.hosts``);
* *reads*, *writes*: entities, and of each the fields, from the registered reference paths and the queries beside them;
* *agent tools*: what its agents may use.

What is not said counts as everything: an entity without named fields is there with all of them (:data:`EVERYTHING`).
An entity is named by its id where the artifact does so, else by the table of the query.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from domain.artifact_types import ADDRESS_MEMBER, ID_LENGTH_MAX, ArtifactType
from domain.market.hosts import COMPUTED, hosts_in
from domain.scanning.rules import EXPRESSION_KEYS

#: all fields of an entity; as an entity: one that is named only when the artifact runs
EVERYTHING = COMPUTED

#: of one artifact; beyond them stands everything
HOSTS_MAX, FIELDS_MAX, ENTITIES_MAX, TOOLS_MAX = 100, 200, 100, 200
_NAME_LENGTH_MAX = 200

Uses = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Powers:
    """What an artifact, or a package, can do. ``entities`` are the names of the package's own entities by id."""

    hosts: frozenset[str] = frozenset()
    reads: Uses = field(default_factory=dict)
    writes: Uses = field(default_factory=dict)
    agent_tools: frozenset[str] = frozenset()
    entities: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """True for what can do nothing worth telling."""
        return not (self.hosts or self.reads or self.writes or self.agent_tools)


NO_POWERS = Powers()


def powers_of(artifact_type: ArtifactType, artifact_id: str, name: str, content: Mapping[str, Any]) -> Powers:
    """What one artifact can do: its parsed definition, under the ids of where it came from."""
    if artifact_type is ArtifactType.ENTITY_SCHEMA:
        return Powers(hosts=_some_hosts(content), entities={artifact_id: name[:_NAME_LENGTH_MAX]})
    reads: dict[str, set[str]] = {}
    writes: dict[str, set[str]] = {}
    for node, kind in _objects(content):
        _add_uses(node, kind, reads, writes)
    for text in _expressions(content):
        _add_named_in(text, reads, writes)
    is_agent = artifact_type is ArtifactType.AGENT_DEFINITION
    return Powers(
        hosts=_some_hosts(content),
        reads=_uses(reads),
        writes=_uses(writes),
        agent_tools=frozenset(islice(_tools(content), TOOLS_MAX)) if is_agent else frozenset(),
    )


def together(many: Iterable[Powers]) -> Powers:
    """What several can do that are installed side by side."""
    hosts: set[str] = set()
    tools: set[str] = set()
    reads: dict[str, set[str]] = {}
    writes: dict[str, set[str]] = {}
    entities: dict[str, str] = {}
    for powers in many:
        hosts |= powers.hosts
        tools |= powers.agent_tools
        entities |= powers.entities
        for uses, further in ((reads, powers.reads), (writes, powers.writes)):
            for entity, fields in further.items():
                uses.setdefault(entity, set()).update(fields)
    return Powers(frozenset(hosts), _whole(reads), _whole(writes), frozenset(tools), entities)


def new_powers(before: Powers, after: Powers) -> Powers:
    """What of ``after`` was not there before; ``entities`` keeps the names of those that it mentions."""
    reads, writes = _beyond(before.reads, after.reads), _beyond(before.writes, after.writes)
    return Powers(
        hosts=after.hosts - before.hosts,
        reads=reads,
        writes=writes,
        agent_tools=after.agent_tools - before.agent_tools,
        entities={entity: name for entity, name in after.entities.items() if entity in reads or entity in writes},
    )


def powers_row(powers: Powers) -> dict[str, Any]:
    """The powers as plain JSON in a fixed order; :func:`powers_from` is the way back."""
    return {
        "hosts": sorted(powers.hosts),
        "reads": {entity: sorted(powers.reads[entity]) for entity in sorted(powers.reads)},
        "writes": {entity: sorted(powers.writes[entity]) for entity in sorted(powers.writes)},
        "agentTools": sorted(powers.agent_tools),
        "entities": {entity: powers.entities[entity] for entity in sorted(powers.entities)},
    }


def powers_from(row: Mapping[str, Any]) -> Powers:
    """The powers that were written so; of an empty row, none."""
    return Powers(
        hosts=frozenset(row.get("hosts", ())),
        reads={entity: frozenset(fields) for entity, fields in row.get("reads", {}).items()},
        writes={entity: frozenset(fields) for entity, fields in row.get("writes", {}).items()},
        agent_tools=frozenset(row.get("agentTools", ())),
        entities=dict(row.get("entities", {})),
    )


def _beyond(before: Uses, after: Uses) -> dict[str, frozenset[str]]:
    known = {entity for entity, fields in before.items() if EVERYTHING in fields}
    further = {e: fields - before.get(e, frozenset()) for e, fields in after.items() if e not in known}
    return {entity: fields for entity, fields in further.items() if fields}


def _whole(uses: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    """Who may use everything needs no list."""
    return {e: frozenset({EVERYTHING}) if EVERYTHING in fields else frozenset(fields) for e, fields in uses.items()}


def _uses(found: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    """What one artifact uses, within bounds."""
    kept = {entity: found[entity] for entity in sorted(found)[:ENTITIES_MAX]}
    if len(found) > ENTITIES_MAX:
        kept[EVERYTHING] = {EVERYTHING}
    return _whole({e: fields if len(fields) <= FIELDS_MAX else {EVERYTHING} for e, fields in kept.items()})


def _some_hosts(content: Mapping[str, Any]) -> frozenset[str]:
    found: set[str] = set()
    for key, text in _strings(content):
        if key in _TEXT_FOR_PEOPLE and "{{" not in text:
            continue
        found.update(hosts_in(text, is_address=ADDRESS_MEMBER.search(key) is not None))
        if len(found) > HOSTS_MAX:
            return frozenset([*sorted(found)[:HOSTS_MAX], COMPUTED])
    return frozenset(found)


def _tools(content: Mapping[str, Any]) -> Iterator[str]:
    tools = content.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        name = tool.get("name") if isinstance(tool, dict) else tool
        if isinstance(name, str) and name:
            yield name[:_NAME_LENGTH_MAX]


def _strings(content: Any) -> Iterator[tuple[str, str]]:
    """Every string with the name of the member it stands under, without recursion."""
    waiting: list[tuple[str, Any]] = [("", content)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, list):
            waiting.extend((key, item) for item in value)
        elif isinstance(value, Mapping):
            waiting.extend(value.items())


def _objects(content: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every object with what it is called: its own or its owner's ``nodeType`` or ``type``."""
    waiting: list[tuple[Any, str]] = [(content, "")]
    while waiting:
        value, kind = waiting.pop()
        if isinstance(value, list):
            waiting.extend((item, kind) for item in value)
        elif isinstance(value, Mapping):
            stated = value.get("nodeType", value.get("type"))
            kind = stated if isinstance(stated, str) else kind
            yield value, kind
            waiting.extend((member, kind) for member in value.values() if isinstance(member, Mapping | list))


def _expressions(content: Any) -> Iterator[str]:
    return (text for key, text in _strings(content) if key in _EXPRESSIONS or "{{" in text)


def _add_uses(node: Mapping[str, Any], kind: str, reads: dict[str, set[str]], writes: dict[str, set[str]]) -> None:
    """What an object says of entities: by a reference, by queries, or by both (the query then names the fields)."""
    stated = node.get("entityId")
    entity = _entity(stated) if isinstance(stated, str) and stated else None
    has_query = False
    for key, query in node.items():
        if key in _QUERIES and isinstance(query, str) and query.strip():
            has_query = True
            for is_writing, table, fields in _queried(query):
                uses = writes if is_writing or key == _WRITE_QUERY else reads
                uses.setdefault(entity or table, set()).update(fields)
    if entity is None or has_query:
        return
    if _is_writing(node.get("operation"), kind):
        writes.setdefault(entity, set()).update(_mapped(node) or {EVERYTHING})
    else:
        reads.setdefault(entity, set()).update(_named_fields(node) or {EVERYTHING})


def _entity(stated: str) -> str:
    return EVERYTHING if any(mark in stated for mark in "{$(") else stated[:ID_LENGTH_MAX]


def _is_writing(operation: Any, kind: str) -> bool:
    """The stated operation decides; where there is none, what the node is called."""
    if isinstance(operation, str) and operation:
        return _READING.search(operation) is None
    return _WRITING.search(kind) is not None


def _named_fields(node: Mapping[str, Any]) -> set[str]:
    """The fields that a data source or a reading node names beside its entity."""
    single = [node[key] for key in ("field", "labelField", "valueField") if key in node]
    several = [item for key in ("fields", "columns") if isinstance(node.get(key), list) for item in node[key]]
    return _short(name for name in [*single, *several] if isinstance(name, str))


def _mapped(node: Mapping[str, Any]) -> set[str]:
    """The fields that a writing node gives values: members of its mapping, written as an object or as an expression."""
    names: set[str] = set()
    for key in ("valueMapping", "values", "fieldMapping"):
        mapping = node.get(key)
        if isinstance(mapping, Mapping):
            names |= _short(mapping)
        elif isinstance(mapping, str):
            names |= _short(match[1] for match in _MEMBER.finditer(mapping))
    return names


def _short(names: Iterable[str]) -> set[str]:
    return {name[:_NAME_LENGTH_MAX] for name in names if name}


def _queried(query: str) -> Iterator[tuple[bool, str, set[str]]]:
    """Writing or not, table and fields of a query; all fields where it does not tell them plainly."""
    query = " ".join(_QUERY_MARKS.sub(" ", query[:_QUERY_LENGTH_MAX]).split())
    written = [*_WRITTEN_TABLE.finditer(query)]
    set_fields = _set(query) if written else set()
    for match in written:
        is_insert = match[1].upper().startswith("INSERT")
        yield True, match[2][:_NAME_LENGTH_MAX], _listed(match[3]) if is_insert else set_fields
    # DELETE FROM t names a table that is written, not read
    targets = {match.end(2) for match in written}
    tables = _short(match[1] for match in _READ_TABLE.finditer(query) if match.end(1) not in targets)
    fields = _selected(query) if len(tables) == 1 else {EVERYTHING}
    for table in tables:
        yield False, table, fields
    if not tables and not written:
        yield False, EVERYTHING, {EVERYTHING}


def _selected(query: str) -> set[str]:
    """The columns between SELECT and the first FROM."""
    begun, behind = _SELECT.match(query), _FROM.search(query)
    return _listed(query[begun.end() : behind.start()]) if begun and behind else {EVERYTHING}


def _listed(columns: str | None) -> set[str]:
    names = [part.strip() for part in (columns or "").split(",")]
    return _short(names) if names and all(_PLAIN_NAME.fullmatch(name) for name in names) else {EVERYTHING}


def _set(query: str) -> set[str]:
    names = _short(match[1] for match in _SET_FIELD.finditer(query))
    return names if 0 < len(names) <= FIELDS_MAX and _UPDATE.match(query) else {EVERYTHING}


def _add_named_in(text: str, reads: dict[str, set[str]], writes: dict[str, set[str]]) -> None:
    """Entities that an expression names, with the field behind each, if one stands there."""
    for match in _ENTITY_USE.finditer(text):
        entity, name, behind = match[1][:ID_LENGTH_MAX], match[2], match[3]
        is_call = behind == "("
        is_writing = behind == "=" or (is_call and _WRITING.search(name) is not None)
        fields = {name[:_NAME_LENGTH_MAX]} if name and not is_call else {EVERYTHING}
        (writes if is_writing else reads).setdefault(entity, set()).update(fields)


_EXPRESSIONS = frozenset(EXPRESSION_KEYS)
_WRITE_QUERY = "writeQuery"
_QUERIES = frozenset({"query", _WRITE_QUERY, "datasourceQuery"})
#: what people read; nobody calls an address in it, unless a template there does
_TEXT_FOR_PEOPLE = frozenset({"description", "label", "title", "helpText", "placeholder", "pattern", "name"})
_READING = re.compile(r"^(?:read|query|get|list|find|select|count|look ?up|fetch|search|exists)", re.IGNORECASE)
_WRITING = re.compile(r"write|create|insert|update|upsert|delete|remove|save|store|merge|patch", re.IGNORECASE)
#: a member of an object literal: ``{ status: …`` or ``, 'status': …``
_MEMBER = re.compile(r"[{,]\s*['\"]?([A-Za-z_]\w{0,199})['\"]?\s*:")
_ENTITY_USE = re.compile(
    rf"(?<![A-Za-z0-9_-])({ArtifactType.ENTITY_SCHEMA.entry.prefix}-[A-Za-z0-9-]+)(?![A-Za-z0-9_])"
    r"['\")\]]{0,3}(?:\??\.([A-Za-z_]\w*)\s*(\(|=(?![=>]))?)?"
)
#: quotes around names, and comments; a query of an artifact has no other use for them
_QUERY_MARKS = re.compile(r"[\[\]`\"]|--[^\n]*|/\*[^*]*\*/")
_WRITTEN_TABLE = re.compile(
    r"\b(INSERT INTO|UPDATE|DELETE FROM|MERGE INTO|REPLACE INTO|TRUNCATE TABLE) ([\w.]+)(?: ?\(([^()]*)\))?",
    re.IGNORECASE,
)
_READ_TABLE = re.compile(r"\b(?:FROM|JOIN) ([A-Za-z_][\w.]*)", re.IGNORECASE)
_SELECT, _FROM = re.compile(r"SELECT (?:DISTINCT )?", re.IGNORECASE), re.compile(r" FROM\b", re.IGNORECASE)
_UPDATE = re.compile(r"UPDATE\b", re.IGNORECASE)
_QUERY_LENGTH_MAX = 20_000
_SET_FIELD = re.compile(r"(?:\bSET|,)\s*([A-Za-z_]\w*)\s*=", re.IGNORECASE)
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.]{0,199}")
