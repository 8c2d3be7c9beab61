"""How much of Callgate one organization's server may use, and all of them together."""

from dataclasses import dataclass

from service.files import relay_files
from service.relay.shares import FairShare, RelayShares
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """Limits of one organization. Sizes are bytes, durations seconds."""

    answers: int = 100
    """Requests under way that wait for an answer for Vapi."""
    connections: int = 16
    """Deliveries under way of messages that Vapi does not wait for."""
    waiting_messages: int = 1000
    waiting_bytes: int = 4 * 2**20
    """Bodies that wait or are being delivered; the newest may exceed it."""
    answer_bytes: int = 2**20
    """Largest answer."""
    all_answer_bytes: int = 4 * 2**20
    """Answers that are being read, together."""
    delivery_seconds: float = 10.0
    first_pause_seconds: float = 1.0
    longest_pause_seconds: float = 60.0
    """Pauses between deliveries to a server that fails repeatedly."""
    attempts: int = 3
    longest_wait_seconds: float = 600.0
    """Age at which a message that was not delivered is dropped."""


def limits_from(settings: Settings) -> RelayLimits:
    """The limits that the settings choose."""
    return RelayLimits(
        answers=settings.callgate_relay_answers,
        connections=settings.callgate_relay_connections,
        waiting_messages=settings.callgate_relay_waiting_messages,
        waiting_bytes=settings.callgate_relay_waiting_bytes,
    )


def shares_from(settings: Settings, files: int) -> RelayShares:
    """What all servers may use together, by the settings and the files that may be open."""
    return RelayShares(
        FairShare(min(settings.callgate_relay_all_connections, relay_files(files))),
        FairShare(settings.callgate_relay_all_waiting_bytes),
    )
