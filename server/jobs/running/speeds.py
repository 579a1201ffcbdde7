"""How fast the networks of this machine are: measured, then learned from every job."""

from collections.abc import Sequence

from pool import Engines, Header, Recipe, Used, needs_network, network_seconds
from server.jobs.job import Job

_NEW_COUNTS = 0.2  # of the mean, for each job
_LEAST_MEGAPIXELS = 0.05  # below it a job tells of its start and not of its work


class Speeds:
    """Seconds a megapixel by the name of the network, on one lane."""

    def __init__(self, engines: Engines, *, deadline_s: float, deadline_times: float) -> None:
        """A job may take `deadline_s`, and `deadline_times` as long as its networks should."""
        self.engines = engines
        self._deadline_s = deadline_s
        self._deadline_times = deadline_times
        self.seconds_per_mp = engines.seconds_per_mp

    def measured(self, model: str, seconds_per_mp: float) -> None:
        """A first figure; what jobs have taught already stands."""
        self.seconds_per_mp.setdefault(model, seconds_per_mp)

    def learn(self, used: Sequence[Used]) -> None:
        """What the networks of a job did, and how long it took."""
        for one in used:
            if one.model is None or one.megapixels < _LEAST_MEGAPIXELS:
                continue
            taken = one.seconds / one.megapixels
            before = self.seconds_per_mp.get(one.model, taken)
            self.seconds_per_mp[one.model] = before + (taken - before) * _NEW_COUNTS

    def deadline_s(self, job: Job, recipe: Recipe) -> float:
        """How long a job may work."""
        if not needs_network(recipe, self.engines):
            return self._deadline_s
        header = Header(job.original_format, job.width, job.height, 3, 1, False, False, 8, 1)
        expected = network_seconds(header, recipe, self.engines)
        return self._deadline_s + expected * self._deadline_times
