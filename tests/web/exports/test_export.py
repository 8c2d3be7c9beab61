"""A file is whole, or its reader notices that it is not."""

from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import BaseModel

from service.web.exports.export import Export, ExportFormat, csv_json, send_export


class Line(BaseModel):
    text: str


async def pages(*, fails_at: int | None = None) -> AsyncIterator[Sequence[Line]]:
    for number in range(3):
        if number == fails_at:
            raise TimeoutError
        yield [Line(text=f"={number}")]


async def serve(form: ExportFormat, *, fails_at: int | None = None) -> TestServer:
    async def handle(request: web.Request) -> web.StreamResponse:
        export = Export("lines", ["text"], pages(fails_at=fails_at), lambda line: [line.text])
        try:
            return await send_export(request, export, form, marked=True)
        except TimeoutError:
            return web.Response(status=503)

    app = web.Application()
    app.router.add_get("/", handle)
    server = TestServer(app)
    await server.start_server()
    return server


async def test_pages_become_one_file_that_no_spreadsheet_runs() -> None:
    expected = {
        "csv": b"\xef\xbb\xbftext\r\n'=0\r\n'=1\r\n'=2\r\n",
        "jsonl": b'{"text":"=0"}\n{"text":"=1"}\n{"text":"=2"}\n',
    }
    forms: tuple[ExportFormat, ...] = ("csv", "jsonl")
    for form in forms:
        server = await serve(form)
        async with (
            aiohttp.ClientSession() as session,
            session.get(server.make_url("/")) as response,
        ):
            assert await response.read() == expected[form]
            assert response.headers["Content-Disposition"].endswith(f'"lines.{form}"')
        await server.close()


async def test_a_failure_after_the_first_page_cuts_the_connection() -> None:
    server = await serve("csv", fails_at=2)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            async with session.get(server.make_url("/")) as response:
                await response.read()
    await server.close()


async def test_a_failure_before_the_first_page_is_an_answer() -> None:
    server = await serve("csv", fails_at=0)
    async with aiohttp.ClientSession() as session, session.get(server.make_url("/")) as response:
        assert response.status == 503
    await server.close()


def test_an_object_in_a_cell_is_json() -> None:
    assert csv_json({"b": 1, "a": "ü"}) == '{"a": "ü", "b": 1}'
    assert csv_json(None) == csv_json({}) == ""
