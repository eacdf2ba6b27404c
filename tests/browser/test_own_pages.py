"""The server's own pages in a real browser: each is whole in itself."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from tests.world import a_world


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path / "world", role="web", graphiql=False) as world:
        yield world


@pytest.mark.parametrize(
    ("path", "text"), [("/graphql", "What can I ask?"), ("/docs", "/api/installhub/packages/export")]
)
async def test_a_page_loads_without_complaint_and_needs_no_other_server(chromium, world, tmp_path, path, text):
    log = tmp_path / "requests.json"

    html, said = await chromium.seen(world.url + path, f"--log-net-log={log}")

    # what the browser advises is no complaint
    complaints = [line for line in said.splitlines() if ":CONSOLE" in line and '"[DOM] ' not in line]
    assert text in html
    assert complaints == []
    assert origins(world.url + path, json.loads(log.read_text(encoding="utf-8"))) == {world.url}


def origins(page, log):
    """Of a page and all that it asked for; what the browser does for itself has no initiator."""
    requests = [event["params"] for event in log["events"] if "initiator" in event.get("params", ())]
    asked = [urlsplit(one["url"]) for one in requests if one["initiator"] != "not an origin" or one["url"] == page]
    return {f"{url.scheme}://{url.netloc}" for url in asked}
