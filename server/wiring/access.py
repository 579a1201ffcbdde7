"""Who may do what, how much, and safely twice."""

from dataclasses import dataclass

import structlog

from server.edge.access.cors import Cors
from server.edge.access.gate import Gate
from server.edge.access.idempotency import Idempotency
from server.edge.access.quota import Quotas
from server.edge.access.sign import Doorman
from server.jobs.counts.usage import Allowance, Usage
from server.jobs.links import Links
from server.jobs.once import OnceBook
from server.signing import Signer, load_keys, signing_file
from server.wiring.ground import Ground

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """What stands before every handler, and what it lets through."""

    signer: Signer
    links: Links
    doorman: Doorman
    quotas: Quotas
    idempotency: Idempotency
    cors: Cors
    gate: Gate


def build_access(ground: Ground) -> Access:
    """The gate, and what the handlers ask besides."""
    settings = ground.settings
    if settings.redis.url and not settings.signing.keys:
        log.warning("signing.keys is empty: what this node signs, no other node accepts")
    public = settings.auth.public_images
    allowance = Allowance(**settings.quota.model_dump())
    signer = Signer(load_keys(settings.signing.keys, signing_file(ground.data_dir)))
    doorman = Doorman(signer, public_images=public)
    quotas = Quotas(Usage(ground.redis, allowance), allowance)
    cors = Cors(settings.cors)
    return Access(
        signer=signer,
        links=Links(signer, url_s=settings.signing.url_s, public_images=public),
        doorman=doorman,
        quotas=quotas,
        idempotency=Idempotency(OnceBook(ground.redis), settings.idempotency),
        cors=cors,
        gate=Gate(settings.auth, ground.queue, cors=cors, quotas=quotas, doorman=doorman),
    )
