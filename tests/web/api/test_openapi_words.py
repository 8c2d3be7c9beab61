"""The words of the document: names that read as methods, descriptions, tags, valid examples."""

import csv
import json
import re
from collections.abc import Iterator
from typing import Any

import orjson
from openapi_schema_validator import OAS31Validator

from service.domain.audit import ACTIONS
from service.web.api.examples.bodies import EXAMPLES
from service.web.api.openapi import IDS
from service.web.api.query_texts import QUERIES
from service.web.shapes.bodies import RequestBody
from tests.support.api import ApiClient

# The ids of operations are a promise: generated clients have them as method names.
NAMES = """
apply_import cancel_import change_organization change_phone_number claim_unknown_number create_import
create_organization create_phone_number create_relay_secret create_token decide_what_if
delete_organization delete_organization_policy delete_override delete_phone_number delete_plan
delete_trial explain_access export_audit export_calls export_phone_numbers export_usage forget_caller
get_call get_coverage get_history get_import get_organization get_organization_policy get_phone_number
get_policy get_reconcile_status get_relay get_route get_usage heed_unknown_number ignore_unknown_number
list_audit list_call_events list_calls list_changes list_import_rows list_imports list_organizations
list_phone_numbers list_policies list_tokens list_unknown_numbers list_usage pause_phone_number
pause_reconcile put_organization_policy put_override put_plan put_policy put_trial reconcile
relink_phone_number replay_relay report_shadow resume_phone_number resume_reconcile resume_relay
revoke_token roll_back_change sync_phone_number undo_import
"""

Found = list[tuple[str, str, dict[str, Any]]]


async def read(api: ApiClient) -> Any:
    return (await api.with_token(None).ask("GET", "/api/openapi.json", root="")).json


def operations(document: Any) -> Found:
    return [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def bodies(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The JSON contents of an operation: of its request and of its success."""
    if "requestBody" in operation:
        yield operation["requestBody"]["content"]["application/json"]
    for status, response in operation["responses"].items():
        if status.startswith("2") and "application/json" in response.get("content", {}):
            yield response["content"]["application/json"]


async def test_ids_read_as_methods_and_stay(api: ApiClient) -> None:
    found = operations(await read(api))
    assert sorted(operation["operationId"] for _, _, operation in found) == NAMES.split()


async def test_every_operation_is_described(api: ApiClient) -> None:
    document = await read(api)
    tags = {tag["name"] for tag in document["tags"]}
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert re.search(r"\w.*[.`]$", operation["description"], re.DOTALL), where
        assert set(operation["tags"]) <= tags, where
        assert {"401", "403", "422"} <= set(operation["responses"]), where
        assert ("404" in operation["responses"]) >= ("{" in path), where
        for parameter in operation["parameters"]:
            assert parameter["description"], (where, parameter["name"])
        for response in operation["responses"].values():
            assert response["description"], where
    assert all(tag["description"] for tag in document["tags"])
    used = {tag for _, _, operation in operations(document) for tag in operation["tags"]}
    assert used == tags
    names = {
        parameter["name"]
        for _, _, operation in operations(document)
        for parameter in operation["parameters"]
    }
    assert names == set(IDS) | set(QUERIES) | {"Idempotency-Key", "If-Match"}


async def test_every_body_has_an_example_that_fits_its_schema(api: ApiClient) -> None:
    document = await read(api)
    for method, path, operation in operations(document):
        for content in bodies(operation):
            schema = {**content["schema"], "components": document["components"]}
            faults = [
                error.message for error in OAS31Validator(schema).iter_errors(content["example"])
            ]
            assert faults == [], (method, path)


async def test_every_operation_that_answers_with_content_shows_an_example(api: ApiClient) -> None:
    for method, path, operation in operations(await read(api)):
        for status, response in operation["responses"].items():
            assert (status == "204") == (status[0] == "2" and "content" not in response), path
            for content in response.get("content", {}).values() if status[0] == "2" else ():
                assert content["example"], (method, path)


async def test_the_example_of_a_file_has_the_columns_of_the_file(api: ApiClient) -> None:
    document = await read(api)
    exports = [path for path in document["paths"] if path.endswith("/export")]
    assert len(exports) == 4
    for path in exports:
        content = document["paths"][path]["get"]["responses"]["200"]["content"]
        heads, example, _ = content["text/csv"]["example"].split("\r\n")
        served = (await api.ask("GET", f"{path}?format=csv", root="")).body.decode()
        assert served.split("\r\n")[0] == heads
        assert len(next(csv.reader([example]))) == len(heads.split(","))
        assert json.loads(content["application/jsonl"]["example"])


async def test_the_audit_example_is_an_action_that_exists(api: ApiClient) -> None:
    document = await read(api)
    operation = document["paths"]["/api/v1/audit"]["get"]
    (content,) = bodies(operation)
    assert content["example"]["items"][0]["action"] in ACTIONS


def test_every_example_is_taken_by_its_model() -> None:
    for model, example in EXAMPLES.items():
        model.model_validate_json(json_of(example))
        if not issubclass(model, RequestBody):
            # Responses are written whole: an example without a field would hide it.
            fields = {field.alias or name for name, field in model.model_fields.items()}
            assert set(example) == fields, model


def json_of(value: object) -> bytes:
    return orjson.dumps(value)
