"""`callgate admin …`: who may sign in to the panel, also for whoever has locked everybody out."""

import getpass
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table

from service.admin.actor import Actor
from service.admin.people.people import People
from service.admin.people.sessions import Sessions
from service.cli.running import settings_for, with_pool
from service.domain.people import ROLES, Admin, Role, Session
from service.store.pool import Pool

ACTOR = Actor("command line", "admin", "cli")
PAGE = 200

Result = TypeVar("Result")
Name = Annotated[str, typer.Argument(help="The admin's name.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]

admin_app = typer.Typer(help="Who may sign in to the panel.", no_args_is_help=True)


def role_of(text: str) -> Role:
    """A role that somebody typed."""
    for role in ROLES:
        if text == role:
            return role
    raise typer.BadParameter("choose viewer, support or admin", param_hint="--role")


def ask_password(*, from_stdin: bool) -> str:
    """A new password: typed twice without being shown, or one line of standard input."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask on; use --password-stdin")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise typer.BadParameter("the two are not the same")
    return password


def on_admin(name: str, work: Callable[[Pool, People, Admin], Awaitable[Result]]) -> Result:
    """Do something with the admin of this name."""

    async def run(pool: Pool) -> Result:
        people = People(pool, "")
        return await work(pool, people, await people.find_named(ACTOR, name))

    return with_pool(settings_for(), run)


@admin_app.command("create")
def create(
    name: Name,
    role: Annotated[str, typer.Option(help="viewer, support or admin.")] = "viewer",
    password_stdin: FromStdin = False,
) -> None:
    """Add somebody who signs in with a password."""
    wanted = role_of(role)
    password = ask_password(from_stdin=password_stdin)

    async def work(pool: Pool) -> Admin:
        return await People(pool, "").create(ACTOR, name=name, role=wanted, password=password)

    made = with_pool(settings_for(), work)
    typer.echo(f"{made.name} may sign in with the role {made.role}.")


@admin_app.command("list")
def list_admins(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List who may sign in."""

    async def work(pool: Pool) -> list[Admin]:
        people, found = People(pool, ""), list[Admin]()
        while page := await people.list_page(
            ACTOR, after=found[-1].id if found else None, limit=PAGE
        ):
            found += page
        return found

    admins = with_pool(settings_for(), work)
    if as_json:
        sys.stdout.write(
            orjson.dumps(admins, default=str, option=orjson.OPT_INDENT_2).decode() + "\n"
        )
        return
    table = Table("name", "role", "signs in with", "last sign-in", "", box=None)
    for admin in admins:
        ways = ["password"] * admin.has_password + ["provider"] * (admin.subject is not None)
        last = admin.last_sign_in_at
        table.add_row(
            admin.name,
            admin.role,
            ", ".join(ways),
            last.isoformat(timespec="seconds") if last else "never",
            "disabled" if admin.disabled_at else "",
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)


@admin_app.command("role")
def change_role(name: Name, role: Annotated[str, typer.Argument(help="The new role.")]) -> None:
    """Give another role."""
    wanted = role_of(role)

    async def work(_: Pool, people: People, admin: Admin) -> Admin:
        return await people.change_role(ACTOR, admin.id, wanted)

    typer.echo(f"{on_admin(name, work).name} now has the role {wanted}.")


@admin_app.command("disable")
def disable(name: Name) -> None:
    """Let somebody in no more, and end their sessions."""

    async def work(_: Pool, people: People, admin: Admin) -> Admin:
        return await people.disable(ACTOR, admin.id)

    typer.echo(f"{on_admin(name, work).name} is disabled.")


@admin_app.command("enable")
def enable(name: Name) -> None:
    """Let somebody in again."""

    async def work(_: Pool, people: People, admin: Admin) -> Admin:
        return await people.enable(ACTOR, admin.id)

    typer.echo(f"{on_admin(name, work).name} is enabled.")


@admin_app.command("password")
def set_password(name: Name, password_stdin: FromStdin = False) -> None:
    """Give a new password, and end all sessions of this admin."""
    password = ask_password(from_stdin=password_stdin)

    async def work(_: Pool, people: People, admin: Admin) -> str:
        await people.set_password(ACTOR, admin.id, password)
        return admin.name

    typer.echo(f"The password of {on_admin(name, work)} is changed.")


@admin_app.command("sessions")
def show_sessions(
    name: Name,
    revoke_all: Annotated[bool, typer.Option("--revoke-all", help="End all of them.")] = False,
) -> None:
    """List where somebody is signed in, or end it."""

    async def work(pool: Pool, _: People, admin: Admin) -> list[Session] | int:
        sessions = Sessions(pool)
        if revoke_all:
            return await sessions.revoke_all(ACTOR, admin.id, own_admin_id=None)
        return await sessions.list_of(ACTOR, admin.id)

    found = on_admin(name, work)
    if isinstance(found, int):
        typer.echo(f"{found} sessions ended.")
        return
    table = Table("since", "last seen", "from", "with", box=None)
    for one in found:
        since, seen = one.created_at, one.last_seen_at
        table.add_row(
            since.isoformat(timespec="seconds"),
            seen.isoformat(timespec="seconds"),
            one.address,
            one.user_agent[:60],
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)
