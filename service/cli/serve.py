"""`callgate serve`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from service.cli.running import naming_the_sandbox, set_up_logging
from service.sandbox.profile import token_of
from service.serve.process import serve as serve_settings
from service.settings import Settings, load_settings, read_settings
from service.store.installation import Mode
from service.store.postgres.guard_state import SharedState

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Run with a local Vapi and sample data.")
    ] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port.")] = 1,
    worker_of: Annotated[str, typer.Option(hidden=True)] = "",
    metrics_socket: Annotated[Path | None, typer.Option(hidden=True)] = None,
    postgres_state: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the service."""
    guarded = None if postgres_state is None else SharedState(postgres_state)
    settings = serving_settings(sandbox=sandbox, host=host, port=port, embedded=guarded is not None)
    mode: Mode = "sandbox" if sandbox or worker_of == "sandbox" else "real"
    serve_settings(
        settings,
        mode=mode,
        workers=workers,
        reuse_port=bool(worker_of),
        metrics_socket=metrics_socket,
        guarded=guarded,
    )


def serving_settings(
    *, sandbox: bool, host: str | None, port: int | None, embedded: bool = False
) -> Settings:
    """The settings of a service; the sandbox keeps its token over restarts.

    Raises `SettingsError`, which names the sandbox to a newcomer without any settings.
    """
    token = None
    if sandbox:
        token = token_of(read_settings(sandbox=True)[0].callgate_data_dir, os.environ)
    with naming_the_sandbox():
        settings = load_settings(
            sandbox=sandbox,
            _embedded=embedded,
            callgate_host=host,
            callgate_port=port,
            callgate_admin_token=token,
        )
    set_up_logging(settings)
    return settings
