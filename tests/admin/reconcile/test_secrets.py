"""Changing the webhook secret over all numbers, without a message lost, and knowing when it is done."""

from service.admin.reconcile.secrets import SecretRotation, is_done
from service.domain.fingerprint import fingerprint
from service.sandbox.server import SandboxVapi
from tests.support.database import execute
from tests.support.service import Replica, Start, eventually
from tests.support.settings import secret_of

OLD, NEW = "the-old-secret-of-the-tests", "the-new-secret-of-the-tests"


def header(vapi: SandboxVapi, number_id: str) -> str:
    server = (vapi.numbers.find(number_id) or {})["server"]
    return str(server["headers"]["X-Vapi-Secret"])


async def post(callgate: Replica, vapi: SandboxVapi, number_id: str, secret: str) -> int:
    """A call's first message, proved with a secret; the status of the reply."""
    return (await callgate.post(vapi.live_call(number_id), secret=secret)).status


async def test_the_three_steps(start_replica: Start, vapi: SandboxVapi) -> None:
    url = "http://127.0.0.1:9/api/vapi/webhook"
    given = {"vapi_webhook_url": url, "callgate_reconcile_interval": 0.3}
    first = await start_replica(vapi_webhook_secret=OLD, **given)
    owner = await first.add_organization(blocked_message="No.")
    await first.api("PUT", f"/organizations/{owner}/plan", {"code": "pro", "status": "active"})
    ids = vapi.add_numbers(12, provider="vapi")
    for number_id in ids:
        await first.add_number(owner, number_id)
    old_one, new_one = secret_of(owner, OLD), secret_of(owner, NEW)
    assert {header(vapi, one) for one in ids} == {old_one}

    second = await start_replica(vapi_webhook_secret=f"{OLD},{NEW}", **given)
    assert await post(second, vapi, ids[0], old_one) == 200
    assert await post(second, vapi, ids[0], new_one) == 200
    await first.service.background.stop("reconcile", "sweeps")
    await second.service.background.stop("reconcile", "sweeps")

    third = await start_replica(vapi_webhook_secret=f"{NEW},{OLD}", **given)

    async def written() -> bool:
        return {header(vapi, one) for one in ids} == {new_one}

    # All of them, which is more than a sweep may change unasked: this is no surprise.
    await eventually(written)
    assert await post(third, vapi, ids[1], old_one) == 200
    await third.service.web.uses.flush()
    rotation = SecretRotation(third.service.pool, (NEW, OLD))

    async def carried() -> bool:
        return (await rotation.status())[0].numbers == 12

    await eventually(carried)
    new, old = await rotation.status()
    assert (new.fingerprint, new.position, new.numbers) == (fingerprint(NEW), 1, 12)
    assert (old.numbers, old.retired) == (0, False)
    assert "keep it until" in old.verdict
    assert not is_done([new, old])

    await third.service.pool.execute(
        "UPDATE callgate.webhook_secrets SET last_used_at = now() - interval '20 minutes'"
    )
    statuses = await rotation.status()
    assert is_done(statuses)
    assert "remove it" in statuses[1].verdict
    causes = await third.service.pool.fetch(
        "SELECT DISTINCT cause FROM callgate.webhook_changes WHERE cause <> 'added'"
    )
    assert [row["cause"] for row in causes] == ["secret_rotated"]


async def test_a_secret_that_is_carried_and_not_accepted_is_an_alarm(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(vapi_webhook_secret=OLD, callgate_reconcile_interval=0)
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(await callgate.add_organization(), number_id)
    stranger = (await SecretRotation(callgate.service.pool, (NEW,)).status())[1]
    assert (stranger.position, stranger.numbers) == (None, 1)
    assert "1 number carries it: their events are rejected" in stranger.verdict


async def test_a_number_that_vapi_no_longer_has_holds_up_no_rotation(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    """It has no events that could be rejected, and will never be repaired."""
    callgate = await start_replica(vapi_webhook_secret=OLD, callgate_reconcile_interval=0)
    number_id = vapi.add_number(provider="vapi")["id"]
    number = await callgate.add_number(await callgate.add_organization(), number_id)
    vapi.numbers.remove(number_id)
    await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")
    pool = callgate.service.pool
    assert len(await SecretRotation(pool, (NEW,)).status()) == 1
    assert is_done(await SecretRotation(pool, (NEW, OLD)).status())


async def test_numbers_that_carry_the_master_itself_are_counted(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(vapi_webhook_secret=OLD, callgate_reconcile_interval=0)
    owner, number_id = await callgate.add_organization(), vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number_id)
    rotation = SecretRotation(callgate.service.pool, (OLD,))
    [status] = await rotation.status()
    assert (status.numbers, status.with_master, status.master_used_at) == (1, 0, None)
    assert is_done([status])
    await post(callgate, vapi, number_id, secret_of(owner, OLD))
    await callgate.service.web.uses.flush()
    [status] = await rotation.status()
    assert status.last_used_at is not None
    assert status.master_used_at is None
    await post(callgate, vapi, number_id, OLD)
    await callgate.service.web.uses.flush()
    await callgate.service.pool.execute(
        "UPDATE callgate.webhook_states SET last_applied = last_applied - 'master' || $1",
        {"secret": fingerprint(OLD)},
    )
    [status] = await rotation.status()
    assert (status.numbers, status.with_master) == (1, 1)
    assert status.master_used_at is not None
    assert not is_done([status])


async def test_uses_survive_a_database_that_is_away(callgate: Replica, dsn: str) -> None:
    uses = callgate.service.web.uses
    uses.note(0)
    pool = uses.pool
    await execute(dsn, "ALTER TABLE callgate.webhook_secrets RENAME TO elsewhere")
    await uses.flush()
    await execute(dsn, "ALTER TABLE callgate.elsewhere RENAME TO webhook_secrets")
    uses.note(0)
    await uses.flush()
    assert await pool.fetchval("SELECT count(*) FROM callgate.webhook_secrets") == 1


async def test_a_secret_that_an_assistant_still_carries_is_not_removed(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    """Another member of the squad has a foreign server by now, so neither is changed."""
    given = {"vapi_webhook_url": "http://127.0.0.1:9/hook", "callgate_reconcile_interval": 0}
    first = await start_replica(vapi_webhook_secret=OLD, **given)
    theirs = {"url": "https://crm.example.net/vapi"}
    carrying, other = (vapi.add_assistant(server=one)["id"] for one in (theirs, None))
    owner = await first.add_organization(assistant_ids=[carrying])
    squad = vapi.add_squad(members=[{"assistantId": one} for one in (carrying, other)])["id"]
    number = await first.add_number(owner, vapi.add_number(squadId=squad)["id"])
    assert (number["sync"]["state"], number["sync"]["level"]) == ("in_sync", "assistant")
    vapi.edit_assistant(other, server=theirs)
    await first.service.background.stop("reconcile")

    both = await start_replica(vapi_webhook_secret=f"{NEW},{OLD}", **given)
    path = f"/phone-numbers/{number['id']}"

    async def statuses() -> list[int]:
        synced = await both.api("POST", f"{path}/sync")
        assert synced.status == 200
        rotation = SecretRotation(both.service.pool, (NEW, OLD))
        return [status.numbers for status in await rotation.status()]

    assert await statuses() == [0, 1]
    assert header(vapi, number["vapi_phone_number_id"]) == secret_of(owner, NEW)
    assert await statuses() == [0, 1]
    headers = (vapi.assistants.find(carrying) or {})["server"]["headers"]
    assert headers["X-Vapi-Secret"] == secret_of(owner, OLD)
    vapi.edit_assistant(other, server=None)
    assert await statuses() == [1, 0]
    headers = (vapi.assistants.find(carrying) or {})["server"]["headers"]
    assert headers["X-Vapi-Secret"] == secret_of(owner, NEW)
