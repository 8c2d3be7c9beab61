"""What a sandbox leaves in its data folder: how to reach it, for later starts and for commands."""

import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson

FILE = "sandbox-profile.json"
ELSEWHERE = ("VAPI_API_KEY", "VAPI_API_URL", "VAPI_WEBHOOK_SECRET", "DATABASE_URL")
"""Variables of an operator who means something else than the sandbox of the data folder."""


@dataclass(frozen=True, slots=True)
class SandboxProfile:
    """The sandbox's own settings, by the names of `Settings`, with the addresses that it listens on. The
    token is the admin's password too, and stays the same over restarts."""

    callgate_admin_token: str
    vapi_api_url: str = ""
    vapi_webhook_url: str = ""
    callgate_host: str = ""
    callgate_port: str = ""
    callgate_admin_host: str = ""
    callgate_admin_port: str = ""

    @property
    def values(self) -> dict[str, str]:
        """The settings that are known."""
        return {name: value for name, value in asdict(self).items() if value}

    @property
    def port(self) -> int | None:
        """The port that the sandbox listened on last; None if there was none."""
        try:
            return urlsplit(self.vapi_api_url).port or None
        except ValueError:
            return None


def find_profile(folder: Path) -> SandboxProfile | None:
    """The profile of a data folder; None if there is none, or none that can be read."""
    try:
        return SandboxProfile(**orjson.loads((folder / FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def profile_of_command(folder: Path, environment: Mapping[str, str]) -> SandboxProfile | None:
    """The profile that a command without settings works with."""
    names = [*ELSEWHERE, *(f"{name}_FILE" for name in ELSEWHERE)]
    is_elsewhere = any(environment.get(name, "").strip() for name in names)
    return None if is_elsewhere else find_profile(folder)


def token_of(folder: Path, environment: Mapping[str, str]) -> str | None:
    """The token for a start: the former one or a new one; None where the environment gives one."""
    names = ("CALLGATE_ADMIN_TOKEN", "CALLGATE_ADMIN_TOKEN_FILE")
    if any(environment.get(name, "").strip() for name in names):
        return None
    found = find_profile(folder)
    return found.callgate_admin_token if found else f"cg_{secrets.token_urlsafe(24)}"


def keep_profile(folder: Path, profile: SandboxProfile) -> None:
    """Write the profile, readable by its owner only. Raises `OSError`."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=FILE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(asdict(profile)))
        Path(name).replace(folder / FILE)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
