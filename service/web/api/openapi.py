"""The OpenAPI 3.1 document, built from the same table as the routes."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.web.api.operations import Operation
from service.web.api.shapes import Problem

REF = "#/components/schemas/{model}"
PREFIX = "/api/v1"
PROBLEMS = {
    400: "The body is not JSON.",
    401: "The token is missing or not valid.",
    403: "The role may not do this.",
    404: "There is no such thing.",
    409: "It contradicts what is there.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "The request is not valid.",
    503: "PostgreSQL does not answer.",
}


def build_openapi(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The whole document."""
    models: list[type[BaseModel]] = [Problem]
    for operation in operations:
        models += [model for model in (operation.body, operation.gives) if model is not None]
    modes: list[tuple[type[BaseModel], Any]] = [
        (model, "validation" if is_body(model, operations) else "serialization")
        for model in dict.fromkeys(models)
    ]
    named, definitions = models_json_schema(modes, ref_template=REF)
    references: dict[type[BaseModel], Any] = {}
    for (model, _), schema in named.items():
        assert issubclass(model, BaseModel)
        references[model] = schema
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        item = paths.setdefault(PREFIX + operation.path, {})
        item[operation.method.lower()] = describe(operation, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Callgate", "version": version, "description": "No plan, no call."},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def is_body(model: type[BaseModel], operations: Sequence[Operation]) -> bool:
    return any(operation.body is model for operation in operations)


def describe(operation: Operation, references: dict[type[BaseModel], Any]) -> dict[str, Any]:
    """One operation with its parameters, body and answers."""
    found: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": f"{operation.method.lower()}_"
        + re.sub(r"\W+", "_", operation.path).strip("_"),
        "tags": [operation.path.split("/")[1]],
        "parameters": parameters(operation),
        "responses": responses(operation, references),
    }
    if operation.body is not None:
        content = {"application/json": {"schema": references[operation.body]}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "format": "uuid"},
        }
        for name in operation.parameters
    ]
    if operation.query is not None:
        schema = operation.query.model_json_schema()
        found.extend(
            {"name": name, "in": "query", "required": False, "schema": without_null(shape)}
            for name, shape in schema["properties"].items()
        )
    return found


def without_null(shape: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is absent, never null."""
    options = [option for option in shape.get("anyOf", ()) if option.get("type") != "null"]
    kept = {key: value for key, value in shape.items() if key not in ("anyOf", "default", "title")}
    return {**kept, **options[0]} if options else kept


def responses(operation: Operation, references: dict[type[BaseModel], Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": operation.summary}
    if operation.gives is not None:
        success["content"] = {"application/json": {"schema": references[operation.gives]}}
    statuses = {401, 403, 422, 503, *operation.problems}
    if operation.parameters:
        statuses.add(404)
    if operation.body is not None:
        statuses |= {400, 413, 415}
    content = {"application/problem+json": {"schema": references[Problem]}}
    return {
        str(operation.status): success,
        **{
            str(status): {"description": PROBLEMS[status], "content": content}
            for status in sorted(statuses)
        },
    }
