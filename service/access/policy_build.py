"""Builds the chain of policies, for a replica and for commands."""

from dataclasses import dataclass

import structlog

from service.access.policies.chain import AccessChain
from service.access.policies.plugins import LoadedPolicies, PluginProblem
from service.access.standings import AccessStandings
from service.settings import Settings
from service.store.pool import Pool
from service.store.vault import open_vault

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Policies:
    """The loaded policies, the chain that asks them, and how organizations stand by it."""

    loaded: LoadedPolicies
    chain: AccessChain
    standings: AccessStandings

    @property
    def problems(self) -> tuple[PluginProblem, ...]:
        """What was not loaded, and what could not be started."""
        return (*self.loaded.problems, *self.chain.problems)

    @property
    def missing(self) -> tuple[str, ...]:
        """Required policies that are not in the chain."""
        failed = {problem.message.partition(":")[0] for problem in self.chain.problems}
        return (*self.loaded.missing, *(one for one in self.loaded.required if one in failed))


def build_policies(settings: Settings, pool: Pool, loaded: LoadedPolicies) -> Policies:
    """The chain of the loaded policies. A plugin that could not be loaded is logged."""
    for fault in loaded.problems:
        log.error("plugin.refused", plugin=fault.plugin, error=fault.message)
    chain = AccessChain(loaded.policies, settings.callgate_renewal_grace)
    chain.unseal_by(open_vault(settings).open)
    standings = AccessStandings(
        pool, chain, settings.callgate_blocked_message, settings.callgate_ring_gate
    )
    return Policies(loaded, chain, standings)
