"""Two admins have the same form open: the second one learns of the first one's change, and decides."""

import re
from html import unescape

import pytest

from service.sandbox.server import SandboxVapi
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


@pytest.mark.parametrize("seen_at", ["", "yesterday", "9" * 100])
async def test_a_damaged_form_is_refused_without_a_list(
    callgate: Replica, path: str, seen_at: str
) -> None:
    async with visiting(callgate) as ada:
        refused = await save(ada, path, {"version": "0", "seen_at": seen_at})
        assert refused.status == 412


async def save(visitor: Visitor, path: str, opened: dict[str, str]) -> Shown:
    return await visitor.post(f"{path}/edit", {"name": "Mine", **opened})
