"""A network of hosts: a switch, hosts on it, and hosts behind a router that hides their addresses (NAT).

Nothing of it is in the machine's own network: the switch and its bridge are a host too, links lead from host to host,
and there is no way out. Hosts know each other's names by a common `/etc/hosts`, and there is no name server. When the
process that made the lab ends, in order or by `kill -9`, the holders of all hosts end with it, and the kernel removes
the rest.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.hosts.host import Host

NETWORK = "10.0.0"
BRIDGE = "br0"


class Lab:
    """Hosts on 10.0.0.0/24, and homes on 192.168.N.0/24 behind routers of theirs."""

    def __init__(self, folder: Path, *, network: str = NETWORK) -> None:
        self._network = network
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._names = folder / "hosts"
        self._names.write_text("127.0.0.1 localhost\n", encoding="utf-8")
        self._resolver = folder / "resolv.conf"
        self._resolver.write_text("nameserver 127.0.0.1\n", encoding="utf-8")  # refuses at once: there is none
        self._hosts: list[Host] = []
        self._links = 0
        self._switch = self._new("switch", {})
        self._switch.run(["ip", "link", "add", BRIDGE, "type", "bridge"])
        self._switch.run(["ip", "link", "set", BRIDGE, "up"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def host(
        self, name: str, number: int, *, binds: Mapping[str, Path] | None = None, prepare: Sequence[str] = ()
    ) -> Host:
        """A host at 10.0.0.`number`, known to the others by its name; `prepare` are shell lines that make its files."""
        made = self._new(name, binds or {}, prepare)
        made.address = f"{self._network}.{number}"
        self._attach(made, f"{made.address}/24")
        self._name(name, made.address)
        return made

    def home(self, name: str, number: int) -> tuple[Host, Host]:
        """A host that nobody can call, behind a router at 10.0.0.`number`: all that the others see."""
        router = self.host(f"{name}-router", number)
        inside = self._new(name, {})
        inside.address = f"192.168.{number}.2"
        self._join((router, "lan"), (inside, "eth0"))
        self._up(router, "lan", f"192.168.{number}.1/24")
        self._up(inside, "eth0", f"{inside.address}/24")
        inside.run(["ip", "route", "add", "default", "via", f"192.168.{number}.1"])
        router.run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"])
        router.run(["nft", "add", "rule", "ip", "nat", "out", "ip", "saddr", f"192.168.{number}.0/24", "masquerade"])
        return inside, router

    def close(self) -> None:
        """End everything that runs in any host; with it go the hosts, their links and rules."""
        for host in reversed(self._hosts):
            host.end()
        self._hosts.clear()

    def _new(self, name: str, binds: Mapping[str, Path], prepare: Sequence[str] = ()) -> Host:
        made = Host(name, {"/etc/hosts": self._names, "/etc/resolv.conf": self._resolver, **binds}, prepare)
        self._hosts.append(made)
        return made

    def _name(self, name: str, address: str) -> None:
        with self._names.open("a", encoding="utf-8") as file:  # in place: it is bound by what it is, not by its name
            file.write(f"{address} {name}\n")

    def _attach(self, host: Host, address: str) -> None:
        port = f"port{self._links}"
        self._join((self._switch, port), (host, "eth0"))
        self._switch.run(["ip", "link", "set", port, "master", BRIDGE, "up"])
        self._up(host, "eth0", address)

    def _join(self, one: tuple[Host, str], other: tuple[Host, str]) -> None:
        """A cable between two hosts; both ends are made where they belong."""
        self._links += 1
        words = ["ip", "link", "add", one[1], "type", "veth", "peer", "name", other[1], "netns", str(other[0].pid)]
        subprocess.run(one[0].command(words), check=True)

    def _up(self, host: Host, link: str, address: str) -> None:
        host.run(["ip", "address", "add", address, "dev", link])
        host.run(["ip", "link", "set", link, "up"])
