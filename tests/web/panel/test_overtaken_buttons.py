"""A button beside a form acts on what its page showed: the second of two admins chooses again."""

import re
from pathlib import Path
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.support.documents import ROOT
from tests.support.service import Replica
from tests.support.visiting import visiting
from tests.web.panel.test_lost_updates import hidden

FORM = re.compile(r'<form\b[^>]*method="post".*?</form>', re.DOTALL)
WITHOUT_OBJECT = {
    # New objects, sessions, and the visitor's own account.
    "calls/forget.html", "imports/list.html", "layout.html", "people/account.html", "people/new.html",
    "people/sessions.html", "people/setup.html", "people/sign_in.html", "phone_numbers/new.html",
    "tokens/new.html",
    # They read afresh, or name what they apply to: a plan, a change, an entry, messages.
    "audit/parts.html", "doctor/page.html", "imports/page.html", "imports/progress.html",
    "reconcile/plan.html", "relay/replay.html", "unknown_numbers/list.html",
}  # fmt: skip
TEMPLATES = ROOT / "service/web/panel/templates"
ACTIONS = ("sync", "relink", "roll-back", "repairs/look", "{{ action }}")
"""Forms beside others in their template that change no value: they name a step that is taken afresh."""
PLAN = {"code": "pro", "status": "active"}


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_every_form_that_changes_an_object_carries_its_version(path: Path) -> None:
    if str(path.relative_to(TEMPLATES)) in WITHOUT_OBJECT:
        return
    for form in FORM.findall(path.read_text()):
        action = next(iter(re.findall(r'action="([^"]*)"', form)), "")
        if not action.endswith(ACTIONS):
            assert re.search(r"opened_(with|in)\(visit, ", form), form


@pytest.mark.parametrize("button", ["plan/remove", "trial/remove", "trial/end", "override/remove"])
async def test_removing_an_entitlement_notices(callgate: Replica, button: str) -> None:
    path = f"/organizations/{await callgate.add_organization('Bakery')}"
    bodies: dict[str, Any] = {
        "plan": PLAN,
        "trial": {"ends_at": "2099-01-01T00:00:00Z"},
        "override": {"effect": "allow", "reason": "paid by invoice"},
    }
    for kind, body in bodies.items():
        await callgate.api("PUT", f"{path}/{kind}", body)
    kind = button.partition("/")[0]
    async with visiting(callgate) as ada:
        opened = hidden(await ada.get(f"{path}/{kind}"))
        await callgate.api("PUT", f"{path}/plan", {**PLAN, "code": "max"})
        before = (await callgate.api("GET", path)).json
        refused = await ada.post(f"{path}/{button}", opened)
        assert refused.status == 412
        assert "Another admin changed this after you opened the page" in refused.text
        assert "max" in refused.text
        assert (await callgate.api("GET", path)).json == before
        done = await ada.post(f"{path}/{button}", hidden(refused))
        assert "Saved." in done.text
        assert (await callgate.api("GET", path)).json[kind] != before[kind]


async def test_a_refused_removal_shows_the_form_as_it_is_now(callgate: Replica) -> None:
    path = f"/organizations/{await callgate.add_organization('Bakery')}"
    await callgate.api("PUT", f"{path}/plan", PLAN)
    async with visiting(callgate) as ada:
        opened = hidden(await ada.get(f"{path}/plan"))
        await callgate.api("PUT", f"{path}/plan", {**PLAN, "code": "max", "limits": {"minutes": 9}})
        refused = await ada.post(f"{path}/plan/remove", opened)
        assert 'value="max"' in refused.body
        # Its form saves to the page of the form, not to the button's address.
        saved = await ada.post(f"{path}/plan", {**PLAN, "minutes": "7", **hidden(refused)})
        assert "Saved." in saved.text
    assert f"/admin{path}/plan" in refused.forms


async def test_pausing_and_resuming_a_number_notice(callgate: Replica, vapi: SandboxVapi) -> None:
    owner = await callgate.add_organization("Bakery")
    number = await callgate.add_number(owner, vapi.add_number(provider="vapi")["id"])
    page, api = f"/numbers/{number['id']}", f"/phone-numbers/{number['id']}"
    async with visiting(callgate) as ada:
        opened = hidden(await ada.get(page))
        await callgate.api("PUT", f"{api}/pause", {"reason": "theirs"})
        for button, fields in (("pause", {"reason": "mine"}), ("resume", {})):
            refused = await ada.post(f"{page}/{button}", {**fields, **opened})
            assert refused.status == 412
            assert "Another admin changed this number" in refused.text
            assert (await callgate.api("GET", api)).json["pause"]["reason"] == "theirs"
        await ada.post(f"{page}/resume", hidden(refused))
        assert (await callgate.api("GET", api)).json["pause"] is None


async def test_pausing_and_resuming_all_repairs_notice(callgate: Replica) -> None:
    async with visiting(callgate) as ada:

        async def version() -> dict[str, str]:
            page = await ada.get("/repairs")
            return hidden(page)

        opened = await version()
        await callgate.api("PUT", "/reconcile/pause", {"reason": "theirs"})
        for button, fields in (("pause", {"reason": "mine"}), ("resume", {})):
            refused = await ada.post(f"/repairs/{button}", {**fields, **opened})
            assert (refused.status, "Another admin paused or resumed" in refused.text) == (
                412,
                True,
            )
        status = (await callgate.api("GET", "/reconcile")).json
        assert status["pause"]["reason"] == "theirs"
        await ada.post("/repairs/resume", await version())
        assert (await callgate.api("GET", "/reconcile")).json["pause"] is None


async def test_the_end_of_a_pause_is_no_change_of_another_admin(
    callgate: Replica, vapi: SandboxVapi, pool: Pool
) -> None:
    owner = await callgate.add_organization("Bakery")
    number = await callgate.add_number(owner, vapi.add_number(provider="vapi")["id"])
    api = {f"/numbers/{number['id']}": f"/phone-numbers/{number['id']}", "/repairs": "/reconcile"}
    async with visiting(callgate) as ada:
        for page, path in api.items():
            theirs = {"reason": "theirs", "until": "2999-01-01T00:00:00Z"}
            assert (await callgate.api("PUT", f"{path}/pause", theirs)).status == 200
            opened = hidden(await ada.get(page))
            for table in ("webhook_states", "reconciliation"):
                await pool.execute(f"UPDATE callgate.{table} SET paused_until = now()")
            assert (await callgate.api("GET", path)).json["pause"] is None
            await ada.post(f"{page}/pause", {"reason": "mine", **opened})
            assert (await callgate.api("GET", path)).json["pause"]["reason"] == "mine"


async def test_the_forms_of_policies_show_what_changed(callgate: Replica) -> None:
    owner = await callgate.add_organization("Bakery")
    forms: dict[str, tuple[dict[str, Any], str]] = {
        "/policies/quota": ({"mode": "shadow"}, "/policies/quota"),
        f"/organizations/{owner}/policies/quota": (
            {"mode": "shadow"},
            f"/organizations/{owner}/policies/quota",
        ),
    }
    async with visiting(callgate) as ada:
        for page, (theirs, api) in forms.items():
            opened = hidden(await ada.get(page))
            assert (await callgate.api("PUT", api, theirs)).status == 200
            refused = await ada.post(page, {"mode": "off", **opened})
            assert refused.status == 412
            assert "admin-token, api" in refused.text
            assert "shadow" in refused.text
            saved = await ada.post(page, {"mode": "off", **hidden(refused)})
            assert (saved.status, "Saved." in saved.text) == (200, True)
