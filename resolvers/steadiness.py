"""Whether a document gives the same to the same caller until something is written (:mod:`schema.steadiness`)."""

from __future__ import annotations

from collections.abc import Iterator

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    is_abstract_type,
    is_object_type,
    visit,
)

from schema.steadiness import ROWLESS, STEADY, Steadiness

#: the one field of every type
_TYPENAME = "__typename"


def steadiness(schema: GraphQLSchema, document: DocumentNode) -> Steadiness:
    """How long a valid document gives the same, by the fields in it; only queries do at all."""
    operations = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    if any(node.operation is not OperationType.QUERY for node in operations):
        return Steadiness.FLEETING
    types = TypeInfo(schema)
    looking = _Looking(schema, types)
    visit(document, TypeInfoVisitor(types, looking))
    if looking.found <= ROWLESS:
        return Steadiness.FOR_GOOD
    return Steadiness.UNTIL_WRITTEN if looking.found <= STEADY else Steadiness.FLEETING


def has_resolver(known: GraphQLField) -> bool:
    """Whether a field is more than a part of what the field around it gave."""
    made = known.extensions.get("strawberry-definition")
    return made is None or made.base_resolver is not None


class _Looking(Visitor):
    """Finds the fields of a document that are more than parts of those around them."""

    def __init__(self, schema: GraphQLSchema, types: TypeInfo) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._schema = schema
        self._types = types

    def enter_field(self, node: FieldNode, *_: object) -> None:
        name = node.name.value
        if name != _TYPENAME:
            self.found.update(self._fields(name))

    def _fields(self, name: str) -> Iterator[str]:
        around: GraphQLNamedType | None = self._types.get_parent_type()
        for kind in self._schema.get_possible_types(around) if is_abstract_type(around) else [around]:
            known = kind.fields.get(name) if is_object_type(kind) else None
            if known is None or has_resolver(known):
                yield f"{kind}.{name}"
