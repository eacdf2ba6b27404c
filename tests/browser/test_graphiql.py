"""GraphiQL in a real browser: made from npm, served from here, and used as people use it."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urlsplit

import pytest

from resolvers.live import LIVE
from tests.browser.devtools import a_page
from tests.clients.node import installed
from tests.house.tree import ROOT
from tests.journeys.test_examples import operations
from tests.world import ANNA, a_world

FOLDER = ROOT / "server" / "graphiql"
TENANT = "acme-prod"
#: what stands in the editor of answers, which breaks lines where it likes
ANSWER = "document.querySelector('.result-window').innerText.replace(/\\s/g, '')"
CREATE = "mutation($input: ImportPackageInput!) { importPackage(input: $input) { importJob { id } } }"


@pytest.fixture(scope="module")
def graphiql():
    """The page is made, of what stands there now."""
    node, made = installed(FOLDER), FOLDER / "dist" / "page.html"
    if not made.exists() or any(path.stat().st_mtime > made.stat().st_mtime for path in FOLDER.glob("*.*")):
        node.npm("run", "--silent", "build")


@pytest.fixture
async def world(tmp_path, graphiql):
    async with a_world(tmp_path / "world") as world:
        yield world


async def test_the_page_asks_and_watches_with_a_token_and_needs_no_other_server(chromium, world):
    await world.tenant(TENANT)
    await world.load(TENANT, ROOT / "examples" / "acme-source")

    async with a_page(chromium, f"{world.url}/graphql") as page:
        await opened(page, "Viewer")
        offered = await page.value("document.querySelectorAll('.examples button').length")
        await page.write("input[name=token]", world.token(tenants=[TENANT]))
        await page.click(".caller button")
        await page.click(".graphiql-execute-button")
        await page.until(f"{ANSWER}.includes('subject')")
        told = await page.value(ANSWER)
        await opened(page, "WatchImports")
        await page.click(".graphiql-execute-button")
        await watched()
        await an_import(world)
        await page.until(f"{ANSWER}.includes('importChanges') && {ANSWER}.includes('Watched')")

    assert offered == len(operations())
    assert ANNA in told
    assert page.complaints == []
    asked = [urlsplit(url) for url in page.requests if not url.startswith("data:")]
    assert {f"{url.scheme}://{url.netloc}" for url in asked} == {world.url}


async def test_what_the_page_loads_is_kept_and_all_else_is_unknown(world):
    page = await world.http.get("/graphql", headers={"Accept": "text/html"})
    (script,) = re.findall(r'src="([^"]*)"', page.text)

    found = await world.http.get(script)
    missing = [
        await world.http.get(f"/graphql/page/{path}") for path in ("", "page.html", "../page.html", "no/page.js")
    ]

    assert "<script>" not in page.text
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert (found.status_code, found.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert [answer.status_code for answer in missing] == [404] * len(missing)


async def opened(page, example):
    """An example is chosen, and the page has read it."""
    await page.click(".examples button:enabled", example)
    await page.until(f"document.querySelector('.graphiql-tab-active').innerText.includes('{example}')")


async def watched():
    """The server has begun to tell."""
    async with asyncio.timeout(30):
        while not LIVE.subscriptions:
            await asyncio.sleep(0.05)


async def an_import(world):
    headers = world.headers(TENANT)
    order = {"tenantId": TENANT, "packageName": "Watched", "packageType": "workflow-package", "version": "1.0.0"}
    body = order | {"artifactIds": ["proc-1001"]}
    made = (await world.http.post("/api/installhub/packages/export", json=body, headers=headers)).json()
    request = {"tenantId": TENANT, "source": {"packageId": made["packageId"]}, "options": {"defaultStrategy": "SKIP"}}
    asked = {"query": CREATE, "variables": {"input": {"request": request}}}
    assert "errors" not in (await world.http.post("/graphql", json=asked, headers=headers)).json()
