"""Lists as files over the API: the same rows as the list, safe for spreadsheets, in flat memory."""

import csv
import io
import json
import os
from pathlib import Path
from uuid import UUID

import pytest
from aiohttp import ClientTimeout

from service.domain.call_records.details import CallDetails
from tests.support.api import ApiClient
from tests.support.calls import new_call, record
from tests.support.replies import Reply

MANY, PIECE = 100_000, 20_000
WARM = 10_000
MOST_GROWTH = 16 * 2**20
FILL = """
INSERT INTO callgate.calls (vapi_call_id, status, blocked, reason, gate, decision, started_at,
    created_at, customer_number, cost, cost_parts)
SELECT 'call-' || n, 'ended', false, 'plan_active', 'event', jsonb_build_object('id',
        gen_random_uuid(), 'effect', 'allow', 'reason', 'plan_active', 'determined_by', 'plan',
        'basis', 'fresh', 'trace', '[]'::jsonb, 'decided_at', now()), now(),
    now() - n * interval '1 second', '+4930' || n, 0.1, '{"llm": 0.1}'
FROM generate_series($1::int, $2::int) AS n
"""


def lines_of(reply: Reply) -> list[dict[str, str]]:
    """The lines of a CSV file by their heads."""
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in reply.headers["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(reply.body.decode("utf-8-sig"))))


def items_of(reply: Reply) -> list[dict[str, object]]:
    """The objects of a file of JSON Lines."""
    assert reply.headers["Content-Type"] == "application/jsonl; charset=utf-8"
    return [json.loads(line) for line in reply.body.splitlines()]


async def test_calls_are_exported_with_the_filters_of_the_list(api: ApiClient) -> None:
    owner = await api.organization("=1+1", external_id="x")
    await record(
        api.service.pool,
        *(
            new_call(
                f"call-{n}",
                allowed=n % 3 > 0,
                organization_id=UUID(owner["id"]) if n % 2 else None,
                type="inboundPhoneCall",
                details=CallDetails(f"+49151000{n:05}", "+4930123456", "@assistant"),
            )
            for n in range(250)
        ),
    )
    # One that a policy sent elsewhere.
    await api.service.pool.execute(
        """UPDATE callgate.calls SET decision = decision || '{"divert_to": {"assistantId": "a"}}'::jsonb
        WHERE vapi_call_id = 'call-3'"""
    )
    # One that Callgate cut off, and one whose hang-up took a while: the file says so, like the list.
    await api.service.pool.execute(
        """UPDATE callgate.calls SET cut_at = now(), cut_reason = 'plan_ended', missed = true
        WHERE vapi_call_id = 'call-5'"""
    )
    await api.service.pool.execute(
        "UPDATE callgate.calls SET lived_seconds = 39.5 WHERE vapi_call_id = 'call-9'"
    )
    for query in ("", "?blocked=true", f"?organization_id={owner['id']}", "?search=call-7"):
        listed = []
        more: str | None = ""
        while more is not None:
            page = await api.get(f"/calls{query}{'&' if query else '?'}limit=200{more}")
            listed += page["items"]
            more = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        form = "&format=jsonl" if query else "?format=jsonl"
        assert items_of(await api.ask("GET", f"/calls/export{query}{form}")) == listed
        lines = lines_of(await api.ask("GET", f"/calls/export{query}"))
        assert [line["id"] for line in lines] == [call["id"] for call in listed]
        for name in ("blocked", "diverted", "missed"):
            assert [line[name] == "true" for line in lines] == [call[name] for call in listed]
        for name in ("lived_seconds", "cut_at", "cut_reason"):
            told = ["" if call[name] is None else str(call[name]) for call in listed]
            assert [line[name] for line in lines] == told
    (cut,) = lines_of(await api.ask("GET", "/calls/export?search=call-5"))
    assert (cut["cut_reason"], cut["missed"], cut["blocked"]) == ("plan_ended", "true", "false")
    lines = lines_of(await api.ask("GET", "/calls/export?search=call-7"))
    assert (lines[0]["organization"], lines[0]["assistant_id"]) == ("'=1+1", "'@assistant")
    assert (lines[0]["caller_number"], lines[0]["direction"]) == ("'+4915100000007", "inbound")
    lines = lines_of(await api.ask("GET", "/calls/export?vapi_call_id=call-3"))
    assert [(line["blocked"], line["diverted"]) for line in lines] == [("true", "true")]
    viewer = await api.as_role("viewer")
    lines = lines_of(await viewer.ask("GET", "/calls/export?vapi_call_id=call-7"))
    assert [line["caller_number"] for line in lines] == ["'+49•••••••0007"]


async def test_who_sees_masked_numbers_searches_by_what_the_mask_shows(api: ApiClient) -> None:
    details = CallDetails("+4915112345678", "+4930123456", None)
    await record(api.service.pool, new_call("call-1", details=details))
    for role, finds in (("viewer", False), ("support", False), ("admin", True)):
        client = await api.as_role(role)
        for digits, found in (("5678", True), ("45678", finds), ("%2B4915112345678", True)):
            listed = (await client.get(f"/calls?search={digits}"))["items"]
            lines = lines_of(await client.ask("GET", f"/calls/export?search={digits}"))
            assert [len(listed), len(lines)] == [found, found], (role, digits)


@pytest.mark.parametrize("name", ["calls", "phone-numbers", "audit"])
async def test_an_export_of_nothing_has_its_header(api: ApiClient, name: str) -> None:
    query = "?actor=unknown" if name == "audit" else ""
    reply = await api.ask("GET", f"/{name}/export{query}")
    assert lines_of(reply) == []
    assert reply.body.decode("utf-8-sig").startswith("id,")
    form = f"{query}&format=jsonl" if query else "?format=jsonl"
    assert items_of(await api.ask("GET", f"/{name}/export{form}")) == []
    head = await api.ask("HEAD", f"/{name}/export")
    assert (head.status, head.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert (await api.ask("GET", f"/{name}/export?format=xlsx")).status == 422
    assert (await api.ask("GET", f"/{name}/export?limit=5")).code == "invalid_query"
    assert (await api.with_token(None).ask("GET", f"/{name}/export")).status == 401


async def test_numbers_and_audit_entries_are_exported_like_their_lists(
    api: ApiClient, vapi: object
) -> None:
    owner = await api.organization("Bakery")
    await api.organization("\tBakery 2")
    audit = await api.get("/audit")
    assert items_of(await api.ask("GET", "/audit/export?format=jsonl")) == audit["items"]
    lines = lines_of(await api.ask("GET", "/audit/export?object_type=organization"))
    assert [line["action"] for line in lines] == ["organization.created"] * 2
    assert json.loads(lines[1]["after"])["name"] == "Bakery"
    for n in range(3):
        body = {
            "organization_id": owner["id"],
            "vapi_phone_number_id": vapi.add_number(provider="vapi")["id"],  # type: ignore[attr-defined]
            "label": f"-{n}",
        }
        assert (await api.ask("POST", "/phone-numbers", body)).status == 201
    numbers = (await api.get("/phone-numbers?search=-1"))["items"]
    found = items_of(await api.ask("GET", "/phone-numbers/export?search=-1&format=jsonl"))
    assert found == numbers
    lines = lines_of(await api.ask("GET", "/phone-numbers/export"))
    assert sorted(line["label"] for line in lines) == ["'-0", "'-1", "'-2"]
    assert {line["organization"] for line in lines} == {"Bakery"}
    # As the list's badges: nothing answers their allowed calls.
    assert {(line["unanswered"], line["paused"]) for line in lines} == {("nothing", "false")}


def resident_bytes() -> int:
    """The memory of this process, in which the service runs too."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(400)
async def test_many_calls_are_exported_in_flat_memory(api: ApiClient) -> None:
    for start in range(1, MANY, PIECE):
        await api.service.pool.execute(FILL, start, start + PIECE - 1)
    url = f"{api.base_url}/api/v1/calls/export?format=csv"
    headers, timeout = {"Authorization": f"Bearer {api.token}"}, ClientTimeout(total=400)
    lines, began, most = 0, 0, 0
    async with api.session.get(url, headers=headers, timeout=timeout) as response:
        async for part in response.content.iter_chunked(2**16):
            lines += part.count(b"\n")
            if lines < WARM:
                began = resident_bytes()
            most = max(most, resident_bytes())
    assert lines == MANY + 1
    assert most - began < MOST_GROWTH
