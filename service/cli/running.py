"""What commands share: settings with logging set up, and a checked database to work on."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from service.log import configure_logging
from service.settings import Settings, load_settings
from service.store.pool import Pool, create_pool
from service.store.postgres.server import EmbeddedPostgres, find_running
from service.store.schema import check_schema

Result = TypeVar("Result")


def settings_for(*, sandbox: bool = False, serving: bool = False, **given: object) -> Settings:
    """Read the settings and set up logging."""
    settings = load_settings(sandbox=sandbox, serving=serving, **given)
    set_up_logging(settings)
    return settings


def set_up_logging(settings: Settings) -> None:
    """Logging in the chosen style, with every secret known to the net."""
    configure_logging(
        style=settings.callgate_log_format,
        level=settings.callgate_log_level,
        secrets=[
            settings.vapi_api_key.get_secret_value(),
            settings.callgate_admin_token.get_secret_value(),
            settings.callgate_oidc_client_secret.get_secret_value(),
            *settings.webhook_secrets,
        ],
    )


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The DSN to work on: the configured one, the running service's, or one started for us."""
    dsn = settings.database_url.get_secret_value() or find_running(settings.callgate_data_dir)
    if dsn:
        yield dsn
        return
    embedded = EmbeddedPostgres(settings.callgate_data_dir)
    try:
        yield embedded.start()
    finally:
        embedded.stop()


def with_pool(settings: Settings, work: Callable[[Pool], Awaitable[Result]]) -> Result:
    """Run work on a checked database."""

    async def run(dsn: str) -> Result:
        pool = await create_pool(dsn, 2)
        try:
            await check_schema(pool)
            return await work(pool)
        finally:
            await pool.close()

    with database(settings) as dsn:
        return asyncio.run(run(dsn))
