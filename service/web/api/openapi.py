"""The OpenAPI 3.1 document, built from the table that builds the routes."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from service.web.api.operations import BY_EXTERNAL_ID, OWNER, PREFIX, Operation
from service.web.shapes.fields import VAPI_ID
from service.web.shapes.problems import Problem

REF = "#/components/schemas/{model}"
DESCRIPTION = """\
Organizations with their plans, trials and overrides, their phone numbers and calls, and the audit log.

Instants are RFC 3339 in UTC. Ids are UUIDs, except the ids of Vapi. Lists have pages: pass the
`next_cursor` of a page as `cursor` for the next one until it is null. Errors are problem documents
(RFC 9457) with a stable `code`.
Unknown fields and parameters are rejected. Roles: `viewer` reads; `support` also sets and removes
overrides that expire within 7 days; `admin` does everything. A token with `scopes` is limited to
these first parts of the paths; without scopes it has access to all.
"""
PROBLEMS = {
    400: "The body is not valid JSON, or the operation takes no body.",
    401: "The token is missing, unknown, revoked or expired.",
    403: "The role is too low, or the token lacks the scope.",
    404: "The object does not exist.",
    409: "The request conflicts with existing data.",
    413: "The body exceeds 1 MiB.",
    415: "The body is not plain `application/json`.",
    422: "The request is invalid.",
    503: "PostgreSQL or Vapi does not respond.",
}
HEADERS = {
    401: ("WWW-Authenticate", "The authentication scheme."),
    503: ("Retry-After", "Seconds until a retry makes sense."),
}

Json = dict[str, Any]
References = Mapping[Any, Json]


def build_openapi(operations: Sequence[Operation], version: str) -> Json:
    """Build the document."""
    modes: dict[type[BaseModel], JsonSchemaMode] = {Problem: "serialization"}
    for operation in operations:
        if operation.body is not None:
            modes[operation.body] = "validation"
        if operation.gives is not None:
            modes[operation.gives] = "serialization"
    references, schemas = build_schemas(tuple(modes.items()))
    paths: dict[str, Json] = {}
    for operation in operations:
        item = paths.setdefault(PREFIX + operation.path, {})
        item[operation.method.lower()] = describe(operation, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Callgate", "version": version, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


@cache
def build_schemas(
    modes: tuple[tuple[type[BaseModel], JsonSchemaMode], ...],
) -> tuple[References, Json]:
    """Build a reference for each model, and the schemas that they lead to.

    Half of the time that building a replica takes; several in one process share the result.
    """
    named, definitions = models_json_schema(list(modes), ref_template=REF)
    return {model: schema for (model, _), schema in named.items()}, definitions["$defs"]


def describe(operation: Operation, references: References) -> Json:
    """Describe an operation with its parameters, body and responses."""
    words = re.findall(r"\w+", operation.path)
    found: Json = {
        "summary": operation.summary,
        "operationId": "_".join([operation.method.lower(), *words]),
        "tags": [words[0]],
        "parameters": parameters(operation),
        "responses": responses(operation, references),
    }
    if operation.body is not None:
        found["requestBody"] = {
            "required": not operation.body_optional,
            "content": {"application/json": {"schema": references[operation.body]}},
        }
    return found


def parameters(operation: Operation) -> list[Json]:
    """Describe the ids in the path, then the query parameters."""
    found: list[Json] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": id_schema(operation, name),
        }
        for name in operation.parameters
    ]
    if operation.query is not None:
        properties = operation.query.model_json_schema()["properties"]
        found.extend(
            {"name": name, "in": "query", "required": False, "schema": present(schema)}
            for name, schema in properties.items()
        )
    return found


def id_schema(operation: Operation, name: str) -> Json:
    """Describe an id in the path."""
    if name in operation.vapi_ids:
        return {"type": "string", "pattern": VAPI_ID}
    uuid: Json = {"type": "string", "format": "uuid"}
    if name != OWNER:
        return uuid
    return {
        "anyOf": [
            uuid,
            {"type": "string", "pattern": f"^{BY_EXTERNAL_ID}[A-Za-z0-9_.-]{{1,200}}$"},
        ],
        "description": f"The id, or `{BY_EXTERNAL_ID}` and the organization's external id.",
    }


def present(schema: Json) -> Json:
    """Remove null from a query parameter's schema: an absent parameter is absent."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    kept = {key: value for key, value in schema.items() if key not in ("anyOf", "title")}
    if kept.get("default", ...) is None:
        del kept["default"]
    return {**kept, **options[0]} if options else kept


def responses(operation: Operation, references: References) -> Json:
    success: Json = {"description": operation.summary}
    if operation.gives is not None:
        success["content"] = {"application/json": {"schema": references[operation.gives]}}
    if operation.status == 201:
        success["headers"] = header("Location", "The address of the new object.")
    statuses = {400, 401, 403, 413, 422, 503, *operation.problems}
    if operation.parameters:
        statuses.add(404)
    if operation.body is not None:
        statuses.add(415)
    found = {str(operation.status): success}
    for status in sorted(statuses):
        found[str(status)] = {
            "description": PROBLEMS[status],
            "content": {"application/problem+json": {"schema": references[Problem]}},
        }
        if status in HEADERS:
            found[str(status)]["headers"] = header(*HEADERS[status])
    return found


def header(name: str, description: str) -> Json:
    return {name: {"description": description, "required": True, "schema": {"type": "string"}}}
