"""Brings results into a folder: each comes whole under its name, or not at all."""

import asyncio
import os
import re
import secrets
from contextlib import aclosing
from pathlib import Path, PurePosixPath
from typing import Any

from server.cli.client.patience import Patience
from server.cli.client.session import Service

_ENDINGS = {"jpeg": "jpg", "tiff": "tif"}
_SAFE = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Results:
    """The folder of one command; `overwrites` lets a file replace an older one."""

    def __init__(
        self, service: Service, patience: Patience, folder: Path, *, overwrites: bool
    ) -> None:
        self._service = service
        self._patience = patience
        self._folder = folder
        self._overwrites = overwrites

    async def fetch(self, target: str, picture: dict[str, Any]) -> list[Path]:
        """All variants of a completed job as `target.webp`, or `target-small.webp`.

        All of them or none. Raises Problem, or OSError where one is in the way.
        """
        wanted = {
            self._folder / PurePosixPath(file_name(target, variant, picture["variants"])): variant
            for variant in picture["variants"]
        }
        for path in wanted:
            await asyncio.to_thread(self._refuse_taken, path)
        aside: dict[Path, Path] = {}
        try:
            for path, variant in wanted.items():
                aside[path] = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
                await self._bring(variant, aside[path])
            await asyncio.to_thread(self._place, aside)
        finally:
            for part in aside.values():
                part.unlink(missing_ok=True)
        return list(wanted)

    def _refuse_taken(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not self._overwrites:
            raise FileExistsError(f"{path} is there already; --force overwrites it")

    async def _bring(self, variant: dict[str, Any], part: Path) -> None:
        async def once() -> None:
            async with aclosing(self._service.pieces(variant["url"])) as pieces:
                with part.open("wb") as file:
                    async for piece in pieces:
                        await asyncio.to_thread(file.write, piece)

        await self._patience.ask(once)
        arrived = (await asyncio.to_thread(part.stat)).st_size
        if arrived != variant["bytes"]:
            raise OSError(f"expected {variant['bytes']} bytes of {variant['url']}, got {arrived}")

    def _place(self, aside: dict[Path, Path]) -> None:
        for path, part in aside.items():
            if self._overwrites:
                part.replace(path)
                continue
            try:
                os.link(part, path)  # unlike a rename it never replaces what has come meanwhile
            except FileExistsError:
                raise
            except OSError:  # a file system without links
                self._refuse_taken(path)
                part.replace(path)


def file_name(target: str, variant: dict[str, Any], variants: list[dict[str, Any]]) -> str:
    """Where a variant is written, below the folder; the ending is that of its format.

    Raises ValueError: a server's word must not lead out of the folder.
    """
    if not all(_SAFE.fullmatch(variant[part]) for part in ("name", "format")):
        raise ValueError(f"expected a variant's name and format, got {variant}")
    ending = _ENDINGS.get(variant["format"], variant["format"])
    if [one["name"] for one in variants] == ["default"]:
        return f"{target}.{ending}"
    return f"{target}-{variant['name']}.{ending}"
