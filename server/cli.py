"""The command line: ``python -m server``. Refusals are one line and an exit status, never a traceback."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing, closing, suppress
from pathlib import Path
from typing import Any

import uvloop

from domain.errors import Refusal
from domain.import_model import ImportState
from domain.market.index import ROLES
from domain.model import TenantPlan
from domain.ports import UnavailableError
from resolvers.api import API
from rest_compat import OPERATIONS, openapi
from server import demo, settings, tokens
from server.backup_commands import restored
from server.bundle_commands import add_bundle_commands
from server.commands import COMMANDS
from server.control import find_server, told_by
from server.dumping import Dump
from server.errands import Arguments, CommandRefusedError, Errand, Said, told
from server.keys import private_key
from server.loading import local_caller
from server.logs import log_to_stderr
from server.notice_commands import add_notice_commands
from server.printing import Card, Columns, Progress, Teller
from server.runtime import alone, running
from server.serving import bind, on_ending, serving, work
from server.settings import DEV_ISSUER, Role, Settings, SettingsError
from server.tenant_commands import add_purge_command
from server.undo_commands import add_freeze_commands, add_rollback_command
from server.user_commands import add_user_commands
from storage.clock import SystemClock
from storage.migrate import migrate

REFUSED, MISUSED, INTERRUPTED = 1, 2, 130
_STORED_STATES = [state.value for state in ImportState if state is not ImportState.CANCELLING]
_LISTED_MAX = 10_000
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
        return [f"the server's own storage cannot be used now: {error}"]
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
    add_user_commands(commands, _sends)
    _add_artifact_commands(commands)
    _add_import_commands(commands)
    add_notice_commands(commands, _sends, _count)
    _add_hub_commands(commands)
    add_bundle_commands(commands)
    _add_backup_commands(commands)
    commands.add_parser("print-schema", help="print the GraphQL schema").set_defaults(run=_print_schema)
    commands.add_parser("print-openapi", help="print the REST OpenAPI document").set_defaults(run=_print_openapi)
    command = commands.add_parser("demo", help="two tenants, one package, live progress")
    command.add_argument("--once", action="store_true", help="end after the trip; the exit status says how it went")
    command.set_defaults(run=_demo)
    return parser


def _add_tenant_commands(commands: Any) -> None:
    tenants = commands.add_parser("tenant", help="add, list and freeze tenants")
    tenant = tenants.add_subparsers(required=True, metavar="ACTION")
    command = tenant.add_parser("add", help="make a tenant")
    command.add_argument("tenant", metavar="TENANT")
    command.add_argument("--plan", choices=[plan.wire for plan in TenantPlan], default=TenantPlan.STANDARD.wire)
    _sends(command, "tenant add", "tenant", "plan")
    _sends(tenant.add_parser("list", help="list all tenants"), "tenant list")
    add_freeze_commands(tenant, _sends)
    add_purge_command(tenant, _sends)


def _add_artifact_commands(commands: Any) -> None:
    artifacts = commands.add_parser("artifacts", help="load, dump and list artifacts")
    actions = artifacts.add_subparsers(required=True, metavar="ACTION")
    command = actions.add_parser(
        "load", help="save every artifact file below a folder, with the status it states or else published"
    )
    command.add_argument("--tenant", required=True)
    command.add_argument("folder", type=_folder, metavar="FOLDER")
    _sends(command, "artifacts load", "tenant", "folder")
    command = actions.add_parser("dump", help="write every artifact into a folder, in the form that load reads")
    command.add_argument("--tenant", required=True)
    command.add_argument("--force", action="store_true", help="write over files of an earlier dump that differ")
    command.add_argument("folder", type=_folder, metavar="FOLDER")
    _sends(command, "artifacts dump", "tenant")
    command.set_defaults(teller=lambda given: Dump(given.folder, is_forced=given.force))
    command = actions.add_parser("list", help="list a tenant's artifacts")
    command.add_argument("--tenant", required=True)
    _sends(command, "artifacts list", "tenant")


def _add_import_commands(commands: Any) -> None:
    imports = commands.add_parser("imports", help="list, show, follow, cancel and take back imports")
    actions = imports.add_subparsers(required=True, metavar="ACTION")
    command = actions.add_parser("list", help="list imports, newest first")
    command.add_argument("--tenant", help="of this tenant alone")
    command.add_argument("--state", choices=_STORED_STATES, type=str.upper, help="in this state alone")
    command.add_argument("--limit", type=_count, default=20, help="so many at most (default: 20)")
    _sends(command, "imports list", "tenant", "state", "limit", terminal=Columns)
    command = actions.add_parser("show", help="show one import")
    command.add_argument("import_id", metavar="ID")
    _sends(command, "imports show", "import_id", terminal=Card)
    command = actions.add_parser(
        "follow",
        help="show its events to the end; the exit status says which: 0 succeeded, 3 failed, 4 cancelled, 5 expired",
    )
    command.add_argument("import_id", metavar="ID")
    command.add_argument("--after", type=int, default=0, metavar="N", help="events after this number (default: 0, all)")
    _sends(command, "imports follow", "import_id", "after", terminal=Teller)
    command.set_defaults(teller=lambda given: Progress(is_drawn=_is_for_eyes(given)))
    command = actions.add_parser("cancel", help="ask an import to stop before its activation")
    command.add_argument("import_id", metavar="ID")
    _sends(command, "imports cancel", "import_id", terminal=Columns)
    add_rollback_command(actions, _sends, Columns)


def _add_backup_commands(commands: Any) -> None:
    command = commands.add_parser("backup", help="write everything into one file, while the server runs or not")
    command.add_argument("target", type=_folder, metavar="FILE")
    _sends(command, "backup", "target")
    command = commands.add_parser("restore", help="put a backup into an empty data folder")
    command.add_argument("source", type=_folder, metavar="FILE")
    command.set_defaults(run=_restore)


def _add_hub_commands(commands: Any) -> None:
    hub = commands.add_parser("hub", help="the hub that this server is to others: its index, its keys, its files")
    actions = hub.add_subparsers(required=True, metavar="ACTION")
    _sends(actions.add_parser("show", help="what others need to know of it"), "hub show", terminal=Card)
    _sends(actions.add_parser("publish", help="bring its index up to date now"), "hub publish")
    command = actions.add_parser("export", help="write index and packages as plain files, for a CDN to serve")
    command.add_argument("folder", type=_folder, metavar="FOLDER")
    _sends(command, "hub export", "folder")
    command = actions.add_parser("rotate-key", help="sign with a new key from now on")
    command.add_argument("role", choices=ROLES, metavar="ROLE", help=", ".join(ROLES))
    _sends(command, "hub rotate-key", "role")
    root = actions.add_parser("root", help="sign the root elsewhere").add_subparsers(required=True, metavar="ACTION")
    _sends(root.add_parser("export", help="print the root in force"), "hub root export")
    command = root.add_parser("import", help="take over the next root, as it was signed elsewhere")
    command.add_argument("file", type=_folder, metavar="FILE")
    _sends(command, "hub root import", "file")


def _sends(
    command: argparse.ArgumentParser, name: str, *arguments: str, terminal: Callable[[], Teller] | None = None
) -> None:
    """What a command hands over to where the database is, and how a terminal shows what it tells."""
    if terminal is not None:
        command.add_argument("--json", action="store_true", help="lines of JSON, on a terminal too")

    def teller(given: argparse.Namespace) -> Teller:
        return terminal() if terminal is not None and _is_for_eyes(given) else Teller()

    command.set_defaults(run=_command, command=name, arguments=arguments, teller=teller)


def _is_for_eyes(given: argparse.Namespace) -> bool:
    return sys.stdout.isatty() and not given.json


def _settings_text() -> str:
    lines = [f"  {v.name}\n      {v.meaning} (default: {v.default or 'none'})" for v in settings.variables()]
    return "\n".join(["environment variables:", *lines]).replace("`", "")


def _folder(text: str) -> Path:
    return Path(text).absolute()


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= _LISTED_MAX:
        raise argparse.ArgumentTypeError(f"a number from 1 to {_LISTED_MAX}")
    return int(text)


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
        doors = f"GraphQL: {server.url}/graphql, REST: {server.url}/docs"
        print(f"InstallHub answers at {server.url} ({doors})", flush=True)
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
    with alone(loaded):
        await migrate(loaded.database)


def _restore(given: argparse.Namespace) -> None:
    print(restored(given.source), flush=True)


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
    print(tokens.minted(key, grant, SystemClock().now()), flush=True)
    with suppress(SettingsError, Refusal, CommandRefusedError, UnavailableError, OSError):
        _hint(loaded, given.tenant)


def _hint(loaded: Settings, tenants: Sequence[str]) -> None:
    """Say on stderr which tenants are not there: the token is good, and opens nothing yet."""
    is_made = loaded.sqlite_file is None or loaded.sqlite_file.exists()
    if tenants and is_made:
        _carry_out(loaded, "tenant unknown", {"tenants": "\n".join(tenants)}, _Hint())


class _Hint(Teller):
    def tell(self, said: Said) -> None:
        print(f"installhub: there is no tenant {said} yet; tenant add {said} makes it", file=sys.stderr)


def _command(given: argparse.Namespace) -> int:
    """Carry out a command here, or, when a server has the database to itself, there."""
    loaded = settings.load()
    named = {name: getattr(given, name) for name in given.arguments}
    arguments = {name: str(value) for name, value in named.items() if value is not None}
    with closing(given.teller(given)) as teller:
        _carry_out(loaded, given.command, arguments, teller)
        return int(teller.end())


def _carry_out(loaded: Settings, command: str, arguments: Arguments, teller: Teller) -> None:
    server = find_server(loaded.data) if loaded.sqlite_file else None
    if server is None:
        _run(_carried_out(loaded, command, arguments, teller))
        return
    for said in told_by(server, command, arguments):
        teller.tell(said)


async def _carried_out(loaded: Settings, command: str, arguments: Arguments, teller: Teller) -> None:
    async with running(loaded) as runtime:
        # on PostgreSQL others may work; a SQLite file is ours alone, or it could not have been opened
        errand = Errand(runtime, local_caller(), arguments, is_served=not runtime.is_alone)
        async with aclosing(COMMANDS[command](errand)) as saying:
            async for said in saying:
                teller.tell(said)


def _print_schema(_: argparse.Namespace) -> None:
    print(API.as_str())


def _print_openapi(_: argparse.Namespace) -> None:
    print(openapi.printed(OPERATIONS), end="")


def _demo(given: argparse.Namespace) -> int:
    """In a database of its own: whatever the environment names may hold somebody's real data."""
    data = {} if "INSTALLHUB_DATA" in os.environ else {"data": _DEMO_DATA}
    loaded = settings.load(dev=True, database_url="", jwks="", role=Role.ALL, **data)
    return int(_run(demo.shown(loaded, is_once=given.once)))
