"""Settings of calls: how blocked calls are stopped and watched, and where granted calls go."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from policies.contract import RENEWAL_GRACE
from policies.host.spoken import parse_spoken
from service.inputs.hosts import parse_host_and_port
from service.settings.durations import Duration, InSeconds
from service.settings.group import Choice, SettingsGroup, Words

DEFAULT_BLOCKED_MESSAGE = "This number is not in service at the moment. Goodbye."


class CallSettings(SettingsGroup):
    """Defaults for organizations without settings of their own, the call watch, the relay."""

    callgate_blocked_message: Annotated[str, AfterValidator(parse_spoken)] = Field(
        default=DEFAULT_BLOCKED_MESSAGE, min_length=1, max_length=1000
    )
    callgate_ring_gate: bool = False
    callgate_call_watch_interval: Annotated[float, InSeconds] = Field(default=60, ge=0, le=86_400)
    callgate_unknown_calls: Annotated[Literal["ignore", "hang_up"], Choice] = "ignore"
    callgate_max_call_seconds: Annotated[int | None, InSeconds] = Field(
        default=None, ge=10, le=43_200
    )
    callgate_renewal_grace: Duration = RENEWAL_GRACE
    callgate_relay_hosts: Words = ()
    callgate_relay_answers: int = Field(default=100, ge=1, le=10_000)
    callgate_relay_connections: int = Field(default=16, ge=1, le=1000)
    callgate_relay_all_connections: int = Field(default=1024, ge=16, le=32_768)
    callgate_relay_waiting_messages: int = Field(default=1000, ge=1, le=1_000_000)
    callgate_relay_waiting_bytes: int = Field(default=4 * 2**20, ge=2**16, le=2**30)
    callgate_relay_all_waiting_bytes: int = Field(default=128 * 2**20, ge=2**20, le=2**36)
    callgate_relay_kept_messages: int = Field(default=10_000, ge=1, le=10_000_000)
    callgate_relay_kept_bytes: int = Field(default=256 * 2**20, ge=2**20, le=2**40)
    callgate_relay_spool_bytes: int = Field(default=256 * 2**20, ge=2**20, le=2**40)

    @field_validator("callgate_relay_hosts")
    @classmethod
    def check_relay_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        """Hosts in the form in which the hosts of addresses are compared with them."""
        return tuple(parse_host_and_port(host) for host in hosts)
