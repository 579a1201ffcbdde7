"""Reads the jobs that a node was handed. What nobody can read is ended, or its lease would come
back for ever; the others go on.
"""

from collections.abc import Sequence

import orjson
import structlog

from server.jobs.counts.tally import Tally
from server.jobs.job import Job, Unreadable
from server.jobs.scripts import Scripts

log = structlog.get_logger(__name__)

_CODE = "job_unreadable"


class Reading:
    """Of one node: it counts what it ends."""

    def __init__(self, scripts: Scripts, tally: Tally) -> None:
        self._scripts = scripts
        self._tally = tally

    async def jobs(self, texts: Sequence[str]) -> list[Job]:
        """Those that can be read."""
        found = []
        for text in texts:
            try:
                found.append(Job.from_json(text))
            except Unreadable as error:
                await self._bury(text, str(error))
        return found

    def note_buried(self, job_ids: Sequence[str]) -> None:
        """A script has ended these already, as it could not have moved them."""
        for job_id in job_ids:
            log.error("a damaged job has failed", job_id=job_id, code=_CODE)
            self._tally.failed(_CODE)

    async def _bury(self, text: str, reason: str) -> None:
        """Job id and token are sound, or it would not have been handed out."""
        fields = orjson.loads(text)
        log.error("a job cannot be read", job_id=fields["id"], error=reason)
        detail = "A part of it was damaged, or another version of the service wrote it."
        if await self._scripts.bury(args=[fields["id"], fields["token"], detail]):
            self.note_buried([fields["id"]])
