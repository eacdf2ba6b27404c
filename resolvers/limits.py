"""What a document may cost, decided before anything quadratic looks at it (design: graphql, sections 3, 5 and 6).

A document is parsed (at most 2,000 tokens), measured, and only then validated. Measuring walks each fragment once and
multiplies, so that fragments which double each other cost no more than the text they are written in.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInputType,
    GraphQLSchema,
    InlineFragmentNode,
    ListValueNode,
    Node,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    get_nullable_type,
    get_operation_ast,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    type_from_ast,
)

from domain.edits import CHANGES_MAX

TOKENS_MAX = 2000
#: of a text: each error is found again in it, line by line
TEXT_MAX = 64 << 10
LINES_MAX = 2000
#: root fields of one mutation, which are carried out one after the other
MUTATIONS_MAX = 10
DEPTH_MAX = 12
ALIASES_MAX = 30
FIELDS_MAX = 500
SAME_PATH_MAX = 40
#: members of a list in the document or in the variables; a batch of changes is the longest that is of use
LIST_MAX = CHANGES_MAX
#: members of an object in the variables: no input has as many fields, and each unknown one is a search for its error
MEMBERS_MAX = 100
#: characters of an enum's value in the variables
NAME_MAX = 200
#: fields, fragments and spreads, all expanded, in one operation or fragment and in the whole document
_SELECTIONS_MAX = 1000
_DOCUMENT_MAX = 4000
#: introspection goes deeper than our own types do, over few fields
_INTROSPECTION = frozenset({"__schema", "__type"})
_INTROSPECTION_DEPTH_MAX = 20
#: fragments in fragments; bounds the recursion here
_NESTING_MAX = 60
_ESCAPED_NUL = re.compile(r"\\u(?:0000|\{0+\})")


class TooComplexError(Exception):
    """The document costs more than it may."""


@dataclass(frozen=True, slots=True)
class _Size:
    """What a selection set comes to when everything in it is expanded."""

    depth: int = 0
    introspection_depth: int = 0
    aliases: int = 0
    fields: int = 0
    selections: int = 0

    def beside(self, other: _Size) -> _Size:
        return _Size(
            max(self.depth, other.depth),
            max(self.introspection_depth, other.introspection_depth),
            self.aliases + other.aliases,
            self.fields + other.fields,
            self.selections + other.selections,
        )


@dataclass(slots=True)
class _Measuring:
    fragments: Mapping[str, FragmentDefinitionNode]
    sizes: dict[str, _Size] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    def size(self, selections: SelectionSetNode | None, nesting: int = 0) -> _Size:
        if nesting > _NESTING_MAX:
            raise TooComplexError(f"Selections are nested deeper than {_NESTING_MAX}.")
        total = _Size()
        for selection in selections.selections if selections else ():
            total = total.beside(self._of_one(selection, nesting + 1))
            _refuse_excess(total)
        return total

    def _of_one(self, selection: SelectionNode, nesting: int) -> _Size:
        if isinstance(selection, FieldNode):
            return _around(selection, self.size(selection.selection_set, nesting))
        if isinstance(selection, FragmentSpreadNode):
            return self.of_fragment(selection.name.value, nesting).beside(_Size(selections=1))
        if isinstance(selection, InlineFragmentNode):
            return self.size(selection.selection_set, nesting).beside(_Size(selections=1))
        raise TypeError(f"{selection.kind} is no selection")

    def of_fragment(self, name: str, nesting: int = 0) -> _Size:
        if name in self.open:
            raise TooComplexError(f"The fragment {name} contains itself.")
        if name not in self.sizes and name in self.fragments:
            self.open.add(name)
            self.sizes[name] = self.size(self.fragments[name].selection_set, nesting)
            self.open.discard(name)
        return self.sizes.get(name, _Size())  # an unknown fragment is for validation to name


def measure(document: DocumentNode) -> None:
    """Raise :class:`TooComplexError` when the document costs more than it may. Linear in its length."""
    _refuse_long_lists(document)
    definitions = document.definitions
    fragments = {node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)}
    operations = [node for node in definitions if isinstance(node, OperationDefinitionNode)]
    measuring = _Measuring(fragments)
    sizes = [measuring.size(operation.selection_set) for operation in operations]
    # a part cannot be judged by this: it may stand inside introspection, which goes deeper
    if any(size.depth > DEPTH_MAX for size in sizes):
        raise TooComplexError(f"The query has more than {DEPTH_MAX} levels when its fragments are expanded.")
    sizes += [measuring.of_fragment(name) for name in fragments]
    if sum(size.selections for size in sizes) > _DOCUMENT_MAX:
        raise TooComplexError(f"The document selects more than {_DOCUMENT_MAX} things.")
    for node in (*operations, *fragments.values()):
        _refuse_repetition(node.selection_set, fragments)
    for operation in operations:
        if operation.operation is OperationType.MUTATION and _roots(operation, fragments) > MUTATIONS_MAX:
            raise TooComplexError(f"The mutation has more than {MUTATIONS_MAX} fields. Send several.")


def measure_variables(
    schema: GraphQLSchema, document: DocumentNode, operation_name: str | None, variables: Mapping[str, Any]
) -> None:
    """Raise :class:`TooComplexError` for what has too many members. Linear in the length of the variables.

    A value of the scalar ``JSON`` is not looked into: what an artifact holds is no list of the caller's.
    """
    operation = get_operation_ast(document, operation_name)
    todo: list[tuple[str, Any, Any]] = []
    for asked in (operation.variable_definitions if operation else None) or ():
        name = asked.variable.name.value
        todo.append((f"${name}", type_from_ast(schema, asked.type), variables.get(name)))
    while todo:
        place, wrapped, value = todo.pop()
        kind: GraphQLInputType = get_nullable_type(wrapped)
        if is_list_type(kind) and isinstance(value, list):
            if len(value) > LIST_MAX:
                raise TooComplexError(f"The list {place} has more than {LIST_MAX} members.")
            todo += [(place, kind.of_type, member) for member in value]
        elif is_enum_type(kind) and isinstance(value, str) and len(value) > NAME_MAX:
            raise TooComplexError(f"The name {place} has more than {NAME_MAX} characters.")
        elif is_input_object_type(kind) and isinstance(value, dict):
            if len(value) > MEMBERS_MAX:
                raise TooComplexError(f"The object {place} has more than {MEMBERS_MAX} members.")
            todo += [(f"{place}.{name}", one.type, value[name]) for name, one in kind.fields.items() if name in value]


def measure_text(text: str) -> None:
    """Raise :class:`TooComplexError` for a text that nobody writes. Before it is parsed."""
    if len(text) > TEXT_MAX:
        raise TooComplexError(f"The query has more than {TEXT_MAX} characters. Send what is long as variables.")
    if text.count("\n") + text.count("\r") > LINES_MAX:
        raise TooComplexError(f"The query has more than {LINES_MAX} lines.")
    # no database takes NUL in a text; JSON bodies cannot bring one, a literal in the document could
    if _ESCAPED_NUL.search(text):
        raise TooComplexError("A text in the query holds the character NUL.")


def _around(node: FieldNode, inner: _Size) -> _Size:
    is_introspection = node.name.value in _INTROSPECTION
    return _Size(
        depth=0 if is_introspection else inner.depth + 1,
        introspection_depth=max(inner.introspection_depth, inner.depth + 1 if is_introspection else 0),
        aliases=inner.aliases + (node.alias is not None),
        fields=inner.fields + 1,
        selections=inner.selections + 1,
    )


def _refuse_excess(size: _Size) -> None:
    limits = (
        (max(size.depth, size.introspection_depth), _INTROSPECTION_DEPTH_MAX, "levels"),
        (size.aliases, ALIASES_MAX, "aliases"),
        (size.fields, FIELDS_MAX, "fields"),
        (size.selections, _SELECTIONS_MAX, "selections"),
    )
    for actual, allowed, word in limits:
        if actual > allowed:
            raise TooComplexError(f"The query has more than {allowed} {word} when its fragments are expanded.")


def _refuse_repetition(selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
    """The same place in the answer, asked for again and again, is what makes validation quadratic."""
    asked: Counter[tuple[str, ...]] = Counter()
    todo: list[tuple[tuple[str, ...], SelectionSetNode | None]] = [((), selections)]
    while todo:
        path, here = todo.pop()
        for selection in here.selections if here else ():
            if isinstance(selection, FieldNode):
                place = (*path, (selection.alias or selection.name).value)
                asked[place] += 1
                todo.append((place, selection.selection_set))
                if asked[place] > SAME_PATH_MAX:
                    raise TooComplexError(f"The query asks for {'.'.join(place)} more than {SAME_PATH_MAX} times.")
            elif isinstance(selection, FragmentSpreadNode):
                known = fragments.get(selection.name.value)
                todo.append((path, known.selection_set if known else None))
            elif isinstance(selection, InlineFragmentNode):
                todo.append((path, selection.selection_set))


def _roots(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> int:
    """The fields of the operation itself, its fragments expanded."""
    count, todo = 0, list(operation.selection_set.selections)
    while todo:
        selection = todo.pop()
        if isinstance(selection, FieldNode):
            count += 1
        elif isinstance(selection, InlineFragmentNode):
            todo += selection.selection_set.selections
        elif isinstance(selection, FragmentSpreadNode) and selection.name.value in fragments:
            todo += fragments[selection.name.value].selection_set.selections
    return count


def _refuse_long_lists(document: DocumentNode) -> None:
    todo: list[Node] = [document]
    while todo:
        node = todo.pop()
        if isinstance(node, ListValueNode) and len(node.values) > LIST_MAX:
            raise TooComplexError(f"A list in the query has more than {LIST_MAX} members.")
        for key in node.keys:
            inner = getattr(node, key)
            todo += [one for one in (inner if isinstance(inner, tuple) else (inner,)) if isinstance(one, Node)]
