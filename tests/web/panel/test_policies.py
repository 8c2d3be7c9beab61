"""The chain in the panel."""

import asyncio
import re
from datetime import UTC, datetime
from uuid import UUID

import pytest

from service.admin.policies.policies import PolicyCases
from service.domain.policies.shadow import ShadowReport, ShadowVerdict
from service.sandbox.server import SandboxVapi
from service.web.panel.policies.views import describe_report
from tests.support.service import Replica, eventually
from tests.support.visiting import Shown, visiting
from tests.web.panel.test_calls import block


async def test_the_chain_is_shown_in_order_with_what_each_did(callgate: Replica) -> None:
    await callgate.add_organization("Acme")
    async with visiting(callgate, "viewer") as vic:
        shown = await vic.get("/policies")
    assert shown.status == 200
    names = [
        shown.body.index(f"<code>{name}</code>") for name in ("admin_override", "plan", "trial")
    ]
    assert names == sorted(names)
    assert shown.text.count(" OK ") >= 3
    assert shown.forms == []


async def test_figures_that_take_long_do_not_take_the_page_with_them(callgate: Replica) -> None:
    unknown = "The calls could not be counted in time."
    async with visiting(callgate, "viewer") as vic:
        async with callgate.service.pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE callgate.calls IN ACCESS EXCLUSIVE MODE")
            shown = await vic.get("/policies")
        assert shown.status == 200
        assert unknown in shown.text
        assert "<code>plan</code>" in shown.body
        assert "No policy: the default" not in shown.text
        again = await vic.get("/policies")
    assert unknown not in again.text
    assert "No policy: the default" in again.text


async def test_metrics_count_what_policies_answer(callgate: Replica) -> None:
    await callgate.add_organization("Acme")
    async with callgate.session.get(f"{callgate.url}/metrics") as response:
        text = await response.text()
    assert 'callgate_policy_answers_total{answer="abstain",policy="trial"}' in text
    assert 'callgate_policy_seconds{policy="plan",quantile="0.95"}' in text
    assert 'callgate_policy_suspended{policy="admin_override"} 0.0' in text


def version_in(shown: Shown) -> str:
    """The version that the form was opened with."""
    found = re.search(r'name="version" value="([^"]+)"', shown.body)
    assert found is not None
    return found[1]


async def test_an_admin_chooses_for_all_and_takes_it_back(callgate: Replica) -> None:
    async with visiting(callgate, "admin") as ada:
        page = await ada.get("/policies/plan")
        assert "In shadow it was not asked." in page.text
        chosen = {"mode": "shadow", "share": "0.25", "order": "150"}
        saved = await ada.post("/policies/plan", {**chosen, "version": version_in(page)})
        assert "Saved." in saved.text
        assert 'value="0.25"' in saved.body
        listed = (await ada.get("/policies")).text
        assert "shadow for 25% of organizations" in listed
        assert "Shadow, 25%" in listed
        wrong = await ada.post("/policies/plan", {"mode": "shadow", "share": "2", "order": "x"})
        assert (wrong.status, "less than 1" in wrong.text) == (422, True)
        stale = await ada.post("/policies/plan", {"mode": "off", "version": version_in(page)})
        assert (stale.status, "Another admin changed this" in stale.text) == (412, True)
        (undo,) = [one for one in saved.forms if "/undo/" in one]
        await ada.post(undo.removeprefix("/admin"))
        assert "Shadow" not in (await ada.get("/policies")).text
        await ada.post("/policies/plan", {"mode": "off", "version": version_in(page)})
        assert re.search(r"<span class=\"badge [^>]*>Off</span>", (await ada.get("/policies")).body)
        refused = await ada.post("/policies/admin_override", {"mode": "off"})
        assert (refused.status, "always enforced" in refused.text) == (422, True)
        assert (await ada.get("/policies/gone")).status == 404


WAITING = """
SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'callgate.shadow_verdicts'::regclass
"""


async def test_a_change_while_the_page_is_read_is_noticed_by_its_form(callgate: Replica) -> None:
    """The form carries the version of the values that it shows, not one that is read after them."""
    pool = callgate.service.pool
    async with visiting(callgate, "admin") as ada:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE callgate.shadow_verdicts IN ACCESS EXCLUSIVE MODE")
            opening = asyncio.create_task(ada.get("/policies/plan"))
            await eventually(lambda: pool.fetchval(WAITING))
            changed = await callgate.api("PUT", "/policies/plan", {"mode": "shadow"})
            assert changed.status == 200
        page = await opening
        assert page.status == 200
        order = {"mode": "enforce", "order": "150", "version": version_in(page)}
        stale = await ada.post("/policies/plan", order)
        assert (stale.status, "Another admin changed this" in stale.text) == (412, True)


async def test_the_report_lists_the_calls_behind_it(callgate: Replica, vapi: SandboxVapi) -> None:
    """With the way to the page of each call that has a record."""
    call = await block(callgate, vapi, "Acme")
    row = await callgate.call(call)
    owner, now = UUID(row["organization_id"]), datetime.now(UTC)
    writer = callgate.service.access.shadows
    for one in (call, "call-7"):
        writer.record(
            ShadowVerdict("plan", one, owner, "deny", "few_minutes", "allow", "deny", now)
        )
    await writer.flush()
    async with visiting(callgate, "viewer") as vic:
        shown = await vic.get("/policies/plan")
    assert "would have blocked 2 calls of 1 organization and allowed 0" in shown.text
    assert re.search(r"call-7 allowed blocked Few minutes Acme", shown.text)
    assert re.search(rf'<th scope="row"><a href="/admin/calls/{row["id"]}"><time', shown.body)
    assert call not in shown.text
    assert shown.forms == []


async def test_a_report_that_takes_too_long_does_not_hide_the_form(
    callgate: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def report(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(PolicyCases, "report", report)
    async with visiting(callgate, "admin") as ada:
        page = await ada.get("/policies/plan")
        assert "Choose a shorter period" in page.text
        saved = await ada.post("/policies/plan", {"mode": "off", "version": version_in(page)})
        assert "Saved." in saved.text


def test_one_call_is_no_calls() -> None:
    assert describe_report(ShadowReport(1, 1, 0, 1, 1)) == (
        "In shadow it was asked about 1 call. It would have blocked 1 call of 1 organization and "
        "allowed 0. It gave no usable answer 1 time."
    )


async def test_an_organizations_policies_are_chosen_on_its_pages(callgate: Replica) -> None:
    owner = await callgate.add_organization("Acme")
    path = f"/organizations/{owner}/policies"
    async with visiting(callgate, "admin") as ada:
        listed = await ada.get(path)
        assert listed.text.count("None: as for all organizations") >= 3
        assert "Asleep: no settings" in listed.text
        page = await ada.get(f"{path}/plan")
        opened = {"version": version_in(page)}
        saved = await ada.post(f"{path}/plan", {"mode": "shadow", **opened})
        assert "Saved." in saved.text
        assert "Shadow" in saved.text
        assert ">shadow</td>" in saved.body
        stale = await ada.post(f"{path}/plan", {"mode": "off", **opened})
        assert (stale.status, "Another admin changed this" in stale.text) == (412, True)
        broken = await ada.post(f"{path}/quota", {"settings": "{"})
        assert (broken.status, "This is no JSON" in broken.text) == (422, True)
        unknown = await ada.post(f"{path}/quota", {"settings": '{"no_such": 1}'})
        assert unknown.status == 422
        assert "settings.no_such: is not a setting" in unknown.text
        assert (await ada.get(f"{path}/gone")).status == 404


async def test_settings_are_written_in_a_field_for_code(callgate: Replica) -> None:
    owner = await callgate.add_organization("Acme")
    path = f"/organizations/{owner}/policies"
    async with visiting(callgate, "admin") as ada:
        hours = await ada.get(f"{path}/opening_hours")
        places = await ada.get(f"{path}/concurrency")
    assert re.search(r'<textarea [^>]*rows="16" class="code"', hours.body)
    assert "<code>{&#34;monday-friday&#34;: [&#34;09:00-17:30&#34;]}</code>" in hours.body
    assert "<code>outbound</code>" in hours.body
    assert "Without <code>calls</code>, take" in places.body
    assert "`" not in hours.text + places.text
