"""What `callgate policies` lists: the chain as it is in force where the database answers.

The libraries of the store are loaded when it is asked; no database is started for it.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from policies.host.registration import RegisteredPolicy
from service.access.policies.line_up import arranged
from service.domain.policies.choices import GeneralChoice, GeneralChoices, PolicyMode
from service.settings import Settings

READ_SECONDS = 3.0
UNKNOWN_CHOICES = (
    "The database does not answer or is not running: orders are as declared, and modes are unknown."
)


class ListedPolicy(NamedTuple):
    """A policy for all organizations; `mode` None: it is unknown."""

    policy: RegisteredPolicy
    mode: PolicyMode | None
    share: float | None

    @property
    def choice(self) -> str:
        """The mode with its share."""
        share = "" if self.share is None else f" {self.share:.0%}"
        return f"{self.mode or '-'}{share}"


def list_policies(
    declared: Sequence[RegisteredPolicy], choices: GeneralChoices | None
) -> list[ListedPolicy]:
    """The policies in the order in force; without choices in the declared one."""
    listed = []
    for policy in declared:
        if choices is None:
            listed.append(ListedPolicy(policy, None, None))
            continue
        chosen = choices.get(policy.name, GeneralChoice())
        mode, share = ("enforce", None) if policy.is_lasting else (chosen.mode, chosen.share)
        listed.append(ListedPolicy(arranged(policy, chosen), mode, share))
    return sorted(listed, key=lambda one: one.policy.rank)


def read_choices(settings: Settings) -> GeneralChoices | None:
    """The choices for all organizations; None if no database answers."""
    from service.store.policies.choices import read_choices_at  # noqa: PLC0415

    dsn = find_dsn(settings)
    return asyncio.run(read_choices_at(dsn, READ_SECONDS)) if dsn else None


def find_dsn(settings: Settings) -> str:
    """The configured database, or that of the running service; empty: none."""
    from service.store.postgres.data_dir import find_running  # noqa: PLC0415

    configured = settings.callgate_direct_database_url or settings.database_url
    if dsn := configured.get_secret_value():
        return dsn
    return find_running(settings.callgate_data_dir, READ_SECONDS) or ""
