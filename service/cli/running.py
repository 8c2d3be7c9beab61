"""What commands share: settings with logging set up, a checked database, the use cases on it.

A command imports what its kind of work needs, and when it works: `run` PostgreSQL, `run_deciding` the
policies as well, `run_with_vapi` all that speaks to Vapi.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlsplit

import orjson
import typer

from policies.host.marks import BadTextError
from service.admin.actor import Actor
from service.domain.people import ROLES, Role
from service.log import configure_logging
from service.settings import Settings, SettingsError, data_dir_of, is_local, load_settings

if TYPE_CHECKING:
    from service.admin.deciding_cases import DecidingCases
    from service.admin.stored_cases import StoredCases
    from service.sandbox.profile import SandboxProfile
    from service.serve.command_rooms import CommandRooms
    from service.serve.database import Database
    from service.store.pool import Pool

ACTOR = Actor("command line", "admin", "cli")
"""The author of every change that a command makes."""

TRY_IT = "To try Callgate without a Vapi account: callgate serve --sandbox"

Result = TypeVar("Result")


class OnPool(Protocol):
    """What works on a pool of connections."""

    @property
    def pool(self) -> "Pool": ...


Cases = TypeVar("Cases", bound=OnPool)


def settings_for(*, serving: bool = False) -> Settings:
    """Read the settings for a command and set up logging.

    A command without settings of its own works with the sandbox that the data folder remembers.
    """
    profile = sandbox_profile()
    given = profile.values if profile is not None else {}
    with naming_the_sandbox():
        settings = load_settings(sandbox=profile is not None, serving=serving, **given)
    set_up_logging(settings, command=True)
    return settings


@contextmanager
def naming_the_sandbox() -> Iterator[None]:
    """Name the sandbox to a newcomer whose settings are refused, for want of a Vapi account."""
    try:
        yield
    except SettingsError as exc:
        if has_account(os.environ):
            raise
        raise SettingsError(f"{exc}\n{TRY_IT}") from None


def has_account(environment: Mapping[str, str]) -> bool:
    """Whether the environment names a key of Vapi."""
    return any(environment.get(name) for name in ("VAPI_API_KEY", "VAPI_API_KEY_FILE"))


def sandbox_profile() -> "SandboxProfile | None":
    """The remembered sandbox; None where the settings mean something else."""
    from service.sandbox.profile import profile_of_command  # noqa: PLC0415

    with suppress(BadTextError):  # reported with all other faults of the settings
        return profile_of_command(data_dir_of(os.environ), os.environ)
    return None


def set_up_logging(settings: Settings, *, command: bool = False) -> None:
    """Set up logging in the chosen style; every secret is masked.

    What a command prints is its answer: it logs warnings only, and in words, unless a setting asks
    for more.
    """
    level, style = settings.callgate_log_level, settings.callgate_log_format
    if command:
        style = style or "console"
        level = level if os.environ.get("CALLGATE_LOG_LEVEL", "").strip() else "WARNING"
    configure_logging(
        style=style,
        level=level,
        secrets=[
            settings.vapi_api_key.get_secret_value(),
            settings.callgate_admin_token.get_secret_value(),
            settings.callgate_oidc_client_secret.get_secret_value(),
            *settings.webhook_secrets,
            *settings.encryption_keys,
        ],
    )


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The DSN to work on: the configured one, the running service's, or that of a server started
    for this command. Raises `PoolingError`, and `NoDatabaseError` where a service has to run first."""
    from service.serve.database import check_addresses, grant_privileges  # noqa: PLC0415
    from service.store.failures import UNAVAILABLE, UNUSABLE  # noqa: PLC0415

    check_existing(settings)
    with opened_database(settings) as found:
        if found.embedded:
            asyncio.run(grant_privileges(found))
        # A database that does not answer is the command's to report.
        with suppress(*UNAVAILABLE, *UNUSABLE, ValueError):
            asyncio.run(check_addresses(found))
        yield found.session_dsn


def check_existing(settings: Settings) -> None:
    """Raise `NoDatabaseError` if a command would have to create the database that it asks."""
    from service.store.postgres.data_dir import NoDatabaseError, find_running, has_database  # noqa: PLC0415

    folder = settings.callgate_data_dir
    if settings.database_url.get_secret_value() or find_running(folder) or has_database(folder):
        return
    raise NoDatabaseError(
        f"CALLGATE_DATA_DIR {folder} holds no database yet, and DATABASE_URL is not set. Start callgate "
        f"serve or callgate serve --sandbox, which creates one there, or run callgate migrate."
    )


@contextmanager
def opened_database(settings: Settings) -> Iterator["Database"]:
    """The database with its owner's DSN; the embedded one may not be migrated yet."""
    from service.serve.database import Database  # noqa: PLC0415
    from service.store.postgres.server import EmbeddedPostgres, find_running  # noqa: PLC0415

    if settings.database_url.get_secret_value():
        yield Database.of_settings(settings)
        return
    if running := find_running(settings.callgate_data_dir):
        yield Database.of_embedded(running)
        return
    embedded = EmbeddedPostgres(settings.callgate_data_dir)
    try:
        yield Database.of_embedded(embedded.start())
    finally:
        embedded.stop()


def run(settings: Settings, work: Callable[["StoredCases"], Awaitable[Result]]) -> Result:
    """Run work with the use cases that need PostgreSQL alone."""
    from service.serve.stored_cases import open_stored_cases  # noqa: PLC0415

    return run_with(settings, open_stored_cases, work)


def run_deciding(
    settings: Settings, work: Callable[["DecidingCases"], Awaitable[Result]]
) -> Result:
    """Run work with the use cases that need the policies too."""
    from service.serve.command_cases import open_deciding_cases  # noqa: PLC0415

    return run_with(settings, open_deciding_cases, work)


def run_with_vapi(
    settings: Settings, work: Callable[["CommandRooms"], Awaitable[Result]]
) -> Result:
    """Run work with the rooms that speak to Vapi."""
    from service.serve.command_rooms import open_command_rooms  # noqa: PLC0415

    return run_with(settings, open_command_rooms, work)


def run_with(
    settings: Settings,
    opening: Callable[[Settings, str], AbstractAsyncContextManager[Cases]],
    work: Callable[[Cases], Awaitable[Result]],
) -> Result:
    """Run work on a checked database."""
    from service.store.installation import check_real  # noqa: PLC0415
    from service.store.schema import check_schema  # noqa: PLC0415

    async def on_database(dsn: str) -> Result:
        async with opening(settings, dsn) as cases:
            await check_schema(cases.pool)
            if speaks_to_vapi(settings):
                await check_real(cases.pool)
            return await work(cases)

    with database(settings) as dsn:
        return asyncio.run(on_database(dsn))


def print_json(value: object) -> None:
    """Print a value as indented JSON, the way that every command does."""
    typer.echo(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode())


def speaks_to_vapi(settings: Settings) -> bool:
    """Whether the settings name a real Vapi account: a key, for an API elsewhere than here."""
    host = urlsplit(settings.vapi_api_url).hostname or ""
    return bool(settings.vapi_api_key.get_secret_value()) and not is_local(host)


def role_of(text: str) -> Role:
    """The role with this name. Raises `typer.BadParameter`."""
    for role in ROLES:
        if text == role:
            return role
    raise typer.BadParameter("choose viewer, support or admin", param_hint="--role")
