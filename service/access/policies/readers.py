"""What the chain reads from memory for policies that look beyond the organization's own facts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID

from policies.contract import AccessRequest, CallFacts, UsageFacts
from service.domain.decisions import TraceEntry


class UsageReader(Protocol):
    """Knows the usage of organizations, from memory."""

    def read(self, request: AccessRequest) -> UsageFacts | None: ...


class CallerReader(Protocol):
    """Knows the earlier calls of callers, from memory."""

    def complete(self, request: AccessRequest, call: CallFacts) -> CallFacts: ...


class LimitReader(Protocol):
    """Knows how many slots of limits are in use, from memory."""

    def complete(self, owner: UUID, trace: Sequence[TraceEntry]) -> list[TraceEntry]: ...


def without_itself(usage: UsageFacts | None) -> UsageFacts | None:
    """The usage as one of the calls under way is judged by it: no call is counted against itself."""
    if usage is None or usage.live_calls == 0:
        return usage
    return replace(
        usage,
        live_calls=usage.live_calls - 1,
        calls_today=max(usage.calls_today - 1, 0),
        calls=max(usage.calls - 1, 0),
    )
