"""Which addresses the probe connects to: those of instances, and nothing beside them.

Whoever may invoke the probe could otherwise have it ask whatever its network reaches: its own
runtime, the metadata of a host, or a service of the network's that trusts it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from terminator.text import quoted

Network = IPv4Network | IPv6Network

# Set by the deployment: networks, separated by spaces.
NETWORKS: Final = "TERMINATOR_NETWORKS"
# Set by the sandbox only, whose instances have addresses on loopback.
SANDBOX_NETWORKS: Final = "TERMINATOR_SANDBOX_NETWORKS"
# For whoever asks on their own machine, what AWS says of an instance's address.
ANYWHERE: Final[tuple[Network, ...]] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
# The services that EC2 gives each instance over IPv6, metadata among them; over IPv4 they are
# link-local: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
_OF_EC2: Final = IPv6Network("fd00:ec2::/32")
# IPv6 addresses that stand for one of IPv4: NAT64, 6to4, Teredo, and those "compatible" with it.
_STAND_FOR_IPV4: Final = tuple(
    map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96"))
)


def networks(environment: Mapping[str, str] = os.environ) -> tuple[Network, ...]:
    """Return the networks that an environment names; in a deployment none is on loopback."""
    named = environment.get(NETWORKS, ""), environment.get(SANDBOX_NETWORKS, "")
    return tuple(ip_network(each) for text in named for each in text.split())


@lru_cache(maxsize=4096)
def refusal(address: str, allowed: Sequence[Network]) -> str | None:
    """Say why an address is not connected to, None where it is one of these networks' own.

    Loopback is in no network but one that is loopback itself, as in the sandbox.
    """
    try:
        read = ip_address(address)
    except ValueError:
        return f"{quoted(address)} is no IP address"
    if getattr(read, "scope_id", None) is not None:
        return f"{quoted(address)} has a zone index"
    if read.is_loopback and any(read in each for each in allowed if each.is_loopback):
        return None
    if kind := _kind(read):
        return f"{read} is {kind}"
    if not any(read in each for each in allowed):
        return f"{read} is in no network that the probe may reach"
    return None


def _kind(address: IPv4Address | IPv6Address) -> str | None:
    """Return what an address is that no instance can have, None of any other."""
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local or address in _OF_EC2:
        return "a link-local or metadata address"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None or any(address in each for each in _STAND_FOR_IPV4):
            return "an IPv4 address in the form of IPv6"
    elif address.packed[0] == 0:
        return "an address of no host"
    if address.is_multicast or address.is_unspecified or address.is_reserved:
        return "an address of no host"
    return None
