"""How much a document could list: the sizes of its pages, multiplied along their nesting (design: graphql, section 5).

What lists what is found once for a document; with the variables of a request it is a small sum. The document was
measured before (:mod:`resolvers.limits`), so all its fragments expanded are a thousand selections at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_interface_type,
    is_object_type,
    value_from_ast_untyped,
)

from schema.connections import PAGE_MAX, PAGE_SIZE

#: the arguments that say how much a field lists: a number, or the ids themselves
_SIZES = ("first", "last", "ids")


@dataclass(frozen=True, slots=True)
class Listed:
    """A list somewhere in the answer. ``size``: a number, or the variable that says it, then ``usual`` without it."""

    size: int | str
    usual: int
    inner: tuple[Listed, ...]


#: the lists of each operation, by its name
Lists: TypeAlias = Mapping[str | None, tuple[Listed, ...]]


def lists(schema: GraphQLSchema, document: DocumentNode) -> Lists:
    """What each operation of a valid document lists."""
    definitions = document.definitions
    fragments = {node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)}
    found: dict[str | None, tuple[Listed, ...]] = {}
    for node in definitions:
        if isinstance(node, OperationDefinitionNode):
            finding = _Finding(schema, fragments, _usual(node))
            name = node.name.value if node.name else None
            found[name] = tuple(finding.lists(node.selection_set, schema.get_root_type(node.operation)))
    return found


def possible(listed: tuple[Listed, ...], variables: Mapping[str, Any]) -> int:
    """How many things the lists could hold, all together."""
    return sum(_size(one, variables) * (1 + possible(one.inner, variables)) for one in listed)


@dataclass(frozen=True, slots=True)
class _Finding:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    #: what the operation itself says of variables that are not sent
    usual: Mapping[str, int]

    def lists(self, selections: SelectionSetNode | None, kind: GraphQLNamedType | None) -> Iterator[Listed]:
        for selection in selections.selections if selections else ():
            if isinstance(selection, FragmentSpreadNode):
                fragment = self.fragments[selection.name.value]
                yield from self.lists(fragment.selection_set, self._named(fragment.type_condition.name.value))
            elif isinstance(selection, InlineFragmentNode):
                narrowed = selection.type_condition
                yield from self.lists(selection.selection_set, self._named(narrowed.name.value) if narrowed else kind)
            elif isinstance(selection, FieldNode) and (is_object_type(kind) or is_interface_type(kind)):
                known = kind.fields.get(selection.name.value)
                if known is not None:
                    yield from self._of_field(selection, known)

    def _of_field(self, node: FieldNode, known: GraphQLField) -> Iterator[Listed]:
        inner = self.lists(node.selection_set, get_named_type(known.type))
        if not any(name in known.args for name in _SIZES):
            yield from inner
            return
        given = next((one for one in node.arguments or () if one.name.value in _SIZES), None)
        default = next((known.args[name].default_value for name in _SIZES if name in known.args), None)
        usual = default if isinstance(default, int) else PAGE_SIZE
        size, usual = self._said(given, usual)
        yield Listed(size, usual, tuple(inner))

    def _said(self, given: ArgumentNode | None, usual: int) -> tuple[int | str, int]:
        value = given.value if given else None
        if isinstance(value, VariableNode):
            return value.name.value, self.usual.get(value.name.value, usual)
        if isinstance(value, IntValueNode):
            return _bounded(int(value.value)), usual
        if isinstance(value, ListValueNode):
            return len(value.values), usual
        return usual, usual

    def _named(self, name: str) -> GraphQLNamedType | None:
        return self.schema.get_type(name)


def _usual(operation: OperationDefinitionNode) -> Mapping[str, int]:
    said = {one.variable.name.value: one.default_value for one in operation.variable_definitions or ()}
    values = {name: value_from_ast_untyped(node) for name, node in said.items() if node is not None}
    return {name: size for name, value in values.items() if (size := _measured(value)) is not None}


def _size(one: Listed, variables: Mapping[str, Any]) -> int:
    if isinstance(one.size, int):
        return one.size
    size = _measured(variables.get(one.size))
    return one.usual if size is None else size


def _measured(value: object) -> int | None:
    if isinstance(value, list):
        return len(value)
    # a page of 100.0 is one of 100 to GraphQL, too
    return _bounded(int(value)) if isinstance(value, int | float) else None


def _bounded(size: int) -> int:
    """Beyond a page nothing is given: who asks for more is told so where the page is made."""
    return min(max(size, 0), PAGE_MAX)
