"""What one client may have, told in RateLimit headers and kept to with 429 `quota_exceeded`.

Headers: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ (of version 10 on).
"""

from aiohttp import web

from server.edge.access.client import CALLER, Caller
from server.jobs.counts.usage import Allowance, Meter, Usage
from server.refusals import QuotaExceeded

_DAY_S = 24 * 3600
_STANDING = web.RequestKey("rate_limit", str)
_WANTED = {
    "requests": "requests in {window_s} s",
    "bytes": "bytes a day",
    "jobs": "jobs that wait or are in work",
}


class Quotas:
    """Costs nothing, no command of Redis either, while no quota is set."""

    def __init__(self, usage: Usage, allowance: Allowance) -> None:
        self._usage = usage
        self._allowance = allowance
        self._policy = ", ".join(_policies(allowance))

    @property
    def is_on(self) -> bool:
        """Whether there is any quota."""
        return self._allowance.is_limited

    async def take(self, request: web.Request, caller: Caller) -> None:
        """Count this request, once; raises QuotaExceeded."""
        if not self.is_on or _STANDING in request:
            return
        brings = request.method in ("POST", "PUT", "PATCH")
        size = (request.content_length or 0) if brings else 0
        jobs = int(request.method == "POST" and request.path in _MAKING_JOBS)
        await self._take(request, caller.name, requests=1, size=size, jobs=jobs)

    async def charge(self, request: web.Request, size: int) -> None:
        """Count what a request has brought that did not say before how much it is."""
        if self._allowance.bytes_per_day and request.content_length is None:
            await self._take(request, request[CALLER].name, requests=0, size=size, jobs=0)

    async def promise(self, request: web.Request, size: int) -> None:
        """Count now what a client is allowed to bring later, straight to the storage perhaps."""
        if self._allowance.bytes_per_day:
            await self._take(request, request[CALLER].name, requests=0, size=size, jobs=0)

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Tell every client how it stands."""
        if standing := request.get(_STANDING):
            response.headers["RateLimit-Policy"] = self._policy
            response.headers["RateLimit"] = standing

    async def _take(
        self, request: web.Request, client: str, *, requests: int, size: int, jobs: int
    ) -> None:
        meters = await self._usage.take(client, requests=requests, size=size, jobs=jobs)
        request[_STANDING] = ", ".join(map(_standing, meters))
        over = [one for one in meters if one.wait_s is not None]
        if over:
            raise self._exceeded(max(over, key=lambda one: one.wait_s or 0))

    def _exceeded(self, meter: Meter) -> QuotaExceeded:
        wanted = _WANTED[meter.name].format(window_s=self._allowance.window_s)
        return QuotaExceeded(
            f"Each client may have {meter.limit} {wanted}, and you would have more."
            f" Send it again in {meter.wait_s} s.",
            limit=meter.limit,
            actual=meter.limit - meter.left,
            retry_after_s=meter.wait_s,
        )


_MAKING_JOBS = ("/upload", "/process")


def _standing(meter: Meter) -> str:
    return f'"{meter.name}";r={meter.left};t={meter.reset_s}'


def _policies(allowance: Allowance) -> list[str]:
    policies = []
    if allowance.requests:
        policies.append(f'"requests";q={allowance.requests};w={allowance.window_s};qu="requests"')
    if allowance.bytes_per_day:
        policies.append(f'"bytes";q={allowance.bytes_per_day};w={_DAY_S};qu="content-bytes"')
    if allowance.jobs:
        policies.append(f'"jobs";q={allowance.jobs};qu="concurrent-requests"')
    return policies
