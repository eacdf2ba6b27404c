"""Which way the arrows point: house rules that an import statement can break."""

from __future__ import annotations

import ast
import sys

from tests.house.tree import MAY_IMPORT, functions, imported, modules, syntax

#: what the domain may use besides the standard library: pure computing, nothing that waits
DOMAIN_LIBRARIES = {
    "argon2",
    "hyperscan",
    "isal",
    "jiter",
    "networkx",
    "orjson",
    "resolvelib",
    "rfc8785",
    "securesystemslib",
    "semver",
    "tuf",
    "uuid_utils",
    "yara_x",
}

#: files of the domain that decide and never wait
PURE = (
    "advice", "archive", "artifact_types", "binding_slots", "bundle", "bundle_mapping", "contents", "errors",
    "external", "graph", "mapping", "merging", "model", "plan", "strict_json", "suggesting", "versions",
)  # fmt: skip


def test_no_room_imports_another_against_the_arrows():
    known = {*MAY_IMPORT, "tests"}

    against = [
        f"{module} imports {name}"
        for module in modules()
        for name in sorted(imported(syntax(module)) & known - {module.parts[0]} - MAY_IMPORT[module.parts[0]])
    ]

    assert against == []


def test_the_domain_imports_nothing_but_the_standard_library_and_pure_ones():
    allowed = {"domain", *sys.stdlib_module_names, *DOMAIN_LIBRARIES}

    foreign = {str(module): names for module in modules("domain") if (names := imported(syntax(module)) - allowed)}

    assert foreign == {}


def test_nothing_is_imported_inside_a_function():
    hidden = [
        f"{module}:{function.lineno} {function.name}"
        for module in modules()
        for function in functions(module)
        if imported(function)
    ]

    assert hidden == []


def test_no_import_is_hidden_from_the_running_program():
    hidden = [
        str(module)
        for module in modules()
        for node in ast.walk(syntax(module))
        if "TYPE_CHECKING" in (getattr(node, "id", ""), getattr(node, "attr", ""))
    ]

    assert hidden == []


def test_what_decides_does_not_wait():
    pure = [module for module in modules("domain") if module.stem in PURE or "scanning" in module.parts]
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)

    impure = [str(module) for module in pure if any(isinstance(node, waiting) for node in ast.walk(syntax(module)))]

    assert impure == []
