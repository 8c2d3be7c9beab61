"""An organization is found by the agency's own id, in the list and in every path."""

import re
from urllib.parse import quote

from service.web.api.operations import OWNER
from tests.support.api import ApiClient


async def test_the_list_finds_an_external_id_exactly(api: ApiClient) -> None:
    made = await api.organization(external_id="crm-1")
    await api.organization(name="Other", external_id="crm-12")
    for query in ("external_id=crm-1", "external_id=crm-1&allowed=false"):
        listed = await api.get(f"/organizations?{query}")
        assert [one["id"] for one in listed["items"]] == [made["id"]]
    assert (await api.get("/organizations?external_id=crm-1&allowed=true"))["items"] == []
    assert (await api.get("/organizations?external_id=crm"))["items"] == []


async def test_an_external_id_stands_for_the_id_in_a_path(api: ApiClient) -> None:
    name = "crm/1 ü?"
    made = await api.organization(external_id=name)
    path = f"/organizations/external_id:{quote(name, safe='')}"
    assert await api.get(path) == made
    reply = await api.ask("PUT", f"{path}/plan", {"code": "pro", "status": "active"})
    assert reply.json["id"] == made["id"]
    assert (await api.get(f"{path}/access"))["reason"] == "plan_active"
    for absent in ("nope", "", "a%00b", "x" * 300):
        reply = await api.ask("GET", f"/organizations/external_id:{absent}")
        assert (reply.status, reply.code) == (404, "organization_not_found")


async def test_every_path_takes_an_external_id_that_the_document_allows(api: ApiClient) -> None:
    name = "crm/1 ü?@+"
    await api.organization(external_id=name)
    document = (await api.ask("GET", "/api/openapi.json", root="")).json
    tried = 0
    for path, item in document["paths"].items():
        for method, described in item.items():
            if "{organization_id}" not in path:
                continue
            [schema] = [one["schema"] for one in described["parameters"] if one["name"] == OWNER]
            assert re.search(schema["anyOf"][1]["pattern"], f"external_id:{name}")
            place = path.replace("{organization_id}", f"external_id:{quote(name, safe='')}")
            address = place.replace("{name}", "quota")
            body = described.get("requestBody", {}).get("content", {}).get("application/json", {})
            reply = await api.ask(method, address, body.get("example"), root="")
            assert reply.status in (200, 204), (method, path, reply.body)
            if method == "delete" and path.endswith("{organization_id}"):
                await api.organization(external_id=name)
            tried += 1
    assert tried > 18
