"""The OpenAPI 3.1 document, built from the table that builds the routes."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from policies.host.registration import NAME
from service.domain.organizations import BY_EXTERNAL_ID
from service.web.api import idempotency, preconditions
from service.web.api.examples.bodies import example_of
from service.web.api.examples.files import example_files
from service.web.api.operations import CHANGES, OWNER, POLICY, PREFIX, Operation
from service.web.api.query_texts import QUERIES
from service.web.shapes.fields import VAPI_ID
from service.web.shapes.paging import QueryParameters
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
    401: "The token is missing, unknown, revoked or expired: `unauthorized`.",
    403: "The role is too low, or the token lacks the scope: `forbidden`.",
    404: "The object does not exist; `code` says which kind, such as `organization_not_found`.",
    409: "The request conflicts with what is stored; `code` says how.",
    412: "The object is in another version than `If-Match` names: `precondition_failed`.",
    413: "The body exceeds 1 MiB.",
    415: "The body is not plain `application/json`.",
    422: "The request is invalid: `errors` names each field and what is wrong with it.",
    503: "PostgreSQL or Vapi does not respond: `unavailable`.",
}
IDS = {
    OWNER: f"The id, or `{BY_EXTERNAL_ID}` and the organization's external id.",
    "vapi_phone_number_id": "The number's id at Vapi.",
    "phone_number_id": "The number's id in Callgate.",
    "call_id": "The call's id in Callgate.",
    "import_id": "The import's id.",
    "token_id": "The token's id.",
    POLICY: "The name of the policy.",
}
EXTERNAL_ID = r"[^\x00-\x1f\x7f]{1,200}"
TAGS = {
    "organizations": "Clients, what entitles them to calls, and how their calls are handled.",
    "phone-numbers": "Registered numbers, their webhooks at Vapi, and where blocked calls are stopped.",
    "unknown-numbers": "Numbers that call and that no organization has registered.",
    "imports": "CSV files of organizations or phone numbers: checked, applied, undone.",
    "reconcile": "Sweeps that compare all numbers with Vapi and repair drift.",
    "calls": "Calls with their decisions, step by step.",
    "usage": "Calls, seconds and cost of organizations, summed up.",
    "policies": "The chain of access policies.",
    "audit": "Every change, with its author.",
    "tokens": "API tokens.",
}
HEADERS = {
    401: ("WWW-Authenticate", "The authentication scheme."),
    503: ("Retry-After", "Seconds until a retry makes sense."),
}

Json = dict[str, Any]

IDEMPOTENCY_KEY: Json = {
    "name": idempotency.HEADER,
    "in": "header",
    "required": False,
    "description": "A text of your choice for this request. Sent again with the same key within 24 "
    "hours, the request is not carried out again: it gets the first answer. Another request with the "
    "key: 409 `idempotency_key_reused`; the first one is under way: 409 `idempotency_in_progress`.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": idempotency.MOST_CHARACTERS,
        "pattern": f"^{idempotency.KEY.pattern}$",
    },
}
IF_MATCH: Json = {
    "name": preconditions.IF_MATCH,
    "in": "header",
    "required": False,
    "description": "The ETag of the object, as you read it; for a plan, trial, override or relay secret "
    "that of the organization, for a pause that of the number. If the object is in another version, "
    "nothing is changed, and the answer is 412 `precondition_failed`. `*` expects any.",
    "schema": {"type": "string"},
}
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
    readable = {one.path for one in operations if one.method == "GET"}
    for operation in operations:
        item = paths.setdefault(PREFIX + operation.path, {})
        found = item[operation.method.lower()] = describe(operation, references)
        if operation.method in CHANGES or (
            operation.method == "POST" and operation.object_path in readable
        ):
            found["parameters"].append(IF_MATCH)
            found["responses"]["412"] = problem_response(412, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Callgate", "version": version, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API token, such as one of `callgate token create`.",
                }
            },
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


@cache
def query_schemas(query: type[QueryParameters]) -> Json:
    """Build the schema of each query parameter; several replicas in one process share the result."""
    found: Json = query.model_json_schema()["properties"]
    return found


def describe(operation: Operation, references: References) -> Json:
    """Describe an operation with its parameters, body and responses."""
    found: Json = {
        "summary": operation.summary,
        "description": operation.description,
        "operationId": operation.name,
        "tags": [operation.area],
        "parameters": parameters(operation),
        "responses": responses(operation, references),
    }
    if operation.body is not None:
        found["requestBody"] = {
            "required": not operation.body_optional,
            "content": json_content(operation.body, references),
        }
    return found


def json_content(model: type[BaseModel], references: References) -> Json:
    """Describe a JSON body, with its example."""
    return {"application/json": {"schema": references[model], "example": example_of(model)}}


def parameters(operation: Operation) -> list[Json]:
    """Describe the ids in the path, then the query parameters."""
    found: list[Json] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": IDS.get(name, f"The {name.removesuffix('_id').replace('_', ' ')}."),
            "schema": id_schema(operation, name),
        }
        for name in operation.parameters
    ]
    if operation.query is not None:
        found.extend(
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": QUERIES[name],
                "schema": present(schema),
            }
            for name, schema in query_schemas(operation.query).items()
        )
    if operation.method == "POST":
        found.append(IDEMPOTENCY_KEY)
    return found


def id_schema(operation: Operation, name: str) -> Json:
    """Describe an id in the path."""
    if name in operation.vapi_ids:
        return {"type": "string", "pattern": VAPI_ID}
    if name == POLICY:
        return {"type": "string", "pattern": f"^{NAME.pattern}$"}
    uuid: Json = {"type": "string", "format": "uuid"}
    if name != OWNER:
        return uuid
    external: Json = {"type": "string", "pattern": f"^{BY_EXTERNAL_ID}{EXTERNAL_ID}$"}
    return {"anyOf": [uuid, external]}


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
        success["content"] = json_content(operation.gives, references)
    if operation.exports:
        success["content"] = {
            kind: {"schema": {"type": "string"}, "example": text}
            for kind, text in example_files(operation.name).items()
        }
    headers: Json = {}
    if operation.status == 201:
        headers |= header("Location", "The address of the new object.")
    if operation.method == "POST":
        again = "`true` where this is the first answer again."
        headers |= header(idempotency.REPLAYED, again, required=False)
    if operation.gives is not None and preconditions.has_etag(operation.gives):
        headers |= header(preconditions.ETAG, "The version of the object, for `If-Match`.")
    success |= {"headers": headers} if headers else {}
    statuses = {400, 401, 403, 413, 422, 503, *operation.problems}
    if operation.parameters:
        statuses.add(404)
    if operation.body is not None:
        statuses.add(415)
    if operation.method == "POST":
        statuses.add(409)
    found = {str(operation.status): success}
    return found | {str(one): problem_response(one, references) for one in sorted(statuses)}


def problem_response(status: int, references: References) -> Json:
    """Describe an error."""
    found: Json = {
        "description": PROBLEMS[status],
        "content": {"application/problem+json": {"schema": references[Problem]}},
    }
    return found | ({"headers": header(*HEADERS[status])} if status in HEADERS else {})


def header(name: str, description: str, *, required: bool = True) -> Json:
    return {name: {"description": description, "required": required, "schema": {"type": "string"}}}
