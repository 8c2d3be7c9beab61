"""Settings of the process: where it listens, how many may connect, what it logs, how it ends."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from service.settings.durations import InSeconds
from service.settings.group import Choice, HeaderSecret, Host, SettingsGroup


class ServingSettings(SettingsGroup):
    """The sockets, the logs and the shutdown."""

    callgate_host: Host = "127.0.0.1"
    callgate_port: int = Field(default=8080, ge=0, le=65535)
    callgate_admin_host: Host = ""
    callgate_admin_port: int | None = Field(default=None, ge=0, le=65535)
    callgate_max_connections: int = Field(default=1024, ge=32, le=60_000)
    callgate_max_connections_per_address: int = Field(default=256, ge=1, le=60_000)
    callgate_metrics_token: HeaderSecret = SecretStr("")
    callgate_sandbox_port: int = Field(default=0, ge=0, le=65535)
    callgate_drain_seconds: Annotated[float, InSeconds] = Field(default=5, ge=0, le=600)
    callgate_shutdown_seconds: Annotated[float, InSeconds] = Field(default=20, ge=0, le=600)
    callgate_log_format: Annotated[Literal["json", "console", ""], Choice] = ""
    callgate_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("callgate_log_level", mode="before")
    @classmethod
    def upper(cls, value: object) -> object:
        """Levels may be written in small letters."""
        return value.strip().upper() if isinstance(value, str) else value

    def listener_faults(self) -> list[str]:
        """Faults of the listener for panel, API, probes and metrics."""
        if self.callgate_admin_host and self.callgate_admin_port is None:
            text = "without it the panel shares the webhook's listener, and the host has no effect."
            return [f"CALLGATE_ADMIN_HOST needs CALLGATE_ADMIN_PORT: {text}"]
        if self.callgate_admin_port and self.callgate_admin_port == self.callgate_port:
            text = "choose another, or leave it unset to share one listener."
            return [f"CALLGATE_ADMIN_PORT is {self.callgate_admin_port}, as CALLGATE_PORT: {text}"]
        return []
