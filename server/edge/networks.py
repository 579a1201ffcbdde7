"""GET /ai: which networks there are and how long they take, so that a page can say it before."""

from aiohttp import web

from server.edge.reply import reply
from server.jobs.running.speeds import Speeds

_ALL_BROKEN = "no network works here: see `broken`"
_HEADERS = {"Cache-Control": "no-cache"}


class NetworkHandler:
    """The speeds change while the server learns from its jobs."""

    def __init__(self, speeds: Speeds, *, concurrency: int) -> None:
        self._speeds = speeds
        self._concurrency = concurrency

    async def get(self, _request: web.Request) -> web.Response:
        """Every network that works, with its seconds a megapixel; null until it is measured."""
        engines = self._speeds.engines
        models = [
            {
                "name": model.name,
                "step": "enhance" if model.scale == 1 else "upscale",
                "scale": model.scale,
                "secondsPerMegapixel": self._seconds(model.name),
            }
            for model in engines.fit
        ]
        broken = [{"name": name, "whyNot": why} for name, why in engines.unfit.items()]
        return reply(
            {
                "available": bool(models),
                "whyNot": engines.why_not or (None if models else _ALL_BROKEN),
                "concurrency": self._concurrency if models else 0,
                "models": models,
                "broken": broken,
            },
            headers=_HEADERS,
        )

    def _seconds(self, name: str) -> float | None:
        seconds = self._speeds.seconds_per_mp.get(name)
        return None if seconds is None else round(seconds, 3)
