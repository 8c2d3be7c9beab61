"""Settings of PostgreSQL and of the files on this machine."""

import os
from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr

from service.settings.durations import Duration
from service.settings.group import PastedAddress, PastedSecret, SettingsGroup
from service.settings.strength import weakness


def default_data_dir() -> Path:
    """Where the embedded PostgreSQL and the spool live: the system's place for root, else home."""
    if os.geteuid() == 0:
        return Path("/var/lib/callgate")
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "callgate"


class DatabaseSettings(SettingsGroup):
    """The database, its pool, and the data folder."""

    database_url: PastedAddress = SecretStr("")
    callgate_migration_database_url: PastedAddress = SecretStr("")
    callgate_direct_database_url: PastedAddress = SecretStr("")
    embedded: bool = Field(default=False, exclude=True, validation_alias="_embedded")
    """Whether DATABASE_URL leads to the embedded PostgreSQL of this process's supervisor."""
    callgate_encryption_key: PastedSecret = SecretStr("")
    callgate_data_dir: Path = Field(default_factory=default_data_dir)
    callgate_pool_size: int = Field(default=10, ge=2, le=200)
    callgate_snapshot_max_age: Duration = timedelta(hours=24)

    @property
    def encryption_keys(self) -> tuple[str, ...]:
        """The keys for secrets at rest, if set: the first encrypts, all decrypt."""
        raw = self.callgate_encryption_key.get_secret_value()
        return tuple(word.strip() for word in raw.split(",") if word.strip())

    def encryption_faults(self) -> list[str]:
        """Faults of the encryption keys."""
        faults = [weakness(key) for key in self.encryption_keys]
        return [f"CALLGATE_ENCRYPTION_KEY {fault}" for fault in faults if fault is not None]

    def database_faults(self) -> list[str]:
        """Faults of the database's addresses."""
        if self.database_url.get_secret_value():
            return []
        found = []
        if self.callgate_migration_database_url.get_secret_value():
            fault = "the embedded PostgreSQL has roles of its own."
            found.append(f"CALLGATE_MIGRATION_DATABASE_URL needs DATABASE_URL: {fault}")
        if self.callgate_direct_database_url.get_secret_value():
            fault = "it is the same database without the pooler."
            found.append(f"CALLGATE_DIRECT_DATABASE_URL needs DATABASE_URL: {fault}")
        return found
