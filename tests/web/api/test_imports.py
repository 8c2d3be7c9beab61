"""Imports over the API: the same file, plan, messages, audit entry and undo as in the panel."""

from typing import Any
from uuid import uuid4

from service.sandbox.server import SandboxVapi
from tests.support.api import ApiClient
from tests.support.service import Replica, eventually

HEADER = "name,external_id,plan,status,current_period_end,trial_ends_at,blocked_message"
HEADER += ",time_zone\n"
FILE = HEADER + (
    "Bakery,b-1,pro,active,2030-01-31,,,Europe/Berlin\nFlorist,f-1,,,,2030-02-28,,\n,x,pro,,,,,\n"
)
BODY = {"kind": "organizations", "csv": FILE, "name": "customers.csv"}


async def imported(callgate: Replica, body: dict[str, Any]) -> Any:
    """An import that is applied."""
    made = await callgate.api("POST", "/imports", body)
    assert made.status == 201, made.json
    path = f"/imports/{made.json['id']}"
    assert made.headers["Location"] == f"/api/v1{path}"
    applied = await callgate.api("POST", f"{path}/apply")
    assert applied.status == 200, applied.json

    async def over() -> bool:
        return bool((await callgate.api("GET", path)).json["state"] == "applied")

    await eventually(over)
    return (await callgate.api("GET", path)).json


async def test_organizations_are_checked_applied_and_undone(callgate: Replica) -> None:
    planned = await callgate.api("POST", "/imports", BODY)
    assert (planned.status, planned.json["state"]) == (201, "planned")
    assert planned.json["planned"] == {"create": 2, "update": 0, "unchanged": 0, "error": 1}
    assert (await callgate.api("GET", "/organizations")).json["items"] == []
    path = f"/imports/{planned.json['id']}"
    refused = await callgate.api("POST", f"{path}/undo")
    assert (refused.status, refused.code) == (409, "conflict")
    done = await imported(callgate, BODY)
    assert done["outcomes"] == {"waiting": 0, "done": 2, "unchanged": 0, "failed": 1}
    items = (await callgate.api("GET", "/organizations")).json["items"]
    assert {one["name"]: one["access"]["allowed"] for one in items} == {
        "Bakery": True,
        "Florist": True,
    }
    path = f"/imports/{done['id']}"
    rows = (await callgate.api("GET", f"{path}/rows")).json["items"]
    assert [(row["line"], row["outcome"], row["code"]) for row in rows] == [
        (4, "failed", "invalid_plan"),
        (2, "done", None),
        (3, "done", None),
    ]
    assert rows[0]["cells"] == ["", "x", "pro", "", "", "", "", ""]
    assert {one["name"]: one["time_zone"] for one in items} == {
        "Bakery": "Europe/Berlin",
        "Florist": None,
    }
    assert {row["organization_id"] for row in rows[1:]} == {one["id"] for one in items}
    entries = (await callgate.api("GET", "/audit")).json["items"]
    assert [one["action"] for one in entries][:2] == ["import.applied", "import.created"]
    assert entries[0]["id"] == done["audit_id"]
    await callgate.api("PATCH", "/organizations/external_id:f-1", {"name": "Florists"})
    undone = await callgate.api("POST", f"{path}/undo")
    assert undone.status == 200
    assert undone.json["finished"]
    assert undone.json["named"] == ["Florists (changed since)"]
    assert (undone.json["undone"], undone.json["left"]) == (3, 1)
    items = (await callgate.api("GET", "/organizations")).json["items"]
    assert [one["name"] for one in items] == ["Florists"]


async def test_numbers_are_imported_as_well(callgate: Replica, vapi: SandboxVapi) -> None:
    await callgate.add_organization("Bakery")
    ids = vapi.add_numbers(2)
    text = "phone_number,organization,label\n" + "".join(f"{one},Bakery,\n" for one in ids)
    done = await imported(callgate, {"kind": "phone_numbers", "csv": text})
    assert (done["name"], done["outcomes"]["done"]) == ("phone_numbers.csv", 2)
    numbers = (await callgate.api("GET", "/phone-numbers")).json["items"]
    assert {one["vapi_phone_number_id"] for one in numbers} == set(ids)


async def test_the_messages_are_those_of_the_panel(api: ApiClient) -> None:
    faults = {
        "": "The file is empty: its first line must name the columns.",
        "address\nx\n": "Unknown columns in line 1: address.",
        HEADER: "The file names no organization: below its header every line is empty.",
    }
    for text, message in faults.items():
        reply = await api.ask("POST", "/imports", {"kind": "organizations", "csv": text})
        assert (reply.status, reply.code) == (422, "csv_unusable")
        assert message in reply.json["detail"]
    assert (await api.get("/imports"))["items"] == []


async def test_a_key_checks_a_file_once(api: ApiClient) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    first = await api.ask("POST", "/imports", BODY, headers=headers)
    again = await api.ask("POST", "/imports", BODY, headers=headers)
    assert first.json == again.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len((await api.get("/imports"))["items"]) == 1
    other = {**BODY, "csv": HEADER + "Butcher,,,,,,,\n"}
    reply = await api.ask("POST", "/imports", other, headers=headers)
    assert (reply.status, reply.code) == (409, "idempotency_key_reused")


async def test_only_admins_import_and_every_role_reads(api: ApiClient) -> None:
    made = (await api.ask("POST", "/imports", BODY)).json["id"]
    viewer = await api.as_role("viewer")
    assert (await viewer.get(f"/imports/{made}"))["created_by"] == "admin-token"
    assert (await viewer.get(f"/imports/{made}/rows"))["items"]
    for path in ("/imports", f"/imports/{made}/apply", f"/imports/{made}/cancel"):
        body = BODY if path == "/imports" else None
        reply = await viewer.ask("POST", path, body)
        assert (reply.status, reply.code) == (403, "forbidden"), path
    assert (await api.get(f"/imports/{made}"))["state"] == "planned"
    canceled = await api.ask("POST", f"/imports/{made}/cancel")
    assert canceled.json["state"] == "canceled"
    reply = await api.ask("POST", f"/imports/{made}/apply")
    assert (reply.status, reply.code) == (409, "conflict")


async def test_lists_have_pages_and_filters(api: ApiClient) -> None:
    for place in range(3):
        await api.ask("POST", "/imports", {**BODY, "name": f"{place}.csv"})
    number = {"kind": "phone_numbers", "csv": "phone_number,organization\n+15551234567,x\n"}
    await api.ask("POST", "/imports", number)
    assert len((await api.get("/imports"))["items"]) == 4
    page = await api.get("/imports?kind=organizations&limit=2")
    assert [one["name"] for one in page["items"]] == ["2.csv", "1.csv"]
    rest = await api.get(f"/imports?kind=organizations&limit=2&cursor={page['next_cursor']}")
    assert [one["name"] for one in rest["items"]] == ["0.csv"]
    path = f"/imports/{page['items'][0]['id']}/rows"
    lines, cursor = list[int](), ""
    while True:
        found = await api.get(f"{path}?limit=1{cursor}")
        lines += [row["line"] for row in found["items"]]
        if found["next_cursor"] is None:
            break
        cursor = f"&cursor={found['next_cursor']}"
    assert lines == [4, 2, 3]
    assert [row["line"] for row in (await api.get(f"{path}?show=waiting"))["items"]] == [2, 3]
    reply = await api.ask("GET", f"{path}?cursor=WyJ4IiwiMSJd")
    assert (reply.status, reply.code) == (422, "invalid_cursor")
    assert (await api.ask("GET", f"/imports/{uuid4()}/rows")).status == 404
