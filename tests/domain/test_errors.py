"""Every error class has a code, an HTTP status and a sentence of its own."""

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterator

import orjson
import pytest

import service
from service.domain.errors import CallgateError, OrganizationNotFoundError, UnknownOrganizationError
from service.web.problems import from_error

TWO_STATUSES = {"organization_not_found": {OrganizationNotFoundError, UnknownOrganizationError}}
"""404 where the address names the organization, 422 where a value of the body does."""


def classes() -> Iterator[type[CallgateError]]:
    """Every error class of every room."""
    for module in pkgutil.walk_packages(service.__path__, "service."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting: list[type[CallgateError]] = [CallgateError]
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if kind.__module__.startswith("service."):
            yield kind


ALL = sorted(classes(), key=lambda kind: (kind.code, kind.status))


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_each_class_is_complete(kind: type[CallgateError]) -> None:
    assert "code" in vars(kind), "its parent's code would stand for two things"
    assert "sentence" in vars(kind)
    assert kind.code == kind.code.lower()
    assert kind.code.replace("_", "").isalpha()
    assert 400 <= kind.status < 600
    assert kind.sentence[0].isupper()
    assert kind.sentence.endswith(".")
    assert kind.__doc__


def test_a_code_stands_for_one_class() -> None:
    by_code = defaultdict(set)
    for kind in ALL:
        by_code[kind.code].add(kind)
    assert {code: kinds for code, kinds in by_code.items() if len(kinds) > 1} == TWO_STATUSES


def test_codes_and_statuses_are_those_that_programs_rely_on() -> None:
    assert [f"{kind.status} {kind.code}" for kind in ALL] == EXPECTED


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind.__init__ is CallgateError.__init__])
def test_the_web_layer_only_translates(kind: type[CallgateError]) -> None:
    response = from_error(kind(field="name"))
    assert isinstance(response.body, bytes)
    body = orjson.loads(response.body)
    assert response.status == body["status"] == kind.status
    assert (body["code"], body["detail"], body["field"]) == (kind.code, kind.sentence, "name")
    assert ("Retry-After" in response.headers) == (kind.status == 503)


EXPECTED = [
    "404 admin_not_found",
    "409 already_set_up",
    "409 assistant_taken",
    "404 audit_not_found",
    "422 bad_name",
    "422 bad_password",
    "422 bad_period",
    "404 call_not_found",
    "404 change_not_found",
    "409 changed_since",
    "409 conflict",
    "422 csv_unusable",
    "409 duplicate_row",
    "409 external_id_taken",
    "403 forbidden",
    "403 grant_ended",
    "409 idempotency_answer_lost",
    "409 idempotency_in_progress",
    "409 idempotency_key_reused",
    "500 internal_error",
    "422 invalid",
    "422 invalid_forward_url",
    "422 invalid_organization",
    "409 last_admin",
    "409 name_taken",
    "409 no_successor",
    "404 not_found",
    "422 not_undoable",
    "409 organization_added_since",
    "422 organization_ambiguous",
    "409 organization_has_phone_numbers",
    "404 organization_not_found",
    "422 organization_not_found",
    "404 phone_number_not_found",
    "409 phone_number_taken",
    "409 plan_changed",
    "422 policy_always_enforced",
    "404 policy_not_found",
    "422 policy_settings_invalid",
    "412 precondition_failed",
    "503 provider_unavailable",
    "404 relay_message_not_found",
    "422 replay_too_large",
    "404 session_not_found",
    "422 share_without_shadow",
    "403 sign_in_refused",
    "409 stale_change",
    "503 sweep_lost",
    "404 token_not_found",
    "422 too_long",
    "429 too_many_attempts",
    "409 too_many_changes",
    "422 transfer_in_circle",
    "503 unavailable",
    "404 unknown_number_not_found",
    "503 vapi_key_refused",
    "503 vapi_list_implausible",
    "422 vapi_phone_number_ambiguous",
    "422 vapi_phone_number_not_found",
    "503 vapi_unavailable",
    "422 wrong_password",
]
