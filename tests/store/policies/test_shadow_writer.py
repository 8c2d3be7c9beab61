"""Verdicts in shadow are written beside, wait while PostgreSQL is away, and make the report."""

from datetime import timedelta
from uuid import UUID, uuid4

from policies.testing import NOW
from service.domain.policies.shadow import ShadowReport, ShadowVerdict
from service.store import beside
from service.store.policies.shadow_verdicts import (
    exist_of,
    find_of_calls,
    list_differing,
    read_report,
)
from service.store.policies.shadow_writer import ShadowWriter
from service.store.pool import Pool, create_pool
from service.store.retention.kept_rows import kept_rows
from service.store.retention.retention import Retention
from tests.support.service import eventually
from tests.support.tcp_proxy import proxied

ADD = "INSERT INTO callgate.organizations (name) VALUES ('Bakery') RETURNING id"


def verdict(owner: UUID, number: int, decided: str = "allow", would: str = "deny") -> ShadowVerdict:
    return ShadowVerdict(
        "quota",
        f"call-{number}",
        owner,
        "deny",
        "used_up",
        decided,  # type: ignore[arg-type]
        would,  # type: ignore[arg-type]
        NOW + timedelta(minutes=number),
    )


async def test_the_report_counts_calls_that_would_have_been_decided_differently(pool: Pool) -> None:
    one, two = await pool.fetchval(ADD), await pool.fetchval(ADD)
    writer = ShadowWriter(pool)
    for found in (
        verdict(one, 1),
        verdict(one, 2),
        verdict(two, 3, "allow", "allow"),
        verdict(two, 4, "deny", "allow"),
        verdict(uuid4(), 5),
    ):
        writer.record(found)
    await writer.flush()
    writer.record(verdict(one, 1, "deny", "deny"))
    await writer.flush()
    assert await read_report(pool, "quota", None, None) == ShadowReport(4, 2, 1, 1)
    since, until = NOW + timedelta(minutes=2), NOW + timedelta(minutes=4)
    assert await read_report(pool, "quota", since, until) == ShadowReport(2, 1, 0, 1)
    assert await read_report(pool, "hours", None, None) == ShadowReport()
    page = await list_differing(pool, "quota", None, None, after=None, limit=2)
    assert [one.vapi_call_id for one in page] == ["call-4", "call-2"]
    last = page[-1].at, page[-1].vapi_call_id
    (rest,) = await list_differing(pool, "quota", None, None, after=last, limit=2)
    assert rest == verdict(one, 1)
    assert await find_of_calls(pool, ["call-3"]) == {
        ("call-3", two): [verdict(two, 3, "allow", "allow")]
    }
    assert await exist_of(pool, "quota")
    assert not await exist_of(pool, "hours")


async def test_verdicts_wait_for_postgresql_and_are_dropped_beyond_a_limit(
    dsn: str, pool: Pool
) -> None:
    owner = await pool.fetchval(ADD)
    async with proxied(dsn) as proxy, await create_pool(proxy.dsn, 1, at_least=0) as through:
        writer = ShadowWriter(through)
        loop = writer.background()
        with proxy.fault("refuse"):
            loop.start()
            for number in range(beside.LIMIT + 5):
                writer.record(verdict(owner, number))
            assert writer.dropped == 5

        async def written() -> bool:
            found = await pool.fetchval("SELECT count(*) FROM callgate.shadow_verdicts")
            return bool(found == beside.LIMIT)

        await eventually(written, 30)
        await loop.stop()


async def test_old_verdicts_are_deleted(pool: Pool) -> None:
    owner = await pool.fetchval(ADD)
    writer = ShadowWriter(pool)
    writer.record(verdict(owner, 1))
    await writer.flush()
    kept = kept_rows(timedelta(), timedelta(days=1), timedelta())
    await pool.execute("UPDATE callgate.shadow_verdicts SET at = now() - interval '2 days'")
    for rows in kept:
        await Retention(pool, kept).delete_rows(rows)
    assert not await exist_of(pool, "quota")
