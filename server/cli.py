"""The command line: ``python -m server``. Refusals are one line and an exit status, never a traceback."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop

from domain.errors import ErrorCode, Refusal, refuse
from domain.model import ArtifactFilter, TenantId, TenantPlan, name_key
from domain.ports import UnavailableError
from resolvers.api import API
from server import demo, loading, settings, tokens
from server.keys import private_key
from server.logs import log_to_stderr
from server.runtime import Runtime, running
from server.serving import bind, on_ending, serving, work
from server.settings import DEV_ISSUER, Role, Settings, SettingsError
from storage.clock import SystemClock
from storage.migrate import migrate

REFUSED, MISUSED, INTERRUPTED = 1, 2, 130
_PAGE = 100
_DEMO_DATA = Path("data/demo")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; gives the exit status."""
    given = _parser().parse_args(arguments)
    for name in settings.unknown_variables(os.environ):
        print(f"installhub: {name} is no setting and changes nothing", file=sys.stderr)
    try:
        return int(given.run(given) or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (SettingsError, Refusal, UnavailableError, OSError) as error:
        for line in _told(error).splitlines():
            print(f"installhub: {line}", file=sys.stderr)
        return MISUSED if isinstance(error, SettingsError) else REFUSED


def _told(error: Exception) -> str:
    if isinstance(error, Refusal):
        return "\n".join(dict.fromkeys([error.message, *(f"  {problem.message}" for problem in error.problems)]))
    if isinstance(error, UnavailableError):
        return f"the database cannot be used now: {error}"
    if isinstance(error, OSError):
        return f"{error.filename or type(error).__name__}: {error.strerror}"
    return str(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m server",
        description="Moves low-code artifacts between tenants as checked, versioned packages.",
        epilog=_settings_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    command = commands.add_parser("serve", help="answer over HTTP and, unless the role says otherwise, run imports")
    command.add_argument("--dev", action="store_true", help="own key pair, this machine only; see token")
    command.add_argument("--host", help="instead of INSTALLHUB_HOST")
    command.add_argument("--port", type=int, help="instead of INSTALLHUB_PORT")
    command.set_defaults(run=_serve)
    commands.add_parser("worker", help="run imports only").set_defaults(run=_work)
    commands.add_parser("migrate", help="bring the database up to date").set_defaults(run=_migrate)
    command = commands.add_parser("token", help="print a token signed with the development key")
    command.add_argument("--subject", required=True, help="who it is for, such as a@b.c")
    command.add_argument(
        "--tenant", action="append", default=[], help="may be given several times; the first is default"
    )
    command.add_argument("--scope", default="", help="permissions, with blanks between")
    command.add_argument("--ttl", type=_ttl, default="1h", help="how long it is good: 90s, 15m, 1h (default), 7d")
    command.set_defaults(run=_token)
    _add_tenant_commands(commands)
    _add_artifact_commands(commands)
    commands.add_parser("print-schema", help="print the GraphQL schema").set_defaults(run=_print_schema)
    command = commands.add_parser("demo", help="two tenants, one package, live progress")
    command.add_argument("--once", action="store_true", help="end after the trip; the exit status says how it went")
    command.set_defaults(run=_demo)
    return parser


def _add_tenant_commands(commands: Any) -> None:
    tenant = commands.add_parser("tenant", help="add and list tenants").add_subparsers(required=True, metavar="ACTION")
    command = tenant.add_parser("add", help="make a tenant")
    command.add_argument("tenant", metavar="TENANT")
    command.add_argument("--plan", choices=[plan.wire for plan in TenantPlan], default=TenantPlan.STANDARD.wire)
    command.set_defaults(run=_add_tenant)
    tenant.add_parser("list", help="list all tenants").set_defaults(run=_list_tenants)


def _add_artifact_commands(commands: Any) -> None:
    artifacts = commands.add_parser("artifacts", help="load and list artifacts")
    actions = artifacts.add_subparsers(required=True, metavar="ACTION")
    command = actions.add_parser("load", help="save and publish every artifact file below a folder, all or nothing")
    command.add_argument("--tenant", required=True)
    command.add_argument("folder", type=Path, metavar="FOLDER")
    command.set_defaults(run=_load_artifacts)
    command = actions.add_parser("list", help="list a tenant's artifacts")
    command.add_argument("--tenant", required=True)
    command.set_defaults(run=_list_artifacts)


def _settings_text() -> str:
    lines = [f"  {v.name}\n      {v.meaning} (default: {v.default or 'none'})" for v in settings.variables()]
    return "\n".join(["environment variables:", *lines]).replace("`", "")


def _ttl(text: str) -> Any:
    try:
        return tokens.ttl_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _run(work_to_do: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work_to_do)


def _serve(given: argparse.Namespace) -> None:
    chosen = {name: value for name in ("dev", "host", "port") if (value := getattr(given, name))}
    if given.port == 0:
        chosen["port"] = 0
    loaded = settings.load(**chosen)
    log_to_stderr(in_json=not loaded.dev)
    _run(work(loaded) if loaded.role is Role.WORKER else _served(loaded))


async def _served(loaded: Settings) -> None:
    if not loaded.dev and not loaded.jwks:
        raise SettingsError("INSTALLHUB_JWKS: name the keys that tokens are signed with, or try it with serve --dev")
    async with serving(loaded, bind(loaded)) as server:
        on_ending(server.stop)
        print(f"InstallHub answers at {server.url} (GraphQL: {server.url}/graphql)", flush=True)
        if loaded.dev:
            print("Development keys: python -m server token prints a token for them.", flush=True)
        await server.ended


def _work(_: argparse.Namespace) -> None:
    log_to_stderr(in_json=True)
    _run(work(settings.load()))


def _migrate(_: argparse.Namespace) -> None:
    _run(_migrated(settings.load()))


async def _migrated(loaded: Settings) -> None:
    loaded.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    await migrate(loaded.database)


def _token(given: argparse.Namespace) -> None:
    loaded = settings.load()
    if not loaded.is_local:
        raise SettingsError(
            f"INSTALLHUB_HOST: {loaded.host} is a public address; development tokens are not made there"
        )
    try:
        key = private_key(loaded.keys_folder)
    except FileNotFoundError as error:
        raise SettingsError(
            f"INSTALLHUB_DATA: there is no development key in {loaded.keys_folder}; serve --dev makes one"
        ) from error
    grant = tokens.Grant(
        given.subject, given.tenant, given.scope, loaded.issuer or DEV_ISSUER, loaded.audience, given.ttl
    )
    print(tokens.minted(key, grant, SystemClock().now()))


def _add_tenant(given: argparse.Namespace) -> None:
    async def added(runtime: Runtime) -> None:
        await runtime.services.tenancy.add(given.tenant, TenantPlan(given.plan))

    _run(_with_runtime(added))
    print(f"{given.tenant} is there, plan {given.plan}.")


def _list_tenants(_: argparse.Namespace) -> None:
    _run(_with_runtime(_tenants_listed))


async def _tenants_listed(runtime: Runtime) -> None:
    after, has_next = None, True
    while has_next:
        page = await runtime.services.tenancy.page(loading.local_caller(), first=_PAGE, after=after)
        for tenant in page.items:
            print(f"{tenant.tenant_id}\t{tenant.plan.wire}\t{tenant.status.wire}")
            after = tenant.tenant_id
        has_next = page.has_next


def _load_artifacts(given: argparse.Namespace) -> None:
    if not given.folder.is_dir():
        raise refuse(ErrorCode.BAD_USER_INPUT, f"{given.folder} is no folder.")

    async def loaded(runtime: Runtime) -> None:
        done = await loading.load(runtime.services.authoring, TenantId(given.tenant), given.folder)
        print(f"{done.saved} artifacts saved and published, {done.unchanged} unchanged.")

    _run(_with_runtime(loaded))


def _list_artifacts(given: argparse.Namespace) -> None:
    async def listed(runtime: Runtime) -> None:
        await _artifacts_listed(runtime, TenantId(given.tenant))

    _run(_with_runtime(listed))


async def _artifacts_listed(runtime: Runtime, tenant_id: TenantId) -> None:
    caller = loading.local_caller()
    if await runtime.services.tenancy.find(caller, tenant_id) is None:
        raise refuse(ErrorCode.NOT_FOUND, f"There is no tenant {tenant_id}.")
    after, has_next = None, True
    while has_next:
        page = await runtime.services.authoring.page(caller, tenant_id, ArtifactFilter(), first=_PAGE, after=after)
        for head in page.items:
            print(f"{head.artifact_id}\t{head.artifact_type.wire}\t{head.name}\t{head.version}\t{head.status.wire}")
            after = (name_key(head.name), head.artifact_id)
        has_next = page.has_next


async def _with_runtime(action: Any) -> None:
    async with running(settings.load()) as runtime:
        await action(runtime)


def _print_schema(_: argparse.Namespace) -> None:
    print(API.as_str())


def _demo(given: argparse.Namespace) -> int:
    data = {} if "INSTALLHUB_DATA" in os.environ else {"data": _DEMO_DATA}
    loaded = settings.load(dev=True, **data)
    return int(_run(demo.shown(loaded, is_once=given.once)))
