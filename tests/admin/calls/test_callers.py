"""Forgetting a caller: for admins only, audited without the number."""

import pytest

from service.admin.actor import Actor
from service.admin.calls.callers import Callers
from service.domain.call_records.details import CallDetails
from service.domain.errors import ForbiddenError, InvalidError
from service.store.audit import list_audit
from service.store.pool import Pool
from tests.support.calls import new_call, record

ADMIN = Actor("Ada", "admin", "cli")


async def test_a_number_is_forgotten_and_the_audit_names_a_fingerprint(pool: Pool) -> None:
    callers = Callers(pool, "a master secret of the tests")
    await record(pool, new_call("a", details=CallDetails("+4915112345678")))
    found = await callers.forget(ADMIN, " +49 151 1234-5678 ")
    assert (found.calls, found.transcripts, found.messages) == (1, 0, 0)
    assert (await callers.forget(ADMIN, "+4915112345678")).calls == 0
    later, first = await list_audit(pool, limit=5, action="caller.forgotten")
    assert first.object_id == later.object_id == callers.fingerprint("+4915112345678")
    assert first.after == {
        "calls": 1,
        "transcripts": 0,
        "messages": 0,
        "rejected": 0,
        "waiting": 0,
    }
    assert "5678" not in str(first)
    assert Callers(pool, "another key").fingerprint("+4915112345678") != first.object_id


async def test_only_admins_forget_and_only_a_number(pool: Pool) -> None:
    callers = Callers(pool, "a master secret of the tests")
    with pytest.raises(ForbiddenError):
        await callers.forget(Actor("Sue", "support", "api"), "+4915112345678")
    for text in ("  ", "anonymous", "unknown", "Restricted", "sip:anonymous@anonymous.invalid"):
        with pytest.raises(InvalidError):
            await callers.forget(ADMIN, text)


async def test_retention_leaves_an_entry_of_deleted_calls(pool: Pool) -> None:
    callers = Callers(pool, "a master secret of the tests")
    await callers.record_expired("call_steps", 9)
    await callers.record_expired("calls", 3)
    (entry,) = await list_audit(pool, limit=5)
    assert (entry.action, entry.actor, entry.after) == ("calls.expired", "system", {"rows": 3})
