"""The register of conditions: each kind has a severity, a sentence, a meaning and a remedy."""

import re
from string import Formatter
from typing import get_args

import pytest

from service.domain.condition_kinds import ConditionKind, Severity
from service.domain.conditions import CONDITIONS, Condition, by_urgency, condition
from service.domain.wording.conditions import answer as answer_words
from service.domain.wording.conditions import clock as clock_words
from service.domain.wording.conditions import installation as doctor_words
from service.domain.wording.conditions import panel as panel_words
from service.domain.wording.conditions import policy as policy_words
from service.domain.wording.conditions import relay as relay_words
from service.domain.wording.conditions import replica as words
from service.domain.wording.conditions import start as start_words
from service.domain.wording.conditions import storage as storage_words
from service.domain.wording.conditions import usage as usage_words
from service.domain.wording.conditions import vapi as vapi_words

WORDINGS = (
    answer_words,
    words,
    clock_words,
    doctor_words,
    panel_words,
    policy_words,
    relay_words,
    storage_words,
    start_words,
    usage_words,
    vapi_words,
)
READINESS = {
    "clock",
    "directory",
    "notifications",
    "database",
    "vapi",
    "vapi_key",
    "reconcile",
    "hangups",
    "limits",
    "spool",
    "background",
    "plugins",
    "policies",
    "event_loop",
}
"""Names of readiness checks that operators know."""


def filled(kind: ConditionKind) -> Condition:
    """The condition with a sample value for each placeholder."""
    texts = (kind.sentence, kind.remedy, kind.link)
    names = {name for text in texts for _, name, _, _ in Formatter().parse(text) if name}
    return condition(kind.slug, **{name: f"<{name}>" for name in names})


def test_slugs_are_unique() -> None:
    tables = [
        table
        for module in WORDINGS
        for name, table in vars(module).items()
        if name.endswith("_KINDS")
    ]
    assert sum(map(len, tables)) == len(CONDITIONS)


@pytest.mark.parametrize("kind", CONDITIONS.values(), ids=CONDITIONS)
def test_each_kind_is_complete(kind: ConditionKind) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.slug)
    assert kind.severity in get_args(Severity)
    assert kind.meaning[0].isupper()
    assert kind.meaning.endswith(".")
    found = filled(kind)
    assert found.severity == kind.severity
    assert found.text
    assert found.remedy
    assert "{{" not in found.text + found.remedy
    assert not kind.stops or kind.check


def test_readiness_has_the_checks_that_operators_know() -> None:
    assert {kind.check for kind in CONDITIONS.values()} - {""} == READINESS


def test_only_a_replica_that_cannot_decide_is_not_ready() -> None:
    assert [kind.slug for kind in CONDITIONS.values() if kind.stops] == ["directory_not_loaded"]


def test_what_an_admin_wrote_is_not_taken_for_a_placeholder() -> None:
    values = {"by": "ada", "since": "now", "until": "then"}
    found = condition("repairs_paused", reason="{by} {since.__class__}", **values)
    assert "{by} {since.__class__}" in found.text


def test_the_most_urgent_comes_first() -> None:
    mixed = [
        condition("trials_ending", trials=2),
        condition("spool_waiting", records=1),
        condition("key_refused", since="now"),
        condition("database_away"),
    ]
    kinds = [one.kind for one in by_urgency(mixed)]
    assert kinds == ["database_away", "key_refused", "spool_waiting", "trials_ending"]


def test_pages_show_errors_and_what_concerns_the_whole_service() -> None:
    values = {"by": "ada", "reason": "x", "since": "now", "until": "then"}
    assert condition("repairs_paused", **values).concerns_all
    assert condition("numbers_missing", numbers="1 number").concerns_all
    assert not condition("unknown_numbers", numbers="1 number").concerns_all
