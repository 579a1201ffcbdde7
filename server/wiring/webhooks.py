"""What tells others of ends. What strangers name is guarded like what they have fetched; the
operator's own endpoints may lie in a private network."""

from dataclasses import dataclass
from ipaddress import ip_network

import structlog

from server.config.sections import FetchSettings
from server.config.webhooks import WebhookSettings
from server.edge.incoming.callbacks import Callbacks
from server.intake.fetch.guard import Guard
from server.intake.fetch.session import AddressRefused, guarded_session
from server.jobs.links import Links
from server.jobs.outbox import Outbox
from server.live.webhooks.carrier import Ways, WebhookCarrier
from server.live.webhooks.post import Poster
from server.live.webhooks.secrets import Secrets, secrets_file
from server.live.webhooks.sender import WebhookSender
from server.signing import Signer
from server.wiring.ground import Ground

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The outbox, who empties it, and what the handlers ask of it."""

    outbox: Outbox
    callbacks: Callbacks
    secrets: Secrets
    sender: WebhookSender


async def build_webhooks(ground: Ground, signer: Signer) -> Webhooks:
    """signer: signs the addresses of private pictures in what is told."""
    settings = ground.settings.webhooks
    if settings.endpoints and ground.settings.redis.url and not settings.secrets:
        log.warning("webhooks.secrets is empty: each node signs with a secret of its own")
    outbox = Outbox(ground.redis, ground.queue.scripts)
    strangers, own = reach_of_callbacks(settings), reach_of_endpoints(settings)
    guard = Guard(strangers)
    secrets = Secrets(
        settings,
        file=secrets_file(ground.data_dir),
        has_api_keys=bool(ground.settings.auth.keys),
    )
    posters = []
    for one, reach in ((guard, strangers), (Guard(own), own)):
        session = await ground.closing.enter_async_context(guarded_session(one, reach))
        posters.append(Poster(session, timeout_s=settings.timeout_s, refusal=AddressRefused))
    carrier = WebhookCarrier(
        outbox,
        Ways(*posters),
        secrets,
        settings,
        links_at=lambda at_s: Links(
            signer,
            url_s=settings.url_s,
            public_images=ground.settings.auth.public_images,
            base=settings.public_url,
            clock=lambda: at_s,
        ),
        notebook=ground.notebook,
        tracer=ground.tracer,
    )
    sender = WebhookSender(outbox, carrier, settings)
    return Webhooks(outbox, Callbacks(guard, outbox, settings), secrets, sender)


def reach_of_callbacks(settings: WebhookSettings) -> FetchSettings:
    """Where clients may have us send webhooks, in the words of the guard."""
    return FetchSettings(
        allow_networks=settings.allow_networks,
        deny_hosts=settings.deny_hosts,
        ports=settings.ports,
        connect_timeout_s=settings.timeout_s,
        stall_timeout_s=settings.timeout_s,
        total_timeout_s=settings.timeout_s,
    )


def reach_of_endpoints(settings: WebhookSettings) -> FetchSettings:
    """The operator's own word is good for every address but those that hand out credentials."""
    everywhere = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    reach = reach_of_callbacks(settings)
    return reach.model_copy(update={"allow_networks": everywhere, "deny_hosts": (), "ports": (0,)})
