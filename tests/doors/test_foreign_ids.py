"""An id of another tenant is answered as one that nobody has, wherever one can be said over REST (decisions R21).

The places come from the route table itself: a new one has no kind here until somebody says what its ids name.
(design: security, sections 1 rule 12, 3.5 and 6)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from domain.access import Right
from rest_compat import OPERATIONS
from rest_compat.operations import Admits, Operation
from tests.doors.belongings import OWNER, STRANGER, belongings, somebody
from tests.doors.inside import Said, ask
from tests.doors.market_world import MARKET
from tests.doors.rest import HUB
from tests.thorough import is_taken
from tests.world import World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")
#: what an id in an address names; the marketplace calls a listing a package
IN_PATHS = {
    "packageId": "package",
    "importId": "import",
    "conflictId": "conflict",
    "planId": "plan",
    "fixId": "conflict",
    "installId": "install",
    "publisherId": "publisher",
    "keyId": "publisher key",
    "submissionId": "submission",
    "exceptionId": "exception",
    "reviewId": "review",
    "reportId": "report",
    "rescanId": "rescan",
}
#: what an address holds that is no id, and what stands there meanwhile
NO_IDS = {"version": "1.0.0", "packageName": "Shown"}
#: what an id in a query names
IN_QUERIES = {
    **dict.fromkeys(("tenantId", "sourceTenantId", "targetTenantId"), "tenant"),
    "packageId": "package",
    "importId": "import",
}
#: bodies that are right in everything but one id; what stands in angle brackets is the kind of an id
BODIES: Mapping[str, Any] = {
    f"{HUB}/packages/export": {
        "tenantId": "<tenant>",
        "packageName": "Rules",
        "packageType": "config-package",
        "version": "1.0.0",
        "artifactIds": ["rule-305"],
    },
    f"{HUB}/packages/preview": {"tenantId": "<tenant>", "artifactIds": ["rule-305"]},
    f"{HUB}/plans": {
        "sourcePackageId": "<package>",
        "uploadId": "<upload>",
        "planId": "<plan>",
        "options": {"targetTenantId": "<tenant>"},
    },
    f"{HUB}/packages/import": {
        "sourcePackageId": "<package>",
        "uploadId": "<upload>",
        "planId": "<plan>",
        "options": {"targetTenantId": "<tenant>"},
    },
    f"{HUB}/installed/{{packageName}}/uninstall": {"tenantId": "<tenant>"},
    f"{HUB}/plans/{{planId}}/approve": {"hash": "0" * 64},
    f"{MARKET}/packages/{{packageId}}/reviews": {"rating": 4, "title": "x", "body": "y", "tenantId": "<tenant>"},
    f"{MARKET}/reviews/{{reviewId}}/flag": {"reason": "x"},
    f"{MARKET}/packages/{{packageId}}/subscribe": {"tenantId": "<tenant>"},
    f"{MARKET}/packages/{{packageId}}/unsubscribe": {"tenantId": "<tenant>"},
    f"{MARKET}/packages/{{packageId}}/install": {"targetTenantId": "<tenant>", "planId": "<plan>"},
    f"{MARKET}/packages/{{packageId}}/preview": {"targetTenantId": "<tenant>"},
    f"{MARKET}/publishers": {
        "tenantId": "<tenant>",
        "displayName": "X",
        "slug": "x",
        "website": "https://x.example",
        "contactEmail": "x@x.example",
    },
    f"{MARKET}/reported/installs": {"packageId": "<hidden listing>"},
    f"{MARKET}/reported/reviews": {"packageId": "<hidden listing>"},
    f"{MARKET}/submissions/{{submissionId}}/scan-exception": {"findingIndex": 0, "explanation": "x"},
    f"{HUB}/imports/{{importId}}/scan-exception": {"findingIndex": 0, "explanation": "x"},
    f"{HUB}/imports/{{importId}}/scan-exception/{{exceptionId}}/decide": {"decision": "Reject", "details": "x"},
}
#: ids that name something inside what the request means already
INSIDE = {"conflictId", "artifactId", "artifactIds"}
#: only one of these stands in a body
EITHER = {"sourcePackageId", "uploadId", "planId"}
FORMLESS = {"very long", "malformed", "not in ASCII"}
FOR_OPERATORS = {Right.RUN_MARKET, Right.REPORT}
#: what answers otherwise to an id that nobody has, and why that tells nothing
ANSWERED_OTHERWISE: Mapping[str, int] = {
    # where packages come from: a name, of another installation's tenant as well, that nothing is looked up by
    f"GET {HUB}/bindings query sourceTenantId": 200,
    f"PUT {HUB}/bindings query sourceTenantId": 200,
    # a list without rows
    f"GET {HUB}/imports query packageId": 200,
    f"GET {HUB}/rescans query packageId": 200,
    f"GET {HUB}/rescans query importId": 200,
    # nobody is subscribed afterwards, whatever there was
    f"POST {MARKET}/packages/{{packageId}}/unsubscribe path packageId": 200,
}
#: what the owner has none of either: a certification, and a second look that was asked for
NOT_MADE = {
    f"GET {MARKET}/packages/{{packageId}}/certification path packageId",
    f"GET {MARKET}/submissions/{{submissionId}}/manual-review path submissionId",
}
_PRINTED = Path(__file__).parents[2] / "rest_compat" / "openapi.json"
_IS_ID = re.compile(r"\w*[iI]ds?")
NOBODYS = "nobody-knows-this"


@dataclass(frozen=True)
class Place:
    """Where an id can be said: in an address, in its query, in a body or in a header."""

    operation: Operation
    where: str
    name: str
    kind: str

    def __str__(self) -> str:
        return f"{self.operation.method} {self.operation.path} {self.where} {self.name}"


def kind_of(path: str, name: str) -> str:
    """What an id in this address names."""
    if name == "packageId" and path.startswith(MARKET):
        return "hidden listing"
    if name in ("importId", "exceptionId") and path.startswith(f"{HUB}/imports/{{importId}}/scan-exception"):
        return "forbidden import" if name == "importId" else "import exception"
    if name == "submissionId" and "scan-exception" in path:
        return "rejected submission"
    return IN_PATHS[name]


def names_in(path: str) -> list[str]:
    return [name for name in re.findall(r"{(\w+)}", path) if name not in NO_IDS]


def leaves(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The names of ids in a body, and their kinds."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value)
        elif isinstance(value, str) and value.startswith("<"):
            yield name, value.strip("<>")


def places() -> Iterator[Place]:
    for operation in OPERATIONS:
        if not operation.path.startswith((HUB, MARKET)):
            continue
        yield from (Place(operation, "path", name, kind_of(operation.path, name)) for name in names_in(operation.path))
        for parameter in operation.parameters:
            if parameter.place == "query" and parameter.name in IN_QUERIES:
                yield Place(operation, "query", parameter.name, IN_QUERIES[parameter.name])
        for name, kind in leaves(BODIES.get(operation.path, {}) if operation.takes else {}):
            yield Place(operation, "body", name, kind)
        if operation.right is not Admits.ANYBODY:
            yield Place(operation, "header", "X-Tenant-Id", "tenant")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    async with a_world(tmp_path_factory.mktemp("world"), allow_private_addresses="127.0.0.0/8") as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theirs(world):
    return await belongings(world)


@dataclass(frozen=True)
class Prober:
    """Asks with an id in one place, and everywhere else with ids of the owner's, or of the caller's own tenant."""

    world: World
    theirs: Mapping[str, str]
    tenant: str = STRANGER

    async def ask(self, place: Place, said: str) -> Said:
        path, query, body = place.operation.path, "", self._body(place, said)
        for name in re.findall(r"{(\w+)}", path):
            is_meant = place.where == "path" and name == place.name
            stated = said if is_meant else NO_IDS.get(name) or self.theirs[kind_of(path, name)]
            path = path.replace(f"{{{name}}}", quote(stated, safe=""))
        if place.where == "query":
            query = f"?{place.name}={quote(said, safe='')}"
        fields = [("content-type", "application/json"), *somebody(self.world, self.tenant).items()]
        if place.where == "header":
            fields.append((place.name, said))
        return await ask(self.world, place.operation.method, path + query, fields, json.dumps(body).encode())

    def _body(self, place: Place, said: str) -> Any:
        def filled(tree: Any, name: str = "") -> Any:
            if isinstance(tree, dict):
                kept = EITHER - {place.name if place.where == "body" and place.name in EITHER else "sourcePackageId"}
                return {key: filled(value, key) for key, value in tree.items() if not (key in kept and len(tree) > 2)}
            if not isinstance(tree, str) or not tree.startswith("<"):
                return tree
            if place.where == "body" and name == place.name:
                return said
            return self.tenant if tree == "<tenant>" else self.theirs[tree.strip("<>")]

        return filled(BODIES.get(place.operation.path, {}))


def told(answer: Said, said: str) -> Any:
    """An answer without what belongs to the request itself: its number, and the id that it says again."""
    headers = {name: value for name, value in answer.headers.items() if name not in {"x-request-id", "content-length"}}
    text = answer.body.decode().replace(json.dumps(said, ensure_ascii=False), '"?"')
    # what cannot be an id is said again as none
    return answer.status, headers, text.replace('"packageId":"-"', '"packageId":"?"')


def strange_ids(theirs: Mapping[str, str], place: Place) -> dict[str, str]:
    """What is no id of anything that the caller may know of."""
    ids = {
        "foreign": theirs[place.kind],
        "another kind's": theirs["webhook"],
        "very long": "A" * 5000,
        "malformed": "..\\..\\passwd\x00\r\nX: y",
        "not in ASCII": "ü" * 40,
    }
    return {"foreign": ids["foreign"]} if place.where == "header" else ids


async def test_a_foreign_id_is_answered_like_one_that_nobody_has(world, theirs):
    prober = Prober(world, theirs)
    tried, wrong = 0, {}

    for place in places():
        unknown = told(await prober.ask(place, NOBODYS), NOBODYS)
        for name, said in strange_ids(theirs, place).items():
            tried += 1
            if name != "foreign" and not is_taken(tried, one_of=3):
                continue
            answer = told(await prober.ask(place, said), said)
            # of a body or a query the form is told, which everybody sees
            if answer != unknown and not (place.where != "path" and name in FORMLESS and answer[0] == 400):
                wrong[f"{place}: {name}"] = (answer, unknown)

    assert tried > 400
    assert wrong == {}


async def test_what_nobody_has_is_not_found_or_not_the_callers(world, theirs):
    """So the test before this one compares answers that were found out, and not complaints about something else."""
    prober = Prober(world, theirs)
    others = {}

    for place in places():
        answer = await prober.ask(place, NOBODYS)
        expected = 403 if place.kind == "tenant" else 404
        if isinstance(place.operation.right, Right) and place.operation.right in FOR_OPERATORS:
            expected = 403
        if answer.status != expected:
            others[str(place)] = answer.status

    assert others == ANSWERED_OTHERWISE


async def test_the_owner_finds_what_a_stranger_does_not(world, theirs):
    owner = Prober(world, theirs, OWNER)
    found = {}

    for place in places():
        if place.where == "path" and place.operation.method == "GET":
            found[str(place)] = (await owner.ask(place, theirs[place.kind])).status

    assert {place for place, status in found.items() if status != 200} == NOT_MADE


def ids_of(schema: Any, components: Mapping[str, Any], seen: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of ids in a printed schema."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in seen:
            yield from ids_of(components[name], components, (*seen, name))
        return
    for name, inner in schema.get("properties", {}).items():
        if _IS_ID.fullmatch(name):
            yield name
        yield from ids_of(inner, components, seen)
    for inner in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from ids_of(inner, components, seen)
    if isinstance(items := schema.get("items"), dict):
        yield from ids_of(items, components, seen)


async def test_every_place_for_an_id_is_known_here():
    """Who adds one says what it names: IN_PATHS, IN_QUERIES or BODIES."""
    printed = json.loads(_PRINTED.read_text())
    missing = []

    for path, methods in printed["paths"].items():
        if not path.startswith((HUB, MARKET)):
            continue
        missing += [f"{path}: {name}" for name in names_in(path) if name not in IN_PATHS]
        for method, told in methods.items():
            where = f"{method.upper()} {path}"
            stated = [one for one in told.get("parameters", ()) if one.get("in") == "query"]
            ids = [one["name"] for one in stated if _IS_ID.fullmatch(one["name"])]
            missing += [f"{where}: {name}" for name in ids if name not in IN_QUERIES]
            body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            said = dict(leaves(BODIES.get(path, {})))
            asked = set(ids_of(body, printed["components"]["schemas"])) - INSIDE
            missing += [f"{where}: {name}" for name in asked if name not in said]

    assert missing == []
