"""Vapi's published schemas (`tests/data/vapi-spec.json`): for checking requests and answers."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS30Validator

SPEC = Path(__file__).parent.parent / "data" / "vapi-spec.json"


def closed(schema: Any) -> Any:
    """The schema with unknown properties refused, as Vapi's API does (the file does not say so)."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    if schema.get("type") == "object" and schema.get("properties"):
        made.setdefault("additionalProperties", False)
    return made


@cache
def spec(*, strict: bool) -> Any:
    document = json.loads(SPEC.read_text())
    return closed(document) if strict else document


def spec_errors(schema: str, body: object, *, strict: bool = True) -> list[str]:
    """What in a body breaks the schema. `strict` refuses unknown properties: right for requests;
    real answers have more than the file says."""
    rules = deepcopy(spec(strict=strict)) | {"$ref": f"#/components/schemas/{schema}"}
    validator = OAS30Validator(rules)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]


UPDATE_SCHEMAS = {
    "vapi": "UpdateVapiPhoneNumberDTO",
    "twilio": "UpdateTwilioPhoneNumberDTO",
    "vonage": "UpdateVonagePhoneNumberDTO",
    "telnyx": "UpdateTelnyxPhoneNumberDTO",
    "byo-phone-number": "UpdateByoPhoneNumberDTO",
}
CREATE_SCHEMAS = {key: name.replace("Update", "Create") for key, name in UPDATE_SCHEMAS.items()}
ANSWER_SCHEMAS = {
    key: name.removeprefix("Update").removesuffix("DTO") for key, name in UPDATE_SCHEMAS.items()
}
