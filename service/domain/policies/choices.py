"""What operators choose about policies: for all organizations, and for one. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal
from uuid import UUID

from policies.contract import OnFailure

PolicyMode = Literal["enforce", "shadow", "off"]
"""`enforce`: its verdict counts. `shadow`: it is asked beside, and recorded; its verdict does not count.
`off`: it is not asked."""


@dataclass(frozen=True, slots=True)
class GeneralChoice:
    """How a policy is asked for all organizations that have no choice of their own.

    `share`: only this part of the organizations has the mode `shadow`, and the others `off`. What is
    None is the policy's own.
    """

    mode: PolicyMode = "enforce"
    share: float | None = None
    order: int | None = None
    on_failure: OnFailure | None = None
    timeout_seconds: float | None = None

    def mode_for(self, name: str, organization_id: UUID) -> PolicyMode:
        """The mode for an organization; which ones are in a share depends on their ids only."""
        if self.mode != "shadow" or self.share is None:
            return self.mode
        return "shadow" if is_in_share(name, organization_id, self.share) else "off"


@dataclass(frozen=True, slots=True)
class OwnChoice:
    """How a policy is asked for one organization, with its settings. None: as for all."""

    mode: PolicyMode | None = None
    settings: Mapping[str, object] | None = None


GeneralChoices = Mapping[str, GeneralChoice]
OwnChoices = Mapping[str, OwnChoice]
"""By the name of the policy."""

NONE_CHOSEN: OwnChoices = {}


def is_in_share(name: str, organization_id: UUID, share: float) -> bool:
    """Whether an organization belongs to a share of them: a larger share keeps the smaller one's."""
    digest = blake2b(organization_id.bytes, key=name.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest) < share * 2**64
