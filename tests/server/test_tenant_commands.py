"""``tenant purge``: for good, and only if that is what is meant."""

from __future__ import annotations

from tests.forks import hub
from tests.server.installation import a_server


def test_a_tenant_is_purged_only_by_who_says_yes(tenants, here):
    unsure = here("tenant", "purge", "acme-dev")
    listed = here("tenant", "list").stdout

    sure = here("tenant", "purge", "acme-dev", "--yes")

    assert (unsure.returncode, "--yes" in unsure.stderr) == (1, True)
    assert "acme-dev\t" in listed
    assert (sure.returncode, sure.stdout.split()[:3]) == (0, ["acme-dev", "is", "gone."])
    assert here("tenant", "list").stdout.split()[0] == "acme-prod"


def test_an_unknown_tenant_is_told_as_such(tenants, here):
    said = here("tenant", "purge", "nobody", "--yes")

    assert (said.returncode, said.stderr) == (1, "installhub: There is no such tenant.\n")


def test_a_tenant_is_purged_while_a_server_runs(tenants, environment):
    with a_server(environment):
        said = hub(environment, "tenant", "purge", "acme-dev", "--yes")
        listed = hub(environment, "tenant", "list")

    assert said.returncode == 0
    assert "acme-dev" not in listed.stdout
