"""Every audit action is in the one table, and the table has no other."""

import ast
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

import service
from service.admin.organizations.organizations import Entitlement
from service.domain.audit import (
    ACTIONS,
    OBJECT_KINDS,
    AuditAction,
    AuditEntry,
    Reversal,
    can_undo,
    page_of,
)
from service.domain.wording.audit import describe_change

RECORDERS = {"record", "audit", "changing", "changed"}
"""Functions of the use cases that take an action's slug."""

ROOM = Path(service.__path__[0]) / "admin"


def recorded() -> Iterator[str]:
    """The slugs in calls that record a change; `f"{kind}.deleted"` stands for each entitlement."""
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name in RECORDERS:
                for argument in node.args:
                    yield from slugs_in(argument)


def slugs_in(argument: ast.expr) -> Iterator[str]:
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value
    elif isinstance(argument, ast.JoinedStr):
        verb = ast.unparse(argument).rpartition("}")[2].rstrip("'\"")
        yield from (f"{kind}{verb}" for kind in get_args(Entitlement))


def entry(
    action: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> AuditEntry:
    return AuditEntry(7, datetime.now(UTC), "ada", "web", action, "x", "id-1", before, after)


def test_every_recorded_action_is_in_the_table_and_the_reverse() -> None:
    assert {slug for slug in recorded() if "." in slug} == set(ACTIONS)


def test_kinds_and_reversals_are_all_used() -> None:
    assert {action.kind for action in ACTIONS.values()} == set(OBJECT_KINDS)
    assert {action.undo for action in ACTIONS.values()} - {None} == set(get_args(Reversal))


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_each_action_has_a_sentence(action: AuditAction) -> None:
    described = describe_change(entry(action.slug, {"name": "Acme"}, {"name": "Acme"}), {})
    assert described.sentence[0].isupper()
    assert described.sentence.endswith(".")
    assert "{" not in described.sentence


def test_an_action_of_another_version_is_described_by_its_slug() -> None:
    unknown = entry("billing_link.put", None, {"name": "Acme"})
    assert describe_change(unknown, {}).sentence == "Put the billing link Acme."
    assert not can_undo(unknown)
    assert page_of(unknown) is None


def test_an_undo_needs_all_that_was_there_before() -> None:
    assert can_undo(entry("plan.put", {"plan": None}, {"plan": {}}))
    assert not can_undo(entry("organization.changed", {}, None))
    assert can_undo(entry("reconcile.paused", None, {"reason": "x"}))
    assert not can_undo(entry("reconcile.paused", {"reason": "old"}, {"reason": "x"}))
    assert not can_undo(entry("admin.disabled", {}, {}))


def test_pages_are_those_of_objects_that_still_exist() -> None:
    assert page_of(entry("plan.put", {}, {})) == "organizations/id-1"
    assert page_of(entry("unknown_number.ignored", {}, {})) == "unknown-numbers"
    assert page_of(entry("organization.deleted", {}, None)) is None
