"""Suppositions about an organization: other facts at another time, for a decision that nothing keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from policies.contract import CallFacts
from policies.entitlements import Override, Trial
from service.domain.errors import BadPeriodError

SUPPOSED_CALL = "what-if"
"""The id of a supposed call."""


class SupposedTrial(NamedTuple):
    """A trial as a request states it: without `starts_at` it begins as a stored one would."""

    starts_at: datetime | None
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A question about an organization. `at`: now where it is None.

    `facts` are the fields of the organization that are supposed: `plan`, `trial` (a `SupposedTrial`),
    `override` and `attributes`, each None where there is supposed to be none. Absent ones are those
    of the time. `call`: the supposed call, its numbers on their sides; None asks about the
    organization as a whole.
    """

    at: datetime | None = None
    phone_number_id: UUID | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    call: CallFacts | None = None


def begin_trial(given: SupposedTrial, earlier: Trial | None, at: datetime) -> Trial:
    """The supposed trial: without a start it began with the earlier one, else at `at`, and no later
    than it ends. Raises `BadPeriodError`."""
    began = at if earlier is None else earlier.starts_at
    starts_at = given.starts_at or min(began, given.ends_at)
    if starts_at > given.ends_at:
        raise BadPeriodError("A trial must begin before it ends.")
    return Trial(starts_at, given.ends_at)


def check_override(override: Override) -> Override:
    """A supposed override, by the rule of stored ones. Raises `BadPeriodError`."""
    starts_at, expires_at = override.starts_at, override.expires_at
    if starts_at is not None and expires_at is not None and starts_at >= expires_at:
        raise BadPeriodError("An override must begin before it expires.")
    return override
