"""What the chain reads from memory for policies that look beyond the organization's own facts."""

from collections.abc import Sequence
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
