"""The start with plugins that hang, and with those that an operator requires or leaves out."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.access.policies.plugins import PolicyChoice, load_policies
from service.sandbox.server import SandboxVapi
from tests.support.plugins import policy_module, write_plugin
from tests.support.process import ServiceProcess

HANGING = "import time\ntime.sleep(600)\n"
HANGING_HOOK = """
import time
from policies import hookimpl


@hookimpl
def register_access_policies():
    time.sleep(600)
"""
HANGING_NAME = """
import time
from policies import hookimpl


class Policy:
    order = 1

    @property
    def name(self):
        time.sleep(600)


@hookimpl
def register_access_policies():
    return [Policy()]
"""


LIMITED = """
from pydantic import BaseModel
from policies import abstain, hookimpl, policy


class Limits(BaseModel):
    most: int


@policy(order=50, settings=Limits)
def limited(request):
    return abstain()


@hookimpl
def register_access_policies():
    return [limited]
"""


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for plugins, on the path of this process."""
    folder = tmp_path / "plugins"
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith("stranger"):
            del sys.modules[name]


@pytest.mark.parametrize("module", [HANGING, HANGING_HOOK, HANGING_NAME])
def test_a_plugin_that_hangs_is_left_behind(module: str, on_path: Path) -> None:
    write_plugin(on_path, "stranger_hanging", module)
    write_plugin(on_path, "stranger_well", policy_module("well", "return abstain()"))
    began = time.monotonic()
    loaded = load_policies(seconds=0.5)
    assert time.monotonic() - began < 5
    names = [policy.name for policy in loaded.policies if policy.settings is None]
    assert names == ["admin_override", "well", "plan", "trial"]
    (problem,) = loaded.problems
    assert problem.plugin == "stranger_hanging"
    assert "within 0.5 s" in problem.message


def test_an_operator_chooses_what_is_loaded(on_path: Path) -> None:
    write_plugin(on_path, "stranger_a", policy_module("a_policy", "return abstain()"))
    write_plugin(on_path, "stranger_b", "raise RuntimeError('broken')")

    def names(choice: PolicyChoice) -> list[str]:
        return [one.name for one in load_policies(choice).policies if one.settings is None]

    assert names(PolicyChoice()) == ["admin_override", "a_policy", "plan", "trial"]
    assert names(PolicyChoice(third_party=False)) == ["admin_override", "plan", "trial"]
    assert names(PolicyChoice(off=("a_policy", "trial"))) == ["admin_override", "plan"]
    loaded = load_policies(PolicyChoice(required=("a_policy", "b_policy", "plan")))
    assert loaded.missing == ("b_policy",)
    off = load_policies(PolicyChoice(required=("plan",), third_party=False))
    assert (off.missing, off.problems) == ((), ())
    misspelt = load_policies(PolicyChoice(off=("a_policy", "PLAN")))
    told = [one.message for one in misspelt.problems if one.plugin == "environment"]
    assert told == ["CALLGATE_POLICIES_OFF: no plugin registers PLAN"]


async def test_a_signal_ends_a_start_that_waits_for_a_plugin(
    dsn: str, vapi: SandboxVapi, tmp_path: Path
) -> None:
    """A line says which plugin is being loaded, and SIGTERM works meanwhile."""
    write_plugin(tmp_path / "plugins", "stranger_hanging", HANGING)
    environment = {"DATABASE_URL": dsn, "PYTHONPATH": str(tmp_path / "plugins")}
    process = ServiceProcess(vapi, tmp_path / "data", environment=environment)
    starting = asyncio.create_task(process.start())
    async with asyncio.timeout(30):
        while not (process.log.exists() and "plugin.loading" in process.log.read_text()):
            await asyncio.sleep(0.05)
    assert process.process is not None
    began = time.monotonic()
    process.process.send_signal(signal.SIGTERM)
    assert await process.process.wait() == 0
    assert time.monotonic() - began < 5
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert "stranger_hanging" in process.log.read_text()


async def test_the_service_does_not_start_without_a_required_policy(
    dsn: str, vapi: SandboxVapi, tmp_path: Path
) -> None:
    write_plugin(tmp_path / "plugins", "stranger_broken", "raise RuntimeError('no licence')")
    environment = {
        **os.environ,
        "DATABASE_URL": dsn,
        "PYTHONPATH": str(tmp_path / "plugins"),
        "CALLGATE_POLICIES_REQUIRED": "fair_use",
    }
    process = ServiceProcess(vapi, tmp_path / "data", environment=environment)
    with pytest.raises(AssertionError, match="fair_use"):
        await process.start()
    log = process.log.read_text()
    assert "CALLGATE_POLICIES_REQUIRED names policies that are not loaded: fair_use" in log
    assert "no licence" in log
    assert process.process is not None
    assert process.process.returncode == 1


async def test_the_service_does_not_start_with_wrong_settings_of_a_built_in_policy(
    dsn: str, vapi: SandboxVapi, tmp_path: Path
) -> None:
    """Without the policy, calls would be decided otherwise than its variables say."""
    wrong = {"CALLGATE_POLICY_QUOTA_CALLS": "many", "CALLGATE_POLICY_CONCURRENCY_CALLS": "-1"}
    environment = {**os.environ, "DATABASE_URL": dsn, **wrong}
    process = ServiceProcess(vapi, tmp_path / "data", environment=environment)
    with pytest.raises(AssertionError, match="CALLGATE_POLICY_QUOTA_CALLS"):
        await process.start()
    assert "Traceback" not in process.log.read_text()
    (line,) = [one for one in process.log.read_text().splitlines() if "built-in policies" in one]
    assert all(name in line for name in wrong)
    assert "many" not in line
    assert process.process is not None
    assert process.process.returncode == 1


def test_only_a_policy_that_is_used_needs_settings_that_fit(
    on_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plugin(on_path, "stranger_limited", LIMITED)
    monkeypatch.setenv("CALLGATE_POLICY_LIMITED_MOST", "many")
    monkeypatch.setenv("CALLGATE_POLICY_QUOTA_CALLS", "many")
    off = load_policies(PolicyChoice(off=("quota",)))
    assert off.unfit == ()
    (problem,) = off.problems
    assert (problem.plugin, "CALLGATE_POLICY_LIMITED_MOST" in problem.message) == (
        "stranger_limited",
        True,
    )
    (told,) = load_policies().unfit
    assert told.startswith("quota: CALLGATE_POLICY_QUOTA_CALLS")
