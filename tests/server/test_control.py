"""The way in for the command line: whatever is asked there, the server goes on."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import get_ident
from types import ModuleType
from typing import Any

import pytest

from domain.artifact_types import ArtifactType
from domain.edits import ArtifactChanges, ArtifactDraft
from server import control, dumping
from server.control import find_server, told_by
from server.errands import CommandRefusedError, Said
from server.loading import local_caller
from tests.world import World, a_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, role="web") as running:
        yield running


def told(data: Path, command: str, **given: str) -> list[Said]:
    server = find_server(data)
    assert server is not None
    return list(told_by(server, command, given))


async def test_a_command_that_this_server_does_not_know_is_a_line_of_its_log(world, caplog):
    with pytest.raises(CommandRefusedError, match="its log says why"):
        await asyncio.to_thread(told, world.settings.data, "tenant abolish")
    await world.tenant("acme")

    after = await asyncio.to_thread(told, world.settings.data, "tenant list")

    assert "A command of this host met a bug" in caplog.text
    assert after == ["acme\tEnterprise\tActive"]


async def test_who_asks_and_leaves_at_once_is_in_nobodys_way(world):
    def ask_and_leave() -> None:
        server = find_server(world.settings.data)
        assert server is not None
        with server:
            server.sendall(json.dumps({"command": "tenant list", "given": {}, "login": "a"}).encode() + b"\n")
            server.shutdown(socket.SHUT_RDWR)

    await asyncio.to_thread(ask_and_leave)

    assert await asyncio.to_thread(told, world.settings.data, "tenant list") == []


async def test_files_are_read_and_written_beside_the_servers_loop(world, monkeypatch):
    tenant_id = await world.tenant("acme")
    draft = ArtifactDraft(ArtifactType.RULE_SET, "Rules", "1.0.0", {}, "rule-1")
    authoring = world.runtime.services.authoring
    await authoring.apply(ArtifactChanges(tenant_id, save=(draft,)), local_caller().actor)
    threads: dict[str, int] = {}

    def noted(module: ModuleType, name: str) -> Callable[..., Any]:
        whole = getattr(module, name)

        def work(*given: Any) -> Any:
            threads[name] = get_ident()
            return whole(*given)

        return work

    for module, name in ((dumping, "_text_of"), (control, "_bytes_of")):
        monkeypatch.setattr(module, name, noted(module, name))
    (said,) = await asyncio.to_thread(told, world.settings.data, "artifacts dump", tenant="acme")

    assert isinstance(said, dict)
    assert said["file"] == "artifacts/rules/rule-1.json"
    assert threads.keys() == {"_text_of", "_bytes_of"}
    assert get_ident() not in threads.values()


async def test_only_the_owner_of_the_folder_can_open_it(world):
    assert (world.settings.data / "control.sock").stat().st_mode & 0o777 == 0o600


def test_where_no_server_runs_there_is_no_way_to_it(tmp_path):
    assert find_server(tmp_path) is None
    assert find_server(tmp_path / "nowhere") is None
