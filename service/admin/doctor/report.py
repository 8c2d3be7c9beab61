"""The doctor's report inside the service, and the settings without their secrets."""

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import SecretStr

from service.admin.doctor.check import DoctorFinding
from service.admin.doctor.doctor import Doctor
from service.settings import Settings, is_given
from service.settings.durations import format_duration

AT_MOST_EVERY = 5.0
"""Least seconds between two examinations: each sends requests to Vapi from the shared budget."""

Source = Literal["environment", "default", "sandbox", "command line"]


@dataclass(frozen=True, slots=True)
class HealthReport:
    """All findings of one examination, the worst first."""

    findings: tuple[DoctorFinding, ...]
    examined_at: datetime
    seconds: float

    @property
    def level(self) -> Literal["ok", "warning", "failed"]:
        """The worst level."""
        levels = {finding.level for finding in self.findings}
        return "failed" if "failed" in levels else "warning" if "warning" in levels else "ok"


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting as operators may see it; a secret only as set or not set."""

    name: str
    value: str
    source: Source
    secret: bool


@dataclass(slots=True)
class Examinations:
    """Runs one examination at a time; concurrent requests get the same report."""

    doctor: Doctor
    last: HealthReport | None = None
    last_at: float = float("-inf")
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    at_most_every: float = AT_MOST_EVERY

    async def examine(self) -> HealthReport:
        """Examine everything now, or return a report that is seconds old."""
        async with self.turn:
            if self.last and time.monotonic() - self.last_at < self.at_most_every:
                return self.last
            began = time.monotonic()
            found = await self.doctor.examine()
            order = ("failed", "warning", "note", "ok")
            found.sort(key=lambda finding: order.index(finding.level))
            self.last = HealthReport(tuple(found), datetime.now(UTC), time.monotonic() - began)
            self.last_at = time.monotonic()
            return self.last

    def settings(self) -> list[SettingLine]:
        """Every setting, in the order of the class."""
        return list(describe_settings(self.doctor.settings, os.environ))


def describe_settings(settings: Settings, environment: Mapping[str, str]) -> Iterator[SettingLine]:
    """Each setting with its source."""
    named = {name.upper() for name, text in environment.items() if is_given(text)}
    for name, described in Settings.model_fields.items():
        if described.exclude:
            continue
        source: Source = "default"
        if name.upper() in named:
            source = "environment"
        elif name in settings.model_fields_set:
            source = "sandbox" if settings.sandbox else "command line"
        value = getattr(settings, name)
        is_secret = isinstance(value, SecretStr)
        yield SettingLine(name.upper(), format_setting(name, value), source, is_secret)


def format_setting(name: str, value: object) -> str:
    """A value as text; of secrets only their number."""
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        if not text:
            return "not set"
        count = len([word for word in text.split(",") if word.strip()])
        several = name == "vapi_webhook_secret" and count > 1
        return f"set ({count} secrets)" if several else "set"
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, timedelta):
        return format_duration(value)
    return "" if value is None else str(value)
