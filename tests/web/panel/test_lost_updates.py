"""Two admins have the same form open: the second one learns of the first one's change, and decides."""

import re
from html import unescape

import pytest

from service.admin.people.people import People
from service.domain.people import Admin
from service.sandbox.server import SandboxVapi
from service.store.people import admins
from tests.support.people import MAKER, add_admin
from tests.support.service import Replica
from tests.support.visiting import Shown, Visitor, visiting

ALL_FORMS = ("edit", "plan", "trial", "override", "messages", "handling")


def hidden(page: Shown) -> dict[str, str]:
    """What the page's form remembers of its object."""
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.body))
    return {name: unescape(found[name]) for name in ("version", "seen_at")}


@pytest.fixture
async def path(callgate: Replica) -> str:
    return f"/organizations/{await callgate.add_organization('Bakery')}"


async def test_the_second_of_two_saves_shows_the_first_and_can_be_applied(
    callgate: Replica, path: str
) -> None:
    async with visiting(callgate) as ada:
        opened = hidden(await ada.get(f"{path}/edit"))
        await callgate.api("PATCH", path, {"external_id": "crm-7"})
        mine = {"name": "My bakery", "external_id": ""}
        refused = await ada.post(f"{path}/edit", {**mine, **opened})
        assert refused.status == 412
        assert "Another admin changed this after you opened the form" in refused.text
        assert "admin-token, api" in refused.text
        assert "crm-7" in refused.text
        assert 'value="My bakery"' in refused.body
        stored = (await callgate.api("GET", path)).json
        assert (stored["name"], stored["external_id"]) == ("Bakery", "crm-7")
        saved = await ada.post(f"{path}/edit", {**mine, **hidden(refused)})
        assert saved.status == 200
        stored = (await callgate.api("GET", path)).json
        assert (stored["name"], stored["external_id"]) == ("My bakery", None)


async def test_what_the_form_shows_already_is_no_update(callgate: Replica, path: str) -> None:
    async with visiting(callgate) as ada:
        await callgate.api("PATCH", path, {"external_id": "seen-before"})
        opened = hidden(await ada.get(f"{path}/edit"))
        await callgate.api("PATCH", path, {"external_id": "crm-7"})
        refused = await ada.post(f"{path}/edit", {"name": "Mine", **opened})
        assert refused.text.count("Changed the external id") == 1, refused.text
        assert refused.status == 412
        await callgate.api("PATCH", path, {"external_id": "crm-8"})
        again = await ada.post(f"{path}/edit", {"name": "Mine", **hidden(refused)})
        assert again.text.count("Changed the external id") == 1, again.text
        assert "crm-8" in again.text


async def test_a_form_that_nothing_overtook_is_saved(callgate: Replica, path: str) -> None:
    async with visiting(callgate) as ada:
        opened = hidden(await ada.get(f"{path}/trial"))
        saved = await ada.post(f"{path}/trial", {"ends_at": "2099-01-01T00:00", **opened})
        assert (saved.status, "Saved." in saved.text) == (200, True)


@pytest.mark.parametrize("form", ALL_FORMS)
async def test_every_form_of_an_organization_notices(
    callgate: Replica, path: str, form: str
) -> None:
    async with visiting(callgate) as ada:
        opened = hidden(await ada.get(f"{path}/{form}"))
        await callgate.api("PATCH", path, {"external_id": "crm-7"})
        fields = {
            "name": "B", "code": "pro", "status": "active", "ends_at": "2099-01-01T00:00",
            "effect": "allow", "reason": "x", "expires_at": "2099-01-01T00:00",
            "when_access_ends": "finish",
        }  # fmt: skip
        refused = await ada.post(f"{path}/{form}", {**fields, **opened})
        assert (refused.status, "crm-7" in refused.text) == (412, True), refused.text


async def test_removing_an_organization_notices(callgate: Replica, path: str) -> None:
    async with visiting(callgate) as ada:
        opened = hidden(await ada.get(path))
        await callgate.api("PATCH", path, {"external_id": "crm-7"})
        refused = await ada.post(f"{path}/delete", {"typed": "Bakery", **opened})
        assert (refused.status, "crm-7" in refused.text) == (412, True), refused.text
        assert (await callgate.api("GET", path)).status == 200
        await ada.post(f"{path}/delete", {"typed": "Bakery", **hidden(refused)})
        assert (await callgate.api("GET", path)).status == 404


async def test_the_form_of_a_number_notices(
    callgate: Replica, vapi: SandboxVapi, path: str
) -> None:
    made = await callgate.add_number(path.rpartition("/")[2], vapi.add_numbers(1)[0])
    form = f"/numbers/{made['id']}/edit"
    fields = {"label": "Mine", "gate": "event", "organization_id": path.rpartition("/")[2]}
    async with visiting(callgate) as ada:
        opened = hidden(await ada.get(form))
        await callgate.api("PATCH", f"/phone-numbers/{made['id']}", {"label": "Theirs"})
        refused = await ada.post(form, {**fields, **opened})
        assert (refused.status, "Theirs" in refused.text) == (412, True), refused.text
        await ada.post(form, {**fields, **hidden(refused)})
        stored = (await callgate.api("GET", f"/phone-numbers/{made['id']}")).json
        assert stored["label"] == "Mine"


OTHER_PASSWORD = "another good password"
ADMIN_FORMS = {
    "role": {"role": "admin"},
    "password": {"password": OTHER_PASSWORD, "again": OTHER_PASSWORD},
    "disable": {"typed": "Grace"},
}


async def stored(callgate: Replica, admin: Admin) -> Admin:
    found = await admins.find(callgate.service.pool, admin.id)
    assert found is not None
    return found


async def test_releasing_a_number_notices(callgate: Replica, vapi: SandboxVapi) -> None:
    owner = await callgate.add_organization("Bakery")
    number = await callgate.add_number(owner, vapi.add_number(provider="vapi")["id"], label="Desk")
    path = f"/numbers/{number['id']}"
    async with visiting(callgate) as ada:
        opened = hidden(await ada.get(path))
        await callgate.api("PATCH", f"/phone-numbers/{number['id']}", {"gate": "request"})
        refused = await ada.post(f"{path}/release", {"typed": "Desk", **opened})
        assert refused.status == 412
        assert "Another admin changed this number" in refused.text
        done = await ada.post(f"{path}/release", {"typed": "Desk", **hidden(refused)})
        assert "was released" in done.text


@pytest.mark.parametrize("form", ADMIN_FORMS)
async def test_every_form_of_an_admin_notices(callgate: Replica, form: str) -> None:
    grace = await add_admin(callgate.service.pool, "Grace", "viewer")
    people = People(callgate.service.pool, "")
    path = f"/people/{grace.id}"
    async with visiting(callgate) as ada:
        opened = hidden(await ada.get(path))
        await people.change_role(MAKER, grace.id, "support")
        theirs = await stored(callgate, grace)
        refused = await ada.post(f"{path}/{form}", {**ADMIN_FORMS[form], **opened})
        assert refused.status == 412, refused.text
        assert "Another admin changed this after you opened the form" in refused.text
        assert "Changed the role of Grace from viewer to support" in refused.text
        assert "command line, cli" in refused.text
        assert await stored(callgate, grace) == theirs
        saved = await ada.post(f"{path}/{form}", {**ADMIN_FORMS[form], **hidden(refused)})
        assert saved.status == 200, saved.text
        assert (await stored(callgate, grace)).updated_at > theirs.updated_at


async def test_two_who_set_the_password_of_one_admin_learn_of_each_other(callgate: Replica) -> None:
    grace = await add_admin(callgate.service.pool, "Grace", "viewer")
    path = f"/people/{grace.id}"
    mine = {"password": OTHER_PASSWORD, "again": OTHER_PASSWORD}
    async with visiting(callgate) as ada, visiting(callgate, "admin", "Bob") as bob:
        opened = hidden(await ada.get(path))
        await bob.post(f"{path}/password", {**mine, **hidden(await bob.get(path))})
        refused = await ada.post(f"{path}/password", {**mine, **opened})
        assert refused.status == 412
        assert "Changed the password of Grace. Bob, web" in refused.text
        assert OTHER_PASSWORD not in refused.body


async def test_who_enables_an_admin_learns_that_another_one_did_and_changed_the_role(
    callgate: Replica,
) -> None:
    grace = await add_admin(callgate.service.pool, "Grace", "viewer")
    people = People(callgate.service.pool, "")
    await people.disable(MAKER, grace.id)
    path = f"/people/{grace.id}"
    async with visiting(callgate) as ada:
        opened = hidden(await ada.get(path))
        await people.enable(MAKER, grace.id)
        await people.change_role(MAKER, grace.id, "admin")
        await people.disable(MAKER, grace.id)
        refused = await ada.post(f"{path}/enable", opened)
        assert (refused.status, "to admin" in refused.text) == (412, True), refused.text
        assert (await stored(callgate, grace)).disabled_at is not None


async def test_signing_in_is_no_change_of_an_admin(callgate: Replica) -> None:
    grace = await add_admin(callgate.service.pool, "Grace", "viewer")
    path = f"/people/{grace.id}"
    async with visiting(callgate) as ada:
        opened = hidden(await ada.get(path))
        await callgate.service.pool.execute(admins.RECORD_SIGN_IN, grace.id)
        saved = await ada.post(f"{path}/role", {"role": "support", **opened})
        assert saved.status == 200
        assert (await stored(callgate, grace)).role == "support"


async def test_the_form_of_a_token_notices(callgate: Replica) -> None:
    body = {"name": "billing", "role": "viewer"}
    made = (await callgate.api("POST", "/tokens", body)).json
    path = f"/tokens/{made['id']}"
    async with visiting(callgate) as ada:
        opened = hidden(await ada.get(path))
        await callgate.api("GET", "/calls", token=made["token"])  # using it changes nothing of it
        assert hidden(await ada.get(path))["version"] == opened["version"]
        await callgate.api("DELETE", path)
        refused = await ada.post(f"{path}/revoke", {"typed": "billing", **opened})
        assert refused.status == 412, refused.text
        assert "Revoked the API token billing. admin-token, api" in refused.text


@pytest.mark.parametrize("seen_at", ["", "yesterday", "9" * 100])
async def test_a_damaged_form_is_refused_without_a_list(
    callgate: Replica, path: str, seen_at: str
) -> None:
    async with visiting(callgate) as ada:
        refused = await save(ada, path, {"version": "0", "seen_at": seen_at})
        assert refused.status == 412


async def save(visitor: Visitor, path: str, opened: dict[str, str]) -> Shown:
    return await visitor.post(f"{path}/edit", {"name": "Mine", **opened})
