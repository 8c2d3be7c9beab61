"""What we wrote last tells their change from ours; what Vapi hides is no drift; what goes back is
exactly the former block, and what others changed in between stays."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.domain.fingerprint import fingerprint
from service.reconcile.desired import SECRET_HEADER, DesiredWebhook
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.applied import (
    accepted_form,
    applied_of,
    cause_of,
    is_rotation,
    posts_to_us,
    secret_form,
)

URL = "https://calls.agency.net/api/vapi/webhook"
DESIRED = DesiredWebhook(URL, "new-secret", accepted=("new-secret", "old-secret"))
FORMER = DesiredWebhook(URL, "old-secret", accepted=("old-secret",))

VALUES = st.none() | st.booleans() | st.integers(0, 300) | st.text(max_size=8)
HEADERS = st.dictionaries(
    st.sampled_from(["X-Vapi-Secret", "x-vapi-secret", "X-Theirs", "Authorization"]),
    st.text(max_size=8),
    max_size=3,
)
FOREIGN = {
    "credentialId": st.none() | st.text(max_size=8),
    "staticIpAddressesEnabled": st.booleans() | st.none(),
    "somethingNew": VALUES,
}
SERVERS = st.fixed_dictionaries(
    {"url": st.sampled_from(["https://old.example.net/", "https://other.example.net/"])},
    optional={
        "timeoutSeconds": VALUES,
        "backoffPlan": st.dictionaries(st.text(max_size=5), VALUES, max_size=2) | st.none(),
        "headers": HEADERS | st.none(),
        **FOREIGN,
    },
)
EDITS = st.fixed_dictionaries({}, optional=FOREIGN)


def owned(server: dict[str, Any]) -> dict[str, Any]:
    """What we own of a block, absent kept apart from null."""
    return {
        **{key: server[key] for key in webhook_fields.OWNED_KEYS if key in server},
        "header": webhook_fields.header_values(server.get("headers")),
    }


@given(former=SERVERS, edits=EDITS, header=st.text(max_size=5))
def test_what_goes_back_is_what_was_there_and_others_changes_stay(
    former: dict[str, Any], edits: dict[str, Any], header: str
) -> None:
    ours = webhook_fields.merged(DESIRED, former)
    changed = {**ours, **edits, "headers": {**ours["headers"], "X-Added": header}}
    back = webhook_fields.put_back(changed, former)
    assert back is not None
    assert owned(back) == owned(former)
    for key in FOREIGN:
        assert (key in back, back.get(key)) == (key in changed, changed.get(key))
    assert back["headers"]["X-Added"] == header
    assert webhook_fields.put_back(ours, None) is None


@given(former=SERVERS)
def test_null_and_absent_are_kept_apart(former: dict[str, Any]) -> None:
    ours = webhook_fields.merged(DESIRED, former)
    for key in FOREIGN:
        assert (key in ours, ours.get(key)) == (key in former, former.get(key))


@given(server=st.none() | SERVERS)
def test_no_header_is_ever_shown(server: dict[str, Any] | None) -> None:
    shown = webhook_fields.masked(server)
    headers = (shown or {}).get("headers")
    if isinstance(headers, dict):
        assert set(headers.values()) <= {webhook_fields.MASK}
        assert server is not None
        assert list(headers) == list(server["headers"])


def test_their_change_is_told_from_ours() -> None:
    applied = applied_of(FORMER)
    mine = webhook_fields.merged(FORMER, None)
    drift = webhook_fields.changes(DESIRED, mine)
    assert cause_of(drift, mine, applied, DESIRED) == "secret_rotated"
    assert is_rotation(drift, mine, applied, DESIRED)
    moved = DesiredWebhook("https://new.agency.net/api/vapi/webhook", "old-secret")
    assert cause_of(webhook_fields.changes(moved, mine), mine, applied, moved) == "desired_changed"
    theirs = {**mine, "url": "https://elsewhere.example.net/"}
    assert cause_of(webhook_fields.changes(FORMER, theirs), theirs, applied, FORMER) == "drift"
    both = {**mine, "timeoutSeconds": 3}
    assert cause_of(webhook_fields.changes(moved, both), both, applied, moved) == "drift"
    assert cause_of(webhook_fields.changes(FORMER, None), None, None, FORMER) == "added"
    stranger = {**mine, "headers": {SECRET_HEADER: "guessed"}}
    assert not is_rotation(webhook_fields.changes(DESIRED, stranger), stranger, applied, DESIRED)


@given(hidden=st.none() | st.sampled_from(["***", "enc:8d1f", ""]))
def test_a_secret_that_vapi_hides_is_no_drift_and_a_later_value_is(hidden: str | None) -> None:
    sent = webhook_fields.merged(DESIRED, {"headers": {"X-Theirs": "keep"}})
    shown = {"X-Theirs": "keep"} if hidden is None else {"X-Theirs": "keep", SECRET_HEADER: hidden}
    answered = {**sent, "headers": shown}
    applied = applied_of(DESIRED, secret_form(DESIRED, answered))
    assert "new-secret" not in repr(applied)
    form = accepted_form(applied, DESIRED, answered)
    assert webhook_fields.changes(DESIRED, answered, shown=form) == ()
    later = {**answered, "headers": {**shown, SECRET_HEADER: "somebody's"}}
    form = accepted_form(applied, DESIRED, later)
    assert [entry.field for entry in webhook_fields.changes(DESIRED, later, shown=form)] == [
        f"server.headers.{SECRET_HEADER}"
    ]
    # With another desired secret the mask of the former one says nothing.
    other = DesiredWebhook(URL, "third-secret")
    assert accepted_form(applied, other, answered) is None


def test_a_secret_that_is_shown_needs_no_memory() -> None:
    sent = webhook_fields.merged(DESIRED, None)
    assert secret_form(DESIRED, sent) is None
    assert applied_of(DESIRED)["secret"] == fingerprint("new-secret")


def test_the_url_that_we_wrote_last_is_known_in_any_spelling() -> None:
    """Released after the webhook's URL moved: Vapi shows the old one, spelled its own way."""
    former = applied_of(DesiredWebhook("https://Old.example.net:443/hook", None))
    assert posts_to_us(DESIRED, {"url": "https://old.example.net/hook"}, former)
    assert not posts_to_us(DESIRED, {"url": "https://old.example.net/other"}, former)
