"""Builds the relay."""

from service.relay.delivery import Relay
from service.settings import Settings


def build_relay(settings: Settings) -> Relay:
    """The relay, allowed to reach public hosts and the hosts of the settings."""
    return Relay(settings.callgate_relay_hosts, settings.callgate_name_servers)
