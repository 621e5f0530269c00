"""Which IP addresses may be connected to: the rules alone, without a name being looked up.

Public addresses over https on the usual ports; internal ones only in networks that the operator has opened. Some
never may, whatever was opened: link-local and metadata addresses, multicast, addresses that wrap an IPv4 address
for some router to unwrap (NAT64, 6to4, Teredo), the gateway's own ports, its stores. An IPv4-mapped address is
judged, and connected to, as the IPv4 address it stands for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
IpAddress = IPv4Address | IPv6Address

PUBLIC_PORTS = frozenset({80, 443})
EVERY_PORT = range(1, 65536)
AUTO = "auto"
LOOPBACK = ("127.0.0.0/8", "::1/128")

# Metadata services of clouds, then blocks that no upstream is in (IANA special-purpose registries).
NEVER: dict[Network, str] = {
    ip_network(text): why
    for text, why in {
        "169.254.0.0/16": "a link-local or metadata address",
        "fe80::/10": "a link-local address",
        "fd00:ec2::/32": "a metadata address",
        "fd20:ce::/32": "a metadata address",
        "100.100.100.200/32": "a metadata address",
        "168.63.129.16/32": "a metadata address",
        "192.0.0.0/24": "a metadata or protocol address",
        "0.0.0.0/8": "no address of a host",
        "240.0.0.0/4": "a reserved address",
        "224.0.0.0/4": "a multicast address",
        "ff00::/8": "a multicast address",
        "::/128": "no address of a host",
        "::/96": "an address that wraps another",
        "64:ff9b::/96": "an address that wraps another (NAT64)",
        "64:ff9b:1::/48": "an address that wraps another (NAT64)",
        "2002::/16": "an address that wraps another (6to4)",
        "192.88.99.0/24": "a relay for addresses that wrap others (6to4)",
        "2001::/32": "an address that wraps another (Teredo)",
        "fec0::/10": "a site-local address",
    }.items()
}
LOOPBACK_6 = IPv6Address("::1")
UNICAST_6 = IPv6Network("2000::/3")

# Not HTTP: remote shells, mail, databases, brokers, control planes. An opened network without ports leaves them shut.
OTHER_TRADES = frozenset(
    {
        20, 21, 22, 23, 25, 53, 69, 88, 110, 111, 123, 135, 137, 138, 139, 143, 161, 179, 389, 445, 464, 465, 512,
        513, 514, 515, 548, 554, 587, 636, 873, 989, 990, 993, 995, 1433, 1521, 1883, 2049, 2181, 2375, 2376, 2379,
        2380, 3306, 3389, 4369, 5432, 5433, 5671, 5672, 5900, 6000, 6379, 6380, 6432, 6443, 8883, 9042, 9092, 10250,
        10255, 11211, 15672, 16379, 25672, 26379, 27017, 27018, 27019,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A network that the operator has opened, on these ports; `is_narrow` when the ports were named."""

    network: Network
    ports: range = EVERY_PORT
    is_narrow: bool = False

    def admits(self, address: IpAddress, port: int) -> bool:
        """Whether an upstream may be there."""
        if address.version != self.network.version or address not in self.network or port not in self.ports:
            return False
        return self.is_narrow or port not in OTHER_TRADES


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What may be reached. `own_ports` are closed on every address of this machine."""

    openings: tuple[Opening, ...] = ()
    ports: frozenset[int] = PUBLIC_PORTS
    http_hosts: frozenset[str] = frozenset()
    own_ports: frozenset[int] = field(default_factory=frozenset)

    def refusal(self, address: IpAddress, port: int, *, scheme: str, host: str, is_here: bool) -> str | None:
        """Why this address must not be connected to, None when it may. `is_here`: it is one of this machine's."""
        address = unwrapped(address)
        if (why := _never(address)) is not None:
            return f"{why} is never reached"
        if is_here and port in self.own_ports:
            return "the gateway does not call itself"
        if any(opening.admits(address, port) for opening in self.openings):
            return None
        if not address.is_global or (address.version == 6 and address not in UNICAST_6):
            return "it is an internal address, and the operator has not opened it on this port (reach.networks)"
        if port not in self.ports:
            return f"port {port} of public addresses is not open (reach.ports)"
        if scheme != "https" and host not in self.http_hosts:
            return "public addresses are called over https alone (reach.http_hosts)"
        return None


def rules_from(
    networks: Iterable[str],
    *,
    ports: Iterable[int] = (),
    http_hosts: Iterable[str] = (),
    own_ports: Iterable[int] = (),
    is_local: bool,
) -> Rules:
    """The rules as an operator wrote them; `is_local` when the gateway listens on loopback addresses alone, which is
    when `auto` opens this machine. ValueError names what cannot be read, or could never be reached."""
    openings: list[Opening] = []
    for text in networks:
        if text == AUTO:
            openings += [Opening(network=ip_network(local)) for local in LOOPBACK if is_local]
        else:
            openings.append(read_opening(text))
    return Rules(
        openings=tuple(openings),
        ports=PUBLIC_PORTS | frozenset(ports),
        http_hosts=frozenset(host.lower().removesuffix(".") for host in http_hosts),
        own_ports=frozenset(own_ports) - {0},
    )


def read_opening(text: str) -> Opening:
    """One of the operator's networks, `CIDR[:PORT[-PORT]]`. ValueError says what is wrong with it."""
    address, slash, rest = text.partition("/")
    length, colon, span = rest.partition(":")
    if not slash or not length.isdigit():
        raise ValueError(f"{text!r} is no network: write it as 10.1.0.0/16, 10.1.2.3/32:8000 or fd12::/64:8000-8999")
    try:
        network = ip_network(f"{address}/{length}")
    except ValueError as error:
        raise ValueError(f"{text!r} is no network: {error}") from None
    for closed, why in NEVER.items():
        if closed.version == network.version and network.subnet_of(closed):  # type: ignore[arg-type]
            if network == ip_network("::1/128"):
                continue
            raise ValueError(f"{text!r} cannot be opened: {why} is never reached")
    ports = _ports(span, text) if colon else EVERY_PORT
    return Opening(network=network, ports=ports, is_narrow=bool(colon))


def unwrapped(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv4-mapped one stands for; any other address as it is."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def read_ip(text: str) -> IpAddress | None:
    """The IP address that the text is, in the one form that everybody reads alike; None for anything else."""
    try:
        return unwrapped(ip_address(text))
    except ValueError:
        return None


def _never(address: IpAddress) -> str | None:
    if address == LOOPBACK_6:
        return None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return "an address with a zone"
    for network, why in NEVER.items():
        if network.version == address.version and address in network:
            return why
    return None


def _ports(span: str, text: str) -> range:
    first, dash, last = span.partition("-")
    numbers = [first, last] if dash else [first, first]
    if not all(number.isascii() and number.isdigit() for number in numbers):
        raise ValueError(f"{text!r} has no port or range of ports behind its network")
    low, high = int(numbers[0]), int(numbers[1])
    if not 1 <= low <= high <= 65535:
        raise ValueError(f"{text!r} has ports that are not within 1..65535, the lower one first")
    return range(low, high + 1)
