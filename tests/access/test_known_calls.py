"""The cache of decisions: what reading a call again from PostgreSQL keeps and what it replaces."""

from uuid import uuid4

from service.access.known_calls import KnownCall, KnownCalls

OURS, THEIRS = uuid4(), uuid4()


def test_reading_a_decision_again_does_not_delay_its_next_hang_up() -> None:
    known = KnownCalls()
    known.put("c", KnownCall("d1", allowed=False, reason="r", organization_id=OURS, hung_up_at=1.0))
    known.put(
        "c", KnownCall("d2", allowed=True, reason="r", organization_id=THEIRS, hung_up_at=2.0)
    )
    fresh = KnownCall("d1", allowed=False, reason="r", organization_id=OURS, hung_up_at=9.0)
    claim = KnownCall("d2", allowed=True, reason="r", organization_id=THEIRS, hung_up_at=9.0)
    fresh.claims = {THEIRS: claim}
    known.update("c", fresh)
    assert known.calls["c"].hung_up_at == 1.0
    found = known.find("c", THEIRS)
    assert found is not None
    assert found.hung_up_at == 2.0


def test_another_owners_decision_replaces_the_former_one() -> None:
    known = KnownCalls()
    known.put(
        "c", KnownCall("d2", allowed=True, reason="r", organization_id=THEIRS, hung_up_at=2.0)
    )
    known.update(
        "c", KnownCall("d1", allowed=False, reason="r", organization_id=OURS, hung_up_at=9.0)
    )
    assert (known.calls["c"].decision_id, known.calls["c"].hung_up_at) == ("d1", 9.0)


def test_the_hang_up_of_a_guess_begins_with_its_order() -> None:
    """Nothing was hung up before: a later message restarts no hang-up at once."""
    known = KnownCalls()
    guess = KnownCall("d", allowed=False, reason="r", organization_id=OURS, hung_up_at=1.0)
    known.put("c", guess)
    for hung_up_at in (9.0, 10.0):
        known.update(
            "c",
            KnownCall(
                "d", allowed=False, reason="r", organization_id=OURS, hung_up=True,
                hung_up_at=hung_up_at,
            ),
        )  # fmt: skip
    assert known.calls["c"].hung_up_at == 9.0


def test_a_decision_that_was_read_before_vapis_word_replaces_none_after_it() -> None:
    known = KnownCalls()
    settled = KnownCall(
        "d1", allowed=True, reason="r", organization_id=OURS, owner_checked=True, hung_up_at=1.0
    )
    known.put("c", settled)
    known.update("c", KnownCall("d2", allowed=False, reason="r", organization_id=THEIRS))
    assert known.calls["c"] is settled
    again = KnownCall("d3", allowed=True, reason="r", organization_id=OURS, owner_checked=True)
    known.update("c", again)
    assert known.calls["c"] is again
