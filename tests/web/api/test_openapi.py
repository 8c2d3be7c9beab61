"""The document and the page that shows it."""

import gc
import json
import re
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from service.web.api.application import OpenApiDocument
from tests.support.api import ApiClient


@pytest.fixture
async def document(api: ApiClient) -> Any:
    reply = await api.with_token(None).ask("GET", "/api/openapi.json", root="")
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("application/json")
    return reply.json


async def test_it_is_openapi_3_1_and_every_reference_resolves(document: Any) -> None:
    assert document["openapi"].startswith("3.1.")
    schemas = document["components"]["schemas"]
    references = re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document))
    assert references
    assert set(references) <= set(schemas)
    for schema in schemas.values():
        OAS31Validator.check_schema(schema)


async def test_the_document_is_built_when_it_is_asked_for(api: ApiClient) -> None:
    """No start waits for it."""

    def count_built() -> int:
        found = (one for one in gc.get_objects() if isinstance(one, OpenApiDocument))
        return sum(one.building is not None for one in found)

    before = count_built()
    for _ in range(2):
        reply = await api.with_token(None).ask("GET", "/api/openapi.json", root="")
        assert reply.status == 200
        assert count_built() == before + 1


async def test_every_operation_names_its_problems_and_wants_the_token(document: Any) -> None:
    assert document["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    names = set()
    for item in document["paths"].values():
        for operation in item.values():
            names.add(operation["operationId"])
            assert {"400", "401", "403", "422", "503"} <= set(operation["responses"])
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"]
    assert len(names) == sum(len(item) for item in document["paths"].values())


async def test_the_routes_and_the_document_are_the_same(api: ApiClient, document: Any) -> None:
    served = set()
    for route in api.service.app.router.routes():
        info = route.get_info()
        path = info.get("formatter") or info.get("path") or ""
        if path.startswith("/api/v1/") and route.method != "HEAD":
            served.add((route.method.lower(), path))
    told = {(method, path) for path, item in document["paths"].items() for method in item}
    assert served == told


async def test_the_page_needs_nothing_from_outside_and_allows_nothing_inline(
    api: ApiClient,
) -> None:
    stranger = api.with_token(None)
    page = await stranger.ask("GET", "/api/docs", root="")
    assert page.status == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    text = page.body.decode()
    assert "<script>" not in text
    assert " style=" not in text
    assert not re.search(r"\son\w+=", text)
    assert "//" not in re.sub(r"<!doctype[^>]*>", "", text, flags=re.IGNORECASE)
    for name, kind in [("docs.js", "text/javascript"), ("docs.css", "text/css")]:
        assert f"/api/docs/{name}" in text
        asset = await stranger.ask("GET", f"/api/docs/{name}", root="")
        assert asset.headers["Content-Type"].startswith(kind)
        assert asset.headers["X-Content-Type-Options"] == "nosniff"
        assert b"http://" not in asset.body
        assert b"innerHTML" not in asset.body
    for name in ("docs.html", "../api.py", "..%2f..%2fapplication.py", "x"):
        assert (await stranger.ask("GET", f"/api/docs/{name}", root="")).status == 404
