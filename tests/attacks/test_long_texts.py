"""A text of 1 MiB at every entrance: each is answered at once, with a 4xx, and slows no request."""

import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from service.sandbox.server import SandboxVapi
from tests.support.api import ApiClient
from tests.support.service import Replica
from tests.support.visiting import Visitor, visiting
from tests.web.panel.test_all_pages import OPEN, addresses, is_one_of

MARKS = "\u0300\u0316" * (2**18 - 4000)
"""Just below the limit of 1 MiB as JSON or as a multipart form: Unicode sorts it in quadratic time."""

pytestmark = pytest.mark.alone

IN_TIME = 3.0
"""Milliseconds where nothing else runs; some forms verify a password, which takes long on busy cores.
Without a limit, the text alone takes minutes."""
FIELD = re.compile(r"<(?:input|textarea)\b[^>]*>")
TYPED = ("hidden", "checkbox", "radio", "file", "submit", "number", "date")


def form_of(fields: dict[str, str]) -> aiohttp.FormData:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        form.add_field(name, value)
    return form


@pytest.mark.parametrize("size", [2**19, 900])
async def test_a_stranger_at_the_entrances(callgate: Replica, size: int) -> None:
    """Over the limit of the form, and over the limit of a field within a small form."""
    text = ("\u0300\u0316" * size)[:size]
    for path, names in (
        ("/admin/sign-in", ("name", "password")),
        ("/admin/setup", ("name", "password", "code")),
    ):
        for field in names:
            fields = {"name": "Ada", "password": "correct horse battery", "code": "x", field: text}
            began = time.perf_counter()
            async with callgate.session.post(
                f"{callgate.url}{path}",
                data=form_of({**fields, "again": fields["password"]}),
                # Over the same connection the next request would wait: the last one was refused.
                headers={"Connection": "close"},
            ) as answer:
                assert answer.status in ((413,) if size > 8192 else (403, 422)), (path, field)
            assert time.perf_counter() - began < IN_TIME, (path, field)


async def ask(visitor: Visitor, path: str, fields: dict[str, str]) -> int:
    """Post a form; the status, in time."""
    began = time.perf_counter()
    shown = await visitor.ask("POST", path, data=form_of(fields))
    assert time.perf_counter() - began < IN_TIME, (path, fields.keys())
    return shown.status


def forms_in(page: str) -> Iterator[tuple[str, dict[str, str], list[str]]]:
    """Each form: where it leads, its values, and the names of fields that take any text."""
    for form in re.findall(r'<form\b[^>]*method="post".*?</form>', page, re.DOTALL):
        action = re.search(r'action="([^"]*)"', form)
        values, typed = {}, []
        for tag in FIELD.findall(form):
            parts = dict(re.findall(r'(\w+)="([^"]*)"', tag))
            if "name" in parts:
                values[parts["name"]] = unescape(parts.get("value", ""))
                if not parts.get("type", "text").startswith(TYPED):
                    typed.append(parts["name"])
        yield unescape(action[1]) if action else "", values, typed


async def test_every_form_of_the_panel(callgate: Replica, vapi: SandboxVapi) -> None:
    organization = await callgate.add_organization("Bakery")
    number = await callgate.add_number(organization, vapi.add_numbers(1)[0])
    pages = [
        f"/organizations/{organization}",
        f"/numbers/{number['id']}",
        *(f"/organizations/{organization}/{kind}" for kind in ("plan", "override", "messages")),
        *(f"/{kind}/edit" for kind in (f"organizations/{organization}", f"numbers/{number['id']}")),
    ]
    tried = set[tuple[str, str]]()
    async with visiting(callgate) as ada:
        for path in [*addresses(callgate, "GET"), *pages]:
            if is_one_of(path, (*OPEN, "/calls/feed", "/organizations.csv")):
                continue
            for leads_to, values, typed in forms_in((await ada.get(path)).body):
                action = leads_to.removeprefix("/admin") or path
                for name in typed:
                    if (action, name) not in tried:
                        tried.add((action, name))
                        status = await ask(
                            ada, action, {**values, **dict.fromkeys(typed, "x"), name: MARKS}
                        )
                        assert 400 <= status < 500, (action, name, status)
        assert len(tried) > 20, tried


@pytest.mark.parametrize("text", ["\u0300\u0316" * 600, "http://" * 1000, "1" * 7000])
async def test_every_query_of_the_panel(callgate: Replica, text: str) -> None:
    """The longest request line that is read at all."""
    async with visiting(callgate) as ada:
        for path in addresses(callgate, "GET"):
            if is_one_of(path, ("/calls/feed",)):
                continue
            for name in ("query", "next", "cursor"):
                began = time.perf_counter()
                shown = await ada.get(f"{path}?{name}={text}")
                assert time.perf_counter() - began < IN_TIME, (path, name)
                assert shown.status < 500, (path, name)


def text_fields(schema: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    """The names of an object's properties."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    yield from schema.get("properties", {})


async def test_every_field_of_the_api(api: ApiClient) -> None:
    document = (await api.ask("GET", "/api/openapi.json", root="")).json
    tried = 0
    for path, item in document["paths"].items():
        address = re.sub(r"{\w+}", str(uuid4()), path.removeprefix("/api/v1"))
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            for name in text_fields(schema, document):
                began = time.perf_counter()
                reply = await api.ask(method.upper(), address, {name: MARKS})
                assert time.perf_counter() - began < IN_TIME, (path, name)
                assert 400 <= reply.status < 500, (path, name, reply.status)
                tried += 1
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query":
                    text = "%CC%80%CC%96" * 600
                    began = time.perf_counter()
                    reply = await api.ask(method.upper(), f"{address}?{parameter['name']}={text}")
                    assert time.perf_counter() - began < IN_TIME, (path, parameter)
                    assert 400 <= reply.status < 500, (path, parameter, reply.status)
                    tried += 1
    assert tried > 30


async def test_a_cell_of_an_imported_file(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        for head, cell in (("phone_number,organization", MARKS), (MARKS, "+15551234567,x")):
            form = form_of({"csrf": await csrf_token(ada)})
            form.add_field("file", f"{head}\n{cell},x\n".encode(), filename="numbers.csv")
            began = time.perf_counter()
            shown = await ada.ask("POST", "/numbers/import", data=form)
            assert time.perf_counter() - began < IN_TIME
            assert shown.status < 500


async def csrf_token(visitor: Visitor) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', (await visitor.get("/numbers/import")).body)
    assert found
    return found[1]
