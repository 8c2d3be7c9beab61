"""Promises of every page of the panel: it needs a sign-in, changes need their role, and no script or
style is inline."""

import re
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from service.domain.people import Role
from service.sandbox.server import SandboxVapi
from service.web.panel.kit.guard import COOKIE
from tests.support.service import Replica
from tests.support.visiting import Visitor, visiting

OPEN = ("/sign-in", "/sign-in/provider", "/sign-in/provider/back", "/setup", "/static")
OWN = ("/sign-out", "/account")
"""Changes that every signed-in admin may make: to their own account."""

FORMS = ("plan", "trial", "override", "messages", "handling")
SUPPORT = ("/override", "/undo/", "/health")
INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|\shx-on|javascript:")


def addresses(callgate: Replica, method: str) -> list[str]:
    """The panel's addresses, with ids of nothing in them."""
    mounted = next(
        resource
        for resource in callgate.service.app.router.resources()
        if resource.canonical == "/admin" and isinstance(resource, web.PrefixedSubAppResource)
    )
    found = []
    for resource in mounted._app.router.resources():
        if method in {route.method for route in resource}:
            path = resource.canonical.removeprefix("/admin")
            if "{rest" in path or path.startswith("/static"):
                continue
            path = path.replace("{audit_id}", "1")
            found.append(re.sub(r"{\w+}", str(uuid4()), path))
    assert len(found) > 15
    return found


def is_one_of(path: str, beginnings: tuple[str, ...]) -> bool:
    return any(path.startswith(beginning) for beginning in beginnings)


async def everything(callgate: Replica) -> list[int]:
    """How many rows of everything that a page could change there are, and the last audit entry."""
    return [
        await callgate.service.pool.fetchval(statement)
        for statement in (
            "SELECT count(*) FROM callgate.organizations",
            "SELECT count(*) FROM callgate.phone_numbers WHERE released_at IS NULL",
            "SELECT count(*) FROM callgate.overrides",
            "SELECT count(*) FROM callgate.api_tokens WHERE revoked_at IS NULL",
            "SELECT count(*) FROM callgate.admins WHERE disabled_at IS NULL",
            "SELECT coalesce(max(id), 0) FROM callgate.audit",
        )
    ]


async def test_who_is_not_signed_in_sees_only_how_to_sign_in(callgate: Replica) -> None:
    async with visiting(callgate), aiohttp.ClientSession() as session:
        before = await everything(callgate)
        for method in ("GET", "POST"):
            for path in addresses(callgate, method):
                if is_one_of(path, OPEN):
                    continue
                async with session.request(
                    method, f"{callgate.url}/admin{path}", allow_redirects=False
                ) as answer:
                    assert answer.status == 303, (method, path)
                    assert answer.headers["Location"].startswith("/admin/sign-in"), (method, path)
        assert await everything(callgate) == before


@pytest.mark.parametrize("role", ["viewer", "support"])
async def test_hand_made_requests_change_nothing_for_those_who_may_not(
    callgate: Replica, role: Role
) -> None:
    async with visiting(callgate, role, "Vic") as vic:
        before = await everything(callgate)
        for path in addresses(callgate, "POST"):
            if is_one_of(path, (*OPEN, *OWN)) or (
                role == "support" and any(part in path for part in SUPPORT)
            ):
                continue
            if path in ("/health", "/repairs/look"):
                continue  # every role may start a check
            shown = await vic.post(
                path, {"typed": "x", "name": "Mine", "reason": "x", "role": "admin"}
            )
            assert shown.status in (403, 404), (path, shown.status)
            if "{" not in path and role == "viewer":
                assert shown.status == 403, path
        assert await everything(callgate) == before


async def test_forms_that_are_not_ours_change_nothing(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        before = await everything(callgate)
        for path in addresses(callgate, "POST"):
            if is_one_of(path, OPEN):
                continue
            shown = await ada.post(path, {"name": "Mine"}, csrf="guessed")
            assert shown.status == 403, path
            cookie = {"Cookie": f"{COOKIE}={ada.token}", "Sec-Fetch-Site": "cross-site"}
            shown = await ada.ask("POST", path, data={"name": "Mine"}, headers=cookie)
            assert shown.status == 403, path
        assert await everything(callgate) == before
        assert (await ada.get("")).status == 200


async def seen(visitor: Visitor, path: str) -> None:
    shown = await visitor.get(path)
    assert shown.status in (200, 404), (path, shown.status)
    policy = shown.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert shown.headers["Cache-Control"] == "no-store"
    assert not INLINE.search(shown.body), (path, INLINE.search(shown.body))
    for tag in re.findall(r"<(?:input|select|textarea)\b[^>]*>", shown.body):
        if "hidden" in tag or "aria-label" in tag or 'type="checkbox"' in tag:
            continue  # boxes stand within their labels
        name = re.search(r'\bid="([^"]+)"', tag)
        assert name, (path, tag)
        assert f'for="{name[1]}"' in shown.body, (path, tag)


async def test_no_page_has_anything_that_runs_within_it_and_every_field_has_its_label(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    organization = await callgate.add_organization("Bakery")
    number = await callgate.add_number(organization, vapi.add_numbers(1)[0])
    async with visiting(callgate) as ada:
        for path in addresses(callgate, "GET"):
            if is_one_of(
                path,
                (
                    "/sign-in/provider",
                    "/setup",
                    "/calls/feed",
                    "/organizations.csv",
                    "/numbers.csv",
                    "/usage.csv",
                    "/calls.csv",
                    "/audit.csv",
                ),
            ):
                continue
            await seen(ada, path)
        for path in (f"/organizations/{organization}", f"/numbers/{number['id']}"):
            await seen(ada, path)
            await seen(ada, f"{path}/edit")
        for kind in (*FORMS, "timeline", "relay", "relay/replay", "relay/secret"):
            await seen(ada, f"/organizations/{organization}/{kind}")


@pytest.mark.parametrize(
    "query",
    [
        "query=%00%ff&cursor=%F0%28",
        "cursor=x&sort=%27;--&limit=-1",
        "query=" + "x" * 3000,
        "at=yesterday",
    ],
)
async def test_hostile_addresses_are_pages_all_the_same(callgate: Replica, query: str) -> None:
    async with visiting(callgate) as ada:
        for path in addresses(callgate, "GET"):
            if "feed" in path or path.startswith("/sign-in"):
                continue
            shown = await ada.get(f"{path}?{query}")
            assert shown.status < 500, (path, shown.status, shown.text[-300:])
