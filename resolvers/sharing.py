"""Events of a journal, executed and encoded once for all who watch them with the same words (design: performance, W4).

A hundred watchers of one import ask the same few fields of the same event. What they are told depends on nothing but
the event, unless they ask on for the import itself: then each is answered apart, as its own token allows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeAlias

import orjson
from graphql import (
    Executor,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)
from strawberry.types import ExecutionResult

from domain import import_model
from resolvers.refusals import shown
from schema.imports import ProgressEvent

#: the one field of an event, or of what is in it, that looks anything up for its caller
_ASKED_APART = "importJob"
_RESULTS_KEPT = 2_000
_OPERATIONS_KEPT = 256

_Key: TypeAlias = tuple[int, str, int, int]


class Told(dict[str, Any]):
    """What an event tells everybody who asked alike."""

    @cached_property
    def encoded(self) -> orjson.Fragment:
        """The same as JSON, to be put into messages as it is."""
        return orjson.Fragment(self.text)

    @cached_property
    def text(self) -> str:
        """JSON, to stand as it is in texts."""
        return orjson.dumps(dict(self)).decode()


def sendable(data: Any) -> Any:
    """A result's data as orjson writes it with the least work."""
    return data.encoded if isinstance(data, Told) else data


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


class Answering:
    """Answers one watcher event by event; what was executed for somebody else is not executed again."""

    def __init__(self, executor: Executor[Any]) -> None:
        self._executor = executor
        self._number = _number(executor)

    def known(self, event: object) -> ExecutionResult | None:
        """What others, who asked alike, were told of an event."""
        key = self._key(event)
        found: ExecutionResult | None = _RESULTS.get(key) if key else None
        return found

    async def executed(self, event: object) -> ExecutionResult:
        """Everything is looked up anew for each event."""
        self._executor.context_value.begin()
        shape = ProgressEvent.of(event) if isinstance(event, import_model.ProgressEvent) else event
        found: Any = self._executor.build_per_event_executor(shape).execute_operation(False)
        if self._executor.is_awaitable(found):
            found = await found
        if found.errors:
            return ExecutionResult(data=found.data, errors=shown(found.errors))
        if (key := self._key(event)) is None:
            return ExecutionResult(data=found.data, errors=None)
        result = ExecutionResult(data=Told(found.data), errors=None)
        _RESULTS.keep(key, result)
        return result

    def _key(self, event: object) -> _Key | None:
        if self._number is None or not isinstance(event, import_model.ProgressEvent):
            return None
        return (self._number, event.import_id, event.first_seq, event.seq)


def _number(executor: Executor[Any]) -> int | None:
    """What tells this operation from others; ``None`` when its watchers may be told different things."""
    operation = executor.operation
    # parsed documents are remembered, so the same words are the same object; it is kept, so its id is nobody else's
    known = _OPERATIONS.get(id(operation))
    if known is None:
        is_alike = _tells_all_the_same(operation, executor.fragment_definitions)
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
