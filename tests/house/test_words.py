"""Words that say nothing, and catches that hide everything."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.house.tree import modules, syntax

#: a name that begins so has not said what it does
EMPTY_VERBS = {"do", "handle", "process"}
#: a name with this in it has not said what it is
EMPTY_NOUNS = {"helper", "helpers", "manager", "managers", "util", "utils"}
#: these may stand beside another word, never alone
NEVER_ALONE = {"data", "info"}

#: methods whose names a library chose: Strawberry's schema and WebSocket handlers, SQLAlchemy's types and dialects
CHOSEN_BY_A_LIBRARY = {
    "handle_complete",
    "handle_connection_init",
    "handle_message",
    "handle_ping",
    "handle_pong",
    "handle_subscribe",
    "process_bind_param",
    "process_errors",
    "process_result",
    "process_result_value",
}

#: the worker's and the doors' outermost lines, where our own bug becomes a log line and a masked answer, and that of
#: the threads that scan, where it becomes a scan that came to no end
OUTERMOST = {
    "domain/scanning/running.py",
    "resolvers/executing.py",
    "resolvers/refusals.py",
    "resolvers/streaming.py",
    "rest_compat/dialect.py",
    "server/app.py",
    "server/graphql.py",
    "server/jobs.py",
}


def test_no_name_is_made_of_words_that_say_nothing():
    empty = [f"{module}: {name}" for module in modules() for name in _names(module) if _says_nothing(name)]

    assert empty == []


def test_everything_is_caught_only_at_the_outermost_line():
    hiding = [
        f"{module}: {ast.unparse(node).splitlines()[0]}"
        for module in modules()
        for node in ast.walk(syntax(module))
        if str(module) not in OUTERMOST and _hides_everything(node)
    ]

    assert hiding == []


def _names(module: Path) -> list[str]:
    """The names of a module: its own, and those of its classes, functions and methods."""
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [module.stem, *(node.name for node in ast.walk(syntax(module)) if isinstance(node, defined))]


def _says_nothing(name: str) -> bool:
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)]
    if name in CHOSEN_BY_A_LIBRARY or not words:
        return False
    begins_empty = words[0] in EMPTY_VERBS and not name[0].isupper()
    return begins_empty or bool(EMPTY_NOUNS & set(words)) or (len(words) == 1 and words[0] in NEVER_ALONE)


def _hides_everything(node: ast.AST) -> bool:
    """A catch of every exception that does not raise it again, or a ``suppress`` of every exception."""
    if isinstance(node, ast.ExceptHandler):
        last = node.body[-1]
        lets_go = isinstance(last, ast.Raise) and last.exc is None
        return not lets_go and (node.type is None or _is_everything(node.type))
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
        return any(_is_everything(argument) for argument in node.args)
    return False


def _is_everything(caught: ast.expr) -> bool:
    types = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(one, ast.Name) and one.id in {"Exception", "BaseException"} for one in types)
