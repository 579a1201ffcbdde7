"""Ports for programs that cannot be told to take any."""

import secrets
import socket

# Below those that the kernel gives to whoever asks for any: no server of another test gets one.
_LOWEST, _HIGHEST = 12_000, 32_000


def free_port() -> int:
    """A port that nobody has at this moment, nor is likely to take in the next."""
    while True:
        port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def free_ports(names: tuple[str, ...]) -> dict[str, int]:
    """A port for each name, none twice."""
    ports: dict[str, int] = {}
    for name in names:
        while (port := free_port()) in ports.values():
            pass
        ports[name] = port
    return ports
