"""``user add | list | passwd | power | disable | enable``: passwords come from the terminal or standard input."""

from __future__ import annotations

import asyncio
import getpass
import io
import sys

import httpx
import pytest

from server.control import find_server, told_by
from tests.forks import Said
from tests.server.installation import Here
from tests.world import a_world

ANNA = "anna@acme.example"


@pytest.fixture
def said(here: Here, monkeypatch):
    """Runs a user command in this process; ``typed`` stands on its standard input."""
    here("tenant", "add", "acme")

    def run(action: str, *arguments: str, typed: str = "") -> Said:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        return here("user", action, "--tenant", "acme", *arguments)

    return run


def test_a_user_is_made_changed_and_listed(said):
    added = said("add", ANNA, "--power", "modify", typed="correct horse\n")
    changed = said("passwd", ANNA, typed="a better horse\n")
    raised = said("power", ANNA, "--power", "site-admin")
    disabled = said("disable", ANNA)
    while_disabled = said("list")
    enabled = said("enable", ANNA)
    listed = said("list")

    assert [one.returncode for one in (added, changed, raised, disabled, enabled)] == [0] * 5
    assert added.stdout == f"{ANNA} may sign in to acme, power modify.\n"
    assert while_disabled.stdout.startswith(f"{ANNA}\tsite-admin\tdisabled\t")
    assert listed.stdout.startswith(f"{ANNA}\tsite-admin\tenabled\t")
    assert not any("horse" in one.stdout + one.stderr for one in (added, changed, listed))


@pytest.mark.parametrize(
    ("arguments", "typed", "told"),
    [
        (("add", ANNA, "--power", "none"), "short\n", "A password has 10 to 1024 characters."),
        (("add", ANNA, "--power", "none"), "", "A password has 10 to 1024 characters."),
        (("add", "anna", "--power", "none"), "correct horse\n", "Give an e-mail address of at most 200 characters."),
        (("passwd", ANNA), "correct horse\n", f"The tenant acme has no user {ANNA}."),
        (("disable", ANNA), "", f"The tenant acme has no user {ANNA}."),
    ],
)
def test_what_cannot_be_is_one_line_and_changes_nothing(said, arguments, typed, told):
    refused = said(*arguments, typed=typed)

    assert (refused.returncode, refused.stderr) == (1, f"installhub: {told}\n")
    assert said("list").stdout == ""


def test_a_user_is_there_once(said):
    said("add", ANNA, "--power", "modify", typed="correct horse\n")

    again = said("add", ANNA.upper(), "--power", "none", typed="correct horse\n")

    assert again.returncode == 1
    assert said("list").stdout.count("\n") == 1


def test_a_password_is_no_argument(said, capsys):
    with pytest.raises(SystemExit):
        said("add", ANNA, "--power", "modify", "--password", "correct horse")

    assert "unrecognized arguments" in capsys.readouterr().err


@pytest.mark.parametrize(("again", "status"), [("correct horse", 0), ("correct house", 1)])
def test_on_a_terminal_it_is_asked_for_twice(here, monkeypatch, again, status):
    here("tenant", "add", "acme")
    typed = iter(["correct horse", again])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", lambda _: next(typed))

    added = here("user", "add", "--tenant", "acme", ANNA, "--power", "modify")

    assert added.returncode == status


async def test_a_running_server_makes_users_and_they_can_sign_in_at_once(tmp_path):
    given = {"tenant": "acme", "email": ANNA, "power": "modify", "password": "correct horse"}
    async with a_world(tmp_path, role="web") as world:
        await world.tenant("acme")

        server = find_server(world.settings.data)
        assert server is not None
        told = await asyncio.to_thread(lambda: list(told_by(server, "user add", given)))
        async with httpx.AsyncClient(base_url=world.url, trust_env=False, verify=False) as http:
            answer = await http.post("/api/login", json={"email": ANNA, "password": "correct horse"})

    assert told == [f"{ANNA} may sign in to acme, power modify."]
    assert answer.status_code == 200
