"""The repository as the house tests see it: rooms, their modules, and every text file in it."""

from __future__ import annotations

import ast
import os
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: who may import whom; what is not listed may not (docs/adr/0004)
MAY_IMPORT = {
    "domain": set(),
    "schema": {"domain"},
    "resolvers": {"domain", "schema"},
    "rest_compat": {"domain"},
    "storage": {"domain"},
    "server": {"domain", "schema", "resolvers", "rest_compat", "storage"},
    "bench": {"domain", "schema", "resolvers", "rest_compat", "storage", "server", "tests"},
}

#: folders with no text of ours: what tools leave behind, and a running server's own data
_NOT_OURS = {".git", ".venv", ".hypothesis", "data", "dist", "node_modules", "__generated__", "__pycache__"}


def modules(*rooms: str) -> list[Path]:
    """Every module of these rooms (of all rooms when none is named), relative to the root."""
    found = [path for room in rooms or MAY_IMPORT for path in (ROOT / room).rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in found)


@cache
def syntax(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), filename=str(module))


def functions(module: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(syntax(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def imported(tree: ast.AST) -> set[str]:
    """The top-level names that this piece of code imports."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or ".").partition(".")[0])
    return names


def text_files() -> list[Path]:
    """Every file below the root that reads as UTF-8, relative to the root, but for tools' caches and data."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in _NOT_OURS and not name.endswith("_cache")]
        found += [path for name in files if _reads_as_text(path := Path(folder) / name)]
    return sorted(path.relative_to(ROOT) for path in found)


def _reads_as_text(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return True
