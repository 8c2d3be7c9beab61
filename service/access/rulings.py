"""What the gate says of one message: how it is to be answered."""

from dataclasses import dataclass

from service.access.directory import Registration
from service.domain.decisions import NO_TERMS, CallTerms


@dataclass(frozen=True, slots=True)
class Ruling:
    """How to answer a message. `registration` is None for a number that is not registered.

    `first`: this message brought the decision about.
    """

    registration: Registration | None
    allowed: bool
    reason: str
    decision_id: str
    first: bool = False
    terms: CallTerms = NO_TERMS

    @property
    def diverted(self) -> bool:
        """Whether the call was denied and goes on elsewhere."""
        return not self.allowed and self.terms.divert_to is not None
