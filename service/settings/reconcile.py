"""Settings of reconciling."""

from typing import Literal

from pydantic import Field

from service.settings.group import SettingsGroup


class ReconcileSettings(SettingsGroup):
    """How often Vapi is compared with the desired state, and what may be repaired."""

    callgate_reconcile_interval: float = Field(default=300, ge=0, le=86_400)
    callgate_reconcile_mode: Literal["enforce", "observe"] = "enforce"
    callgate_reconcile_max_changes: float = Field(default=0.3, ge=0, le=1)
    callgate_assistant_webhooks: Literal["owned", "never"] = "owned"
