"""The doctor inside the service: the same findings, no more often than needed, and no secret."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.admin.doctor.doctor import Doctor
from service.admin.doctor.report import Examinations, describe_settings
from service.settings import Settings
from service.settings.durations import format_duration, parse_duration
from tests.support.service import Replica

SECRETS = ("the-webhook-secret-of-the-tests", "cg_the-admin-token-of-the-tests", "second-secret")


@pytest.fixture
def doctor(callgate: Replica) -> Doctor:
    service = callgate.service
    return Doctor(
        settings=service.settings,
        pool=service.pool,
        client=service.core.client,
        session=service.core.session,
    )


async def test_it_finds_what_the_command_line_finds(doctor: Doctor) -> None:
    report = await Examinations(doctor).examine()
    names = {finding.name for finding in report.findings}
    assert {"settings", "database", "schema", "key", "webhook", "reconcile"} <= names
    alone = {(found.name, found.level) for found in await doctor.examine()}
    assert {(found.name, found.level) for found in report.findings} == alone
    ranks = [("failed", "warning", "ok").index(found.level) for found in report.findings]
    assert ranks == sorted(ranks)
    assert report.level == report.findings[0].level


async def test_those_who_ask_at_once_get_one_examination(doctor: Doctor) -> None:
    examinations = Examinations(doctor)
    reports = await asyncio.gather(*(examinations.examine() for _ in range(5)))
    assert len({id(report) for report in reports}) == 1
    examinations.at_most_every = 0.0
    assert await examinations.examine() is not reports[0]


async def test_an_examination_that_was_given_up_does_not_block_the_next(doctor: Doctor) -> None:
    examinations = Examinations(replace(doctor, pool=None))
    task = asyncio.create_task(examinations.examine())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await examinations.examine()).level == "failed"


def test_settings_tell_their_source_and_no_secret() -> None:
    values: dict[str, Any] = {
        "vapi_webhook_secret": "the-webhook-secret-of-the-tests,second-secret",
        "callgate_admin_token": "cg_the-admin-token-of-the-tests",
        "callgate_port": 9000,
        "callgate_ring_gate": True,
    }
    settings = Settings(**values)
    environment = {"CALLGATE_PORT": "9000", "vapi_webhook_secret": "x"}
    lines = {line.name: line for line in describe_settings(settings, environment)}
    assert len(lines) == len(Settings.model_fields) - 2
    assert (lines["CALLGATE_PORT"].value, lines["CALLGATE_PORT"].source) == ("9000", "environment")
    assert lines["VAPI_WEBHOOK_SECRET"].value == "set (2 secrets)"
    assert lines["VAPI_WEBHOOK_SECRET"].source == "environment"
    assert lines["CALLGATE_RING_GATE"].source == "command line"
    assert lines["VAPI_CONTROL_HOSTS"].value == ".vapi.ai"
    assert lines["VAPI_API_KEY"].value == "not set"
    assert lines["DATABASE_URL"].secret
    assert not any(secret in str(lines) for secret in SECRETS)


def test_unset_settings_are_empty_and_durations_have_a_unit() -> None:
    lines = {line.name: line.value for line in describe_settings(Settings(), {})}
    assert lines["CALLGATE_RENEWAL_GRACE"] == "72h"
    assert lines["CALLGATE_ADMIN_PORT"] == ""


@given(st.integers(0, 366 * 86_400))
def test_a_duration_is_read_as_it_is_written(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration
