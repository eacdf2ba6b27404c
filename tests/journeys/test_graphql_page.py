"""The requests of ``docs/graphql.md``, run word for word against a real server."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.journeys.test_readme import BLOCKS, ROOT, _run, _several, _two_tenants
from tests.world import a_world

PAGE = ROOT / "docs" / "graphql.md"


async def test_every_request_of_the_page_does_what_it_says(tmp_path):
    blocks = BLOCKS.findall(PAGE.read_text(encoding="utf-8"))
    async with a_world(tmp_path / "data") as world:
        await _two_tenants(world)
        token = world.token(tenants=("acme-dev", "acme-prod"))

        printed = await _run("\necho '<<<>>>'\n".join(blocks), tmp_path, HUB=world.url, TOKEN=token)

    viewer, refused, pages, repeated, begun, decided, events, parts = [part.strip() for part in printed.split("<<<>>>")]
    assert len(json.loads(viewer)["data"]["viewer"]["tenants"]["nodes"]) == 2
    refusal = json.loads(refused)["data"]["exportPackage"]["refusal"]
    assert (refusal["code"], refusal["problems"][0]["inputPath"]) == ("INVALID_VERSION", ["input", "version"])
    first, second = [page["data"]["tenant"]["artifacts"]["nodes"] for page in _several(pages)]
    assert len({one["artifactId"] for one in [*first, *second]}) == 4
    once, again = [one["data"]["exportPackage"]["exportedPackage"]["id"] for one in _several(repeated)]
    assert once == again
    upload, job = _several(begun)
    assert (upload["uploadId"][:4], job["data"]["importPackage"]["refusal"]) == ("upl-", None)
    waiting, resolved = _several(decided)
    assert [one["artifact"]["name"] for one in waiting["data"]["importJob"]["conflicts"]] == ["EmployeeForm"]
    assert resolved["data"]["resolveConflicts"]["refusal"] is None
    assert '"state":"SUCCEEDED"' in events
    assert "event: complete" in events
    numbers = [int(seq) for seq in re.findall(r'"firstSeq":(\d+)', parts)]
    assert numbers[0] == 6
    assert parts.endswith("--graphql--")


def test_the_page_names_files_that_there_are():
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGE.read_text(encoding="utf-8"))

    assert [name for name in linked if not (Path(PAGE.parent) / name).exists()] == []
