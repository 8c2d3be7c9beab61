"""`callgate admin …`: the admins of the panel, also when all of them are locked out."""

import getpass
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from service.cli.running import ACTOR, Result, print_json, role_of, run, settings_for
from service.domain.people import Admin, Session

if TYPE_CHECKING:
    from service.admin.stored_cases import StoredCases


PAGE = 200

Name = Annotated[str, typer.Argument(help="The admin's name.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]

app = typer.Typer(help="Admins of the panel.", no_args_is_help=True, add_completion=False)


def ask_password(*, from_stdin: bool) -> str:
    """A new password: typed twice without being shown, or one line of standard input."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal; use --password-stdin")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Confirm: ") != password:
        raise typer.BadParameter("the passwords differ")
    return password


def on_admin(name: str, work: Callable[["StoredCases", Admin], Awaitable[Result]]) -> Result:
    """Run work on the admin with this name."""

    async def on_use_cases(cases: "StoredCases") -> Result:
        return await work(cases, await cases.people.find_named(ACTOR, name))

    return run(settings_for(), on_use_cases)


@app.command("create")
def create(
    name: Name,
    role: Annotated[str, typer.Option(help="viewer, support or admin.")] = "viewer",
    password_stdin: FromStdin = False,
) -> None:
    """Add an admin who signs in with a password."""
    wanted = role_of(role)
    password = ask_password(from_stdin=password_stdin)

    async def work(cases: "StoredCases") -> Admin:
        return await cases.people.create(ACTOR, name=name, role=wanted, password=password)

    made = run(settings_for(), work)
    typer.echo(f"{made.name} may sign in with the role {made.role}.")


@app.command("list")
def list_admins(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the admins."""

    async def work(cases: "StoredCases") -> list[Admin]:
        found = list[Admin]()
        while page := await cases.people.list_page(
            ACTOR, after=found[-1].id if found else None, limit=PAGE
        ):
            found += page
        return found

    admins = run(settings_for(), work)
    if as_json:
        print_json(admins)
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


@app.command("role")
def change_role(name: Name, role: Annotated[str, typer.Argument(help="The new role.")]) -> None:
    """Change an admin's role."""
    wanted = role_of(role)

    async def work(cases: "StoredCases", admin: Admin) -> Admin:
        return await cases.people.change_role(ACTOR, admin.id, wanted)

    typer.echo(f"{on_admin(name, work).name} now has the role {wanted}.")


@app.command("disable")
def disable(name: Name) -> None:
    """Disable an admin and end their sessions."""

    async def work(cases: "StoredCases", admin: Admin) -> Admin:
        return await cases.people.disable(ACTOR, admin.id)

    typer.echo(f"{on_admin(name, work).name} is disabled.")


@app.command("enable")
def enable(name: Name) -> None:
    """Enable an admin again."""

    async def work(cases: "StoredCases", admin: Admin) -> Admin:
        return await cases.people.enable(ACTOR, admin.id)

    typer.echo(f"{on_admin(name, work).name} is enabled.")


@app.command("password")
def set_password(name: Name, password_stdin: FromStdin = False) -> None:
    """Set a new password and end all sessions of the admin."""
    password = ask_password(from_stdin=password_stdin)

    async def work(cases: "StoredCases", admin: Admin) -> str:
        await cases.people.set_password(ACTOR, admin.id, password)
        return admin.name

    typer.echo(f"{on_admin(name, work)} has a new password.")


@app.command("sessions")
def show_sessions(
    name: Name,
    revoke_all: Annotated[bool, typer.Option("--revoke-all", help="End all of them.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List an admin's sessions, or end them."""

    async def work(cases: "StoredCases", admin: Admin) -> list[Session] | int:
        if revoke_all:
            return await cases.sessions.revoke_all(ACTOR, admin.id, own_admin_id=None)
        return await cases.sessions.list_of(ACTOR, admin.id)

    found = on_admin(name, work)
    if isinstance(found, int):
        typer.echo(f"{found} sessions ended.")
        return
    if as_json:
        print_json(found)
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
