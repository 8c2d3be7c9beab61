"""One spelling of a kind means the same at every entrance: all understand it, or all refuse it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from policies.caller_rules import CallerRulesSettings
from policies.host.settings import UnfitSettingsError, read_policy_settings
from service.admin.calls.callers import parse_caller
from service.admin.imports.number_rows import ImportRow, parse_import
from service.admin.imports.organization_rows import ImportedOrganization, parse_organizations
from service.domain.errors import InvalidError
from service.sandbox.server import SandboxVapi
from service.store.organizations import organizations
from tests.support.api import ApiClient
from tests.web.api.phone_numbers.helpers import add

NUMBER = "+15550100201"
UNDERSTOOD = [
    NUMBER,
    "+1 (555) 010-0201",
    "0015550100201",
    "00 1 (0) 555 010 0201",
    "+1 (0)555 010 0201",
    "tel:+1-555-010-0201",
    "tel:%2B15550100201;ext=3",
    "+15550100201;ext=3",
    "\uff0b1555010\uff10201",
    "\u200b\u202a+1\u00a0555\u2011010\u20130201\u202c",
    f'"{NUMBER}"',
]
REFUSED = [
    "(555) 010-0201",
    "5550100201",
    "bakery",
    "1.5550E+10",
    "+0155501002",
    "+1555 ext. 5",
    " ",
]


async def say_number(api: ApiClient, owner: str, text: str) -> dict[str, str | None]:
    """The number that each entrance understands; None: refused."""
    rules = f"/organizations/{owner}/policies/caller_rules"
    place = {"type": "number", "number": text}
    settings: list[tuple[str, dict[str, Any]]] = [
        ("block", {"block": [text]}),
        ("divert_to", {"block_anonymous": True, "divert_to": text}),
        ("destination", {"block_anonymous": True, "divert_to": {"destination": place}}),
    ]
    found = dict[str, str | None]()
    for name, values in settings:
        reply = await api.ask("PUT", rules, {"settings": values})
        assert reply.status in (200, 422)
        fits = CallerRulesSettings.model_validate(values) if reply.status == 200 else None
        found[name] = None if fits is None else number_of(fits)
    for field, handling in (
        ("transfer_when_down", {"transfer_when_down": text}),
        ("relay_fallback", {"relay_fallback": {"destination": place}}),
    ):
        reply = await api.ask("PATCH", f"/organizations/{owner}", {"handling": handling})
        kept = reply.json["handling"][field] if reply.status == 200 else None
        found[field] = kept["destination"]["number"] if isinstance(kept, dict) else kept
    supposed = {"call": {"type": "inboundPhoneCall", "caller_number": text}}
    reply = await api.ask("POST", f"/organizations/{owner}/access", supposed)
    found["what_if"] = NUMBER if reply.status == 200 else None
    return {**found, **say_locally(text)}


def number_of(settings: CallerRulesSettings) -> str | None:
    """The number in the settings of a policy, wherever it stands."""
    if settings.block:
        return next(iter(settings.block))
    place = settings.divert_to
    return str(place["destination"]["number"]) if isinstance(place, Mapping) else place


def say_locally(text: str) -> dict[str, str | None]:
    """The same of entrances without HTTP: a CSV file, `callgate calls forget`, the environment."""
    cell = text.replace('"', '""')
    [row] = parse_import(f'phone_number,organization\n"{cell}",x\n'.encode())
    try:
        forgotten = parse_caller(text)
    except InvalidError:
        forgotten = None
    variable = {"CALLGATE_POLICY_CALLER_RULES_BLOCK": text}
    try:
        read = read_policy_settings("caller_rules", CallerRulesSettings, variable).default
    except UnfitSettingsError:
        read = None
    return {
        "csv": row.phone_number if isinstance(row, ImportRow) and row.is_e164 else None,
        "forget": forgotten,
        "environment": number_of(read) if isinstance(read, CallerRulesSettings) else None,
    }


async def test_a_spelling_of_a_number_means_the_same_everywhere(api: ApiClient) -> None:
    owner = (await api.organization())["id"]
    for text in UNDERSTOOD:
        found = await say_number(api, owner, text)
        assert found == dict.fromkeys(found, NUMBER), text
    for text in REFUSED:
        found = await say_number(api, owner, text)
        assert found == dict.fromkeys(found), text


def test_a_caller_that_cannot_be_forgotten_is_named_with_the_remedy() -> None:
    with pytest.raises(InvalidError, match=r"“5550100201” names no single caller: .* country code"):
        parse_caller("5550100201")


async def test_every_list_finds_a_number_by_every_spelling(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    owner = await api.organization()
    vapi_id = vapi.add_number(provider="vapi", number=NUMBER)["id"]
    await add(api, owner, vapi_id)
    bare = vapi_id.replace("-", "")
    for text in [*UNDERSTOOD, "(555) 010-0201", vapi_id.upper(), bare, f"\u200b{vapi_id}"]:
        for path in (f"/phone-numbers?search={quote(text)}", f"/organizations?query={quote(text)}"):
            assert len((await api.get(path))["items"]) == 1, path


async def test_no_policy_diverts_calls_to_a_registered_number(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    """They would ring in a circle."""
    owner = await api.organization()
    await add(api, owner, vapi.add_number(provider="vapi", number=NUMBER)["id"])
    for place in (NUMBER, "+1 555 010 0201", {"destination": {"type": "number", "number": NUMBER}}):
        reply = await api.ask(
            "PUT",
            f"/organizations/{owner['id']}/policies/caller_rules",
            {"settings": {"block_anonymous": True, "divert_to": place}},
        )
        assert (reply.status, reply.code) == (422, "transfer_in_circle"), place


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("europe/berlin", "Europe/Berlin"),
        (" Europe/Berlin\u200b", "Europe/Berlin"),
        ("America/New York", "America/New_York"),
        ('"utc"', "UTC"),
        ("localtime", None),
        ("posix/UTC", None),
        ("+02:00", None),
        ("", None),
    ],
)
async def test_a_time_zone_means_the_same_everywhere(
    api: ApiClient, text: str, zone: str | None
) -> None:
    owner = (await api.organization())["id"]
    status = 422 if zone is None else 200
    one = f"/organizations/{owner}"
    patched = await api.ask("PATCH", one, {"time_zone": text})
    assert patched.status == status
    assert zone is None or patched.json["time_zone"] == zone
    hours = {"weekly": {"monday": ["09:00-17:00"]}, "time_zone": text}
    body = {"settings": hours}
    assert (await api.ask("PUT", f"{one}/policies/opening_hours", body)).status == status
    query = f"interval=day&time_zone={quote(text)}"
    assert (await api.ask("GET", f"{one}/usage?{query}")).status == status
    cell = text.replace('"', '""')
    [row] = parse_organizations(f'name,time_zone\nAcme,"{cell}"\n'.encode())
    if text:  # an empty cell changes nothing
        assert (row.time_zone if isinstance(row, ImportedOrganization) else None) == zone


async def test_an_organization_is_named_alike_in_paths_queries_and_commands(api: ApiClient) -> None:
    external = "0b1d2c3e-0000-4000-8000-000000000001"
    owner = UUID((await api.organization(external_id=external))["id"])
    for text in (str(owner), str(owner).upper(), owner.hex, f"\u200b{owner}"):
        assert (await api.get(f"/organizations/{quote(text)}"))["id"] == str(owner)
        assert (await api.ask("GET", f"/calls?organization_id={quote(text)}")).status == 200
        found = await organizations.find_named(api.service.pool, text)
        assert found is not None
        assert found.id == owner
    # Of a command an external id may be a UUID, and be written as in a path.
    for text in (external, f"external_id:{external}", f" external_id:{external}\u200b"):
        found = await organizations.find_named(api.service.pool, text)
        assert found is not None
        assert found.id == owner
    assert await organizations.find_named(api.service.pool, "acme") is None


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        (" We are closed.\nGoodbye. \r\n", "We are closed. Goodbye."),
        ("\u202aWe are closed.\u202c", "We are closed."),
        ("{organization} is closed.", "{organization} is closed."),
        ("Closed {until", None),
        ("{{date}}", None),
        ("{company}", None),
        ("a\u202eb", None),
        ("\u200b", None),
    ],
)
async def test_a_text_that_is_spoken_means_the_same_everywhere(
    api: ApiClient, text: str, spoken: str | None
) -> None:
    one = f"/organizations/{(await api.organization())['id']}"
    patched = await api.ask("PATCH", one, {"blocked_message": text})
    assert (patched.json.get("blocked_message") if patched.status == 200 else None) == spoken
    patched = await api.ask("PATCH", one, {"blocked_messages": [{"text": text}]})
    assert (
        patched.json["blocked_messages"][0]["text"] if patched.status == 200 else None
    ) == spoken
    settings = {"block_anonymous": True, "message": text}
    put = await api.ask("PUT", f"{one}/policies/caller_rules", {"settings": settings})
    assert put.status == (422 if spoken is None else 200)
    assert spoken is None or CallerRulesSettings.model_validate(settings).message == spoken
    if "\n" not in text:  # a cell has one line
        [row] = parse_organizations(f"name,blocked_message\nAcme,{text}\n".encode())
        assert (row.blocked_message if isinstance(row, ImportedOrganization) else None) in (
            spoken,
            None,
        )


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (" https://hooks.example.com/x\n", "https://hooks.example.com/x"),
        ('"https://hooks.example.com/x"\u200b', "https://hooks.example.com/x"),
        ("https://hööks.example.com/x", "https://xn--hks-snaa.example.com/x"),
        ("https://hooks.example.com/%7Ex?a=%20", "https://hooks.example.com/%7Ex?a=%20"),
        ("https://hooks.example.com/a b", None),
        ("hooks.example.com", None),
    ],
)
async def test_a_servers_address_is_read_as_it_is_pasted(
    api: ApiClient, text: str, url: str | None
) -> None:
    one = f"/organizations/{(await api.organization())['id']}"
    reply = await api.ask("PATCH", one, {"forward_url": text})
    assert (reply.json["forward_url"] if reply.status == 200 else None) == url


async def test_filters_find_by_every_spelling(api: ApiClient) -> None:
    owner = UUID((await api.organization())["id"])
    await api.ask("PATCH", f"/organizations/{owner}", {"name": "Other"})
    changes = len(await api.audit(owner))
    assert changes == 2
    for text in (str(owner).upper(), owner.hex, f" {owner}"):
        assert len((await api.get(f"/audit?object_id={quote(text)}"))["items"]) == changes
    for query in ("action=Organization.changed", "object_type=Organization", "source=API"):
        assert (await api.get(f"/audit?{query}"))["items"]
    for query in ("reason=No_plan_or_trial", "reason=no_plan_or_trial%20"):
        assert len((await api.get(f"/organizations?{query}"))["items"]) == 1
