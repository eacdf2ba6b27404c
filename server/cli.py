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

from domain.errors import Refusal
from domain.model import TenantPlan
from domain.ports import UnavailableError
from resolvers.api import API
from server import demo, settings, tokens
from server.commands import COMMANDS, Arguments, told
from server.control import CommandRefusedError, asked_of_server
from server.keys import private_key
from server.logs import log_to_stderr
from server.runtime import running
from server.serving import bind, on_ending, serving, work
from server.settings import DEV_ISSUER, Role, Settings, SettingsError
from storage.clock import SystemClock
from storage.migrate import migrate

REFUSED, MISUSED, INTERRUPTED = 1, 2, 130
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
    except BrokenPipeError:
        return REFUSED
    except (SettingsError, Refusal, CommandRefusedError, UnavailableError, OSError) as error:
        for line in _told(error):
            print(f"installhub: {line}", file=sys.stderr)
        return MISUSED if isinstance(error, SettingsError) else REFUSED


def _told(error: Exception) -> list[str]:
    if isinstance(error, Refusal):
        return told(error)
    if isinstance(error, UnavailableError):
        return [f"the database cannot be used now: {error}"]
    if isinstance(error, OSError):
        return [f"{error.filename or type(error).__name__}: {error.strerror}"]
    return str(error).splitlines()


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
    command.set_defaults(run=_command, command="tenant add")
    tenant.add_parser("list", help="list all tenants").set_defaults(run=_command, command="tenant list")


def _add_artifact_commands(commands: Any) -> None:
    artifacts = commands.add_parser("artifacts", help="load and list artifacts")
    actions = artifacts.add_subparsers(required=True, metavar="ACTION")
    command = actions.add_parser("load", help="save and publish every artifact file below a folder, all or nothing")
    command.add_argument("--tenant", required=True)
    command.add_argument("folder", type=_folder, metavar="FOLDER")
    command.set_defaults(run=_command, command="artifacts load")
    command = actions.add_parser("list", help="list a tenant's artifacts")
    command.add_argument("--tenant", required=True)
    command.set_defaults(run=_command, command="artifacts list")


def _settings_text() -> str:
    lines = [f"  {v.name}\n      {v.meaning} (default: {v.default or 'none'})" for v in settings.variables()]
    return "\n".join(["environment variables:", *lines]).replace("`", "")


def _folder(text: str) -> Path:
    return Path(text).absolute()


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


def _command(given: argparse.Namespace) -> None:
    """Carry out a command here, or, when a server has the database to itself, there."""
    loaded = settings.load()
    arguments = {name: str(value) for name, value in vars(given).items() if name not in {"run", "command"}}
    lines = asked_of_server(loaded.data, given.command, arguments) if loaded.sqlite_file else None
    if lines is None:
        lines = _run(_carried_out(loaded, given.command, arguments))
    for line in lines:
        print(line)


async def _carried_out(loaded: Settings, command: str, arguments: Arguments) -> list[str]:
    async with running(loaded) as runtime:
        return await COMMANDS[command](runtime, arguments)


def _print_schema(_: argparse.Namespace) -> None:
    print(API.as_str())


def _demo(given: argparse.Namespace) -> int:
    """In a database of its own: whatever the environment names may hold somebody's real data."""
    data = {} if "INSTALLHUB_DATA" in os.environ else {"data": _DEMO_DATA}
    loaded = settings.load(dev=True, database_url="", jwks="", role=Role.ALL, **data)
    return int(_run(demo.shown(loaded, is_once=given.once)))
