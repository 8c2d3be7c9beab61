"""What the webhook is measured beside, each a process of its own on uvloop, as the service is.

    python -m tests.support.baselines bare PORT
    python -m tests.support.baselines naive PORT DSN NUMBER

`bare` reads a body and answers: the ceiling of aiohttp. `naive` is what one writes first: it compares
the secret, asks PostgreSQL whose number it is and what entitles it, and inserts the call and its job in
a transaction of its own, on tables of its own.
"""

import asyncio
import hmac
import json
import sys
import uuid
from collections.abc import Awaitable, Callable

import asyncpg
import uvloop
from aiohttp import web

from tests.support.settings import SECRET

TABLES = """
DROP SCHEMA IF EXISTS naive CASCADE;
CREATE SCHEMA naive;
CREATE TABLE naive.organizations (id uuid PRIMARY KEY, name text, plan text, plan_ends timestamptz);
CREATE TABLE naive.numbers (id text PRIMARY KEY, organization_id uuid REFERENCES naive.organizations);
CREATE TABLE naive.calls (id text PRIMARY KEY, organization_id uuid, allowed boolean, reason text,
    decision_id uuid, message jsonb, created_at timestamptz DEFAULT now());
CREATE TABLE naive.jobs (id bigserial PRIMARY KEY, call_id text, due_at timestamptz DEFAULT now());
"""
OWNER = """
SELECT o.id, o.plan IS NOT NULL AND (o.plan_ends IS NULL OR o.plan_ends > now()) AS allowed
FROM naive.numbers n JOIN naive.organizations o ON o.id = n.organization_id WHERE n.id = $1
"""
CALL = """
INSERT INTO naive.calls (id, organization_id, allowed, reason, decision_id, message)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id
"""

MOST_BYTES = 32 * 2**20

Handler = Callable[[web.Request], Awaitable[web.Response]]


async def bare(request: web.Request) -> web.Response:
    """Read and answer."""
    await request.read()
    return web.json_response({})


async def naive(dsn: str, number_id: str) -> Handler:
    """Create the tables, with one organization without a plan; the handler."""
    pool = await asyncpg.create_pool(dsn, min_size=10, max_size=10)
    owner = uuid.uuid4()
    await pool.execute(TABLES)
    await pool.execute("INSERT INTO naive.organizations VALUES ($1, 'Bakery')", owner)
    await pool.execute("INSERT INTO naive.numbers VALUES ($1, $2)", number_id, owner)

    async def handle(request: web.Request) -> web.Response:
        if not hmac.compare_digest(request.headers.get("X-Vapi-Secret", ""), SECRET):
            return web.json_response({}, status=401)
        call = (await request.json())["message"]["call"]
        async with pool.acquire() as connection, connection.transaction():
            found = await connection.fetchrow(OWNER, call["phoneNumberId"])
            if found is None:
                return web.json_response({}, status=404)
            decision = uuid.uuid4()
            values = found["id"], found["allowed"], "no_plan", decision, json.dumps(call)
            if await connection.fetchval(CALL, call["id"], *values) and not found["allowed"]:
                await connection.execute("INSERT INTO naive.jobs (call_id) VALUES ($1)", call["id"])
        if found["allowed"]:
            return web.json_response({})
        return web.json_response({"decision_id": str(decision)}, status=403)

    return handle


async def serve(handler: Handler, port: int) -> None:
    """Serve until the process is ended."""
    app = web.Application(client_max_size=MOST_BYTES)
    app.router.add_post("/api/vapi/webhook", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def main(kind: str, port: int, *given: str) -> None:
    await serve(bare if kind == "bare" else await naive(*given), port)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
