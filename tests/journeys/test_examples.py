"""The examples that GraphiQL offers, carried out as the story that they tell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse, print_ast

from tests.doors.graphql_world import Asking, a_socket, asking
from tests.house.tree import ROOT
from tests.journeys.test_readme import MARKET_SCOPES, SCOPES
from tests.world import World, a_world

FOLDER = ROOT / "server" / "graphiql"
VARIABLES = json.loads((FOLDER / "examples.json").read_text(encoding="utf-8"))
SOURCE, TARGET = "acme-dev", "acme-prod"
WATCHES = ("WatchImports", "WatchNotifications")
#: what an answer holds that later examples name
FINDS = {
    "ExportPackage": ("<package>", "exportPackage exportedPackage id"),
    "PlanImport": ("<dry run>", "planImport importJob id"),
    "PlanUndo": ("<dry run>", "planImport importJob id"),
    "Plan": ("<plan>", "importJob plan id"),
    "ImportPackage": ("<import>", "importPackage importJob id"),
    "ImportUpload": ("<import>", "importPackage importJob id"),
    "ApplyPlan": ("<import>", "importPackage importJob id"),
    "CreatePublisher": ("<publisher>", "createPublisher publisher id"),
    "Publish": ("<submission>", "submitPackage submission id"),
    "Submission": ("<listing>", "submission listing id"),
    "Install": ("<install>", "installPackage install id"),
}


def operations() -> Mapping[str, str]:
    document = parse((FOLDER / "examples.graphql").read_text(encoding="utf-8"))
    found = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    return {one.name.value: print_ast(one) for one in found if one.name}


@dataclass
class Reader:
    """Somebody who goes through the examples and fills in what was answered before."""

    caller: Asking
    known: dict[str, str] = field(default_factory=dict)
    tried: set[str] = field(default_factory=set)

    async def run(self, name: str) -> Any:
        """The data of an example; nothing in it was refused."""
        self.tried.add(name)
        data = await self.caller.data(operations()[name], **self.variables(name))
        assert not any(isinstance(one, dict) and one.get("refusal") for one in data.values()), (name, data)
        if name in FINDS:
            placeholder, path = FINDS[name]
            self.known[placeholder] = reached(data, path) or "not yet"
        return data

    async def until(self, name: str, path: str, value: str) -> Any:
        """The data of a query, once it says this."""
        while reached(data := await self.run(name), path) != value:
            assert reached(data, path) not in {"FAILED", "REJECTED"}, data
            await asyncio.sleep(0.05)
        return data

    async def followed(self, name: str) -> Any:
        """The last event of a subscription that ends."""
        self.tried.add(name)
        body = {"query": operations()[name], "variables": self.variables(name)}
        headers = {**self.caller.headers, "Accept": "text/event-stream"}
        response = await self.caller.world.http.post("/graphql", json=body, headers=headers)
        told = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
        (last,) = json.loads(told[-1])["data"].values()
        return last

    def variables(self, name: str) -> Any:
        text = json.dumps(VARIABLES.get(name, {}))
        for placeholder, value in self.known.items():
            text = text.replace(placeholder, value)
        assert "<" not in text, f"{name} names what was not answered yet: {text}"
        return json.loads(text)


def reached(data: Any, path: str) -> Any:
    for step in path.split():
        data = data and data[step]
    return data


@pytest.fixture
async def reader(tmp_path) -> AsyncIterator[Reader]:
    async with a_world(tmp_path / "data") as world:
        for tenant, folder in ((SOURCE, "acme-source"), (TARGET, "acme-target")):
            await world.tenant(tenant)
            await world.load(tenant, ROOT / "examples" / folder)
        yield Reader(asking(world, SOURCE, TARGET, scopes=(*SCOPES, *MARKET_SCOPES, "installhub:artifacts")))


async def test_every_example_does_what_it_says(reader: Reader):
    world = reader.caller.world
    token = reader.caller.headers["Authorization"].removeprefix("Bearer ")
    async with a_socket(world, token=token) as socket:
        for name in WATCHES:
            reader.tried.add(name)
            await socket.ask(name, operations()[name], **reader.variables(name))

        await authoring(reader)
        await importing(reader)
        await undoing(reader)
        await publishing(reader)
        # how many messages there are depends on which of them are told together (R20)
        heard: set[str] = set()
        while not heard.issuperset(WATCHES):
            heard.add((await socket.heard())["id"])

    assert heard == set(WATCHES)
    assert reader.tried == set(operations())
    assert set(VARIABLES) <= reader.tried


async def authoring(reader: Reader) -> None:
    for name in ("Viewer", "Artifacts", "SaveArtifact", "PreviewExport", "ExportPackage", "BindingTemplate"):
        await reader.run(name)
    exported = await reader.run("ExportedPackages")
    link = exported["tenant"]["exportedPackages"]["nodes"][0]["downloadUrl"]
    reader.known["<upload>"] = await sent(reader.caller.world, link, TARGET, reader.caller.headers)


async def importing(reader: Reader) -> None:
    await ended(reader, await reader.run("PlanImport"))
    planned = await reader.run("Plan")
    assert planned["importJob"]["plan"]["counts"]["create"] == 4
    await reader.run("ImportPackage")
    waiting = await reader.until("Conflicts", "importJob state", "WAITING_FOR_DECISIONS")
    assert [one["artifact"]["name"] for one in waiting["importJob"]["conflicts"]] == ["EmployeeForm"]
    await reader.run("ResolveConflicts")
    assert (await reader.followed("FollowImport"))["state"] == "SUCCEEDED"
    await reader.run("Imports")


async def undoing(reader: Reader) -> None:
    await ended(reader, await reader.run("PlanUndo"))
    planned = await reader.run("Plan")
    assert planned["importJob"]["plan"]["counts"]["remove"] == 4
    await ended(reader, await reader.run("UndoImport"))
    await ended(reader, await reader.run("PlanImport"))
    await reader.run("Plan")
    await ended(reader, await reader.run("ApplyPlan"))
    await ended(reader, await reader.run("ImportUpload"))
    installed = await reader.run("InstalledPackages")
    assert [one["packageName"] for one in installed["installedPackages"]["nodes"]] == ["Employee Onboarding"]
    await ended(reader, await reader.run("Uninstall"))
    await reader.run("Bindings")
    await reader.run("SaveBindings")


async def publishing(reader: Reader) -> None:
    await reader.run("CreatePublisher")
    official = await reader.run("MarkOfficial")
    assert official["markPublisherOfficial"]["publisher"]["status"] == "VERIFIED"
    exported = await reader.run("ExportedPackages")
    link = exported["tenant"]["exportedPackages"]["nodes"][0]["downloadUrl"]
    reader.known["<upload>"] = await sent(reader.caller.world, link, SOURCE, reader.caller.headers)
    await reader.run("Publish")
    await reader.until("Submission", "submission status", "LISTED")
    found = await reader.run("SearchListings")
    assert [one["id"] for one in found["listings"]["nodes"]] == [reader.known["<listing>"]]
    await reader.run("Install")
    assert (await reader.followed("FollowInstall"))["state"] == "SUCCEEDED"
    for name in ("Listing", "Notifications", "ChooseNotices"):
        await reader.run(name)
    # a publisher's own people do not review its packages
    bob = asking(reader.caller.world, TARGET, subject="bob@acme.example", scopes=(*SCOPES, *MARKET_SCOPES))
    await replace(reader, caller=bob).run("Review")


async def ended(reader: Reader, data: Any) -> None:
    """An import that an example began ends well."""
    (payload,) = data.values()
    events = await reader.caller.events(payload["importJob"]["id"])
    assert events[-1]["data"]["importProgress"]["state"] == "SUCCEEDED", events


async def sent(world: World, link: str, tenant: str, headers: Mapping[str, str]) -> str:
    """The id of an upload of what is at a signed address."""
    bundle = await world.http.get(link)
    about = {**headers, "Content-Type": "application/zip", "X-Tenant-Id": tenant}
    answer = await world.http.post("/api/installhub/uploads", content=bundle.content, headers=about)
    return str(answer.json()["uploadId"])
