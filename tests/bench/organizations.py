"""The list of organizations, an organization's timeline and the audit, at size, with their plans.

    python -m tests.bench.organizations [--organizations 10000] [--calls 1000000] [--plans]

Prints for each question how long a page took (the fastest and the median of several), and with `--plans`
how PostgreSQL answered it. Nothing here is a test: a shared machine's figures move by a quarter.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import uvloop

from service.access.directory import AccessDirectory
from service.access.policies.chain import AccessChain
from service.access.policies.plugins import load_policies
from service.access.policies.preview import ChainPreview
from service.admin.organizations.search import OrganizationList, OrganizationQuery
from service.admin.timeline import Timeline
from service.log import configure_logging
from service.store.audit import LIST_BY, list_audit
from service.store.organizations.directory import ENTRIES, entry_of
from service.store.organizations.search import SORTS, STATEMENTS, Filters
from service.store.organizations.timeline import LIST_DAYS
from service.store.pool import Pool, create_pool
from service.store.postgres.server import EmbeddedPostgres
from service.store.schema import migrate

TIMES = 15
FILL = (
    """
    INSERT INTO callgate.organizations (name, external_id, created_at)
    SELECT 'Organization ' || md5(n::text), 'crm-' || n, now() - n * interval '1 minute'
    FROM generate_series(1, $1::int) n
    """,
    """
    INSERT INTO callgate.trials (organization_id, starts_at, ends_at)
    SELECT id, now() - interval '99 days', now() + (random() - 0.5) * interval '60 days'
    FROM callgate.organizations WHERE random() < least(0.5, $1::int)
    """,
    """
    INSERT INTO callgate.plans (organization_id, code, status, current_period_end)
    SELECT id, 'pro', (ARRAY['active', 'past_due', 'canceled', 'paused'])[1 + (random() * 3)::int],
        now() + (random() - 0.5) * interval '60 days'
    FROM callgate.organizations WHERE random() < least(0.5, $1::int)
    """,
    """
    INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id, number)
    SELECT id, 'pn-' || row_number() OVER (), '+49301' || 100000 + row_number() OVER ()
    FROM callgate.organizations WHERE random() < least(0.8, $1::int)
    """,
    """
    INSERT INTO callgate.audit (at, actor, source, action, object_type, object_id)
    SELECT now() - n * interval '1 minute', 'person ' || n % 40, 'web', 'plan.put', 'organization',
        o.id::text
    FROM callgate.organizations o, generate_series(1, 5) n WHERE $1::int > 0
    """,
)
CALLS = """
INSERT INTO callgate.calls (vapi_call_id, organization_id, status, blocked, reason, gate, decision,
    created_at)
SELECT 'call-' || n, CASE WHEN n % 4 = 0 THEN $2::uuid ELSE gen_random_uuid() END, 'ended',
    n % 5 = 0, 'plan_ended', 'event', '{}', now() - n * interval '10 seconds'
FROM generate_series(1, $1::int) n
"""


async def measure(name: str, ask: Callable[[], Awaitable[object]]) -> None:
    """Ask several times, the first time for nothing."""
    await ask()
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await ask()
        took.append(1000 * (time.perf_counter() - began))
    print(f"{name:<44} {min(took):7.1f} ms {statistics.median(took):7.1f} ms")


async def explain(pool: Pool, name: str, statement: str, *given: object) -> None:
    rows = await pool.fetch(f"EXPLAIN (ANALYZE, COSTS OFF, SUMMARY OFF) {statement}", *given)
    print(f"\n{name}", *(row[0] for row in rows), sep="\n  ")


async def informed(pool: Pool) -> ChainPreview:
    """The chain with a directory that holds everything, as in a running service."""
    directory = AccessDirectory()
    for row in await pool.fetch(ENTRIES):
        directory.put(entry_of(row))
    directory.loaded = True
    return ChainPreview(AccessChain(load_policies().policies), directory)


async def run(dsn: str, organizations: int, calls: int, *, plans: bool) -> None:
    await migrate(dsn)
    pool = await create_pool(dsn, 5)
    for statement in FILL:
        await pool.execute(statement, organizations, timeout=600)
    owner: UUID = await pool.fetchval("SELECT id FROM callgate.organizations LIMIT 1")
    await pool.execute(CALLS, calls, owner, timeout=600)
    await pool.execute("VACUUM ANALYZE", timeout=600)
    preview = await informed(pool)
    listed = OrganizationList(pool, preview)
    wanted = {f"sort {sort}": OrganizationQuery(sort=sort) for sort in SORTS} | {
        "search, found": OrganizationQuery(Filters("ab")),
        "search, nothing": OrganizationQuery(Filters("nowhere")),
        "search, number": OrganizationQuery(Filters("+49301100777")),
        "on trial": OrganizationQuery(Filters(trial="running")),
        "trial ends within 7 days, by its end": OrganizationQuery(
            Filters(trial="ending"), sort="trial_ends_at"
        ),
        "has an override": OrganizationQuery(Filters(override=True)),
        "no numbers": OrganizationQuery(Filters(numbers=False)),
        "plan past due": OrganizationQuery(Filters(plan_status="past_due")),
        "blocked": OrganizationQuery(allowed=False),
        "plan paused, newest": OrganizationQuery(reason="plan_paused", sort="-created_at"),
        "blocked by an override (nobody)": OrganizationQuery(reason="override_deny"),
    }
    print(f"{organizations} organizations, {calls} calls: fastest, median")
    for name, one in wanted.items():

        async def ask(one: OrganizationQuery = one) -> object:
            preview.directory.record_heartbeat()
            return await listed.page(one, after=None, limit=50)

        await measure(name, ask)
    await measure("timeline", lambda: Timeline(pool).page(owner, after=None, limit=50))
    await measure(
        "audit of an organization", lambda: list_audit(pool, object_id=str(owner), limit=51)
    )
    await measure("audit of a person", lambda: list_audit(pool, actor="person 3", limit=51))
    if plans:
        nothing: tuple[object, ...] = (None, [], None, None, None, None, None, 51)
        for sort in SORTS:
            await explain(pool, f"sort {sort}", STATEMENTS[sort][0], *nothing)
        await explain(
            pool, "days of stopped calls", LIST_DAYS, owner, await pool.fetchval("SELECT now()"), 12
        )
        given = (None, None, None, None, "person 3", None, None, None, None, 51)
        await explain(pool, "audit of a person", LIST_BY[1], *given)
    await pool.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--organizations", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--plans", action="store_true")
    given = parser.parse_args()
    configure_logging(style="json", level="ERROR")
    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        tempfile.TemporaryDirectory() as folder,
    ):
        server = EmbeddedPostgres(Path(folder) / "db")
        dsn = server.start()
        try:
            runner.run(run(dsn, given.organizations, given.calls, plans=given.plans))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
