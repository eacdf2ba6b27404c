"""The top-level folders are import names, and PyPI has distributions of the same names (docs/adr/0004)."""

from __future__ import annotations

from importlib.machinery import PathFinder

from tests.house.tree import MAY_IMPORT, ROOT, modules

#: folders that hold no code of the server
OTHER_FOLDERS = {"changes", "data", "docs", "examples", "tests"}

#: where things go when nobody asked what they are
NO_PLACE = {"common", "core", "dto", "helper", "helpers", "misc", "repositories", "services", "util", "utils"}


def test_each_room_resolves_inside_the_repository():
    rooms = [room for room in MAY_IMPORT if modules(room)]

    found = {room: PathFinder.find_spec(room) for room in rooms}

    assert {room: spec and spec.origin for room, spec in found.items()} == {
        room: str(ROOT / room / "__init__.py") for room in rooms
    }


def test_no_folder_stands_beside_the_rooms():
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("**/*.py"))}

    strange = {name for name in folders if not name.startswith(".")} - set(MAY_IMPORT) - OTHER_FOLDERS

    assert strange == set()


def test_no_module_or_folder_is_a_place_for_anything():
    # domain/services.py is the one value a door is given; a folder of that name would be a layer
    nowhere = [
        str(module)
        for module in modules()
        if NO_PLACE & {*module.parent.parts, module.stem} and str(module) != "domain/services.py"
    ]

    assert nowhere == []
