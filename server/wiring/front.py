"""What meets clients: all ways in, what they are shown, what they are told, what is remembered."""

from dataclasses import dataclass

from pool import Lane
from server.live.feed import Feed
from server.live.sockets import Sockets
from server.live.sse import EventStreams
from server.live.system import System
from server.wiring.access import Access
from server.wiring.ground import Ground
from server.wiring.hosting import Hosting, build_hosting
from server.wiring.incoming import Incoming, build_incoming
from server.wiring.running import Running
from server.wiring.webhooks import Webhooks, build_webhooks


@dataclass(frozen=True, slots=True)
class Front:
    """The half of a node that clients see."""

    incoming: Incoming
    webhooks: Webhooks
    hosting: Hosting
    sockets: Sockets
    streams: EventStreams


async def build_front(
    ground: Ground, running: Running, access: Access, feed: Feed, system: System, *, probe: Lane
) -> Front:
    """probe: the lane that only reads headers."""
    incoming = await build_incoming(ground, running, probe)
    live = ground.settings.live
    return Front(
        incoming=incoming,
        webhooks=await build_webhooks(ground, access.signer),
        hosting=build_hosting(ground, incoming.intake, feed),
        sockets=Sockets(feed, live, access.gate.watcher, system),
        streams=EventStreams(feed, live, access.gate.watcher),
    )
