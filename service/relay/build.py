"""Builds the relay."""

from datetime import datetime
from typing import Protocol

from service.core import Core
from service.domain.network.forward_urls import ForwardUrls
from service.files import raise_file_limit
from service.relay.claiming import RelayClaims
from service.relay.delivery import Relay, RelayServers
from service.relay.lasting import LastingMessages
from service.relay.limits import limits_from, shares_from
from service.relay.sender import Sender
from service.relay.sweeping import RelaySweep
from service.relay.targets import FindOrganization, RelayTargets
from service.store.relay.spool import RelaySpool
from service.store.vault import open_vault


class RelayClock(Protocol):
    """The database's time."""

    def timestamp(self) -> float: ...

    def now(self) -> datetime: ...


def build_relay(core: Core, find: FindOrganization, clock: RelayClock) -> Relay:
    """The relay, allowed to reach public hosts and the hosts of the settings.

    `find` gives the present organization with an id.
    """
    settings = core.settings
    sender = Sender(
        ForwardUrls(settings.callgate_relay_hosts, settings.own_urls),
        settings.callgate_name_servers,
        clock.timestamp,
    )
    vault = open_vault(settings)
    master = settings.webhook_secrets[0]
    targets = RelayTargets(find, vault, master, clock.timestamp)
    shares = shares_from(settings, raise_file_limit())
    servers = RelayServers(sender, targets, limits_from(settings), shares)
    folder = settings.callgate_data_dir / "relay-spool"
    spool = RelaySpool(folder, core.relay, settings.callgate_relay_spool_bytes, clock.now)
    lasting = LastingMessages(core.relay, spool, servers.find, servers.forget_claims)
    servers.fates = lasting
    claims = RelayClaims(lasting, servers.servers)
    spool.on_drained = claims.wake.set
    sweep = RelaySweep(
        core.relay,
        vault,
        servers.report,
        settings.callgate_relay_kept_messages,
        settings.callgate_relay_kept_bytes,
    )
    return Relay(servers, lasting, claims, sweep)
