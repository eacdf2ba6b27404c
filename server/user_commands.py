"""``user add | list | passwd | power | disable | enable``: who may sign in to the Akana-compatible door."""

from __future__ import annotations

import getpass
import sys
from argparse import Namespace
from collections.abc import AsyncGenerator, Callable
from typing import Any

from domain.user_rows import Power
from server.errands import CommandRefusedError, Errand, Said, known_tenant

_PAGE = 100
_LINE_LENGTH_MAX = 4096
_POWERS = "none; modify: import and export; site-admin: everything in the tenant"


async def add_user(errand: Errand) -> AsyncGenerator[Said, None]:
    given = errand.given
    power = Power(given["power"])
    users = errand.runtime.services.users
    user = await users.add(errand.caller, given["tenant"], given["email"], given["password"], power)
    yield f"{user.email} may sign in to {user.tenant_id}, power {user.power.wire}."


async def list_users(errand: Errand) -> AsyncGenerator[Said, None]:
    tenant_id = await known_tenant(errand)
    after, has_next = None, True
    while has_next:
        page = await errand.runtime.services.users.page(errand.caller, tenant_id, first=_PAGE, after=after)
        for user in page.items:
            yield f"{user.email}\t{user.power.wire}\t{'enabled' if user.is_enabled else 'disabled'}\t{user.user_id}"
            after = user.email_key
        has_next = page.has_next


async def set_password(errand: Errand) -> AsyncGenerator[Said, None]:
    given = errand.given
    users = errand.runtime.services.users
    user = await users.set_password(errand.caller, given["tenant"], given["email"], given["password"])
    yield f"{user.email} has another password; its sessions are over."


async def set_power(errand: Errand) -> AsyncGenerator[Said, None]:
    given = errand.given
    users = errand.runtime.services.users
    user = await users.set_power(errand.caller, given["tenant"], given["email"], Power(given["power"]))
    yield f"{user.email} has the power {user.power.wire}; its sessions are over."


async def disable_user(errand: Errand) -> AsyncGenerator[Said, None]:
    given = errand.given
    user = await errand.runtime.services.users.enable(errand.caller, given["tenant"], given["email"], is_enabled=False)
    yield f"{user.email} may no longer sign in; its sessions are over."


async def enable_user(errand: Errand) -> AsyncGenerator[Said, None]:
    given = errand.given
    user = await errand.runtime.services.users.enable(errand.caller, given["tenant"], given["email"], is_enabled=True)
    yield f"{user.email} may sign in again."


def add_user_commands(commands: Any, sends: Callable[..., None]) -> None:
    """The command line's side; ``sends`` says what a command hands over."""
    text = "who may sign in to the Akana-compatible door; passwords are asked for, or read from standard input"
    actions = commands.add_parser("user", help=text).add_subparsers(required=True, metavar="ACTION")
    for name, about, arguments in (
        ("list", "list a tenant's users", ("tenant",)),
        ("add", "make a user", ("tenant", "email", "power", "password")),
        ("passwd", "give a user another password", ("tenant", "email", "password")),
        ("power", "let a user do more, or less", ("tenant", "email", "power")),
        ("disable", "let a user no longer sign in", ("tenant", "email")),
        ("enable", "let a user sign in again", ("tenant", "email")),
    ):
        command = actions.add_parser(name, help=about)
        command.add_argument("--tenant", required=True)
        if "email" in arguments:
            command.add_argument("email", metavar="EMAIL")
        if "power" in arguments:
            powers = {"choices": [power.wire for power in Power], "help": _POWERS}
            command.add_argument("--power", required=True, **powers)
        sends(command, f"user {name}", *arguments)
        if "password" in arguments:
            command.set_defaults(run=_asking(command.get_default("run")))


def _asking(run: Callable[[Namespace], int]) -> Callable[[Namespace], int]:
    """The same command with a password, which is never an argument: others could read it."""

    def asked(given: Namespace) -> int:
        given.password = _password()
        return run(given)

    return asked


def _password() -> str:
    """From the terminal, asked for twice; else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline(_LINE_LENGTH_MAX).rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise CommandRefusedError("the two passwords differ")
    return password
