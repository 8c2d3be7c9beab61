"""A plugin that pip installs, upgrades and removes between restarts: what was decided with it stays
explained as it was, by the API, in the panel and by `callgate explain`."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from service.sandbox.server import SandboxVapi
from tests.support.people import add_admin, sign_in
from tests.support.process import ServiceProcess
from tests.support.service import Replica, eventually
from tests.support.visiting import Visitor

PLAN = {"code": "pro", "status": "active"}
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "callgate-fair-use"
version = "VERSION"

[project.entry-points.callgate]
fair_use = "callgate_fair_use"
"""
FIRST = """
from pydantic import BaseModel
from policies import abstain, deny, hookimpl


class Settings(BaseModel):
    most: int = 10


class FairUse:
    name, order, pure, settings = "fair_use", 50, True, Settings

    def evaluate(self, request):
        seats = request.organization.attributes.get("seats", 0)
        if seats > request.settings.most:
            note = f"{seats} of {request.settings.most} seats"
            return deny("fair_use_exceeded", note=note, message="Too many seats, {organization}.")
        return abstain()


@hookimpl
def register_access_policies():
    return [FairUse()]
"""
SECOND = """
from pydantic import BaseModel, ConfigDict
from policies import abstain, deny, hookimpl


class Limits(BaseModel):
    model_config = ConfigDict(extra="forbid")
    licenses: str = "none"


class FairUse:
    name, order, settings = "fair_use", 20, Limits

    async def evaluate(self, request):
        return deny("no_license", note=f"licenses: {request.settings.licenses}")


@hookimpl
def register_access_policies():
    return [FairUse()]
"""
SET = """
INSERT INTO callgate.organization_policies (organization_id, name, mode, settings)
VALUES ($1::uuid, 'fair_use', 'enforce', '{"most": 3}')
"""


class Environment:
    """An environment of its own that has all of this one, and what pip installs into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False)
        self.python = str(folder / "venv" / "bin" / "python")
        (packages,) = (folder / "venv").glob("lib/python*/site-packages")
        here = [path for path in sys.path if path.endswith("site-packages")]
        lines = [f"import site; site.addsitedir({path!r})" for path in here]
        (packages / "outer.pth").write_text("\n".join(lines) + "\n")

    def pip(self, *words: str) -> None:
        command = [sys.executable, "-m", "pip", "--python", self.python, "--quiet", *words]
        subprocess.run(command, check=True, capture_output=True)

    def install(self, version: str, module: str) -> None:
        """Install or upgrade the plugin."""
        source = self.folder / version
        source.mkdir()
        (source / "pyproject.toml").write_text(PROJECT.replace("VERSION", version))
        (source / "callgate_fair_use.py").write_text(module)
        options = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
        self.pip("install", "--upgrade", *options, str(source))

    def uninstall(self) -> None:
        self.pip("uninstall", "--yes", "callgate-fair-use")

    def explain(self, dsn: str, call_id: str) -> Any:
        """What `callgate explain --call` prints."""
        done = subprocess.run(
            [self.python, "-m", "service", "explain", "--call", call_id, "--json"],
            env={**os.environ, "DATABASE_URL": dsn},
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)


@asynccontextmanager
async def serving(
    environment: Environment, dsn: str, vapi: SandboxVapi, folder: Path
) -> AsyncIterator[Replica]:
    """A service in this environment, and a client of it."""
    process = ServiceProcess(
        vapi, folder / "data", environment={"DATABASE_URL": dsn}, python=environment.python
    )
    await process.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Replica(None, session, process.url)  # type: ignore[arg-type]
    finally:
        assert await process.end() == 0, process.log.read_text()


async def call(client: Replica, vapi: SandboxVapi, number_id: str) -> tuple[str, Any]:
    """A new call: its id, and the answer to its assistant-request."""
    message = vapi.live_call(number_id, kind="assistant-request")
    answer = await client.post(message)
    assert answer.status == 200
    return str(message["message"]["call"]["id"]), answer.json


async def test_decisions_outlive_the_plugin_that_made_them(
    dsn: str, pool: asyncpg.Pool, vapi: SandboxVapi, tmp_path: Path
) -> None:
    environment = Environment(tmp_path)
    await add_admin(pool)
    token = await sign_in(pool)

    async def explained(client: Replica, call_id: str) -> tuple[Any, str, Any]:
        """By the API, in the panel and by the command; what changes with the call's end is left out."""
        stored = await eventually(partial(client.call, call_id))
        page = await Visitor(client.session, client.url, token).get(f"/calls/{stored['id']}")
        assert page.status == 200
        trace = page.text.partition("Decision")[2].partition("Steps")[0]
        told = {name: stored[name] for name in ("decision", "reason", "blocked", "gate")}
        return told, trace, environment.explain(dsn, call_id)

    environment.install("1.0", FIRST)
    async with serving(environment, dsn, vapi, tmp_path) as client:
        organization_id = await client.add_organization(attributes={"seats": 5})
        await client.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
        number_id = str(vapi.add_number(provider="vapi")["id"])
        await client.add_number(organization_id, number_id, answer_with={"assistantId": "a-1"})
        await pool.execute(SET, organization_id)

        async def denied() -> str | None:
            call_id, answer = await call(client, vapi, number_id)
            return call_id if answer == {"error": "Too many seats, Bakery."} else None

        first = await eventually(denied)
        as_first = await explained(client, first)
    (story, shown, printed) = as_first
    assert story["reason"] == "fair_use_exceeded"
    assert "5 of 3 seats" in shown
    assert [one["note"] for one in printed["trace"] if one["policy"] == "fair_use"] == [
        "5 of 3 seats"
    ]

    environment.install("2.0", SECOND)
    async with serving(environment, dsn, vapi, tmp_path) as client:
        assert await explained(client, first) == as_first
        misfit, answer = await call(client, vapi, number_id)
        assert answer == {"assistantId": "a-1"}
        (entry,) = (
            one
            for one in (await eventually(partial(client.call, misfit)))["decision"]["trace"]
            if one["policy"] == "fair_use"
        )
        assert (entry["effect"], entry["reason"]) == ("failed", "settings_refused")
        await pool.execute("DELETE FROM callgate.organization_policies")

        async def unlicensed() -> str | None:
            call_id, answer = await call(client, vapi, number_id)
            return call_id if "error" in answer else None

        second = await eventually(unlicensed)
        as_second = await explained(client, second)
    assert as_second[0]["reason"] == "no_license"
    await pool.execute(SET, organization_id)

    environment.uninstall()
    async with serving(environment, dsn, vapi, tmp_path) as client:
        listed = (await client.api("GET", "/policies")).json["items"]
        assert "fair_use" not in {one["name"] for one in listed}
        again = [await explained(client, one) for one in (first, second)]
        assert again == [as_first, as_second]
        _, answer = await call(client, vapi, number_id)
        assert answer == {"assistantId": "a-1"}
