"""What holds for any number at Vapi, however odd: one pass repairs it, a second one has nothing to do,
nothing foreign moves, the former block comes back, and no header's value is ever shown."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.domain.phone_numbers import FieldDrift
from service.reconcile.desired import BACKOFF_PLAN, SECRET_HEADER, DesiredWebhook
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.applied import (
    accepted_form,
    applied_of,
    cause_of,
    is_rotation,
    secret_form,
)
from service.reconcile.steps.writer import masked_block
from service.vapi.resources import PhoneNumberView

URL = "https://calls.agency.net/api/vapi/webhook"
ELSEWHERE = "https://old.example.net/hook"
SECRETS = ("new-secret", "old-secret", "older-secret")
HIDDEN = "hidden-value-"
"""What every secret value of the examples begins with: no output may show it."""

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=3,
)
VALUES = st.text(max_size=4).map(lambda text: HIDDEN + text) | st.sampled_from(SECRETS)
NAMES = st.sampled_from(
    [SECRET_HEADER, "x-vapi-secret", "X-VAPI-SECRET", "X-Theirs", "Authorization", "x-theirs"]
)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=4)
ODD_HEADERS = st.none() | VALUES | st.lists(VALUES, max_size=2) | st.integers(0, 9)
FOREIGN = {
    "credentialId": st.none() | st.uuids().map(str),
    "staticIpAddressesEnabled": st.none() | st.booleans(),
    "encryptedPaths": st.none() | st.lists(st.text(max_size=4), max_size=2),
    "secret": st.none() | st.just(HIDDEN),
    "somethingNew": JSON,
}
OWNED = {
    "timeoutSeconds": JSON | st.sampled_from([20, 20.0, "20", 21]),
    "backoffPlan": JSON
    | st.fixed_dictionaries(
        {name: st.just(value) | JSON for name, value in BACKOFF_PLAN.items()},
        optional={"added": st.none() | st.booleans()},
    ),
}
HOOKS = st.sampled_from([URL, ELSEWHERE, URL + "/"])
SERVERS = st.fixed_dictionaries(
    {}, optional={"url": HOOKS | JSON, "headers": HEADERS | ODD_HEADERS, **OWNED, **FOREIGN}
)
WORKING = st.fixed_dictionaries(
    {"url": HOOKS}, optional={"headers": HEADERS | st.none(), **OWNED, **FOREIGN}
)
NUMBERS = st.fixed_dictionaries(
    {"id": st.just("number"), "provider": st.sampled_from(["vapi", "twilio"])},
    optional={
        "server": SERVERS | st.none(),
        "serverUrl": HOOKS | st.none(),
        "name": st.text(max_size=5),
        "hooks": st.lists(JSON, max_size=2),
        "fallbackDestination": JSON,
        "somethingElse": JSON,
    },
)
DESIRED = st.builds(
    DesiredWebhook,
    url=st.just(URL),
    secret=st.none() | st.sampled_from(SECRETS),
    timeout_seconds=st.sampled_from([20, 5]),
    accepted=st.just(SECRETS),
)
WITH_SECRET = DESIRED.filter(lambda desired: desired.secret is not None)


def taken(raw: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """What Vapi has after a PATCH: each field that is sent is replaced whole, null clears it."""
    kept = {name: value for name, value in raw.items() if name not in body}
    return kept | {name: deepcopy(value) for name, value in body.items() if value is not None}


def foreign(desired: DesiredWebhook, server: Mapping[str, Any] | None) -> dict[str, Any]:
    """All that is not ours in a block, null kept apart from absent. Headers of an impossible kind
    cannot be kept where ours has to be among them."""
    found = {
        name: value
        for name, value in (server or {}).items()
        if name not in webhook_fields.OWNED_KEYS
    }
    headers = found.get("headers")
    if desired.secret is not None:
        found["headers"] = {
            name: value
            for name, value in (headers if isinstance(headers, dict) else {}).items()
            if name.lower() != SECRET_HEADER.lower()
        }
    return found


def owned(server: Mapping[str, Any] | None) -> dict[str, Any]:
    """All that is ours in a block, null kept apart from absent."""
    block = server or {}
    headers = block.get("headers")
    pairs = headers.items() if isinstance(headers, dict) else ()
    return {
        **{name: block[name] for name in webhook_fields.OWNED_KEYS if name in block},
        "header": {name: value for name, value in pairs if name.lower() == SECRET_HEADER.lower()},
    }


@given(raw=NUMBERS, desired=DESIRED)
def test_one_pass_over_any_number_is_enough_and_a_second_one_has_nothing_to_do(
    raw: dict[str, Any], desired: DesiredWebhook
) -> None:
    before = deepcopy(raw)
    seen = PhoneNumberView(raw)
    sent = webhook_fields.merged(desired, seen.server)
    after = taken(raw, {"server": sent})
    again = PhoneNumberView(after)
    assert webhook_fields.changes(desired, again.server) == ()
    assert webhook_fields.merged(desired, again.server) == again.server, "nothing is left to write"
    assert webhook_fields.is_accepted(desired, again.server)
    assert foreign(desired, again.server) == foreign(desired, seen.server)
    assert {**after, "server": None} == {**before, "server": None}
    assert raw == before, "what was seen is not changed in place"


@given(server=SERVERS, desired=DESIRED)
def test_there_is_drift_if_and_only_if_something_has_to_be_written(
    server: dict[str, Any], desired: DesiredWebhook
) -> None:
    drift = webhook_fields.changes(desired, server)
    sent = webhook_fields.merged(desired, server)
    values = webhook_fields.header_values(server.get("headers"))
    same = all(
        webhook_fields.canonical(server.get(name, "(absent)"))
        == webhook_fields.canonical(sent[name])
        for name in webhook_fields.OWNED_KEYS
    ) and (desired.secret is None or values == [desired.secret])
    assert (drift == ()) == same


@given(
    former=WORKING,
    desired=DESIRED,
    edits=st.fixed_dictionaries({}, optional=FOREIGN),
    added=st.dictionaries(st.sampled_from(["X-Added", "X-Theirs"]), VALUES, max_size=2),
)
def test_what_we_took_comes_back_and_what_they_changed_meanwhile_stays(
    former: dict[str, Any],
    desired: DesiredWebhook,
    edits: dict[str, Any],
    added: dict[str, str],
) -> None:
    ours = webhook_fields.merged(desired, former)
    headers = {**(ours.get("headers") or {}), **added}
    changed = {**ours, **edits, **({"headers": headers} if added else {})}
    back = webhook_fields.put_back(changed, former)
    assert back is not None
    assert owned(back) == owned(former)
    assert webhook_fields.owned_differences(former, back) == ()
    for name in FOREIGN:
        assert (name in back, back.get(name)) == (name in changed, changed.get(name))
    kept = {name: value for name, value in headers.items() if name.lower() != SECRET_HEADER.lower()}
    assert webhook_fields.foreign_headers(back) == kept


@given(former=st.none() | SERVERS | WORKING, desired=DESIRED)
def test_if_nobody_else_changed_anything_it_is_as_if_we_had_never_been_there(
    former: dict[str, Any] | None, desired: DesiredWebhook
) -> None:
    assert webhook_fields.put_back(webhook_fields.merged(desired, former), former) == former


@given(server=st.none() | SERVERS | WORKING, desired=DESIRED)
def test_no_headers_value_is_shown_anywhere(
    server: dict[str, Any] | None, desired: DesiredWebhook
) -> None:
    visible = {**(server or {}), "url": URL}
    sent = webhook_fields.merged(desired, visible)
    shown = [
        webhook_fields.masked(visible),
        webhook_fields.masked(sent),
        webhook_fields.changes(desired, visible),
        webhook_fields.owned_differences(visible, sent),
        webhook_fields.owned_differences(sent, visible),
    ]
    headers = visible.get("headers")
    if isinstance(headers, dict):
        assert list((webhook_fields.masked(visible) or {})["headers"]) == list(headers)
    for value in (HIDDEN, *SECRETS):
        assert value not in repr(shown)
    if desired.secret is not None:
        ours = owned(masked_block(sent))["header"]
        assert set(ours.values()) == {webhook_fields.MASK}, (
            "the history keeps theirs, and never ours"
        )


@given(server=SERVERS, desired=WITH_SECRET)
def test_our_secret_does_not_stay_in_a_block_that_posts_elsewhere(
    server: dict[str, Any], desired: DesiredWebhook
) -> None:
    carried = webhook_fields.header_values(server.get("headers"))
    cleaned = webhook_fields.without_our_secret(desired, server)
    assert (cleaned is not None) == any(value in SECRETS for value in carried)
    if cleaned is not None:
        assert owned(cleaned)["header"] == {}
        assert foreign(desired, cleaned) == foreign(desired, server)
        assert all(cleaned.get(name) == server.get(name) for name in webhook_fields.OWNED_KEYS)


EDITS = st.dictionaries(
    st.sampled_from(["url", "timeoutSeconds", "backoffPlan", "headers"]), st.just(None)
)
THEIR_VALUES: dict[str, Any] = {
    "url": "https://theirs.example.net/",
    "timeoutSeconds": 7,
    "backoffPlan": None,
    "headers": {SECRET_HEADER: "somebody's"},
}


@given(former=WITH_SECRET, desired=WITH_SECRET, edits=EDITS, moved=st.booleans())
def test_their_change_is_told_from_a_new_wish_of_ours(
    former: DesiredWebhook, desired: DesiredWebhook, edits: dict[str, None], *, moved: bool
) -> None:
    if moved:
        desired = DesiredWebhook(
            "https://new.agency.net/hook", desired.secret, desired.timeout_seconds, accepted=SECRETS
        )
    left = webhook_fields.merged(former, {"headers": {"X-Theirs": "keep"}})
    server = {**left, **{name: THEIR_VALUES[name] for name in edits}}
    drift = webhook_fields.changes(desired, server)
    if not drift:
        return
    cause = cause_of(drift, server, applied_of(former), desired)
    assert (cause == "drift") == bool(edits)
    if not edits:
        only_secret = [entry.field for entry in drift] == [f"server.headers.{SECRET_HEADER}"]
        assert cause == ("secret_rotated" if only_secret else "desired_changed")
        assert is_rotation(drift, server, applied_of(former), desired) == only_secret
    assert cause_of(drift, server, None, desired) == "added"


FORMS = st.none() | st.sampled_from(["***", "", "enc:8d1f"]) | st.text(max_size=6)


@given(hidden=FORMS, later=FORMS, desired=WITH_SECRET, others=WITH_SECRET)
def test_a_secret_that_vapi_hides_is_no_drift_while_it_is_hidden_in_the_same_way(
    hidden: str | None, later: str | None, desired: DesiredWebhook, others: DesiredWebhook
) -> None:
    def shown(value: str | None) -> dict[str, Any]:
        block = webhook_fields.merged(desired, {"headers": {"X-Theirs": "keep"}})
        headers = {"X-Theirs": "keep"} if value is None else {SECRET_HEADER: value}
        return {**block, "headers": headers}

    def drift(value: str | None, wish: DesiredWebhook = desired) -> tuple[FieldDrift, ...]:
        server = shown(value)
        return webhook_fields.changes(wish, server, shown=accepted_form(applied, wish, server))

    applied = applied_of(desired, secret_form(desired, shown(hidden)))
    assert str(desired.secret) not in repr(applied)
    assert drift(hidden) == ()
    assert bool(drift(later)) == (later not in (hidden, desired.secret))
    if others.secret not in (desired.secret, hidden):
        assert drift(hidden, others), "a new wish is written, whatever the old one looks like"
