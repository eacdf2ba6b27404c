"""A server as a process that things are taken from, and a client of it: ``with a_hub(folder) as hub``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

from tests.journeys.processes import ROOT, ServerProcess

UPLOADS = "/api/installhub/uploads"
IMPORT = "/api/installhub/packages/import"
TENANT = "target"
_MAKE = "mutation($input: CreateTenantInput!) { createTenant(input: $input) { refusal { message } } }"
_COUNT = "{ viewer { tenants(first: 1) { nodes { artifacts(first: 100) { nodes { artifactId } } } } } }"


@dataclass(slots=True)
class Hub:
    """The process, and a client whose connection stays open and whose token is good for one tenant."""

    place: ServerProcess
    process: subprocess.Popen[bytes]
    http: httpx.Client

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def folder(self) -> Path:
        return self.place.folder

    def upload(self, body: bytes) -> httpx.Response:
        return self.http.post(UPLOADS, content=body, headers={"Content-Type": "application/zip"})

    def bring(self, bundle: bytes, **headers: str) -> httpx.Response:
        """Import a bundle, and wait for its end."""
        options = json.dumps({"targetTenantId": TENANT, "defaultConflictStrategy": "Replace"})
        files: dict[str, Any] = {
            "package": ("a.zip", bundle, "application/zip"),
            "options": ("", options, "application/json"),
        }
        return self.http.post(IMPORT, files=files, headers=headers)

    def count(self) -> int:
        """The artifacts of the tenant."""
        answer = self.http.post("/graphql", json={"query": _COUNT})
        return len(answer.json()["data"]["viewer"]["tenants"]["nodes"][0]["artifacts"]["nodes"])

    def is_alive(self) -> bool:
        return self.http.get("/healthz").status_code == 200

    def measured(self, name: str) -> float:
        """A number of ``/metrics``."""
        lines = self.http.get("/metrics", headers={"Authorization": ""}).text.splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))

    def stored(self) -> list[Path]:
        """Whatever lies in the blobs' folder, finished or not, but the locks of folders."""
        return sorted(path for path in (self.folder / "blobs").rglob("*") if path.is_file() and path.name != "lock")


@contextmanager
def a_hub(
    folder: Path, environment: Mapping[str, str] | None = None, *, stderr: int | IO[bytes] = subprocess.DEVNULL
) -> Iterator[Hub]:
    """A server process over this folder with a tenant; killed at the end."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("INSTALLHUB_", "PYTHON"))}
    place = ServerProcess(folder, kept | {"INSTALLHUB_DATA": str(folder)} | dict(environment or {}))
    command = [sys.executable, "-m", "server", "serve", "--dev", "--port", str(place.port)]
    with subprocess.Popen(
        command, cwd=ROOT, env=place.environment, stdout=subprocess.DEVNULL, stderr=stderr
    ) as process:
        try:
            with httpx.Client(base_url=place.url, timeout=30, trust_env=False) as http:
                _wait_for(http, process)
                variables = {"input": {"tenantId": TENANT, "tenantPlan": "ENTERPRISE"}}
                platform = {"Authorization": f"Bearer {place.token()}"}
                http.post(
                    "/graphql", json={"query": _MAKE, "variables": variables}, headers=platform
                ).raise_for_status()
                http.headers["Authorization"] = f"Bearer {place.token(TENANT)}"
                yield Hub(place, process, http)
        finally:
            process.kill()


def _wait_for(http: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the server ended by itself"
        with suppress(httpx.TransportError):
            if http.get("/readyz").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the server did not become ready")
