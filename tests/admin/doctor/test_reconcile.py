"""The doctor's look at the reconciler: a refused key, pauses, and numbers by state."""

from service.admin.doctor.check import DoctorFinding
from service.admin.doctor.reconcile import examine_numbers, examine_reconciler
from service.domain.fingerprint import fingerprint
from service.sandbox.server import SandboxVapi
from service.store.reconcile import state
from tests.support.service import Replica

UNTIL = "2100-01-01T00:00:00+00:00"
SHOWN_UNTIL = "until 2100-01-01 00:00 UTC)."


async def reconciler(callgate: Replica) -> list[DoctorFinding]:
    service = callgate.service
    return [one async for one in examine_reconciler(service.pool, service.settings)]


async def numbers(callgate: Replica) -> list[DoctorFinding]:
    return [one async for one in examine_numbers(callgate.service.pool)]


async def test_without_numbers_there_is_nothing_to_say(callgate: Replica) -> None:
    assert [one.detail for one in await numbers(callgate)] == ["No number is registered."]


async def test_numbers_are_counted_by_state_and_each_unwell_one_has_a_remedy(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization("Bakery")
    assistant = vapi.add_assistant(name="Order taker", server={"url": "https://crm.example.net"})
    shadowed = vapi.add_number(provider="vapi", assistantId=assistant["id"])["id"]
    gone, *well = vapi.add_numbers(3, provider="vapi")
    await callgate.add_number(owner, shadowed, label="Front desk")
    missing = await callgate.add_number(owner, gone, label="Old line")
    for number_id in well:
        await callgate.add_number(owner, number_id)
    vapi.numbers.remove(gone)
    await callgate.api("POST", f"/phone-numbers/{missing['id']}/sync")
    first, *rest = await numbers(callgate)
    assert first.detail == "4 numbers are registered: 2 in_sync, 1 shadowed, 1 missing."
    details = [finding.detail for finding in rest]
    assert any(text.startswith("Front desk of Bakery is shadowed.") for text in details)
    assert any(assistant["id"] in text for text in details)
    assert any(text.startswith("Old line of Bakery is missing.") for text in details)
    assert all(finding.remedy for finding in rest)


async def test_pauses_say_who_why_and_until_when(callgate: Replica, vapi: SandboxVapi) -> None:
    owner = await callgate.add_organization("Bakery")
    one, other, third = vapi.add_numbers(3, provider="vapi")
    first = await callgate.add_number(owner, one, label="Test line")
    second = await callgate.add_number(owner, other, label="Spare line")
    await callgate.add_number(owner, third, label="Main line")
    pause = {"reason": "their test", "until": UNTIL}
    assert (await callgate.api("PUT", f"/phone-numbers/{first['id']}/pause", pause)).status == 200
    await callgate.api("PUT", f"/phone-numbers/{second['id']}/pause", {"reason": "spare"})
    await callgate.api("PUT", "/reconcile/pause", {"reason": "migration", "until": UNTIL})
    [everything] = await reconciler(callgate)
    assert everything.level == "warning"
    assert "All repairs are paused by admin-token: migration (since 2" in everything.detail
    assert everything.detail.endswith(SHOWN_UNTIL)
    assert "under Repairs" in str(everything.remedy)
    found = [one for one in await numbers(callgate) if one.kind == "number_paused"]
    assert "Test line of Bakery is paused by admin-token: their test (since 2" in found[0].detail
    assert found[0].detail.endswith(SHOWN_UNTIL)
    assert found[1].detail.endswith("until an admin resumes it).")
    assert "on its page under Numbers" in str(found[0].remedy)
    assert len(found) == 2
    path = "/reconcile/pause"
    await callgate.api("DELETE", path)
    assert all("paused" not in one.detail for one in await reconciler(callgate))


async def test_a_refused_key_is_told_with_since_when_and_the_remedy(callgate: Replica) -> None:
    pool = callgate.service.pool
    key = callgate.service.settings.vapi_api_key.get_secret_value()
    await callgate.service.background.stop("reconcile", "sweeps")
    await state.refuse_key(pool, fingerprint(key), 3600)
    since = (await state.get(pool)).key_refused_at
    assert since is not None
    [found] = await reconciler(callgate)
    assert found.level == "failed"
    assert f"Vapi refuses VAPI_API_KEY since {since:%Y-%m-%d %H:%M} UTC" in found.detail
    assert "Vapi's dashboard" in str(found.remedy)
    assert key not in repr(found)
    await state.accept_key(pool)
    assert [one.level for one in await reconciler(callgate)] == ["ok"]


async def test_a_key_that_is_refused_and_is_not_ours_is_called_so(callgate: Replica) -> None:
    pool = callgate.service.pool
    await callgate.service.background.stop("reconcile", "sweeps")
    await state.refuse_key(pool, fingerprint("another"), 3600)
    [found] = await reconciler(callgate)
    assert (found.level, "not VAPI_API_KEY here" in found.detail) == ("failed", True)
