"""`callgate numbers import` in a process of its own, or in this one."""

import asyncio
import io
import logging
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import structlog

from service.cli import main
from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.cli.phone_numbers.helpers import COMMAND, Done, Run


@pytest.fixture
def environment(vapi: SandboxVapi, dsn: str, tmp_path: Path) -> dict[str, str]:
    """Settings for the sandbox; nothing of this machine's own is among them."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VAPI_", "CALLGATE_", "DATABASE_", "NEXT_"))
    }
    return {
        **kept,
        "VAPI_API_KEY": vapi.api_key,
        "VAPI_API_URL": vapi.base_url,
        "VAPI_WEBHOOK_SECRET": "the-webhook-secret-of-the-tests",
        "VAPI_WEBHOOK_URL": "https://calls.agency.net/api/vapi/webhook",
        "CALLGATE_DATA_DIR": str(tmp_path / "data"),
        "CALLGATE_VAPI_REQUESTS_PER_SECOND": "1000",
        "DATABASE_URL": dsn,
    }


@pytest.fixture
def run(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same in a thread: a process takes seconds to import everything."""

    def in_thread(arguments: tuple[str, ...], stdin: bytes) -> Done:
        out, err = io.StringIO(), io.StringIO()
        root = logging.getLogger()
        handlers, level, configured = root.handlers[:], root.level, structlog.get_config()
        try:
            with monkeypatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
                patched.setattr(sys, "argv", ["callgate", *arguments])
                patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
                with pytest.raises(SystemExit) as ended:
                    main()
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
            structlog.configure(**configured)
        assert "Traceback" not in err.getvalue()
        return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())

    async def once(
        *arguments: str, stdin: bytes = b"", command: tuple[str, ...] = COMMAND, **given: str
    ) -> Done:
        with monkeypatch.context() as patched:
            for name in set(os.environ) - set(environment):
                patched.delenv(name)
            for name, value in {**environment, **given}.items():
                patched.setenv(name, value)
            return await asyncio.to_thread(in_thread, (*command, *arguments), stdin)

    return once


@pytest.fixture
async def bakery(pool: Pool) -> str:
    statement = (
        "INSERT INTO callgate.organizations (name, external_id) VALUES ($1, $2) RETURNING id"
    )
    return str(await pool.fetchval(statement, "Bakery [bold]", "b-1"))
