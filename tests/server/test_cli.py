"""The command line as scripts use it: real processes, their exit statuses and what they print."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from server.cli import main
from server.keys import ensure_key_pair, private_key, public_keys_file
from server.settings import variables
from server.tokens import ttl_of
from storage.lock import single_process_lock
from tests.forks import hub
from tests.house.tree import ROOT
from tests.server.installation import a_server


def test_a_tenant_and_its_artifacts_from_files(here):
    added = here("tenant", "add", "acme", "--plan", "Enterprise")
    again = here("tenant", "add", "acme")
    first = here("artifacts", "load", "--tenant", "acme", "examples/acme-target")
    second = here("artifacts", "load", "--tenant", "acme", "examples/acme-target")
    tenants = here("tenant", "list")
    artifacts = here("artifacts", "list", "--tenant", "acme")

    assert (added.returncode, again.returncode, again.stderr) == (
        0, 1, "installhub: The tenant acme is already there.\n",
    )  # fmt: skip
    assert first.stdout == "7 artifacts saved, 0 unchanged.\n"
    assert second.stdout == "0 artifacts saved, 7 unchanged.\n"
    assert tenants.stdout == "acme\tEnterprise\tActive\n"
    assert "rule-72\tRuleSet\tequipmentPolicy\t1.2.0\tPublished" in artifacts.stdout.splitlines()
    assert len(artifacts.stdout.splitlines()) == 7


def test_one_bad_file_keeps_all_out_and_is_named(here, tmp_path):
    here("tenant", "add", "acme")
    folder = tmp_path / "artifacts"
    folder.mkdir()
    good = ROOT / "examples" / "acme-target" / "artifacts" / "entities" / "ent-31.json"
    (folder / "good.json").write_bytes(good.read_bytes())
    (folder / "torn.json").write_text('{"_type": ')
    (folder / "odd.json").write_text('{"_type": "Spaceship"}')

    refused = here("artifacts", "load", "--tenant", "acme", str(folder))
    artifacts = here("artifacts", "list", "--tenant", "acme")

    assert refused.returncode == 1
    assert "odd.json: " in refused.stderr
    assert "torn.json: " in refused.stderr
    assert "Traceback" not in refused.stderr
    assert artifacts.stdout == ""


def test_what_a_name_hides_is_shown_where_artifacts_are_listed(here, tmp_path):
    here("tenant", "add", "acme")
    tree = {"_type": "EntitySchema", "_version": "1.0.0", "id": "ent-1", "name": "Or\u202eder"}
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "one.json").write_text(json.dumps(tree))
    here("artifacts", "load", "--tenant", "acme", str(tmp_path / "files"))

    listed = here("artifacts", "list", "--tenant", "acme")

    assert listed.stdout == "ent-1\tEntitySchema\tOr\\x202eder\t1.0.0\tPublished\n"


def test_a_folder_with_other_files_alone_is_no_dump(here, tmp_path):
    here("tenant", "add", "acme")
    (tmp_path / "notes.txt").write_text("mine")

    refused = here("artifacts", "load", "--tenant", "acme", str(tmp_path))

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "There is no artifact file" in refused.stderr


@pytest.mark.slow
def test_a_command_that_is_interrupted_while_it_starts_says_nothing(environment):
    # however late it is interrupted, it waits for a password that nobody types
    words = ("user", "passwd", "--tenant", "acme", "anna@example.com")
    command = [sys.executable, "-X", "importtime", "-m", "server", *words]
    pipe = subprocess.PIPE
    # whoever runs the tests in the background may ignore the signal, and children with them
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stderr=pipe, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        # a line a module: the last of ours comes when all are there
        assert process.stderr is not None
        next(line for line in process.stderr if line.endswith(" domain.errors\n"))
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()

    assert process.returncode == 130
    assert [line for line in told.splitlines() if not line.startswith("import time:")] == []


@pytest.mark.slow
def test_a_server_that_is_told_twice_to_end_does_so_without_a_traceback(environment, tmp_path):
    with (tmp_path / "told").open("w+b") as told, a_server(environment, stderr=told.fileno()) as (process, _):
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        status = process.wait(20)

    assert (status, "Traceback" in (tmp_path / "told").read_text()) == (0, False)


@pytest.mark.slow
def test_commands_act_through_the_server_that_uses_the_database(environment, here):
    with a_server(environment) as (process, url):
        added = here("tenant", "add", "acme")
        loaded = here("artifacts", "load", "--tenant", "acme", "examples/acme-target")
        refused = here("tenant", "add", "acme")
        second = hub(environment, "serve", "--dev")
        ready = json.load(urlopen(f"{url}/readyz"))
        process.send_signal(signal.SIGTERM)
        status = process.wait(20)
    after = here("tenant", "list")

    assert (added.returncode, loaded.stdout) == (0, "7 artifacts saved, 0 unchanged.\n")
    assert (refused.returncode, refused.stderr) == (1, "installhub: The tenant acme is already there.\n")
    assert (second.returncode, "another process uses" in second.stderr) == (1, True)
    assert (ready, status) == ({"status": "ready"}, 0)
    assert after.stdout == "acme\tStandard\tActive\n"


@pytest.mark.slow
def test_a_token_is_one_line_and_opens_the_server(environment, here):
    with a_server(environment) as (_, url):
        here("tenant", "add", "acme")
        token = here("token", "--subject", "a@b.c", "--tenant", "acme", "--scope", "installhub:admin")
        query = json.dumps({"query": "{ viewer { subject scopes } }"})
        answer = subprocess.run(
            ["curl", "-s", f"{url}/graphql", "-H", f"Authorization: Bearer {token.stdout.strip()}",
             "-H", "Content-Type: application/json", "-d", query],
            capture_output=True, text=True, check=True,
        )  # fmt: skip

    assert (token.returncode, token.stdout.count("\n"), token.stdout.count("."), token.stderr) == (0, 1, 2, "")
    assert json.loads(answer.stdout) == {"data": {"viewer": {"subject": "a@b.c", "scopes": ["installhub:admin"]}}}


def test_a_token_for_an_unknown_tenant_comes_with_a_hint(here, environment, tenants):
    ensure_key_pair(Path(environment["INSTALLHUB_DATA"]) / "keys")

    minted = here("token", "--subject", "a", "--tenant", "acme-dev", "--tenant", "acme-dve")

    assert (minted.returncode, minted.stdout.count("\n"), minted.stdout.count(".")) == (0, 1, 2)
    assert minted.stderr == "installhub: there is no tenant acme-dve yet; tenant add acme-dve makes it\n"


@pytest.mark.slow
def test_a_killed_server_leaves_nothing_in_the_way_of_the_next(environment, here):
    with a_server(environment) as (process, _):
        here("tenant", "add", "acme")
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    listed = here("tenant", "list")
    with a_server(environment) as (_, url):
        ready = json.load(urlopen(f"{url}/readyz"))

    assert (listed.stdout, ready) == ("acme\tStandard\tActive\n", {"status": "ready"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "arguments", "named"),
    [
        ({}, ("serve",), "INSTALLHUB_JWKS"),
        ({}, ("serve", "--dev", "--host", "0.0.0.0"), "INSTALLHUB_HOST"),
        ({"INSTALLHUB_JWKS": "nowhere.json"}, ("serve",), "INSTALLHUB_ISSUER"),
        ({"INSTALLHUB_JWKS": "nowhere.json", "INSTALLHUB_ISSUER": "i"}, ("serve",), "INSTALLHUB_JWKS"),
    ],
)
def test_a_server_that_cannot_be_is_refused_with_status_2_and_the_variable(environment, variables, arguments, named):
    refused = hub(environment | variables, *arguments)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"installhub: {named}:")


@pytest.mark.parametrize(
    ("variables", "arguments", "named"),
    [
        ({"INSTALLHUB_PORT": "x"}, ("migrate",), "INSTALLHUB_PORT"),
        ({}, ("token", "--subject", "a"), "INSTALLHUB_DATA"),
        ({"INSTALLHUB_HOST": "10.0.0.1"}, ("token", "--subject", "a"), "INSTALLHUB_HOST"),
    ],
)
def test_a_command_that_cannot_be_is_refused_likewise(here, monkeypatch, variables, arguments, named):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    refused = here(*arguments)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"installhub: {named}:")


def test_a_database_is_not_brought_up_to_date_under_a_server_that_has_it_to_itself(here, environment, tenants):
    with single_process_lock(Path(environment["INSTALLHUB_DATA"]) / "installhub.db"):
        refused = here("migrate")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "another process uses" in refused.stderr
    assert here("migrate").returncode == 0


def test_a_setting_that_is_none_is_named_and_changes_nothing(here, monkeypatch):
    monkeypatch.setenv("INSTALLHUB_POTR", "1")

    listed = here("tenant", "list")

    assert (listed.returncode, listed.stdout) == (0, "")
    assert listed.stderr == "installhub: INSTALLHUB_POTR is no setting and changes nothing\n"


def test_the_help_lists_every_variable(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])

    shown = capsys.readouterr().out
    assert [variable.name for variable in variables() if variable.name not in shown] == []


def test_the_schema_is_printed(here):
    printed = here("print-schema")

    assert "type Subscription" in printed.stdout


@pytest.mark.slow
def test_the_demo_runs_again_and_again(environment):
    first, second = hub(environment, "demo", "--once"), hub(environment, "demo", "--once")

    assert (first.returncode, second.returncode) == (0, 0)
    assert "100.0 %  Employee Onboarding Suite 2.1.0 is active." in first.stdout
    assert "100.0 %  Employee Onboarding Suite 2.1.1 is active." in second.stdout


def test_the_key_pair_is_made_once_and_for_its_owner_alone(tmp_path):
    ensure_key_pair(tmp_path / "keys")
    first = private_key(tmp_path / "keys").kid

    ensure_key_pair(tmp_path / "keys")

    assert private_key(tmp_path / "keys").kid == first
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}
    assert "d" not in json.loads(public_keys_file(tmp_path / "keys").read_text())["keys"][0]


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("2d", 172800)])
def test_a_span_of_time_is_a_number_and_a_letter(text, seconds):
    assert ttl_of(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "0s", "1.5h", "1y", "1h ", "9" * 30 + "d"])
def test_what_is_no_span_of_time_is_refused(text):
    with pytest.raises(ValueError, match="span of time"):
        ttl_of(text)
