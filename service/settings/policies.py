"""Settings of the access policies: which are loaded, and without which the service does not start."""

import re

from pydantic import field_validator

from service.settings.group import SettingsGroup, Words

NAME = "[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
"""A policy's name, or that of an observer's entry point, in which packages like dashes and dots."""


class PolicySettings(SettingsGroup):
    """Names of policies, comma-separated."""

    callgate_policies_required: Words = ()
    callgate_policies_off: Words = ()
    callgate_third_party_policies: bool = True

    @field_validator("callgate_policies_required", "callgate_policies_off")
    @classmethod
    def check_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """A name with a typing error would require, or skip, nothing."""
        for name in names:
            if not re.fullmatch(NAME, name, re.ASCII):
                raise ValueError(
                    f"{name!r} is no name of a policy or an observer, such as fair_use"
                )
        return names

    def policy_faults(self) -> list[str]:
        """A policy that is both required and off."""
        both = sorted({*self.callgate_policies_required} & {*self.callgate_policies_off})
        return [
            f"CALLGATE_POLICIES_REQUIRED and CALLGATE_POLICIES_OFF both name {name}. Remove one."
            for name in both
        ]
