"""Assistants, squads and workflows that take a number's events away: reported, or repaired where the
organization owns the assistant, and put back as they were."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from service.domain.sweeps import SweepRequest
from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start, eventually
from tests.support.settings import SECRET

THEIRS = "https://crm.example.net/vapi"
MODEL = {"provider": "openai", "model": "gpt-4o", "messages": [{"role": "system", "content": "Hi"}]}
SERVER = {
    "url": THEIRS,
    "timeoutSeconds": 9,
    "headers": {"X-Theirs": "keep", "X-Vapi-Secret": "their-secret"},
    "staticIpAddressesEnabled": True,
}


@pytest.fixture
async def callgate(start_replica: Start) -> Replica:
    """A replica that sweeps only on request."""
    return await start_replica(callgate_reconcile_interval=0)


def ours(callgate: Replica) -> str:
    return f"{callgate.url}/api/vapi/webhook"


def add_assistant(vapi: SandboxVapi, **fields: Any) -> str:
    fields = {"name": "Order taker", "model": MODEL, "server": dict(SERVER)} | fields
    return str(vapi.add_assistant(**fields)["id"])


async def get(callgate: Replica, number: Any) -> Any:
    return (await callgate.api("GET", f"/phone-numbers/{number['id']}")).json


async def sweep(callgate: Replica) -> Any:
    """A sweep with its repairs, and with the looks that it made due in the background."""
    answer = await callgate.api("POST", "/reconcile", {})
    assert answer.status == 200, answer.json
    await idle(callgate)
    return answer.json


async def idle(callgate: Replica) -> None:
    async def nothing_due() -> bool:
        return not await callgate.service.pool.fetchval(
            "SELECT count(*) FROM callgate.webhook_states "
            "WHERE next_attempt_at <= now() OR claimed_until > now()"
        )

    await eventually(nothing_due)


async def own(callgate: Replica, organization_id: str, *assistant_ids: str) -> None:
    """Make these, and no others, the organization's assistants."""
    answer = await callgate.api(
        "PATCH", f"/organizations/{organization_id}", {"assistant_ids": list(assistant_ids)}
    )
    assert answer.status == 200, answer.json
    await idle(callgate)


def writes(vapi: SandboxVapi, kind: str = "*") -> int:
    return len(vapi.requests(f"PATCH /{kind}/*"))


def by_assistant(vapi: SandboxVapi) -> tuple[dict[str, Any], str]:
    assistant = add_assistant(vapi)
    return {"assistantId": assistant}, (
        f'Clear `server.url` of assistant "Order taker" ({assistant}): the phone number\'s server '
        "then counts."
    )


def by_legacy_field(vapi: SandboxVapi) -> tuple[dict[str, Any], str]:
    assistant = add_assistant(vapi, server=None, serverUrl=THEIRS)
    return {"assistantId": assistant}, (
        f'Clear `serverUrl` of assistant "Order taker" ({assistant}): the phone number\'s server '
        "then counts."
    )


def by_squad(vapi: SandboxVapi, member: dict[str, Any], step: str, **fields: Any) -> Any:
    squad = vapi.add_squad(name="Team", members=[member], **fields)
    named = f'squad "Team" ({squad["id"]})'
    return {"squadId": squad["id"]}, step.format(squad=named)


def by_saved_member(vapi: SandboxVapi) -> tuple[dict[str, Any], str]:
    assistant = add_assistant(vapi)
    squad = vapi.add_squad(
        name="Team",
        members=[{"assistantId": add_assistant(vapi, server=None)}, {"assistantId": assistant}],
    )
    return {"squadId": squad["id"]}, (
        f'Clear `server.url` of assistant "Order taker" ({assistant}): the phone number\'s server '
        "then counts."
    )


def by_inline_member(vapi: SandboxVapi) -> Any:
    return by_squad(
        vapi,
        {"assistant": {"name": "Inline", "server": SERVER}},
        "Clear `members[0].assistant.server.url` of {squad}: the phone number's server then counts.",
    )


def by_overridden_member(vapi: SandboxVapi) -> Any:
    member = {
        "assistantId": add_assistant(vapi, server=None),
        "assistantOverrides": {"server": SERVER},
    }
    step = (
        "Set `members[0].assistantOverrides.server.url` of {squad} to URL, with the headers of the"
    )
    return by_squad(vapi, member, f"{step} phone number's server.")


def by_overridden_squad(vapi: SandboxVapi) -> Any:
    member = {"assistantId": add_assistant(vapi, server=None)}
    step = "Set `membersOverrides.server.url` of {squad} to URL, with the headers of the phone"
    return by_squad(vapi, member, f"{step} number's server.", membersOverrides={"server": SERVER})


def by_workflow(vapi: SandboxVapi) -> tuple[dict[str, Any], str]:
    workflow = vapi.add_workflow(name="Flow", server=dict(SERVER))["id"]
    return {"workflowId": workflow}, (
        f'Clear `server.url` of workflow "Flow" ({workflow}): the phone number\'s server then counts.'
    )


SHADOWS: Mapping[str, Callable[[SandboxVapi], tuple[dict[str, Any], str]]] = {
    "assistant": by_assistant,
    "legacy field": by_legacy_field,
    "saved member": by_saved_member,
    "inline member": by_inline_member,
    "overridden member": by_overridden_member,
    "overridden squad": by_overridden_squad,
    "workflow": by_workflow,
}


@pytest.mark.parametrize("kind", SHADOWS)
async def test_a_shadow_that_is_not_ours_to_change_is_explained(
    callgate: Replica, vapi: SandboxVapi, kind: str
) -> None:
    """By the pass over the number, and by a sweep that finds it later; nothing is written."""
    bound, remedy = SHADOWS[kind](vapi)
    remedy = remedy.replace("URL", ours(callgate))
    organization = await callgate.add_organization()
    at_once = await callgate.add_number(organization, vapi.add_number(**bound)["id"])
    later_id = vapi.add_number()["id"]
    later = await callgate.add_number(organization, later_id)
    assert later["sync"]["state"] == "in_sync"
    vapi.edit_number(later_id, **bound)
    before = writes(vapi)
    report = await sweep(callgate)
    assert (report["drifted"], report["shadowed"], report["repairs"]) == (2, 2, [])
    for number in at_once, later:
        sync = (await get(callgate, number))["sync"]
        assert (sync["state"], sync["level"], sync["last_error"]) == (
            "shadowed",
            "phone_number",
            remedy,
        )
        assert [entry["observed"] for entry in sync["drift"]] == [THEIRS]
        assert [entry["desired"] for entry in sync["drift"]] == [ours(callgate)]
    route = (await callgate.api("GET", f"/phone-numbers/{later['id']}/route")).json
    assert (route["reaches_us"], route["remedy"]) == (False, remedy)
    assert writes(vapi) == before
    # Once an admin did what the remedy says, the next sweep sees it.
    vapi.edit_number(later_id, assistantId=None, squadId=None, workflowId=None)
    await sweep(callgate)
    assert (await get(callgate, later))["sync"]["state"] == "in_sync"


async def test_an_assistant_of_the_organization_carries_the_webhook(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """Foreign parts stay, the events of a call arrive, and a release puts everything back."""
    organization = await callgate.add_organization()
    plan = {"code": "pro", "status": "active"}
    await callgate.api("PUT", f"/organizations/{organization}/plan", plan)
    assistant = add_assistant(vapi)
    former = dict(vapi.assistants.find(assistant) or {})
    number_id = vapi.add_number(assistantId=assistant)["id"]
    number = await callgate.add_number(organization, number_id)
    assert number["sync"]["state"] == "shadowed"

    await own(callgate, organization, assistant)
    found = await get(callgate, number)
    assert (found["sync"]["state"], found["sync"]["level"]) == ("in_sync", "assistant")
    assert found["sync"]["last_error"] is None
    now = vapi.assistants.find(assistant) or {}
    assert now["server"]["headers"] == {"X-Theirs": "keep", "X-Vapi-Secret": SECRET}
    assert (now["server"]["url"], now["server"]["timeoutSeconds"]) == (ours(callgate), 20)
    assert now["server"]["staticIpAddressesEnabled"] is True
    assert {key: now[key] for key in ("name", "model")} == {"name": "Order taker", "model": MODEL}
    assert SECRET not in str(
        (await callgate.api("GET", f"/phone-numbers/{number['id']}/changes")).json
    )

    call = vapi.place_call(number_id, duration=3)
    await call.settled()
    assert {delivery.url for delivery in call.deliveries} == {ours(callgate)}
    assert {delivery.http_status for delivery in call.deliveries} == {200}
    recorded = await callgate.call(call.id)
    assert (recorded["phone_number_id"], recorded["blocked"]) == (number["id"], False)

    before = writes(vapi)
    report = await sweep(callgate)
    assert (report["in_sync"], report["drifted"]) == (1, 0)
    assert writes(vapi) == before
    assert (await callgate.api("DELETE", f"/phone-numbers/{number['id']}")).status == 204
    after = dict(vapi.assistants.find(assistant) or {})
    assert {**after, "updatedAt": ""} == {**former, "updatedAt": ""}
    assert (vapi.numbers.find(number_id) or {}).get("server") is None


async def test_a_blocked_call_that_an_assistant_answers_is_hung_up(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """The reason for the fallback: without it Callgate would not learn of this call."""
    assistant = add_assistant(vapi)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    number_id = vapi.add_number(assistantId=assistant)["id"]
    number = await callgate.add_number(organization, number_id)
    assert (number["sync"]["state"], number["sync"]["level"]) == ("in_sync", "assistant")
    call = vapi.place_call(number_id, duration=600)
    await call.settled()
    assert [hangup.call_id for hangup in vapi.hangups] == [call.id]
    assert (await callgate.call(call.id))["blocked"] is True


async def test_a_sweep_finds_what_an_assistant_took_away_and_mends_it(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """The first webhook is restored in the end, not the one that a colleague wrote meanwhile."""
    assistant = add_assistant(vapi, server=None)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    number = await callgate.add_number(organization, vapi.add_number(assistantId=assistant)["id"])
    assert (number["sync"]["state"], number["sync"]["level"]) == ("in_sync", "phone_number")
    vapi.edit_assistant(assistant, server=dict(SERVER))
    dry = (await callgate.api("POST", "/reconcile", {"dry_run": True})).json
    assert [change["field"] for change in dry["repairs"][0]["changes"]] == ["assistant.server.url"]
    report = await sweep(callgate)
    assert (report["drifted"], report["repaired"]) == (1, 1)
    assert (await get(callgate, number))["sync"]["level"] == "assistant"
    changes: tuple[dict[str, Any], ...] = (
        {"url": "https://colleague.example.net"},
        {"headers": {}},
        {"timeoutSeconds": 1},
    )
    for change in changes:
        server = (vapi.assistants.find(assistant) or {})["server"]
        vapi.edit_assistant(assistant, server={**server, **change})
        await callgate.service.pool.execute("UPDATE callgate.webhook_states SET settled_at = now()")
        assert (await sweep(callgate))["repaired"] == 1
        server = (vapi.assistants.find(assistant) or {})["server"]
        assert (server["url"], server["timeoutSeconds"]) == (ours(callgate), 20)
        assert server["headers"]["X-Vapi-Secret"] == SECRET
    await callgate.api("DELETE", f"/phone-numbers/{number['id']}")
    assert (vapi.assistants.find(assistant) or {})["server"]["url"] == THEIRS


@pytest.mark.parametrize("when", ["added", "bound later"])
async def test_two_numbers_share_an_assistant(
    callgate: Replica, vapi: SandboxVapi, when: str
) -> None:
    """The first release keeps the webhook for the other number, the last one puts it back."""
    assistant = add_assistant(vapi)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    first = vapi.add_number(assistantId=assistant)["id"]
    second = vapi.add_number(assistantId=assistant if when == "added" else None)["id"]
    one, two = [await callgate.add_number(organization, each) for each in (first, second)]
    vapi.edit_number(second, assistantId=assistant)
    await sweep(callgate)
    for number in one, two:
        sync = (await get(callgate, number))["sync"]
        assert (sync["state"], sync["level"]) == ("in_sync", "assistant")
    assert writes(vapi, "assistant") == 1
    await callgate.api("DELETE", f"/phone-numbers/{one['id']}")
    await idle(callgate)
    assert (vapi.assistants.find(assistant) or {})["server"]["url"] == ours(callgate)
    asked = len(vapi.requests())
    assert (await sweep(callgate))["in_sync"] == 1
    assert len(vapi.requests()) == asked + 2
    await callgate.api("DELETE", f"/phone-numbers/{two['id']}")
    await idle(callgate)
    assert (vapi.assistants.find(assistant) or {})["server"] == SERVER
    left = await callgate.service.pool.fetchval("SELECT count(*) FROM callgate.assistant_webhooks")
    assert left == 0


async def test_squad_members_of_the_organization_carry_the_webhook(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """All of them, or none: half of a call's events are of no use."""
    first, second, plain = (
        add_assistant(vapi),
        add_assistant(vapi),
        add_assistant(vapi, server=None),
    )
    members = [{"assistantId": one} for one in (first, plain, second)]
    number_id = vapi.add_number(squadId=vapi.add_squad(members=members)["id"])["id"]
    organization = await callgate.add_organization(assistant_ids=[first])
    number = await callgate.add_number(organization, number_id)
    assert number["sync"]["state"] == "shadowed"
    assert writes(vapi, "assistant") == 0
    await own(callgate, organization, first, second)
    found = (await get(callgate, number))["sync"]
    assert (found["state"], found["level"]) == ("in_sync", "assistant")
    urls = [(vapi.assistants.find(one) or {}).get("server") for one in (first, second, plain)]
    assert [(server or {}).get("url") for server in urls] == [ours(callgate), ours(callgate), None]
    assert (await sweep(callgate))["in_sync"] == 1
    await callgate.api("DELETE", f"/phone-numbers/{number['id']}")
    assert [(vapi.assistants.find(one) or {})["server"] for one in (first, second)] == [SERVER] * 2


@pytest.mark.parametrize("how", ["unbound", "bound elsewhere", "unregistered", "deleted"])
async def test_an_assistant_that_no_longer_answers_is_given_back(
    callgate: Replica, vapi: SandboxVapi, how: str
) -> None:
    assistant, other = add_assistant(vapi), add_assistant(vapi, server=None)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    number_id = vapi.add_number(assistantId=assistant)["id"]
    number = await callgate.add_number(organization, number_id)
    assert number["sync"]["level"] == "assistant"
    if how == "unregistered":
        await own(callgate, organization)
    elif how == "deleted":
        vapi.assistants.remove(assistant)
    else:
        vapi.edit_number(number_id, assistantId=other if how == "bound elsewhere" else None)
    await sweep(callgate)
    if how != "deleted":
        assert (vapi.assistants.find(assistant) or {})["server"] == SERVER
    sync = (await get(callgate, number))["sync"]
    assert sync["state"] == ("shadowed" if how == "unregistered" else "in_sync")
    assert sync["level"] == "phone_number"
    assert (vapi.numbers.find(number_id) or {})["server"]["url"] == ours(callgate)
    assert (
        await callgate.service.pool.fetchval("SELECT count(*) FROM callgate.assistant_webhooks")
        == 0
    )
    before = len(vapi.requests())
    await sweep(callgate)
    assert {request.path for request in list(vapi.requests())[before:]} <= {
        "/v2/phone-number",
        "/assistant",
    }


async def test_assistants_are_never_touched_where_that_is_set(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(
        callgate_assistant_webhooks="never", callgate_reconcile_interval=0
    )
    assistant = add_assistant(vapi)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    number = await callgate.add_number(organization, vapi.add_number(assistantId=assistant)["id"])
    report = await sweep(callgate)
    assert (report["shadowed"], report["repairs"]) == (1, [])
    sync = (await get(callgate, number))["sync"]
    assert sync["state"] == "shadowed"
    assert assistant in sync["last_error"]
    assert writes(vapi, "assistant") == 0


async def test_what_was_put_on_assistants_is_taken_back_where_it_is_no_longer_allowed(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    url = "http://127.0.0.1:9/api/vapi/webhook"
    allowing = await start_replica(vapi_webhook_url=url, callgate_reconcile_interval=0)
    assistant = add_assistant(vapi)
    organization = await allowing.add_organization(assistant_ids=[assistant])
    number = await allowing.add_number(organization, vapi.add_number(assistantId=assistant)["id"])
    assert number["sync"]["level"] == "assistant"
    await allowing.service.stop()
    never = await start_replica(
        vapi_webhook_url=url, callgate_assistant_webhooks="never", callgate_reconcile_interval=0
    )
    await sweep(never)
    assert (vapi.assistants.find(assistant) or {})["server"] == SERVER
    assert (await get(never, number))["sync"]["state"] == "shadowed"


@pytest.mark.parametrize("server", [None, SERVER], ids=["plain", "with a server of its own"])
async def test_a_number_that_takes_no_webhook_has_it_on_its_assistant(
    callgate: Replica, vapi: SandboxVapi, server: dict[str, Any] | None
) -> None:
    """Vapi is not asked again at every sweep; a person's order tries the number again."""
    assistant = add_assistant(vapi, server=server)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    vapi.fail("PATCH /phone-number/*", status=400)
    number_id = vapi.add_number(assistantId=assistant)["id"]
    number = await callgate.add_number(organization, number_id)
    sync = number["sync"]
    assert (sync["state"], sync["level"]) == ("in_sync", "assistant")
    assert "refuses" in sync["last_error"]
    assert (vapi.assistants.find(assistant) or {})["server"]["url"] == ours(callgate)
    assert (writes(vapi, "phone-number"), writes(vapi, "assistant")) == (1, 1)
    call = vapi.place_call(number_id, duration=2)
    await call.settled()
    assert {delivery.url for delivery in call.deliveries} == {ours(callgate)}
    before = len(vapi.requests())
    for _ in range(3):
        report = await sweep(callgate)
        assert (report["in_sync"], report["drifted"]) == (1, 0)
    assert {request.path for request in list(vapi.requests())[before:]} == {
        "/v2/phone-number",
        "/assistant",
    }
    vapi.faults.clear()
    synced = (await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")).json["sync"]
    assert (synced["state"], synced["last_error"]) == ("in_sync", None)
    assert (vapi.numbers.find(number_id) or {})["server"]["url"] == ours(callgate)
    await callgate.api("DELETE", f"/phone-numbers/{number['id']}")
    assert (vapi.assistants.find(assistant) or {}).get("server") == server
    assert (vapi.numbers.find(number_id) or {}).get("server") is None


async def test_a_number_that_takes_no_webhook_and_loses_its_assistant_says_so(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    assistant = add_assistant(vapi, server=None)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    vapi.fail("PATCH /phone-number/*", status=400)
    number_id = vapi.add_number(assistantId=assistant)["id"]
    number = await callgate.add_number(organization, number_id)
    assert number["sync"]["state"] == "in_sync"
    vapi.edit_number(number_id, assistantId=None)
    await sweep(callgate)
    assert (await get(callgate, number))["sync"]["state"] == "failed"
    assert (vapi.assistants.find(assistant) or {}).get("server") is None
    tried = writes(vapi, "phone-number")
    for _ in range(3):
        await callgate.service.reconciling.sweeper.sweep(SweepRequest())
        await idle(callgate)
    assert writes(vapi, "phone-number") == tried


async def test_a_number_that_takes_no_webhook_and_has_no_assistant_of_ours_fails(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    assistant = add_assistant(vapi, server=None)
    vapi.fail("PATCH /phone-number/*", status=400)
    organization = await callgate.add_organization()
    for fields in ({}, {"assistantId": assistant}):
        number = await callgate.add_number(organization, vapi.add_number(**fields)["id"])
        assert number["sync"]["state"] == "failed"
        assert "refuses" in number["sync"]["last_error"]
    assert writes(vapi, "assistant") == 0


@pytest.mark.parametrize(
    "headers", [None, {}, {"X-Vapi-Secret": "not ours"}], ids=["none", "empty", "another"]
)
async def test_an_assistant_that_posts_to_us_without_our_secret_is_reported(
    callgate: Replica, vapi: SandboxVapi, headers: dict[str, str] | None
) -> None:
    """Its events arrive and are refused: to the caller that is no gate either."""
    server = {"url": ours(callgate)} | ({} if headers is None else {"headers": headers})
    assistant = add_assistant(vapi, server=server)
    organization = await callgate.add_organization()
    number = await callgate.add_number(organization, vapi.add_number(assistantId=assistant)["id"])
    sync = number["sync"]
    assert sync["state"] == "shadowed"
    assert "assistant.server.headers.X-Vapi-Secret" in [entry["field"] for entry in sync["drift"]]
    assert "without our secret" in sync["last_error"]
    assert SECRET not in str(number)
    report = await sweep(callgate)
    assert (report["shadowed"], report["repairs"]) == (1, [])
    assert writes(vapi, "assistant") == 0
    await own(callgate, organization, assistant)
    assert (await get(callgate, number))["sync"]["state"] == "in_sync"
    assert (vapi.assistants.find(assistant) or {})["server"]["headers"] == {"X-Vapi-Secret": SECRET}


async def test_an_assistant_of_ours_with_an_accepted_secret_is_well(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """Set up by hand, with other timeouts than ours: it does what it should and is not ours."""
    server = {"url": ours(callgate), "headers": {"x-vapi-secret": SECRET}, "timeoutSeconds": 5}
    assistant = add_assistant(vapi, server=server)
    organization = await callgate.add_organization()
    number = await callgate.add_number(organization, vapi.add_number(assistantId=assistant)["id"])
    assert (number["sync"]["state"], number["sync"]["drift"]) == ("in_sync", [])
    assert (await sweep(callgate))["in_sync"] == 1
    assert writes(vapi, "assistant") == 0


async def test_a_new_secret_reaches_assistants_too(start_replica: Start, vapi: SandboxVapi) -> None:
    """However many they are: our own rotation neither trips the brake nor counts as drift."""
    url = "http://127.0.0.1:9/api/vapi/webhook"
    old = await start_replica(vapi_webhook_url=url, callgate_reconcile_interval=0)
    assistants = [add_assistant(vapi) for _ in range(12)]
    organization = await old.add_organization(assistant_ids=assistants)
    for assistant in assistants:
        await old.add_number(organization, vapi.add_number(assistantId=assistant)["id"])
    await old.service.stop()
    new = await start_replica(
        vapi_webhook_url=url,
        vapi_webhook_secret=f"the-new-secret,{SECRET}",
        callgate_reconcile_interval=0,
    )
    report = await sweep(new)
    assert (report["drifted"], report["repaired"]) == (12, 12)
    for assistant in assistants:
        server = (vapi.assistants.find(assistant) or {})["server"]
        assert server["headers"] == {"X-Theirs": "keep", "X-Vapi-Secret": "the-new-secret"}
    causes = await new.service.pool.fetch(
        "SELECT cause, level, count(*) AS times FROM callgate.webhook_changes "
        "WHERE cause <> 'added' GROUP BY cause, level ORDER BY level"
    )
    assert [tuple(row) for row in causes] == [
        ("secret_rotated", "assistant", 12),
        ("secret_rotated", "phone_number", 12),
    ]


async def test_an_assistant_that_somebody_keeps_changing_back_is_left_alone(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    assistant = add_assistant(vapi)
    organization = await callgate.add_organization(assistant_ids=[assistant])
    number = await callgate.add_number(organization, vapi.add_number(assistantId=assistant)["id"])
    for _ in range(5):
        vapi.edit_assistant(assistant, server=dict(SERVER))
        await callgate.service.reconciling.sweeper.sweep(SweepRequest())
        await idle(callgate)
    assert writes(vapi, "assistant") <= 4
    sync = (await get(callgate, number))["sync"]
    assert sync["state"] == "drifted"
    assert "assistant.server.url" in sync["last_error"]
