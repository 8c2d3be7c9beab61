"""The use cases of a command, which has no loops."""

from pathlib import Path
from uuid import uuid4

from policies import AccessRequest, UsageFacts, Verdict, abstain
from service.domain.organizations import Organization
from service.serve.command_cases import open_deciding_cases
from service.serve.deciding_rooms import DecidingCommandRooms
from service.store.pool import Pool
from tests.support.calls import new_call, record
from tests.support.chains import put_policy
from tests.support.settings import settings_for


class Watching:
    """Keeps the usage of each request."""

    name = "watching"
    order = 1
    pure = True

    def __init__(self) -> None:
        self.seen: list[UsageFacts | None] = []

    def evaluate(self, request: AccessRequest) -> Verdict:
        self.seen.append(request.usage)
        return abstain()


async def test_a_command_knows_the_usage_as_of_its_question(
    dsn: str, pool: Pool, tmp_path: Path
) -> None:
    acme = Organization(uuid4(), "Acme")
    async with open_deciding_cases(settings_for(tmp_path, "http://127.0.0.1:9"), dsn) as cases:
        assert isinstance(cases.rooms, DecidingCommandRooms)
        policy = Watching()
        put_policy(cases.rooms.policies.chain, policy)
        for calls in range(2):
            await cases.rooms.preview.decide(acme)
            facts = policy.seen[-1]
            assert facts is not None
            assert facts.live_calls == calls
            await record(pool, new_call(f"call-{calls}", organization_id=acme.id))
