"""`callgate numbers import` from what is at Vapi."""

import csv
import io

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.cli.phone_numbers.helpers import HEADER, Run, count
from tests.support.service import Start, eventually


async def test_what_is_at_vapi_becomes_a_file_and_then_numbers(
    run: Run, vapi: SandboxVapi, pool: Pool, bakery: str
) -> None:
    vapi.add_numbers(1)
    odd = vapi.add_number(name="=HYPERLINK(1)", number="+15550000009")["id"]
    bare = vapi.add_number(number="+15550000010", assistantId="asst-1")["id"]
    shown = await run("--from-vapi")
    assert shown.code == 0
    assert "assistantId asst-1" in shown.out
    assert "3 numbers at Vapi are not registered" in shown.out
    assert [item["id"] for item in (await run("--from-vapi", "--json")).json][1:] == [odd, bare]
    made = (await run("--from-vapi", "--csv")).out
    rows = list(csv.reader(io.StringIO(made)))
    assert rows[0] == ["phone_number", "organization", "label", "gate"]
    assert rows[2] == [odd, "", "'=HYPERLINK(1)", "event"]
    assert rows[3] == [bare, "", "Number +15550000010", "event"]
    assert not any(cell.startswith(tuple("=+-@\t")) for row in rows for cell in row)
    done = await run("-", stdin=made.replace(",,", ",b-1,").encode())
    assert done.code == 0
    assert await count(pool) == 3
    assert "0 numbers at Vapi" in (await run("--from-vapi")).out


async def test_all_of_vapis_at_once(run: Run, vapi: SandboxVapi, pool: Pool, bakery: str) -> None:
    ids = vapi.add_numbers(300)
    arguments = ("--from-vapi", "--organization", bakery)
    assert (await run(*arguments, "--dry-run")).code == 2
    assert await count(pool) == 0
    done = await run(*arguments, "--yes")
    assert done.code == 0
    assert "300 created" in done.out
    assert ids[299] in done.out
    assert (await run(*arguments)).code == 0
    assert await count(pool) == 300


async def test_a_running_service_takes_it_from_there(
    run: Run, start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica()
    ids = vapi.add_numbers(3)
    await callgate.add_organization("Bakery")
    text = HEADER + "".join(f"{found},Bakery,,\n" for found in ids)
    assert (await run("-", stdin=text.encode())).code == 0

    async def in_sync() -> bool:
        found = await callgate.api("GET", "/phone-numbers?sync_state=in_sync")
        return len(found.json["items"]) == 3

    await eventually(in_sync)
    changed = text.replace(",,\n", ",Front,\n")
    done = await run("-", stdin=changed.encode())
    assert "label: (none) → Front" in done.out
    assert "3 updated" in done.out


async def test_vapi_away(run: Run, vapi: SandboxVapi, pool: Pool, bakery: str) -> None:
    number_id = vapi.add_numbers(1)[0]
    vapi.fail("GET *", status=401)
    text = HEADER + f"{number_id},b-1,,\n+15550000000,b-1,,\n"
    done = await run("-", "--yes", stdin=text.encode())
    assert done.code == 1
    assert "check VAPI_API_KEY" in done.err
    assert "1 created" in done.out
    assert await count(pool) == 1
    done = await run("--from-vapi")
    assert done.code == 1
    assert "check VAPI_API_KEY" in done.err
