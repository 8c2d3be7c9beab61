"""Comparing and merging server blocks: one pass reaches the desired state, and nothing foreign moves."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.reconcile.desired import DesiredWebhook
from service.reconcile.failures import LONGEST_SECONDS, PERMANENT_SECONDS, retry_after
from service.reconcile.steps import webhook_fields

DESIRED = DesiredWebhook("https://calls.agency.net/api/vapi/webhook", "the-secret")
OWNED = {"url", "timeoutSeconds", "backoffPlan", "headers"}

VALUES = st.none() | st.booleans() | st.integers(0, 300) | st.text(max_size=10)
HEADER_NAMES = st.sampled_from(["X-Vapi-Secret", "x-vapi-secret", "X-Theirs", "Authorization"])
SERVERS = st.fixed_dictionaries(
    {},
    optional={
        "url": st.sampled_from([DESIRED.url, "https://other.example.net/"]) | VALUES,
        "timeoutSeconds": VALUES | st.just(20.0),
        "backoffPlan": st.just(dict(DESIRED.backoff_plan))
        | st.dictionaries(st.text(max_size=5), VALUES, max_size=2)
        | VALUES,
        "headers": st.dictionaries(HEADER_NAMES, st.text(max_size=8), max_size=4) | VALUES,
        "credentialId": st.text(min_size=1, max_size=10),
        "staticIpAddressesEnabled": st.booleans(),
        "encryptedPaths": st.lists(st.text(max_size=5), max_size=2),
        "somethingNew": st.dictionaries(st.text(max_size=5), VALUES, max_size=2),
    },
)


def foreign(server: dict[str, Any]) -> dict[str, Any]:
    """What is not ours in a block: other keys, and other headers."""
    headers = server.get("headers")
    kept = headers if isinstance(headers, dict) else {}
    return {
        **{name: value for name, value in server.items() if name not in OWNED},
        "headers": {name: value for name, value in kept.items() if name.lower() != "x-vapi-secret"},
    }


@given(observed=st.none() | SERVERS)
def test_one_pass_reaches_the_desired_state_and_moves_nothing_foreign(
    observed: dict[str, Any] | None,
) -> None:
    sent = webhook_fields.merged(DESIRED, observed)
    assert webhook_fields.changes(DESIRED, sent) == ()
    assert webhook_fields.merged(DESIRED, sent) == sent
    assert foreign(sent) == foreign(observed or {})


@given(observed=st.none() | SERVERS)
def test_the_secret_is_never_shown(observed: dict[str, Any] | None) -> None:
    shown = [
        entry
        for entry in webhook_fields.changes(DESIRED, observed)
        if entry.field.startswith("server.headers")
    ]
    assert "the-secret" not in repr(shown)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "https://other.example.net/"}, "server.url"),
        ({"url": None}, "server.url"),
        ({"timeoutSeconds": 19}, "server.timeoutSeconds"),
        ({"backoffPlan": None}, "server.backoffPlan"),
        ({"headers": {"X-Vapi-Secret": "another"}}, "server.headers.X-Vapi-Secret"),
        ({"headers": {}}, "server.headers.X-Vapi-Secret"),
    ],
)
def test_each_owned_field_can_drift(change: dict[str, Any], field: str) -> None:
    observed = {**webhook_fields.merged(DESIRED, None), **change}
    assert [entry.field for entry in webhook_fields.changes(DESIRED, observed)] == [field]


def test_what_means_the_same_is_no_drift() -> None:
    observed = webhook_fields.merged(DESIRED, None)
    observed["timeoutSeconds"] = 20.0
    observed["headers"] = {"x-vapi-secret": "the-secret"}
    plan = observed["backoffPlan"]
    plan["excludedStatusCodes"] = list(reversed(plan["excludedStatusCodes"]))
    plan["added"] = None
    assert webhook_fields.changes(DESIRED, observed) == ()


@given(failures=st.integers(1, 10_000), jitter=st.floats(0, 1), asked=st.none() | st.floats(0, 300))
def test_the_next_attempt_is_never_too_soon_nor_too_late(
    failures: int, jitter: float, asked: float | None
) -> None:
    seconds = retry_after(failures, jitter, asked=asked)
    assert max(1.59, asked or 0) <= seconds <= max(LONGEST_SECONDS * 1.21, asked or 0)
    assert retry_after(failures, jitter, permanent=True) >= PERMANENT_SECONDS * 0.79
