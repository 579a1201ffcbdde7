"""What answers for pictures that are asked for often."""

from dataclasses import dataclass

from server.edge.hosting.derive import Derive
from server.intake.deriving import Deriving
from server.intake.upload import Intake
from server.jobs.derived import DerivedJobs
from server.jobs.heads import Heads
from server.live.feed import Feed
from server.storage.hot import HotFiles
from server.wiring.ground import Ground


@dataclass(frozen=True, slots=True)
class Hosting:
    """What is remembered of pictures, and what is made of them when first asked for."""

    hot: HotFiles
    heads: Heads
    derive: Derive

    def forget(self, image_id: str) -> None:
        """A picture's files go: answer no more from what is remembered of it."""
        job = self.heads.forget(image_id)
        for variant in job.variants if job is not None else ():
            self.hot.forget(variant.key)


def build_hosting(ground: Ground, intake: Intake, feed: Feed) -> Hosting:
    """intake: takes in what is to be made on first ask; feed: tells of it, and of lost news."""
    settings, queue = ground.settings.hosting, ground.queue
    heads = Heads(queue, most=settings.hot_pictures, fresh_s=settings.hot_s, era=lambda: feed.era)
    derived = ground.settings.derived
    jobs = DerivedJobs(queue, derived, ground.settings.queue)
    deriving = Deriving(intake, jobs)
    ground.closing.push_async_callback(deriving.close)
    return Hosting(
        hot=HotFiles(
            ground.storage,
            max_bytes=settings.hot_bytes,
            max_file_bytes=settings.hot_file_bytes,
        ),
        heads=heads,
        derive=Derive(jobs, deriving, queue, heads=heads, feed=feed, settings=derived),
    )
