"""Numbers that assistants, squads and workflows answer."""

import pytest

from tests.support.service import Replica, Start


@pytest.fixture
async def callgate(start_replica: Start) -> Replica:
    """A replica that sweeps only on request."""
    return await start_replica(callgate_reconcile_interval=0)
