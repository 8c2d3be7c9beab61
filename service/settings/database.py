"""Settings of PostgreSQL and of the files on this machine."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from policies.host.marks import BadTextError, shown, unquoted
from service.settings.durations import Duration
from service.settings.group import PastedAddress, PastedSecret, SettingsGroup
from service.settings.strength import weakness


def default_data_dir() -> Path:
    """Where the embedded PostgreSQL and the spool live: the system's place for root, else home."""
    if os.geteuid() == 0:
        return Path("/var/lib/callgate")
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "callgate"


def parse_folder(path: Path) -> Path:
    """A folder with the home of a user in the place of `~`. Raises `BadTextError`."""
    if "$" in str(path):
        raise BadTextError(
            f"{shown(str(path))} has a variable that is not filled in: write the path itself"
        )
    try:
        return path.expanduser()
    except RuntimeError:
        raise BadTextError(f"{shown(str(path))} names a user without a home") from None


def data_dir_of(environment: Mapping[str, str]) -> Path:
    """The data folder of an environment, before the settings are read. Raises `BadTextError`."""
    text = unquoted(environment.get("CALLGATE_DATA_DIR", ""))
    return parse_folder(Path(text)) if text else default_data_dir()


class DatabaseSettings(SettingsGroup):
    """The database, its pool, and the data folder."""

    database_url: PastedAddress = SecretStr("")
    callgate_migration_database_url: PastedAddress = SecretStr("")
    callgate_direct_database_url: PastedAddress = SecretStr("")
    embedded: bool = Field(default=False, exclude=True, validation_alias="_embedded")
    """Whether DATABASE_URL leads to the embedded PostgreSQL of this process's supervisor."""
    callgate_encryption_key: PastedSecret = SecretStr("")
    callgate_data_dir: Annotated[Path, AfterValidator(parse_folder)] = Field(
        default_factory=default_data_dir
    )
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
