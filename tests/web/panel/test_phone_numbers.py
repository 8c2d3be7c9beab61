"""Numbers in the panel over real HTTP: choosing, adding, reading, pausing, releasing, roles."""

from typing import Any

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, eventually
from tests.support.visiting import Shown, Visitor, visiting

FORMER: dict[str, Any] = {"url": "https://old.example.com/vapi", "timeoutSeconds": 30}


async def ok(visitor: Visitor, path: str) -> Shown:
    shown = await visitor.get(path)
    assert shown.status == 200, shown.text
    return shown


def server_of(vapi: SandboxVapi, vapi_id: str) -> Any:
    return (vapi.numbers.find(vapi_id) or {}).get("server")


async def add(callgate: Replica, vapi: SandboxVapi) -> tuple[Any, str]:
    """A registered number of a new organization, and its id at Vapi."""
    vapi_id = vapi.add_numbers(1, server=dict(FORMER))[0]
    organization = await callgate.add_organization("Bakery")
    return await callgate.add_number(organization, vapi_id, label="Front desk"), vapi_id


async def test_a_number_is_picked_previewed_and_added(callgate: Replica, vapi: SandboxVapi) -> None:
    vapi_id = vapi.add_numbers(1, server=dict(FORMER))[0]
    async with visiting(callgate) as ada:
        assert "Add organization" in (await ok(ada, "/numbers/new")).text
        organization = await callgate.add_organization("Bakery")
        shown = await ok(ada, "/numbers/new?query=bak")
        assert f"/admin/numbers/new?organization_id={organization}" in shown.links
        shown = await ok(ada, f"/numbers/new?organization_id={organization}")
        step = f"/numbers/new?organization_id={organization}&vapi_phone_number_id={vapi_id}"
        assert f"/admin{step}" in shown.links
        shown = await ok(ada, step)
        assert FORMER["url"] in shown.text
        assert callgate.url in shown.text
        assert server_of(vapi, vapi_id) == FORMER  # looking changes nothing
        assert (
            await callgate.service.pool.fetchval("SELECT count(*) FROM callgate.phone_numbers") == 0
        )
        shown = await ada.post(step, {"label": "Front desk", "gate": "event", "answer_with": ""})
        assert shown.status == 200
        assert "The webhook at Vapi is in sync." in shown.text
        assert server_of(vapi, vapi_id)["url"] == f"{callgate.url}/api/vapi/webhook"
        assert vapi_id not in (await ok(ada, f"/numbers/new?organization_id={organization}")).body
        shown = await ada.post(step, {"label": "", "gate": "event"})
        assert shown.status == 409
        assert "is registered" in shown.text or "taken" in shown.text or "already" in shown.text


async def test_the_request_gate_says_what_it_takes_off(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    assistant = vapi.add_assistant(name="Order taker")
    vapi_id = vapi.add_numbers(1, assistantId=assistant["id"])[0]
    organization = await callgate.add_organization()
    step = f"/numbers/new?organization_id={organization}&vapi_phone_number_id={vapi_id}"
    async with visiting(callgate) as ada:
        assert "assistantId" not in (await ok(ada, step)).body.partition("<form")[0]
        shown = await ok(ada, f"{step}&gate=request")
        assert "<code>assistantId</code>" in shown.body


async def test_an_id_is_understood_as_people_paste_it(callgate: Replica, vapi: SandboxVapi) -> None:
    vapi_id = vapi.add_numbers(1)[0]
    organization = await callgate.add_organization()
    start = f"/numbers/new?organization_id={organization}&vapi_phone_number_id="
    async with visiting(callgate) as ada:
        for pasted in (vapi_id.upper(), vapi_id.replace("-", ""), f"%22{vapi_id}%22%E2%80%8B"):
            assert "Add number" in (await ok(ada, start + pasted)).text, pasted


async def test_an_unknown_id_and_a_vapi_that_is_away_are_told(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    organization = await callgate.add_organization()
    start = f"/numbers/new?organization_id={organization}"
    async with visiting(callgate) as ada:
        shown = await ok(ada, f"{start}&vapi_phone_number_id=nobody")
        assert "Vapi has no phone number with this id" in shown.text
        shown = await ok(ada, f"{start}&vapi_phone_number_id=%2B15550100201")
        assert "This is no id of Vapi: “+15550100201”. Paste the id that Vapi's" in shown.text
        vapi.fail("GET *", status=500)
        shown = await ok(ada, start)
        assert "Or enter its id at Vapi" in shown.text
        assert "notice bad" in shown.body


async def test_the_list_is_searched_and_filtered(callgate: Replica, vapi: SandboxVapi) -> None:
    number, vapi_id = await add(callgate, vapi)
    async with visiting(callgate, "viewer") as vic:
        for query in (
            "query=front",
            "query=bakery",
            f"query={vapi_id}",
            "sync_state=in_sync",
            "gate=event",
        ):
            assert f"/admin/numbers/{number['id']}" in (await ok(vic, f"/numbers?{query}")).links, (
                query
            )
        for query in ("query=nothing%25", "sync_state=failed", "gate=request", "paused=true"):
            assert "No matches" in (await ok(vic, f"/numbers?{query}")).text, query
        assert (
            await ok(vic, "/numbers?sync_state=nonsense&organization_id=nonsense")
        ).status == 200


async def test_a_number_shows_its_route_history_and_holes(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number, vapi_id = await add(callgate, vapi)
    path = f"/numbers/{number['id']}"
    async with visiting(callgate, "viewer") as vic:
        shown = await ok(vic, path)
        assert "configured when the number was added" in shown.text
        assert FORMER["url"] in shown.text
        assert shown.forms == []
        shown = await ok(vic, f"{path}/route")
        assert "If Callgate is down" in shown.text
        assert "Route of the events at Vapi" in shown.text
        vapi.fail(f"GET /phone-number/{vapi_id}", status=500)
        assert "Try again later" in (await ok(vic, f"{path}/route")).text


async def test_a_number_is_paused_resumed_and_given_up(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number, vapi_id = await add(callgate, vapi)
    path = f"/numbers/{number['id']}"
    async with visiting(callgate) as ada:
        assert (await ada.post(f"{path}/pause", {"reason": ""})).status == 422
        late = {"reason": "Move", "until": "2001-01-01T00:00"}
        assert "must end in the future" in (await ada.post(f"{path}/pause", late)).text
        shown = await ada.post(f"{path}/pause", {"reason": "The customer moves"})
        assert "Repairs are paused by Ada until an admin resumes them" in shown.text
        assert "“The customer moves”" in shown.text
        assert "Undo" in shown.text
        assert "paused by" not in (await ada.post(f"{path}/resume")).text
        shown = await ada.post(f"{path}/release", {"typed": "something else"})
        assert shown.status == 422
        assert server_of(vapi, vapi_id)["url"] != FORMER["url"]
        typed = (await callgate.api("GET", f"/phone-numbers/{number['id']}")).json
        name = typed["number"] or typed["label"]
        shown = await ada.post(f"{path}/release", {"typed": name})
        assert "was released" in shown.text

        async def is_back() -> bool:
            return bool(server_of(vapi, vapi_id) == FORMER)

        await eventually(is_back)


async def test_a_change_is_rolled_back_and_the_number_edited(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number, vapi_id = await add(callgate, vapi)
    path = f"/numbers/{number['id']}"
    async with visiting(callgate) as ada:
        fields = {
            "label": "Back office",
            "gate": "event",
            "organization_id": number["organization_id"],
        }
        shown = await ada.post(f"{path}/edit", {**fields, "answer_with": "{not json"})
        assert shown.status == 422
        assert "Enter JSON" in shown.text
        assert "Back office" in (await ada.post(f"{path}/edit", fields)).text
        change = (await callgate.api("GET", f"/phone-numbers/{number['id']}/changes")).json[
            "items"
        ][0]
        shown = await ada.post(f"{path}/roll-back", {"change": str(change["id"])})
        assert "rolled back" in shown.text
        assert server_of(vapi, vapi_id) == FORMER


async def test_a_viewer_changes_nothing_by_hand_made_requests(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number, vapi_id = await add(callgate, vapi)
    before = server_of(vapi, vapi_id)
    path = f"/numbers/{number['id']}"
    async with visiting(callgate, "viewer") as vic, visiting(callgate, "support", "Sue") as sue:
        for someone in (vic, sue):
            for what, fields in (
                ("pause", {"reason": "x"}),
                ("resume", {}),
                ("sync", {}),
                ("roll-back", {"change": "1"}),
                ("release", {"typed": "Front desk"}),
                ("edit", {"label": "Mine"}),
            ):
                shown = await someone.post(f"{path}/{what}", fields)
                assert shown.status == 403, what
            assert (await someone.get("/numbers/new")).status == 403
    after = (await callgate.api("GET", f"/phone-numbers/{number['id']}")).json
    assert (after["label"], after["pause"]) == ("Front desk", None)
    assert server_of(vapi, vapi_id) == before


async def test_the_list_is_sorted_counted_and_downloaded(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization("=Bakery")
    for label in ("Zulu", "alpha"):
        await callgate.add_number(owner, vapi.add_number()["id"], label=label)
    async with visiting(callgate, "viewer") as vic:
        shown = await ok(vic, "/numbers")
        assert "2 numbers" in shown.text
        assert shown.body.index("alpha") < shown.body.index("Zulu")
        turned = await ok(vic, "/numbers?sort=-label")
        assert turned.body.index("Zulu") < turned.body.index("alpha")
        assert 'aria-sort="descending"' in turned.body
        assert "1 number of this selection" in (await ok(vic, "/numbers?query=zul")).text
        lines = (await ok(vic, "/numbers.csv?sort=-label")).body.splitlines()
    assert [line.split(",")[3] for line in lines] == ["label", "Zulu", "alpha"]
    # A name that a spreadsheet would run stays a text.
    assert ",'=Bakery," in lines[1]
    listed = (await callgate.api("GET", "/phone-numbers?sort=-label&limit=1")).json
    assert [item["label"] for item in listed["items"]] == ["Zulu"]
    path = f"/phone-numbers?sort=-label&limit=1&cursor={listed['next_cursor']}"
    assert [item["label"] for item in (await callgate.api("GET", path)).json["items"]] == ["alpha"]
