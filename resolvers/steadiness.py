"""Whether a document gives the same to the same caller until something is written (:mod:`schema.steadiness`)."""

from __future__ import annotations

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

from schema.steadiness import STEADY

#: the one field of every type
_TYPENAME = "__typename"


def is_steady(schema: GraphQLSchema, document: DocumentNode) -> bool:
    """Whether a valid document has nothing but queries, and in them no field that could give something else later."""
    operations = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    if any(node.operation is not OperationType.QUERY for node in operations):
        return False
    types = TypeInfo(schema)
    looking = _Looking(schema, types)
    visit(document, TypeInfoVisitor(types, looking))
    return looking.is_steady


def has_resolver(known: GraphQLField) -> bool:
    """Whether a field is more than a part of what the field around it gave."""
    made = known.extensions.get("strawberry-definition")
    return made is None or made.base_resolver is not None


class _Looking(Visitor):
    def __init__(self, schema: GraphQLSchema, types: TypeInfo) -> None:
        super().__init__()
        self.is_steady = True
        self._schema = schema
        self._types = types

    def enter_field(self, node: FieldNode, *_: object) -> None:
        name = node.name.value
        if name != _TYPENAME:
            self.is_steady &= self._gives_the_same(name)

    def _gives_the_same(self, name: str) -> bool:
        around: GraphQLNamedType | None = self._types.get_parent_type()
        kinds = self._schema.get_possible_types(around) if is_abstract_type(around) else [around]
        return all(
            is_object_type(kind)
            and (known := kind.fields.get(name)) is not None
            and (f"{kind.name}.{name}" in STEADY or not has_resolver(known))
            for kind in kinds
        )
