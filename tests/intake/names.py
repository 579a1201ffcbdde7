"""A name server that answers as a test wants."""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult


class Names(AbstractResolver):
    """Addresses by name, in rounds: each look-up takes the next one, the last round stays."""

    def __init__(self, answers: dict[str, list[list[str]]]) -> None:
        self.answers = answers

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        rounds = self.answers.get(host.rstrip("."))
        if rounds is None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        found = rounds.pop(0) if len(rounds) > 1 else rounds[0]
        return [
            ResolveResult(hostname=host, host=one, port=port, family=family, proto=0, flags=0)
            for one in found
        ]

    async def close(self) -> None:
        return
