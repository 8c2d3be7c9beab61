"""Deadlines and the listeners, on real sockets of a running replica."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import structlog

from service.sandbox.server import SandboxVapi
from service.web.connections.doors import Doors
from tests.support.process import ServiceProcess
from tests.support.service import Replica, Start, eventually, unused_port
from tests.support.settings import SECRET, TOKEN

FEW_FILES = 56
HEAD = b"POST /api/vapi/webhook HTTP/1.1\r\nHost: gate\r\n"
PROVED = HEAD + b"X-Vapi-Secret: " + SECRET.encode() + b"\r\n"


async def closed_after(callgate: Replica, *parts: bytes, every: float = 0.2) -> float:
    """Send parts one after the other, the last one again and again; seconds until it is closed."""
    port = int(callgate.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    reading = asyncio.create_task(reader.read())
    try:
        async with asyncio.timeout(8):
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0)
            while not reading.done():
                writer.write(parts[-1])
                await asyncio.wait([reading], timeout=every)
    finally:
        reading.cancel()
        writer.close()
    return time.monotonic() - began


def hurry(callgate: Replica, **limits: float) -> Callable[[str], int]:
    """Shorten deadlines; return what reads how many connections were closed for a reason."""
    doors = callgate.service.web.doors
    doors.admission.limits = replace(doors.admission.limits, **limits)  # type: ignore[arg-type]
    return lambda reason: doors.counts.shed[reason]


@pytest.mark.parametrize("before", [(), (PROVED + b"Content-Length: 2\r\n\r\n{}",)])
async def test_a_header_has_a_deadline_on_a_new_and_on_a_lasting_connection(
    callgate: Replica, before: tuple[bytes, ...]
) -> None:
    shed = hurry(callgate, header=1.0)
    assert 0.9 < await closed_after(callgate, *before, HEAD + b"X-Long: ", b"x") < 4
    assert shed("header_timeout") == 1


async def test_a_body_has_to_make_progress(callgate: Replica) -> None:
    shed = hurry(callgate, body=1.0)
    sent = PROVED + b"Content-Length: 100000\r\n\r\n"
    assert 0.9 < await closed_after(callgate, sent, b"x") < 4
    assert shed("body_timeout") == 1
    form = b"POST /admin/sign-in HTTP/1.1\r\nHost: gate\r\nContent-Length: 8000\r\n"
    form += b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    assert 0.9 < await closed_after(callgate, form, b"x") < 4
    assert shed("body_timeout") == 2


async def test_a_slow_body_that_makes_progress_is_taken(callgate: Replica) -> None:
    hurry(callgate, body=0.6, body_rate=1000.0)
    port = int(callgate.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PROVED + b"Content-Length: 3002\r\n\r\n{")
    for _ in range(6):
        await asyncio.sleep(0.25)
        writer.write(b" " * 500)
    writer.write(b" }")
    assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def test_a_connection_that_says_nothing_is_closed_and_a_proved_one_stays(
    callgate: Replica,
) -> None:
    shed = hurry(callgate, header=1.0, idle=1.0)
    port = int(callgate.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PROVED + b"Content-Length: 2\r\n\r\n{}")
    assert b"400" in await reader.readuntil(b"\r\n\r\n")
    silent, silent_writer = await asyncio.open_connection("127.0.0.1", port)
    assert await asyncio.wait_for(silent.read(), 5) == b""
    silent_writer.close()
    assert shed("header_timeout") == 1
    await asyncio.sleep(1.0)
    writer.write(PROVED + b"Content-Length: 2\r\n\r\n{}")
    assert await reader.readuntil(b"HTTP/1.1 400")
    writer.close()


async def test_a_large_wrong_upload_over_the_budget_is_answered_busy(start_replica: Start) -> None:
    callgate = await start_replica(
        vapi_webhook_auth="hmac",
        callgate_max_body_bytes=2**20,
        callgate_unproved_body_bytes=2**20,
    )
    port = int(callgate.url.rpartition(":")[2])
    at = str(int(time.time())).encode()
    head = HEAD + b"X-Signature: " + b"0" * 64 + b"\r\nX-Timestamp: " + at
    head += b"\r\nContent-Length: 1000000\r\n\r\n"
    first, second = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    first[1].write(head + b"x" * 900_000)
    await asyncio.sleep(0.5)
    second[1].write(head + b"x" * 999_000)
    answer = await asyncio.wait_for(second[0].readuntil(b"\r\n\r\n"), 5)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1" in answer
    first[1].write(b"x" * 100_000)
    assert (await first[0].readline()).startswith(b"HTTP/1.1 401 ")
    assert callgate.service.web.doors.counts.busy["body_budget"] == 1
    for _, writer in (first, second):
        writer.close()


async def test_metrics_may_demand_a_token(start_replica: Start) -> None:
    callgate = await start_replica(callgate_metrics_token="the-token-for-the-metrics")
    for header, status in (
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic the-token-for-the-metrics"}, 401),
        ({"Authorization": "bearer the-token-for-the-metrics"}, 200),
    ):
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{callgate.url}/metrics", headers=header) as answer:
                assert answer.status == status, header


@pytest.mark.parametrize("workers", [1, 2])
async def test_the_panel_has_a_listener_of_its_own(
    vapi: SandboxVapi, dsn: str, tmp_path: Path, workers: int
) -> None:
    admin_port = unused_port()
    service = ServiceProcess(
        vapi,
        tmp_path / "data",
        options=("--workers", str(workers)),
        environment={"DATABASE_URL": dsn, "CALLGATE_ADMIN_PORT": str(admin_port)},
        ready_port=admin_port,
    )
    await service.start()
    try:
        async with aiohttp.ClientSession() as session:
            admin = f"http://127.0.0.1:{admin_port}"

            async def status(url: str, **given: object) -> int:
                headers = {"Authorization": f"Bearer {TOKEN}"}
                async with session.get(url, headers=headers, **given) as answer:  # type: ignore[arg-type]
                    return answer.status

            for path in (
                "/readyz",
                "/metrics",
                "/api/v1/organizations",
                "/admin/sign-in",
                "/admin",
            ):
                assert await status(f"{service.url}{path}") == 404, path
                assert await status(f"{admin}{path}") == 200, path
            assert await status(f"{service.url}/healthz") == 200
            assert await status(f"{service.url}/api/vapi/webhook") == 405
            message = vapi.live_call(str(vapi.add_number(provider="vapi")["id"]))
            headers = {"X-Vapi-Secret": SECRET}
            async with session.post(
                f"{service.url}/api/vapi/webhook", json=message, headers=headers
            ) as answer:
                assert answer.status == 404
                assert (await answer.json(content_type=None))["code"] == "unknown_phone_number"
    finally:
        assert await service.end() == 0


async def test_a_connection_over_the_limit_is_told_so_before_anything_is_built(
    callgate: Replica,
) -> None:
    hurry(callgate, per_address=2)
    port = int(callgate.url.rpartition(":")[2])
    doors = callgate.service.web.doors
    # The test's own requests have proved nothing, but their connections count.
    await callgate.session.get(f"{callgate.url}/healthz", headers={"Connection": "close"})
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
    answers = await asyncio.gather(
        *(asyncio.wait_for(reader.read(), 15) for reader, _ in opened[-2:])
    )
    for _, writer in opened:
        writer.close()
    for answer in answers:
        head = answer.decode().lower()
        assert head.startswith("http/1.1 503 ")
        assert "retry-after: 1" in head
        assert "x-content-type-options: nosniff" in head
        assert head.endswith("content-length: 0\r\n\r\n")
    assert doors.counts.refused["address"] >= 2


async def test_a_process_without_files_serves_proved_messages_again_and_again(
    vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> None:
    """So few files that the connections of unknown senders use up all of them."""
    service = ServiceProcess(
        vapi, tmp_path / "data", environment={"DATABASE_URL": dsn}, files=FEW_FILES
    )
    await service.start()
    strangers: list[asyncio.StreamWriter] = []
    try:
        async with aiohttp.ClientSession() as session:
            for _ in range(3):
                for number in range(20):
                    _, writer = await asyncio.open_connection(
                        "127.0.0.1", service.port, local_addr=(f"127.0.0.{2 + number}", 0)
                    )
                    strangers.append(writer)
                async with session.post(
                    f"{service.url}/api/vapi/webhook",
                    data=b"{}",
                    headers={"X-Vapi-Secret": SECRET, "Connection": "close"},
                ) as answer:
                    assert answer.status == 400
            async with session.get(f"{service.url}/metrics") as answer:
                exposition = await answer.text()
        refused = next(
            line
            for line in exposition.splitlines()
            if line.startswith('callgate_connections_refused_total{reason="files"}')
        )
        assert float(refused.split()[-1]) > 0, refused
    finally:
        for writer in strangers:
            writer.close()
        await service.end()


async def test_a_client_that_leaves_its_form_half_sent_costs_no_line_of_the_log(
    callgate: Replica,
) -> None:
    port = int(callgate.url.rpartition(":")[2])
    form = b"POST /admin/sign-in HTTP/1.1\r\nHost: gate\r\nContent-Length: 8000\r\n"
    form += b"Content-Type: application/x-www-form-urlencoded\r\n\r\nname="
    doors = callgate.service.web.doors
    with structlog.testing.capture_logs() as logged:
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        for _, writer in opened:
            writer.write(form)
        await eventually(lambda: asyncio.sleep(0, reading(doors) == 5))
        for _, writer in opened:
            writer.transport.abort()
        await eventually(lambda: asyncio.sleep(0, reading(doors) == 0))
        await asyncio.sleep(0.1)
    assert [one["event"] for one in logged if one["event"].startswith("page.")] == []


def reading(doors: Doors) -> int:
    """Requests whose body is not complete."""
    return sum(one.request is not None for one in doors.by_handler.values())
