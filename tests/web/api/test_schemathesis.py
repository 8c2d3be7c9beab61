"""The document against the service: what it allows is taken, what it excludes is refused, and every
answer is one that it names. Real HTTP, real PostgreSQL; bounded and the same in every run."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from service.sandbox.server import SandboxVapi
from tests.support.api import ApiClient
from tests.support.settings import TOKEN

EXAMPLES = 15
BOUNDS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
NOTE_UNKNOWN = "INSERT INTO callgate.unknown_numbers (vapi_phone_number_id) VALUES ($1)"
SHAPE_CODES = {"invalid_body", "invalid_query", "malformed_json", "unsupported_media_type"}
Ids = dict[str, list[str]]


@pytest.fixture
async def ids(api: ApiClient, vapi: SandboxVapi) -> Ids:
    """Things that exist, so that not every generated request ends as a 404."""
    organizations = [(await api.organization(f"org {number}"))["id"] for number in range(3)]
    numbers = []
    for _ in range(3):
        body = {
            "organization_id": organizations[0],
            "vapi_phone_number_id": vapi.add_number(provider="vapi")["id"],
        }
        numbers.append((await api.ask("POST", "/phone-numbers", body)).json["id"])
    unknown = [vapi.add_number(provider="vapi")["id"] for _ in range(3)]
    for vapi_id in unknown:
        await api.service.pool.execute(NOTE_UNKNOWN, vapi_id)
    tokens = [(await api.issue_token("viewer"))["id"] for _ in range(3)]
    body = {"kind": "organizations", "csv": "name\nBakery\n"}
    imports = [(await api.ask("POST", "/imports", body)).json["id"] for _ in range(3)]
    return {
        "import_id": imports,
        "organization_id": organizations,
        "phone_number_id": numbers,
        "vapi_phone_number_id": unknown,
        "token_id": tokens,
        "name": ["plan", "trial", "admin_override"],
        "call_id": [],
    }


def is_positive(case: Any, location: str) -> bool:
    """Whether this part of a generated request is one that the document allows."""
    found = {
        place.value: component.mode for place, component in (case.meta.components or {}).items()
    }
    return found.get(location, GenerationMode.POSITIVE) is GenerationMode.POSITIVE


def aim(case: Any, ids: Ids, choice: int) -> None:
    """Point most requests at something that exists, unless their path is wrong on purpose."""
    for name in case.path_parameters or {}:
        if is_positive(case, "path") and ids.get(name) and choice:
            case.path_parameters[name] = ids[name][choice % len(ids[name])]
    whole = isinstance(case.body, dict) and is_positive(case, "body")
    if whole and "organization_id" in case.body and choice:
        case.body["organization_id"] = ids["organization_id"][0]


def fits(case: Any) -> bool:
    """Whether the request line stays below what an HTTP server reads at all."""
    values = [*(case.query or {}).values(), *(case.path_parameters or {}).values()]
    return sum(len(quote(str(value))) for value in values) < 6000


CALENDAR = ("is not a valid date", "must lie in the years 1970 to 2999", "is no time zone")


def accepted_by_shape(_context: Any, response: Any, case: Any) -> None:
    """A request that the document allows may fail for existing data, never for its shape."""
    if case.meta.generation.mode is GenerationMode.POSITIVE and response.status_code >= 400:
        problem = response.json()
        # JSON Schema knows no last day of a month, no bounds of instants, and no time zones.
        messages = [fault["message"] for fault in problem.get("errors") or ()]
        if not messages or not all(any(one in text for one in CALENDAR) for text in messages):
            assert problem["code"] not in SHAPE_CODES, response.text


def exercise(operation: Any, mode: GenerationMode, base_url: str, ids: Ids) -> int:
    """Send generated requests of one kind to one operation; how many were sent."""
    sent = 0

    @BOUNDS
    @given(operation.as_strategy(generation_mode=mode), st.integers(0, 5))
    def send(case: Any, choice: int) -> None:
        nonlocal sent
        assume(fits(case))
        aim(case, ids, choice)
        case.call_and_validate(
            base_url=base_url,
            headers={"Authorization": f"Bearer {TOKEN}"},
            additional_checks=[accepted_by_shape],
            excluded_checks=EXCLUDED,
        )
        sent += 1

    send()
    return sent


# Taken, by our own check, in a stricter form: 409 and the like are answers to good requests too.
EXCLUDED: list[Callable[..., Any]] = [schemathesis.checks.positive_data_acceptance]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
async def test_the_service_keeps_to_its_document(
    api: ApiClient, ids: Ids, mode: GenerationMode
) -> None:
    document = (await api.ask("GET", "/api/openapi.json", root="")).json
    schema = schemathesis.openapi.from_dict(document)

    def run() -> dict[str, int]:
        sent = {}
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            if mode is GenerationMode.NEGATIVE and not can_be_wrong(operation):
                continue
            sent[operation.label] = exercise(operation, mode, api.base_url, ids)
        return sent

    sent = await asyncio.to_thread(run)
    assert all(sent.values()), sent
    assert len(sent) > 20


def can_be_wrong(operation: Any) -> bool:
    return bool(operation.body or operation.query or operation.path_parameters)
