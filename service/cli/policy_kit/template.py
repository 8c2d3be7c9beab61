"""The files of a new policy's project. `NAME` stands for the policy's name, `CLASS` for its class."""

from collections.abc import Mapping

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "callgate-DASHED"
version = "0.1.0"
description = "An access policy for Callgate."
requires-python = ">=3.11"
dependencies = ["callgate"]

[project.optional-dependencies]
dev = ["mypy>=1.19", "pytest>=8.4", "pyyaml>=6"]

[project.entry-points.callgate]
NAME = "callgate_NAME"

[tool.hatch.build.targets.wheel]
packages = ["callgate_NAME"]

[tool.mypy]
strict = true
files = ["callgate_NAME", "tests"]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
"""

MODULE = '''\
"""The policy NAME: denies calls of organizations over the number of seats that they may use."""

from pydantic import BaseModel, Field

from policies import AccessPolicy, AccessRequest, Verdict, abstain, deny, hookimpl


class CLASSSettings(BaseModel):
    """CALLGATE_POLICY_UPPER_MOST_SEATS."""

    most_seats: int = Field(default=10, ge=0)


class CLASS:
    """Reads the attribute `seats` of the organization. It only computes: no I/O, no clock."""

    name = "NAME"
    order = 50
    pure = True
    settings = CLASSSettings

    def evaluate(self, request: AccessRequest) -> Verdict:
        seats = request.organization.attributes.get("seats")
        most = request.settings.most_seats
        if isinstance(seats, int) and seats > most:
            return deny("too_many_seats", note=f"{seats} of {most} seats")
        return abstain()


@hookimpl
def register_access_policies() -> list[AccessPolicy]:
    return [CLASS()]
'''

TESTS = '''\
"""The policy NAME by itself, in the chain of the service, and as a plugin."""

from datetime import timedelta

import callgate_NAME
from callgate_NAME import CLASS
from policies import SubscriptionPlan, abstain
from policies.pytest_plugin import Chains, Policies, Requests
from policies.testing import NOW, conformance, plugin_conformance

PLAN = SubscriptionPlan("pro", "active", NOW + timedelta(days=10))


def test_the_service_takes_the_policy() -> None:
    conformance(CLASS())
    assert len(plugin_conformance(callgate_NAME)) == 1


def test_it_denies_too_many_seats(
    callgate_policy: Policies, callgate_request: Requests
) -> None:
    policy = callgate_policy(CLASS(), settings={"most_seats": 3})
    assert policy.ask(callgate_request(attributes={"seats": 3})) == abstain()
    assert policy.ask(callgate_request(attributes={"seats": 4})).reason == "too_many_seats"


def test_it_comes_before_the_plan(callgate_chain: Chains, callgate_request: Requests) -> None:
    chain = callgate_chain(CLASS())
    assert chain.decide(callgate_request(plan=PLAN)).reason == "plan_active"
    denied = chain.decide(callgate_request(plan=PLAN, attributes={"seats": 11}))
    assert (denied.allowed, denied.determined_by) == (False, "NAME")
'''

CASES = """\
# callgate policies test cases.yaml
policies: [callgate_NAME]
settings:
  NAME: {most_seats: 3}
cases:
  - name: few seats
    facts:
      plan: {code: pro, status: active}
      attributes: {seats: 3}
    expect: {allowed: true, reason: plan_active}
  - name: too many seats
    facts:
      plan: {code: pro, status: active}
      attributes: {seats: 4}
      call: {vapi_call_id: call-1, type: inboundPhoneCall}
    expect: {allowed: false, reason: too_many_seats, policy: NAME}
"""

README = """\
# callgate-DASHED

An access policy for Callgate.

    pip install -e '.[dev]'
    pytest
    mypy
    callgate policies test cases.yaml

Install it in Callgate's environment and restart the service; `callgate policies` shows the chain.
"""


def build_project(name: str) -> Mapping[str, str]:
    """The files of a project by their paths; `name` is the policy's."""
    names = {
        "CLASS": "".join(part.capitalize() for part in name.split("_")),
        "DASHED": name.replace("_", "-"),
        "UPPER": name.upper(),
    }
    files = {
        "pyproject.toml": PYPROJECT,
        "README.md": README,
        "cases.yaml": CASES,
        "callgate_NAME/__init__.py": MODULE,
        "callgate_NAME/py.typed": "",
        "tests/test_NAME.py": TESTS,
    }
    return {fill(path, name, names): fill(text, name, names) for path, text in files.items()}


def fill(text: str, name: str, names: Mapping[str, str]) -> str:
    """The text with the names put in."""
    for word, value in names.items():
        text = text.replace(word, value)
    return text.replace("NAME", name)
