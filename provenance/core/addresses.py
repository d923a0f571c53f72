"""Which addresses calls from here may go to: the public internet, and what the operator lists besides.

What counts is the address a connection is made to, in whatever form it was written: mapped into IPv6, behind a
NAT64 gateway, or as one number.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_CLOSED_4 = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
        "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",  # public by its number, yet the inside of one cloud
    )
)  # fmt: skip
_OPEN_6 = IPv6Network("2000::/3")
_CLOSED_6 = tuple(
    IPv6Network(each)
    for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")  # Teredo and others, examples, 6to4
)
_NAT64 = IPv6Network("64:ff9b::/96")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


class EgressError(Exception):
    """A call that left nothing behind: it was refused, failed, or its answer can't be taken."""


class AddressRefused(EgressError):
    """The URL leads, or its name resolves, to where this installation sends nothing."""


class Allowance:
    """Which addresses and host names may be called although they are not public."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        """Take networks (``10.1.0.0/16``), addresses and host names. Raises ValueError for none of these."""
        self._networks: list[Network] = []
        self._hosts: set[str] = set()
        for entry in entries:
            if _is_network(entry):
                self._networks.append(ip_network(entry))
            elif re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", entry) and not _looks_numeric(entry):
                self._hosts.add(entry.lower())
            else:
                raise ValueError(f"{entry!r} is neither a network, an address nor a host name")

    def names(self, host: str) -> bool:
        """Tell whether a host name is listed: all its addresses are allowed then."""
        return _bare(host) in self._hosts

    def permits(self, address: Address) -> bool:
        """Tell whether an address may be called."""
        if isinstance(address, IPv6Address):
            if address.ipv4_mapped is not None:
                return self._lists(address) or self._lists(address.ipv4_mapped)
            if address in _NAT64:  # what the gateway makes of it counts too
                return self._lists(address) and self.permits(IPv4Address(int(address) & 0xFFFFFFFF))
        return is_public(address) or self._lists(address)

    def _lists(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public internet, for one receiver, and nobody's inside."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_4)
    return address in _OPEN_6 and not any(address in network for network in _CLOSED_6)


def refuse_host(host: str, allowance: Allowance) -> None:
    """Judge a host as it stands in a URL. Raises AddressRefused; names are judged when they are resolved."""
    try:
        address = ip_address(host)
    except ValueError:
        if not (_looks_numeric(host) or "%" in host or ":" in host):
            return
        address = None
    if address is None or "%" in host:
        raise AddressRefused(f"{host} is an address in a form that is not called.")
    refuse_address(host, address, allowance)


def refuse_address(host: str, address: Address, allowance: Allowance) -> None:
    """Judge an address that a host has. Raises AddressRefused."""
    if not allowance.permits(address):
        raise AddressRefused(
            f"{host} is not a public address or does not lead to one. PROVENANCE_EGRESS_ALLOW makes exceptions."
        )


def _bare(host: str) -> str:
    return host.lower().rstrip(".")


def _looks_numeric(host: str) -> bool:
    """Tell whether a resolver may take a host for an address written in an old form (2130706433, 0x7f.1, 127.1)."""
    return _NUMBER.fullmatch(_bare(host).rpartition(".")[2]) is not None


def _is_network(entry: str) -> bool:
    try:
        ip_network(entry)
    except ValueError:
        return False
    return True
