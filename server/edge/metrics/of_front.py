"""Rows on what clients meet: sockets, pictures in memory, fetched URLs, webhooks that are sent."""

from server.edge.hosting.derive import Derive
from server.edge.metrics.rows import AnyRow, counter, counter_of, gauge, histogram
from server.intake.fetch.fetcher import Fetcher
from server.live.feed import Feed
from server.live.sockets import Sockets
from server.live.sse import EventStreams
from server.live.webhooks.sender import WebhookSender
from server.storage.hot import HotFiles


def live_rows(feed: Feed, sockets: Sockets, streams: EventStreams) -> list[AnyRow]:
    """Whoever watches."""
    return [
        gauge(
            "live_watchers",
            "Open sockets and event streams.",
            lambda: {"socket": sockets.count, "stream": streams.count},
            "kind",
        ),
        counter_of(
            "live_messages_sent",
            "Messages that left for watchers.",
            lambda: {"socket": sockets.sent.events, "stream": streams.sent.events},
            "kind",
        ),
        counter_of(
            "live_cut_off",
            "Watchers that took nothing for too long.",
            lambda: {"socket": sockets.sent.cut_off, "stream": streams.sent.cut_off},
            "kind",
        ),
        counter_of(
            "live_events",
            "Events handed out, once for each who watches.",
            lambda: feed.handed_out,
        ),
        counter_of(
            "live_events_coalesced",
            "Events that a newer one replaced before they were read.",
            lambda: feed.coalesced,
        ),
        gauge(
            "live_feed_connected",
            "Whether the subscription to Redis stands.",
            lambda: float(feed.connected.is_set()),
        ),
        counter_of(
            "live_feed_connections",
            "Subscriptions made since the start; the first is no loss.",
            lambda: feed.connections,
        ),
    ]


def hot_rows(hot: HotFiles) -> list[AnyRow]:
    """Pictures kept in memory."""
    return [
        counter_of("hot_hits", "Files that were in memory when wanted.", lambda: hot.hits),
        counter_of("hot_misses", "Small files that had to be read.", lambda: hot.misses),
        gauge("hot_bytes", "What the files in memory take.", lambda: hot.bytes),
        gauge("hot_files", "How many there are.", lambda: hot.count),
    ]


def derive_rows(derive: Derive) -> list[AnyRow]:
    """What is made when it is first asked for."""
    return [
        counter(
            "derived_asked",
            "Presets and formats asked for: there already, made while the asker waited, or late.",
            derive.asked,
        )
    ]


def fetch_rows(fetcher: Fetcher) -> list[AnyRow]:
    """URLs."""
    return [
        counter("fetches", "What became of URLs that this node fetched.", fetcher.outcomes),
        gauge("fetches_in_flight", "URLs being fetched.", lambda: len(fetcher.held)),
    ]


def sending_rows(sender: WebhookSender) -> list[AnyRow]:
    """This node's part of the webhooks."""
    return [
        histogram(
            "webhook_attempt_duration_seconds",
            "Requests to receivers, by whether they answered with 2xx.",
            sender.attempts,
        )
    ]
