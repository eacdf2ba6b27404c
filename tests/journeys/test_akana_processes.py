"""Sessions over several processes: a user made by the host's command line, curl and its cookie jar, a server killed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.forks import Said, hub
from tests.journeys.processes import ROOT, ServerProcess, a_process

ANNA, PASSWORD = "anna@acme.example", "correct horse battery"
LOGIN = ("-H", "Content-Type: application/json", "-d", json.dumps({"email": ANNA, "password": PASSWORD}))


async def ran(*command: str, environment: dict[str, str]) -> str:
    """What a command prints; it must end well."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


class Shell:
    """Somebody with curl and one cookie jar, whichever process answers."""

    def __init__(self, jar: Path) -> None:
        self._jar = str(jar)

    async def curl(self, server: ServerProcess, path: str, *more: str) -> int:
        """The status of an answer."""
        switches = ("-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", "-c", self._jar, "-b", self._jar)
        return int(await ran("curl", *switches, *more, f"{server.url}{path}", environment=server.environment))

    def cookie(self, name: str) -> str:
        """A cookie's value, as it stands in the jar."""
        rows = [line.split("\t") for line in Path(self._jar).read_text(encoding="utf-8").splitlines()]
        return next(row[6] for row in rows if len(row) == 7 and row[5] == name)


@pytest.mark.slow
async def test_a_session_is_known_to_every_process_until_one_of_them_ends_it(tmp_path: Path, postgres_url: str):
    shared = {"INSTALLHUB_DATABASE_URL": postgres_url, "INSTALLHUB_ROLE": "web"}
    shell = Shell(tmp_path / "jar")
    async with a_process(tmp_path, **shared) as one, a_process(tmp_path, **shared) as other:
        await one.tenant("acme")
        words = ("user", "add", "--tenant", "acme", "--power", "modify", ANNA)
        made = await asyncio.to_thread(hub, one.environment, *words, typed=f"{PASSWORD}\n")

        signed_in = await shell.curl(one, "/api/login", *LOGIN)
        known = await shell.curl(other, "/api/login/status")
        echo = f"X-Csrf-Token_acme: {shell.cookie('Csrf-Token_acme')}"
        renewed = await shell.curl(other, "/api/login/renewToken", "-X", "POST", "-H", echo)
        await one.kill()
        await one.start()
        after_a_restart = await shell.curl(one, "/api/login/status")
        kept = shell.cookie("AtmoAuthToken_acme")
        signed_out = await shell.curl(other, "/api/login/endsession")
        with_the_old_cookie = await shell.curl(one, "/api/login/status", "-H", f"Cookie: AtmoAuthToken_acme={kept}")

    assert made == Said(0, f"{ANNA} may sign in to acme, power modify.\n", "")
    assert [signed_in, known, renewed, after_a_restart, signed_out] == [200] * 5
    assert unquote(kept).startswith("TokenID=")
    assert with_the_old_cookie == 401
