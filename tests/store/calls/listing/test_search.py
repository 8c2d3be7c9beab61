"""Pages of calls: every filter, every id, and a bounded scan."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID, uuid4

from asyncpg.connection import LoggedQuery

from service.domain.call_records.details import CallDetails
from service.domain.calls import NewCall
from service.store.calls.listing import search
from service.store.calls.listing.filters import CallFilter
from service.store.calls.listing.search_terms import NAMED
from service.store.pool import Pool
from tests.support.calls import AT, new_call, record


async def ids(pool: Pool, wanted: CallFilter | None = None, **given: Any) -> list[str]:
    """All pages, two calls each."""
    found: list[str] = []
    after = None
    while True:
        page = await search.find_page(pool, wanted or CallFilter(), after=after, limit=2, **given)
        found += [call.vapi_call_id for call in page.calls]
        after = page.next
        if after is None:
            return found


async def test_any_combination_of_filters_finds_what_it_says(pool: Pool) -> None:
    one, two, number = uuid4(), uuid4(), uuid4()
    await record(
        pool,
        new_call("a", organization_id=one, phone_number_id=number),
        new_call("b", organization_id=one, phone_number_id=number, allowed=False),
        new_call("c", organization_id=two, allowed=False, gate="request"),
        new_call("d", organization_id=two, gate="request"),
        new_call("e", organization_id=one, allowed=False, gate="ring"),
    )
    assert await ids(pool) == ["e", "d", "c", "b", "a"]
    for wanted, expected in {
        CallFilter(organization_id=one): "eba",
        CallFilter(organization_id=one, blocked=True): "eb",
        CallFilter(organization_id=one, blocked=False): "a",
        CallFilter(phone_number_id=number): "ba",
        CallFilter(phone_number_id=number, blocked=True, gate="event"): "b",
        CallFilter(blocked=True): "ecb",
        CallFilter(blocked=False): "da",
        CallFilter(reason="trial_expired"): "ecb",
        CallFilter(reason="trial_expired", gate="ring"): "e",
        CallFilter(gate="request"): "dc",
        CallFilter(gate="request", organization_id=one): "",
        CallFilter(since=AT): "edcba",
        CallFilter(until=AT): "",
    }.items():
        assert await ids(pool, wanted) == list(expected), wanted
        assert await search.count_calls(pool, wanted) == len(expected), wanted


async def test_a_filter_with_an_index_of_its_own_is_counted_from_it_alone(pool: Pool) -> None:
    one = uuid4()
    await record(pool, new_call("a", organization_id=one), new_call("b", allowed=False))
    for wanted, statements in {
        CallFilter(): 1,
        CallFilter(organization_id=one, until=AT): 1,
        CallFilter(organization_id=one, blocked=True): 1,
        CallFilter(blocked=True): 1,
        CallFilter(live=True): 1,
        CallFilter(blocked=False): 2,
        CallFilter(policy="plan"): 2,
        CallFilter(organization_id=one, gate="event"): 2,
    }.items():
        said: list[LoggedQuery] = []
        async with pool.acquire() as connection:
            with connection.query_logger(said.append):
                await search.count_calls(connection, wanted)  # type: ignore[arg-type]
        assert len(said) == statements, wanted


async def test_any_id_or_number_finds_its_calls(pool: Pool) -> None:
    organization: UUID = await pool.fetchval(
        "INSERT INTO callgate.organizations (name, external_id) VALUES ('A', 'crm-1') RETURNING id"
    )
    number: UUID = await pool.fetchval(
        "INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id, number) "
        "VALUES ($1, 'pn-1', '+4930123456') RETURNING id",
        organization,
    )
    owned: dict[str, Any] = {"organization_id": organization, "phone_number_id": number}
    await record(
        pool,
        new_call("vapi-1", **owned, vapi_phone_number_id="pn-1"),
        new_call("vapi-2", organization_id=organization),
        new_call("vapi-3", vapi_phone_number_id="pn-stranger"),
    )
    (first,) = (await search.find_page(pool, CallFilter(), search="vapi-1", limit=5)).calls
    assert await ids(pool, search=str(first.id)) == ["vapi-1"]
    for text in ("pn-1", str(number), "+4930123456", " +49 30 123456 ", "4930123456"):
        assert await ids(pool, search=text) == ["vapi-1"], text
    for text in ("crm-1", str(organization)):
        assert await ids(pool, search=text) == ["vapi-2", "vapi-1"], text
    assert await ids(pool, search="pn-stranger") == ["vapi-3"]
    assert await ids(pool, search="nothing") == []
    assert await ids(pool, CallFilter(blocked=True), search="crm-1") == []


async def test_a_look_ends_somewhere_and_goes_on_from_there(pool: Pool) -> None:
    owner = uuid4()
    await record(pool, new_call("old", organization_id=owner, gate="ring"))
    await record(pool, *(new_call(f"c{n}", organization_id=owner) for n in range(7)))
    wanted = CallFilter(organization_id=owner, gate="ring")
    page = await search.find_page(pool, wanted, limit=2, most_looked_at=3)
    assert (list(page.calls), page.next is None) == ([], False)
    assert await ids(pool, wanted, most_looked_at=3) == ["old"]


class Meanwhile:
    """A pool, or a connection, on which calls are recorded after its first statement."""

    def __init__(self, target: Any, work: list[Callable[[], Awaitable[None]]]) -> None:
        self.target, self.work = target, work

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)

    async def fetch(self, *given: Any) -> Any:
        found = await self.target.fetch(*given)
        while self.work:
            await self.work.pop()()
        return found

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["Meanwhile"]:
        async with self.target.acquire() as connection:
            yield Meanwhile(connection, self.work)


class OneConnection(Meanwhile):
    """A connection in the place of a pool."""

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Meanwhile]:
        yield self


async def test_calls_that_begin_while_a_page_is_read_make_the_next_one_repeat_none(
    pool: Pool,
) -> None:
    owner = uuid4()
    await record(pool, *(new_call(f"c{n}", organization_id=owner) for n in range(5)))
    await record(pool, new_call("found", organization_id=owner, gate="ring"))
    wanted = CallFilter(organization_id=owner, gate="ring")

    async def begin() -> None:
        await record(pool, *(new_call(f"later{n}", organization_id=owner) for n in range(3)))

    overtaken = cast("Pool", Meanwhile(pool, [begin]))
    page = await search.find_page(overtaken, wanted, limit=2, most_looked_at=3)
    assert [call.vapi_call_id for call in page.calls] == ["found"]
    assert page.next is not None
    rest = await search.find_page(pool, wanted, after=page.next, limit=2, most_looked_at=3)
    assert list(rest.calls) == []


async def test_the_feed_and_the_list_agree_on_what_is_under_way(pool: Pool) -> None:
    """A call without an end counts as under way for a day."""
    await record(pool, new_call("today"), new_call("long-ago"))
    await pool.execute(
        "UPDATE callgate.calls SET created_at = now() - interval '2 days' "
        "WHERE vapi_call_id = 'long-ago'"
    )
    found = (await search.find_page(pool, CallFilter(), limit=5)).calls
    for live, expected in ((True, ["today"]), (False, ["long-ago"])):
        wanted = CallFilter(live=live)
        assert await ids(pool, wanted) == expected
        assert [call.vapi_call_id for call in found if wanted.matches(call)] == expected


async def test_names_labels_and_last_digits_find_calls(pool: Pool) -> None:
    bakery: UUID = await pool.fetchval(
        "INSERT INTO callgate.organizations (name, external_id) VALUES ('Corner Bakery 2000', '77') "
        "RETURNING id"
    )
    number: UUID = await pool.fetchval(
        "INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id, label) "
        "VALUES ($1, 'pn-1', 'Bakery desk') RETURNING id",
        bakery,
    )

    def told(customer: str | None) -> CallDetails:
        return CallDetails(customer_number=customer)

    await record(
        pool,
        new_call("a", organization_id=bakery, details=told("+4915112345678")),
        new_call("b", phone_number_id=number, details=told("+4930345678")),
        new_call("c", organization_id=bakery, phone_number_id=number, allowed=False),
        new_call("d", details=told("anonymous")),
        new_call("e", details=told("+15550005678")),
    )
    for text, expected in {
        "5678": "eba",
        "345678": "ba",
        "2345678": "a",
        "+49 151 1234-5678": "a",
        "0049 30 345678": "b",
        "corner": "ca",
        "BAKERY": "cba",
        "desk": "cb",
        "2000": "ca",
        "100%": "",
        "b_kery": "",
        "x": "",
        "678": "",
    }.items():
        assert await ids(pool, search=text, whole=True) == list(expected), text
    assert await ids(pool, CallFilter(blocked=True), search="bakery") == ["c"]


async def test_a_search_tells_no_digit_that_the_mask_hides(pool: Pool) -> None:
    def told(customer: str) -> NewCall:
        return new_call(customer, details=CallDetails(customer_number=customer))

    numbers = "+4915112345678", "+39065678", "495678", "sip:1@5678", "495115678x5678"
    await record(pool, *map(told, numbers))
    for text, expected in {
        "5678": ["+4915112345678"],
        "45678": [],
        "15112345678": [],
        "+49 151 1234-5678": ["+4915112345678"],
        "004915112345678": ["+4915112345678"],
        "+39065678": ["+39065678"],
        "495678": ["495678"],
        "95678": [],
    }.items():
        assert await ids(pool, search=text) == expected, text
    assert await ids(pool, search="45678", whole=True) == ["+4915112345678"]


async def test_directions_and_refusals_are_told_apart(pool: Pool) -> None:
    await record(
        pool,
        new_call("in", type="inboundPhoneCall", details=CallDetails(connected=True)),
        new_call("out", type="outboundPhoneCall", allowed=False, organization_id=uuid4()),
        new_call(
            "cut", allowed=False, organization_id=uuid4(), details=CallDetails(connected=True)
        ),
        new_call(
            "asked",
            type="webCall",
            allowed=False,
            gate="request",
            organization_id=uuid4(),
            details=CallDetails(connected=True),
        ),
    )
    await pool.execute("UPDATE callgate.calls SET connected = NULL WHERE vapi_call_id = 'cut'")
    found = (await search.find_page(pool, CallFilter(), limit=9)).calls
    for wanted, expected in {
        CallFilter(direction="inbound"): ["in"],
        CallFilter(direction="outbound"): ["out"],
        CallFilter(direction="web"): ["asked"],
        CallFilter(refused=True): ["asked", "out"],
        CallFilter(refused=False): ["cut", "in"],
    }.items():
        assert await ids(pool, wanted) == expected
        assert [call.vapi_call_id for call in found if wanted.matches(call)] == expected


async def test_names_are_searched_along_the_indexes_of_their_letters(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await connection.execute("SET enable_seqscan = off")
        rows = await connection.fetch(f"EXPLAIN (COSTS OFF) {NAMED}", "%bakery%", "Bakery", 10)
    plan = "\n".join(row[0] for row in rows)
    for index in ("organizations_search_idx", "phone_numbers_search_idx"):
        assert f"Bitmap Index Scan on {index}" in plan


async def test_without_filters_no_more_calls_are_looked_at_than_are_shown(pool: Pool) -> None:
    owners = [
        await pool.fetchval(
            "INSERT INTO callgate.organizations (name) VALUES ($1) RETURNING id", name
        )
        for name in ("Bakery", "Bakery two")
    ]
    await record(pool, *(new_call(f"{n}", organization_id=owners[n % 2]) for n in range(9)))
    for wanted, most in ((CallFilter(), 3), (CallFilter(blocked=False), 10_000 // 2)):
        said: list[LoggedQuery] = []
        async with pool.acquire() as connection:
            with connection.query_logger(said.append):
                one = cast("Pool", OneConnection(connection, []))
                page = await search.find_page(one, wanted, search="baker", limit=2)
        assert [call.vapi_call_id for call in page.calls] == ["8", "7"]
        assert [query.args[4] for query in said if len(query.args) > 4][-1] == most
    assert await ids(pool, search="baker") == [f"{n}" for n in range(8, -1, -1)]
