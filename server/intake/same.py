"""When two results are the same: the same bytes, the same recipe, made by the same engine.

What a recipe only names (a watermark, a font; the one that is used where none is named) counts by
its content. A private picture is the same as others of its own client only, so that nobody learns
of it by being answered at once.
"""

import asyncio
import hashlib
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pool import NO_AI, Engines, Recipe, ai_runtime, default_font, engine_version, models_of
from server.jobs.job import Job, JobState
from server.jobs.queue import JobQueue

_DIGEST_BYTES = 24  # in 32 letters; to find two alike takes 2**96 attempts


@dataclass(frozen=True, slots=True)
class Kin:
    """All that makes results the same but the bytes of the picture."""

    traits: str

    def dedup(self, original_digest: str) -> str:
        """The digest of the result that these bytes (by their SHA-256) give."""
        whole = hashlib.sha256(f"{original_digest}\n{self.traits}".encode()).digest()
        return urlsafe_b64encode(whole[:_DIGEST_BYTES]).decode()


class Sameness:
    """Knows what recipes depend on. `assets`: names and paths of config.toml's files."""

    def __init__(
        self,
        queue: JobQueue,
        assets: Mapping[str, str],
        *,
        enabled: bool,
        public_images: bool = True,
        engines: Engines = NO_AI,
        default_font: Callable[[], str | None] = default_font,
    ) -> None:
        self._queue = queue
        self._engines = engines
        self._default_font = default_font
        self._public_images = public_images
        self._assets = assets
        self._enabled = enabled
        self._contents: dict[str, tuple[tuple[int, int, int], str]] = {}

    async def kin(self, recipe: Recipe, *, client: str, private: bool) -> Kin | None:
        """None: what comes of this recipe is shared with nobody."""
        if not self._enabled:
            return None
        named = await self._named_contents(recipe)
        if named is None:
            return None
        scope = f"private {client}" if private else ""
        named += [f"{model.name} {ai_runtime()}" for model in models_of(recipe, self._engines)]
        return Kin("\n".join([recipe.canonical(), engine_version(), scope, *named]))

    async def _named_contents(self, recipe: Recipe) -> list[str] | None:
        watermark, text = recipe.watermark, recipe.text
        paths: list[str | None] = []
        if watermark is not None and watermark.asset is not None:
            paths.append(self._assets[watermark.asset])
        if text is not None:
            paths.append(self._default_font() if text.font is None else self._assets[text.font])
        contents = [await self._content(path) for path in paths]
        if watermark is not None and watermark.image_id is not None:
            contents.append(await self._picture_content(watermark.image_id))
        known = [content for content in contents if content is not None]
        return known if len(known) == len(contents) else None

    async def _picture_content(self, image_id: str) -> str | None:
        """What will be laid over: the first file of that picture. Not made yet: nobody knows.

        What shows a private picture is shared with nobody, either.
        """
        found = await self._queue.look(image_id)
        if not isinstance(found, Job) or found.status is not JobState.COMPLETED:
            return None
        if found.private or not self._public_images:
            return None
        return found.variants[0].digest

    async def _content(self, path: str | None) -> str | None:
        """The file's digest; it is read again when it looks different from outside."""
        if path is None:
            return None
        try:
            found = await asyncio.to_thread(os.stat, path)
            look = (found.st_ino, found.st_size, found.st_mtime_ns)
            known = self._contents.get(path)
            if known is not None and known[0] == look:
                return known[1]
            content = await asyncio.to_thread(_file_digest, Path(path))
        except OSError:
            return None  # the worker will say what is wrong with it
        self._contents[path] = (look, content)
        return content


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
