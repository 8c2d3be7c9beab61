"""What a replica does for a call while PostgreSQL does not answer."""

import time
from pathlib import Path

import pytest

from service.sandbox.server import SandboxVapi
from service.store.calls.writer import REST_SECONDS
from service.store.pool import UNAVAILABLE
from service.store.roles import app_dsn
from tests.support.service import replica
from tests.support.settings import settings_for
from tests.support.tcp_proxy import proxied


async def test_after_a_wait_in_vain_the_next_messages_do_not_wait(
    vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> None:
    """The rest ends on time, however many messages ask meanwhile."""
    async with proxied(app_dsn(dsn)) as proxy:
        async with replica(settings_for(tmp_path, vapi.base_url), proxy.dsn) as callgate:
            recorder = callgate.service.access.gate.recorder
            await recorder.reload("a-call")
            with proxy.fault("stall"):
                with pytest.raises(UNAVAILABLE):
                    await recorder.reload("a-call")
                until = recorder.writer.resting_until
                assert not recorder.writer.available
                began = time.monotonic()
                for _ in range(3):
                    with pytest.raises(UNAVAILABLE):
                        await recorder.reload("a-call")
                assert time.monotonic() - began < REST_SECONDS / 2
                assert recorder.writer.resting_until == until
            proxy.cut()
