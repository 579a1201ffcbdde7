"""What tells watchers: the one subscription of this node, and how all of the service stands."""

from collections.abc import Callable

from server.live.feed import Feed
from server.live.system import System
from server.live.system_message import Bounds
from server.live.system_part import Report
from server.ops.journal import Journal
from server.ops.machine import free_bytes, own_rss_bytes
from server.wiring.access import Access
from server.wiring.front import Front
from server.wiring.ground import Ground
from server.wiring.running import Running


def build_feed(ground: Ground, access: Access) -> Feed:
    """The subscription; whoever needs its news says so by `listen`."""
    return Feed(
        ground.feed_redis, ground.queue, ground.settings.live, access.links, ground.notebook
    )


def build_system(
    ground: Ground,
    running: Running,
    feed: Feed,
    journal: Journal | None,
    front: Callable[[], Front | None],
) -> System:
    """front: asked each time, since its sockets know the system and are built after it."""
    settings = ground.settings

    def fetching() -> int:
        return len(one.incoming.fetcher.held) if (one := front()) else 0

    def sockets() -> int:
        return one.sockets.count if (one := front()) else 0

    report = Report(
        node=ground.queue.node,
        role=settings.server.role,
        lanes=running.lanes,
        dispatcher=running.dispatcher,
        progress=running.progress,
        tally=ground.queue.tally,
        records=journal,
        own_rss=own_rss_bytes,
        free=lambda: free_bytes(ground.data_dir),
        fetching=fetching,
        sockets=sockets,
    )
    bounds = Bounds(
        max_depth=settings.queue.max_depth,
        max_urls=settings.fetch.max_waiting,
        storage_kind=ground.storage.kind,
        min_free_bytes=settings.storage.min_free_bytes,
        max_journal=journal.limit if journal else None,
    )
    return System(
        ground.redis,
        feed,
        ground.queue,
        report,
        bounds,
        most_watchers=settings.live.max_system_watchers,
    )
