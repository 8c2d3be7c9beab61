"""Tools over HTTP, and edits that other clients make at Vapi."""

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.vapi import VapiApi


async def test_a_tool_is_made_read_changed_and_removed(
    vapi: SandboxVapi, vapi_api: VapiApi
) -> None:
    body = {
        "type": "function",
        "function": {"name": "book"},
        "server": {"url": "https://t.example"},
    }
    made = await vapi_api.ask("POST", "/tool", body)
    assert (made.status, made.json | body) == (201, made.json)
    assert made.json["orgId"] == vapi.org_id
    path = f"/tool/{made.json['id']}"
    assert (await vapi_api.ask("GET", path)).json == made.json
    planted = vapi.add_tool(type="endCall")
    listed = (await vapi_api.ask("GET", "/tool")).json
    assert [tool["id"] for tool in listed] == [planted["id"], made.json["id"]]
    changed = (await vapi_api.ask("PATCH", path, {"server": None})).json
    assert "server" not in changed
    assert changed["function"] == {"name": "book"}
    assert (await vapi_api.ask("DELETE", path)).status == 200
    gone = await vapi_api.ask("GET", path)
    assert (gone.status, gone.json["message"]) == (404, "Couldn't Get Tool. Does Not Exist.")


async def test_an_assistant_is_edited_past_us(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    made = vapi.add_assistant(name="Desk", serverUrl="https://old.example")
    vapi.edit_assistant(made["id"], server={"url": "https://own.example"}, serverUrl=None)
    found = (await vapi_api.ask("GET", f"/assistant/{made['id']}")).json
    assert found["server"] == {"url": "https://own.example"}
    assert "serverUrl" not in found
    assert (found["name"], found["createdAt"]) == ("Desk", made["createdAt"])
    assert found["updatedAt"] > made["updatedAt"]
    with pytest.raises(KeyError):
        vapi.edit_assistant("none", name="Nobody")
