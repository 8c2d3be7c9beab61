"""What the policies of one decision are given, and whether one of them changed it. No I/O."""

import time
from dataclasses import replace

from policies.contract import AccessRequest, Effect
from policies.host.facts import copy_request, differs
from policies.host.isolation import PolicyFailure
from policies.host.settings import UnfitSettingsError
from service.access.policies.evaluation import Evaluator, PolicyAnswer
from service.domain.decisions import TraceEntry
from service.domain.policies.choices import NONE_CHOSEN, OwnChoices


class Facts:
    """What the policies of one decision see. Third-party ones share a copy; `apart`: one each.

    `own` are the organization's choices about policies, with their settings.
    """

    def __init__(
        self, request: AccessRequest, own: OwnChoices = NONE_CHOSEN, *, apart: bool = False
    ) -> None:
        self.request = request
        self.own = own
        self.apart = apart
        self.shared: AccessRequest | None = None
        self.given: list[tuple[AccessRequest, AccessRequest]] = []

    def of(self, evaluator: Evaluator, settings: object = None) -> AccessRequest:
        """The facts for one policy; with settings they are its own."""
        if settings is None and not self.apart:
            if evaluator.trusted:
                return self.request
            if self.shared is None:
                self.shared = self.copy(self.request)
            return self.shared
        return self.copy(replace(self.request, settings=settings))

    def copy(self, true: AccessRequest) -> AccessRequest:
        """A copy that a policy may see; `true` tells later whether it was changed."""
        copied = copy_request(true)
        self.given.append((copied, true))
        return copied

    @property
    def changed(self) -> bool:
        """Whether a policy changed what it was given."""
        return any(differs(copied, true) for copied, true in self.given)

    def was_changed(self, seen: AccessRequest) -> bool:
        """Whether the one policy that saw it changed it."""
        return any(copied is seen and differs(copied, true) for copied, true in self.given)


def prepare(evaluator: Evaluator, facts: Facts) -> tuple[PolicyAnswer | None, object]:
    """The answer of a policy that is not asked about this request, or the settings that it sees."""
    name, organization_id = evaluator.policy.name, facts.request.organization.id
    reason = evaluator.skips(facts.request)
    if reason is not None:
        entry = TraceEntry(name, "skipped", reason)
        return PolicyAnswer(Effect.ABSTAIN, None, entry), None
    try:
        return None, evaluator.settings_for(organization_id, facts.own.get(name))
    except UnfitSettingsError:
        failure = PolicyFailure("settings_refused", blamed=False)
        return evaluator.fail(failure, time.perf_counter()), None
