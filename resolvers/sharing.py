"""Events of a journal, executed once for everybody who watches them with the same words (design: performance, W4).

A hundred watchers of one import ask the same few fields of the same event. What they are told depends on nothing but
the event, unless they ask on for the import itself: then each is answered apart, as its own token allows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, TypeAlias

from graphql import (
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from schema.imports import ProgressEvent

#: the one field of an event, or of what is in it, that looks anything up for its caller
_ASKED_APART = "importJob"
_RESULTS_KEPT = 2_000
_OPERATIONS_KEPT = 256

_Key: TypeAlias = tuple[int, str, int, int]


class _Recent(OrderedDict[Any, Any]):
    """What was used last; the oldest goes first."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def keep(self, key: object, value: object) -> None:
        self[key] = value
        if len(self) > self._most:
            self.popitem(last=False)


#: an operation by its identity, with a number of its own, or nothing if it is answered apart
_OPERATIONS = _Recent(_OPERATIONS_KEPT)
_RESULTS = _Recent(_RESULTS_KEPT)
_numbers = iter(range(1, 1 << 62))


class SharingExecutor(StrawberryGraphQLCoreExecutionContext):
    """Executes operations; an event that was executed for somebody else is not executed again."""

    def execute_operation(self, serially: bool | None = None) -> Any:  # noqa: FBT001 - the library's signature
        event = self.root_value
        number = self._number() if isinstance(event, ProgressEvent) else None
        if number is None:
            return super().execute_operation(serially)
        key: _Key = (number, event.import_id, event.first_seq, event.seq)
        if key not in _RESULTS:
            result = super().execute_operation(serially)
            if not isinstance(result, ExecutionResult) or result.errors:
                return result
            _RESULTS.keep(key, result.data)
        return ExecutionResult(_RESULTS[key], None)

    def _number(self) -> int | None:
        """What tells this operation from others; ``None`` when its watchers may be told different things."""
        operation = self.operation
        # parsed documents are remembered, so the same words are the same object; it is kept, so its id is nobody else's
        known = _OPERATIONS.get(id(operation))
        if known is None:
            is_alike = _tells_all_the_same(operation, self.fragment_definitions)
            known = (operation, next(_numbers) if is_alike else None)
            _OPERATIONS.keep(id(operation), known)
        number: int | None = known[1]
        return number


def _tells_all_the_same(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> bool:
    """Whether nothing is asked but an event's own fields, without conditions."""
    (root, *more) = operation.selection_set.selections
    if more or not isinstance(root, FieldNode) or root.directives:
        return False
    waiting = [root.selection_set]
    while waiting:
        asked: SelectionSetNode | None = waiting.pop()
        for selection in asked.selections if asked else ():
            if selection.directives:
                return False
            if isinstance(selection, FieldNode):
                if selection.arguments or selection.name.value == _ASKED_APART:
                    return False
                waiting.append(selection.selection_set)
            elif isinstance(selection, InlineFragmentNode):
                waiting.append(selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode):
                waiting.append(fragments[selection.name.value].selection_set)
    return True
