"""Settings of reconciling."""

from typing import Annotated, Literal

from pydantic import Field

from service.settings.durations import InSeconds
from service.settings.group import Choice, SettingsGroup


class ReconcileSettings(SettingsGroup):
    """How often Vapi is compared with the desired state, and what may be repaired."""

    callgate_reconcile_interval: Annotated[float, InSeconds] = Field(default=300, ge=0, le=86_400)
    callgate_reconcile_mode: Annotated[Literal["enforce", "observe"], Choice] = "enforce"
    callgate_reconcile_max_changes: float = Field(default=0.3, ge=0, le=1)
    callgate_assistant_webhooks: Annotated[Literal["owned", "never"], Choice] = "owned"
