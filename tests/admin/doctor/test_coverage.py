"""The doctor reports gaps in the coverage: fixable ones as warnings, the others once."""

from service.admin.doctor.coverage import examine_coverage
from service.sandbox.server import SandboxVapi
from tests.support.service import Replica
from tests.support.visiting import rows_of, visiting


async def test_without_numbers_there_is_no_hole(callgate: Replica) -> None:
    [found] = await examine_coverage(callgate.service.pool, callgate.service.settings)
    assert (found.level, found.detail) == ("ok", "No number at Vapi, so no hole.")


async def test_what_can_be_mended_is_a_warning(callgate: Replica, vapi: SandboxVapi) -> None:
    owner = await callgate.add_organization()
    for number_id in vapi.add_numbers(2, provider="vapi"):
        await callgate.add_number(owner, number_id, gate="request")
    settings = callgate.service.settings
    # That nothing answers granted calls is said with the numbers.
    told, inherent = await examine_coverage(callgate.service.pool, settings)
    assert {told.level, inherent.level} == {"note"}
    # Not "whatever is set": an admin can register assistants; and the figure has its rows.
    assert "register them on the organizations' pages" in told.detail
    assert "Numbers concerned: 2." in told.detail
    listed = await callgate.api("GET", "/phone-numbers?condition=web_unregistered")
    assert len(listed.json["items"]) == 2
    async with visiting(callgate) as ada:
        page = await ada.post("/health")
        assert "/admin/numbers?condition=web_unregistered" in page.links
        assert await rows_of(ada, "/numbers?condition=web_unregistered") == 2
    unwatched = settings.model_copy(update={"callgate_call_watch_interval": 0})
    found = await examine_coverage(callgate.service.pool, unwatched)
    remedies = [str(one.remedy) for one in found if one.level == "warning"]
    assert any("CALLGATE_CALL_WATCH_INTERVAL" in remedy for remedy in remedies)


async def test_what_is_in_the_nature_of_vapi_is_told_and_is_no_warning(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization(assistant_ids=["asst"], handling={"ring_gate": True})
    assistant = vapi.add_assistant()["id"]
    number_id = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    await callgate.add_number(owner, number_id)
    [found] = await examine_coverage(callgate.service.pool, callgate.service.settings)
    assert found.level == "note"
    assert "these kinds before it begins: outbound calls, web calls, campaigns." in found.detail
