"""Decides to which addresses this process may connect: the public web, and addresses that an operator allows
explicitly.

`wideseek_env.net.connect` checks the address of every connection at the moment when it is made. The check of a name or
port here only saves a look-up.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from wideseek_env.errors import ConfigError
from wideseek_env.net.errors import FetchError

# IANA's special-purpose registries, listed here so that the answer does not depend on the Python version.
_REFUSED_V4 = [
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's platform services
        "169.254.0.0/16",  # link-local; the metadata of nearly every cloud
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
]
# Only global unicast addresses are accepted. Loopback, link-local, unique local (fd00:ec2::254), multicast, mapped
# (::ffff:0:0/96) and NAT64 (64:ff9b::/96) addresses are outside of this range.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = [
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, with Teredo, which embeds IPv4 addresses
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which embeds IPv4 addresses
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
]
_ISATAP = (0x00005EFE, 0x02005EFE)  # the interface half of an address that embeds an IPv4 address

_REFUSED_NAMES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "onion",
    "arpa",
)

PORTS = frozenset((80, 443, 8080, 8443))
"""The ports that pages are served on. Other ports probably belong to services that must not be contacted."""


def is_public(address: str) -> bool:
    """Whether this IP address belongs to the public internet. An IPv6 address that contains an IPv4 address does not
    count."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _REFUSED_V4)
    if ip.scope_id is not None or ip not in _GLOBAL_V6:
        return False
    return not any(ip in network for network in _REFUSED_V6) and (int(ip) >> 32) & 0xFFFFFFFF not in _ISATAP


@dataclass(frozen=True, init=False)
class AddressPolicy:
    """The addresses that a fetcher may connect to: public addresses on the usual ports, and the exceptions in `allow`.

    `allow` has (host, port) pairs. A host is an IP address or a name. If the host of a pair is an address, connections
    to this address and port are allowed under any name. If the host is a name, connections to this name and port are
    allowed at any address. `allow` is for operators and tests. No text of a model changes it. `ports` are the ports
    that are allowed on public hosts.
    """

    allow: frozenset[tuple[str, int]] = frozenset()
    ports: frozenset[int] = PORTS

    def __init__(self, allow: Iterable[tuple[str, int]] = (), ports: Iterable[int] = PORTS) -> None:
        pairs = frozenset((_spelled(host), port) for host, port in allow)
        for number in (*ports, *(port for _, port in pairs)):
            if not 1 <= number <= 65535:
                raise ConfigError(f"a port must be from 1 to 65535, not {number}")
        object.__setattr__(self, "allow", pairs)
        object.__setattr__(self, "ports", frozenset(ports))

    def check_host(self, host: str, port: int) -> None:
        """Raise `FetchError` if the name or the port alone shows that the host is not allowed. `host` is a name or an
        address in canonical form."""
        if (host, port) in self.allow:
            return
        try:
            ipaddress.ip_address(host)
        except ValueError:
            labels = host.split(".")
            if len(labels) < 2 or labels[-1] in _REFUSED_NAMES:
                raise refused() from None
            if port not in self.ports and not any(allowed == port for _, allowed in self.allow):
                raise refused(f"port {port} is not open to this tool") from None
        else:
            self.check_addresses(host, port, [host])

    def check_addresses(self, host: str, port: int, addresses: Iterable[str]) -> list[str]:
        """All addresses of `host`, if connections to each of them are allowed. Raises `FetchError` when one of them is
        not allowed.

        A forbidden address among allowed addresses is a sign of DNS rebinding, so the allowed addresses are not used
        either.
        """
        checked = []
        for address in addresses:
            if (host, port) in self.allow or (_spelled(address), port) in self.allow:
                checked.append(address)
                continue
            if not is_public(address):
                raise refused()
            if port not in self.ports:
                raise refused(f"port {port} is not open to this tool")
            checked.append(address)
        return checked


def refused(why: str = "it does not lead to the public web") -> FetchError:
    """The error for an address that the policy does not allow. The error does not reveal what is at that address."""
    return FetchError("refused", f"This address cannot be opened: {why}.")


def _spelled(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()
