"""Builds the relay."""

from service.files import raise_file_limit
from service.relay.delivery import Relay
from service.relay.limits import limits_from, shares_from
from service.relay.sender import Sender
from service.settings import Settings


def build_relay(settings: Settings) -> Relay:
    """The relay, allowed to reach public hosts and the hosts of the settings."""
    sender = Sender(settings.callgate_relay_hosts, settings.callgate_name_servers)
    return Relay(sender, limits_from(settings), shares_from(settings, raise_file_limit()))
