"""Delays after failed sign-ins, shared by all replicas."""

import hashlib
import ipaddress
import math
from dataclasses import dataclass

from service.admin.changes import transaction
from service.domain.people import TooManyAttemptsError, key_of
from service.store.people import sign_in_failures as store
from service.store.people.sign_in_failures import Failures
from service.store.pool import Pool

FREE_TOGETHER, FREE_NAME, FREE_ADDRESS = 5, 20, 50
"""Failures without a delay: of a name from one address, of a name, from an address."""

FIRST_WAIT, LONGEST_WAIT = 30.0, 900.0


def hash_of_name(name: str) -> bytes:
    return hashlib.sha256(key_of(name)[:1000].encode("utf-8", "surrogatepass")).digest()


def network_of(address: str) -> str:
    """The network that an address counts for: an IPv6 client has a whole network."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:100]
    if found.version == 6:
        mapped = found.ipv4_mapped
        return str(mapped or ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def wait_after(failures: Failures, free: int) -> float:
    """Seconds to wait: 30 after the first failure over the limit, then doubled each time."""
    if failures.count < free:
        return 0.0
    wait = FIRST_WAIT * 2.0 ** min(failures.count - free, 10)
    return min(wait, LONGEST_WAIT) - failures.age


@dataclass(frozen=True, slots=True)
class Throttle:
    """Counts an attempt as failed before it is verified, so that concurrent attempts count too."""

    pool: Pool

    async def begin(self, name: str, address: str, counter: str = "") -> None:
        """Count an attempt. One that comes too early raises `TooManyAttemptsError` and is not counted,
        so that an attacker cannot lock an admin out permanently. A `counter` is a count of its own:
        what others do with the name or from the address does not matter."""
        name_hash, network = keys_of(name, address, counter)
        async with transaction(self.pool) as connection:
            await store.lock(connection, name_hash, network)
            together, of_name, of_address = await store.count(connection, name_hash, network)
            wait = max(
                wait_after(together, FREE_TOGETHER),
                wait_after(of_name, FREE_NAME),
                wait_after(of_address, FREE_ADDRESS),
            )
            if wait > 0:
                raise TooManyAttemptsError(math.ceil(wait))
            await store.insert(connection, name_hash, network)

    async def succeed(self, name: str, address: str, counter: str = "") -> None:
        """Clear the failures of this name and address, or of the counter, after a success."""
        await store.delete(self.pool, *keys_of(name, address, counter))


def keys_of(name: str, address: str, counter: str) -> tuple[bytes, str]:
    """The keys under which an attempt is counted: of the name and of the network."""
    if not counter:
        return hash_of_name(name), network_of(address)
    digest = hashlib.sha256(counter.encode()).digest()
    return digest, f"counter {digest.hex()}"
