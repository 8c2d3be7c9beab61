"""Settings of the process: where it listens, what it logs, how it ends."""

from typing import Literal

from pydantic import Field, field_validator

from service.settings.group import SettingsGroup


class ServingSettings(SettingsGroup):
    """The socket, the logs and the shutdown."""

    callgate_host: str = "127.0.0.1"
    callgate_port: int = Field(default=8080, ge=0, le=65535)
    callgate_sandbox_port: int = Field(default=0, ge=0, le=65535)
    callgate_shutdown_seconds: float = Field(default=20, ge=0, le=600)
    callgate_log_format: Literal["json", "console", ""] = ""
    callgate_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("callgate_log_level", mode="before")
    @classmethod
    def upper(cls, value: object) -> object:
        """Levels may be written in small letters."""
        return value.upper() if isinstance(value, str) else value
