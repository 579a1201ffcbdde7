"""A network of its own for several nodes: a bridge, and a namespace with a cable for each node.

Needs root and iproute2. Names and addresses are drawn anew each time, so that two such networks may
stand beside each other, and `close` takes everything down again.
"""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_DRAWS = 50


def why_not() -> str:
    """Why no such network can be made here; "" where it can."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    missing = [name for name in ("ip", "iptables") if shutil.which(name) is None]
    return f"{' and '.join(missing)} is not installed (iproute2, iptables)" if missing else ""


@dataclass
class Lan:
    """`hub` is our own address in it, where what all nodes share listens."""

    name: str
    net: str
    hosts: dict[str, str] = field(default_factory=dict)
    """Addresses of the nodes by name."""

    @property
    def hub(self) -> str:
        """The address of this process."""
        return f"{self.net}.1"

    def inside(self, host: str) -> tuple[str, ...]:
        """What runs a program in the namespace of a node; it becomes that program."""
        return ("ip", "netns", "exec", self._space(host))

    def add(self, host: str) -> str:
        """A namespace more, plugged in; returns its address."""
        space, cable = self._space(host), f"{self.name}{host}"
        address = self.hosts[host] = f"{self.net}.{10 + len(self.hosts)}"
        _ip("netns", "add", space)
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
        _ip("link", "set", cable, "master", self.name, "up")
        _ip("-n", space, "address", "add", f"{address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            _ip("-n", space, "link", "set", device, "up")
        return address

    @contextmanager
    def cut(self, host: str, port: int) -> Iterator[None]:
        """Packets of a node to a port of ours, and from it, vanish without a word meanwhile."""
        rules = (
            ("OUTPUT", "-p", "tcp", "-d", self.hub, "--dport", str(port), "-j", "DROP"),
            ("INPUT", "-p", "tcp", "-s", self.hub, "--sport", str(port), "-j", "DROP"),
        )
        for rule in rules:
            _run(*self.inside(host), "iptables", "-w", "-A", *rule)
        try:
            yield
        finally:
            for rule in rules:
                _run(*self.inside(host), "iptables", "-w", "-D", *rule)

    @contextmanager
    def unplugged(self, host: str) -> Iterator[None]:
        """Its cable is pulled meanwhile: nobody reaches it, and it reaches nobody."""
        _ip("link", "set", f"{self.name}{host}", "down")
        try:
            yield
        finally:
            _ip("link", "set", f"{self.name}{host}", "up")

    def close(self) -> None:
        """Take it down; a namespace ends with the last process in it."""
        for host in self.hosts:
            _ip("netns", "delete", self._space(host))
        _ip("link", "delete", self.name)

    def _space(self, host: str) -> str:
        return f"{self.name}-{host}"


@contextmanager
def lan() -> Iterator[Lan]:
    """One for as long as it is needed."""
    name = f"sl{secrets.token_hex(3)}"
    _ip("link", "add", name, "type", "bridge")
    made = Lan(name, _free_net())
    try:
        _ip("address", "add", f"{made.hub}/24", "dev", name)
        _ip("link", "set", name, "up")
        yield made
    finally:
        made.close()


def _free_net() -> str:
    """The first three numbers of a network that nobody here has an address in."""
    found = json.loads(_run("ip", "-json", "-4", "address", "show"))
    taken = {
        one["local"].rpartition(".")[0] for device in found for one in device.get("addr_info", ())
    }
    for _ in range(_DRAWS):
        net = f"10.{200 + secrets.randbelow(50)}.{secrets.randbelow(255)}"
        if net not in taken:
            return net
    raise AssertionError("no network is free")


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout
