"""One artifact's content: its references, its envelope, its hash, and writing it under other ids.

The rules, in the order the code follows them (decisions R5, R6, R22, R23; installhub.md sections 7.3, 8.4):

* A file is an envelope (``_type``, ``_version``, ``_exportedAt``, ``_schemaVersion``) around a definition with
  ``id`` and ``name``. The content is the file without ``_exportedAt``, ``_schemaVersion`` and credentials; its
  SHA-256 is the ``content_hash``.
* A string at a registered path is a literal reference when it is a known id or has the form of one; anything
  else there is dynamic. A whole token elsewhere that has the form of an id is a possible reference.
* Ids are never searched and replaced. While the parsed value is at hand, the artifact's own id and its literal
  references are put between NUL marks (foreign JSON holds no NUL), so the bytes become a template that can be
  written under any ids without being parsed again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from domain import strict_json
from domain.artifact_types import ADDRESS_MEMBER, ENTITY_TOKEN, ID_LENGTH_MAX, ID_TOKEN, LITERAL_ID, ArtifactType
from domain.model import HASH_PREFIX, ArtifactId, ArtifactStatus, Reference, ReferenceKind, rfc3339

SCHEMA_VERSION = "1.0"
_MARK = "\0"
_MARK_BYTES = b"\\u0000"
#: a mark, or a backslash in plain text, which may stand before these letters
_MARK_OR_BACKSLASH = re.compile(rb"\\(?:\\|u0000)")
#: `_type` follows the two volatile lines in a sorted file, at the top level only
_TYPE_LINE = b'\n  "_type": '
_UNDERSCORED = b'\n  "_'
_VOLATILE_LINES = re.compile(rb'\n  "_exportedAt": "[^"\\\n]*",\n  "_schemaVersion": "[^"\\\n]*",')
_PREFIXES = tuple(member.entry.prefix for member in ArtifactType)
#: a prefix that begins a word, the word perhaps behind a control character, whose escape ends like a word; a marked id
#: stands behind the last zero of its mark. Looked at backwards from a hyphen, for there are few of them.
_UNMARKED_TOKEN = re.compile(
    (
        rf"-(?<=[{''.join(prefix[-1] for prefix in _PREFIXES)}]-)(?:"
        + "|".join(
            rf"(?<={prefix}-)(?<![A-Za-z0-9_]{prefix}-)|(?<=\\[nrtbf]{prefix}-)"
            rf"|(?<=\\u00[01][0-9a-f]{prefix}-)(?<!\\u0000{prefix}-)"
            for prefix in _PREFIXES
        )
        + ")"
    ).encode()
)
#: what no artifact can be without
_IDENTITY = frozenset({"/id", "/name", "/_type", "/_version"})

#: one artifact names fewer others than this
REFERENCES_MAX = 10_000
#: so many possible references are told; they are for people
_POSSIBLE_MAX = 1_000
_SHOWN_STEP = 100

Trie = dict[str, tuple[bool, "Trie | None"]]
#: a place in a tree: the place around it and the last step; None is the root
Place = tuple["Place", str | int] | None


class Template(NamedTuple):
    """A content's canonical bytes under the ids it came with, and where those ids stand: offset and id."""

    plain: bytes
    marks: tuple[tuple[int, str], ...]


class Content(NamedTuple):
    """An artifact that can be written under any ids.

    ``credentials`` are the JSON pointers and values found at the type's credential paths; they are no longer in
    the template. ``references`` name their targets by the ids of where the content came from.
    """

    artifact_type: ArtifactType
    artifact_id: ArtifactId
    name: str
    version: str
    status: ArtifactStatus
    template: Template
    references: tuple[Reference, ...]
    credentials: tuple[tuple[str, Any], ...] = ()


def content_of(
    tree: dict[str, Any],
    *,
    artifact_type: ArtifactType,
    artifact_id: ArtifactId,
    version: str,
    known_ids: Collection[str] = (),
) -> Content:
    """Take a parsed artifact file apart. The tree is used up.

    Raises :class:`strict_json.NotStrict` for a value that cannot be written, and for too many references.
    """
    tree.pop("_exportedAt", None)
    tree.pop("_schemaVersion", None)
    tree["_type"] = artifact_type.wire
    tree["_version"] = version
    credentials = _taken_out(tree, _CREDENTIALS[artifact_type])
    references = [*islice(_marked_references(tree, artifact_type, artifact_id, known_ids), REFERENCES_MAX + 1)]
    if len(references) > REFERENCES_MAX:
        raise strict_json.NotStrict(f"the artifact holds more than {REFERENCES_MAX} references")
    tree["id"] = f"{_MARK}{artifact_id}{_MARK}"
    marked = strict_json.canonical(tree)
    parts = _between_marks(marked)
    if b"-" in b"".join(parts[::2]):  # no id is without one
        references += _possible_references(tree, marked, artifact_id)
    return Content(
        artifact_type=artifact_type,
        artifact_id=artifact_id,
        name=str(tree["name"]),
        version=version,
        status=status_of(tree),
        template=_template(parts),
        references=tuple(references),
        credentials=credentials,
    )


def is_faithful(content: Content, raw: bytes) -> bool:
    """True when the file is byte for byte what we would write of this content, its volatile lines aside.

    Then it has proven to be strict JSON, whoever parsed it: our writer writes each key once and only what it may.
    """
    plain, found = content.template.plain, _VOLATILE_LINES.search(raw)
    if found is None:
        return plain == raw
    at, end = found.span()
    is_as_long = len(plain) == len(raw) - (end - at)
    return is_as_long and raw.startswith(plain[:at]) and raw.endswith(memoryview(plain)[at:])


def status_of(tree: Mapping[str, Any]) -> ArtifactStatus:
    """The status a definition states of itself; ``Published`` where it states none (R5)."""
    stated = tree.get("status")
    return _STATUSES.get(stated, ArtifactStatus.PUBLISHED) if isinstance(stated, str) else ArtifactStatus.PUBLISHED


def written(template: Template, remap: Mapping[str, str]) -> bytes:
    """The content with every marked id replaced through the remap table.

    Raises ``KeyError`` for a marked id that the table does not know: a source id never reaches a tenant.
    """
    return b"".join(_pieces(template, remap))


def file_and_hash(template: Template, remap: Mapping[str, str], written_at: datetime) -> tuple[bytes, str]:
    """:func:`file_of` and :func:`content_hash` of the :func:`written` content, which itself is never put together.

    Raises ``KeyError`` as :func:`written` does.
    """
    pieces = _pieces(template, remap)
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    hashed = HASH_PREFIX + digest.hexdigest()
    at = template.plain.find(_TYPE_LINE, 0, len(pieces[0]))
    if at < 0 or _UNDERSCORED in template.plain[:at]:
        return file_of(b"".join(pieces), written_at), hashed
    return b"".join((pieces[0][:at], _stamp(written_at), pieces[0][at:], *pieces[1:])), hashed


def _pieces(template: Template, remap: Mapping[str, str]) -> list[memoryview | bytes]:
    """The content under other ids: its own bytes, not copied, and the ids between them."""
    plain = memoryview(template.plain)
    pieces: list[memoryview | bytes] = []
    at = 0
    for offset, found in template.marks:
        pieces += (plain[at:offset], remap[found].encode())
        at = offset + len(found)
    pieces.append(plain[at:])
    return pieces


def _template(parts: list[bytes]) -> Template:
    """Leave the marks out and remember where they were: every second piece between them is an id."""
    marks, at = [], 0
    for place, part in enumerate(parts):
        if place % 2:
            marks.append((at, part.decode()))
        at += len(part)
    return Template(b"".join(parts), tuple(marks))


def _between_marks(marked: bytes) -> list[bytes]:
    parts, begin = [], 0
    # one byte is found far sooner than six, and nearly always nothing but marks is escaped
    while (at := marked.find(b"\\", begin)) >= 0 and marked.startswith(_MARK_BYTES, at):
        parts.append(marked[begin:at])
        begin = at + len(_MARK_BYTES)
    if at < 0:
        return [*parts, marked[begin:]]
    ends = [found.start() for found in _MARK_OR_BACKSLASH.finditer(marked) if found[0] == _MARK_BYTES]
    begins = [0, *(end + len(_MARK_BYTES) for end in ends)]
    return [marked[begin:end] for begin, end in zip(begins, [*ends, len(marked)], strict=True)]


def content_hash(content: bytes) -> str:
    """The hash by which two states of an artifact are compared (R6)."""
    return HASH_PREFIX + hashlib.sha256(content).hexdigest()


def file_of(content: bytes, written_at: datetime) -> bytes:
    """The bundle file of a content: the two volatile envelope lines put in their sorted place (R6)."""
    head, _, tail = content.partition(_TYPE_LINE)
    if _UNDERSCORED in head:  # somebody else's field, which may stand between the two
        stamps = {"_exportedAt": rfc3339(written_at), "_schemaVersion": SCHEMA_VERSION}
        return strict_json.canonical(strict_json.trusted(content) | stamps)
    return b"".join((head, _stamp(written_at), _TYPE_LINE, tail))


def _stamp(written_at: datetime) -> bytes:
    """The two volatile lines."""
    return f'\n  "_exportedAt": "{rfc3339(written_at)}",\n  "_schemaVersion": "{SCHEMA_VERSION}",'.encode()


def with_values(file: bytes, values: Mapping[str, Any]) -> bytes:
    """The file with values set at JSON pointers: how supplied credentials get into a tenant's own revision.

    A pointer that leads nowhere is left out: a bundle's own statement of its bindings is foreign too.
    """
    tree = strict_json.trusted(file)
    for pointer, value in values.items():
        parent, _, last = pointer.rpartition("/")
        place = value_at(tree, parent)
        if isinstance(place, dict):
            place[_unescaped(last)] = value
        elif isinstance(place, list) and (index := _index(last, place)) is not None:
            place[index] = value
    return strict_json.canonical(tree)


def value_at(tree: Any, pointer: str) -> Any:
    """The value at a JSON pointer, or ``None``."""
    for step in _steps(pointer):
        if isinstance(tree, list):
            index = _index(step, tree)
            tree = None if index is None else tree[index]
        else:
            tree = tree.get(step) if isinstance(tree, dict) else None
    return tree


def _index(step: str, items: list[Any]) -> int | None:
    """The place in a list that a step of a pointer names, if the list has it."""
    return int(step) if _INDEX.fullmatch(step) and int(step) < len(items) else None


def without_credentials(
    file: bytes, artifact_type: ArtifactType, secrets: Iterable[str] = ()
) -> tuple[bytes, tuple[str, ...]]:
    """A file as it may leave its tenant, and the JSON pointers of what was taken out (R22).

    Registered credential places always go; ``secrets`` are pointers of other values that must, but for an
    artifact's identity: no artifact is without its name.
    """
    trie, others = _CREDENTIALS[artifact_type], [pointer for pointer in secrets if pointer not in _IDENTITY]
    if not trie and not others:
        return file, ()
    tree = strict_json.trusted(file)
    taken = [pointer for pointer, _ in _taken_out(tree, trie)]
    for pointer in others:
        parent, _, last = pointer.rpartition("/")
        place = value_at(tree, parent)
        if isinstance(place, dict) and place.pop(_unescaped(last), None) is not None:
            taken.append(pointer)
        elif isinstance(place, list) and (index := _index(last, place)) is not None:
            place[index] = ""
            taken.append(pointer)
    return (strict_json.canonical(tree), tuple(taken)) if taken else (file, ())


def is_registered_credential(pointer: str, artifact_type: ArtifactType) -> bool:
    """Whether a JSON pointer stands at one of the type's credential paths."""
    path = re.sub(r"/[0-9]+(?=/|$)", "[]", pointer).lstrip("/").replace("/", ".")
    return path in artifact_type.entry.credentials


def _taken_out(tree: dict[str, Any], trie: Trie) -> tuple[tuple[str, Any], ...]:
    taken = []
    for place, key, pointer in _places(tree, trie):
        taken.append((pointer, place[key]))
        del place[key]
    return tuple(taken)


def _marked_references(
    tree: dict[str, Any], artifact_type: ArtifactType, artifact_id: ArtifactId, known_ids: Collection[str]
) -> Iterator[Reference]:
    for place, key, pointer in _places(tree, _REFERENCES[artifact_type]):
        target = place[key]
        if not isinstance(target, str) or not target:
            continue
        if len(target) <= ID_LENGTH_MAX and (target in known_ids or LITERAL_ID.fullmatch(target)):
            place[key] = f"{_MARK}{target}{_MARK}"
            yield Reference(artifact_id, ArtifactId(target), pointer, ReferenceKind.LITERAL)
        else:
            yield Reference(artifact_id, ArtifactId(target[:ID_LENGTH_MAX]), pointer, ReferenceKind.DYNAMIC)
    for place, key, pointer in _places(tree, _TEXTS[artifact_type]):
        text = place[key]
        if isinstance(text, str):
            targets = dict.fromkeys(token for token in ENTITY_TOKEN.findall(text) if len(token) <= ID_LENGTH_MAX)
            place[key] = ENTITY_TOKEN.sub(_marked_token, text) if targets else text
            yield from (Reference(artifact_id, ArtifactId(t), pointer, ReferenceKind.LITERAL) for t in targets)


def _marked_token(found: re.Match[str]) -> str:
    token = found[0]
    return f"{_MARK}{token}{_MARK}" if len(token) <= ID_LENGTH_MAX else token


def _possible_references(tree: Any, template: bytes, artifact_id: ArtifactId) -> list[Reference]:
    """Whole tokens elsewhere that look like ids. The tree is walked only where the bytes hold one."""
    if _UNMARKED_TOKEN.search(template) is None:
        return []
    found = (
        Reference(artifact_id, ArtifactId(token.decode()), _pointer(place), ReferenceKind.POSSIBLE)
        for _, place, text in _strings(tree)
        for token in dict.fromkeys(ID_TOKEN.findall(text.replace(_MARK, "0").encode()))
        if len(token) <= ID_LENGTH_MAX and token.decode() != artifact_id
    )
    return [*islice(found, _POSSIBLE_MAX)]


def endpoints_of(tree: dict[str, Any], artifact_type: ArtifactType) -> Iterator[tuple[Any, str, str]]:
    """Container, key and pointer of every address that the artifact calls, as its type registers them."""
    for around, key, pointer in _places(tree, _ENDPOINTS[artifact_type]):
        for members, place, _ in _strings(around[key]):
            if place is not None and isinstance(place[1], str) and ADDRESS_MEMBER.search(place[1]):
                yield members, place[1], pointer + _pointer(place)


def _strings(tree: Any) -> Iterator[tuple[Any, Place, str]]:
    """Every string value with what it stands in and its place, without recursion.

    Not with its pointer: one long key around many strings would cost its length for each of them.
    """
    waiting: list[tuple[Any, Place, Any]] = [(None, None, tree)]
    while waiting:
        around, place, value = waiting.pop()
        if isinstance(value, str):
            yield around, place, value
        elif isinstance(value, list):
            waiting.extend((value, (place, index), item) for index, item in enumerate(value))
        elif isinstance(value, dict):
            waiting.extend((value, (place, key), item) for key, item in value.items())


def _pointer(place: Place) -> str:
    """A place as people read it: a JSON pointer, its steps cut where they are absurdly long."""
    steps: list[str] = []
    while place is not None:
        place, step = place
        steps.append(_escaped(step[:_SHOWN_STEP]) if isinstance(step, str) else str(step))
    steps.append("")
    return "/".join(reversed(steps))


def _places(tree: dict[str, Any], trie: Trie) -> Iterator[tuple[Any, Any, str]]:
    """Container, key and pointer of every value that stands at one of the trie's paths; all found before the first."""
    if not trie:
        return iter(())
    found: list[tuple[Any, Any, Place]] = []
    _collect(tree, trie, None, found)
    return ((around, key, _pointer((place, key))) for around, key, place in found)


def _collect(tree: dict[str, Any], trie: Trie, place: Place, found: list[tuple[Any, Any, Place]]) -> None:
    """Container, key and the container's place. What holds none of the wanted keys is not entered."""
    for key, (is_list, below) in trie.items():
        if key not in tree:
            continue
        value = tree[key]
        if not is_list:
            if below is None:
                found.append((tree, key, place))
            elif isinstance(value, dict) and not value.keys().isdisjoint(below):
                _collect(value, below, (place, key), found)
        elif isinstance(value, list):
            here = (place, key)
            if below is None:
                found += [(value, index, here) for index in range(len(value))]
                continue
            for item, inside, around in _entered(value, below, here):
                _collect(item, inside, around, found)


def _entered(items: list[Any], trie: Trie, place: Place) -> list[tuple[dict[str, Any], Trie, Place]]:
    """The objects of a list to go on with. Where all paths lead through one member, at once to the objects there."""
    step, (is_list, inside) = next(iter(trie.items()))
    if len(trie) > 1 or is_list or inside is None:
        is_without = frozenset(trie).isdisjoint
        return [
            (item, trie, (place, index))
            for index, item in enumerate(items)
            if isinstance(item, dict) and not is_without(item)
        ]
    is_without = frozenset(inside).isdisjoint
    return [
        (member, inside, ((place, index), step))
        for index, item in enumerate(items)
        if isinstance(item, dict) and isinstance(member := item.get(step), dict) and not is_without(member)
    ]


def _trie(paths: tuple[str, ...]) -> Trie:
    root: Trie = {}
    for path in paths:
        node = root
        *parents, last = path.split(".")
        for step in parents:
            _, below = node.setdefault(step.removesuffix("[]"), (step.endswith("[]"), {}))
            node = below if below is not None else {}
        node[last.removesuffix("[]")] = (last.endswith("[]"), None)
    return root


def _steps(pointer: str) -> list[str]:
    return [_unescaped(step) for step in pointer.split("/")[1:]]


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_STATUSES = {status.wire: status for status in ArtifactStatus}
_REFERENCES = {member: _trie(member.entry.references) for member in ArtifactType}
_TEXTS = {member: _trie(member.entry.text_references) for member in ArtifactType}
_CREDENTIALS = {member: _trie(member.entry.credentials) for member in ArtifactType}
_ENDPOINTS = {member: _trie(member.entry.endpoints) for member in ArtifactType}
