"""Every route of the service, in one table."""

from aiohttp import web

from server.app import Parts
from server.edge.access.client import TRUSTED_PROXIES
from server.edge.access.sign import SignHandler
from server.edge.archive.handler import ArchiveHandler
from server.edge.history.handler import HistoryHandler
from server.edge.hosting.delivery import Delivery
from server.edge.hosting.hot import HotAnswers
from server.edge.hosting.images import ImageHandler
from server.edge.hosting.removal import RemovalHandler
from server.edge.incoming.direct import DirectUploadHandler
from server.edge.incoming.hooks import HookHandler
from server.edge.incoming.process import ProcessHandler
from server.edge.incoming.upload import UploadHandler
from server.edge.metrics.requests import IN_FLIGHT
from server.edge.networks import NetworkHandler
from server.edge.observed import LOG_CLIENT, TRACER
from server.edge.offer import OfferHandler
from server.edge.openapi import OpenApiHandler
from server.edge.page import PageHandler
from server.edge.problems import TALLY, tell_problems
from server.edge.recipes import RecipeHandler
from server.edge.status import StatusHandler
from server.edge.trace import TraceHandler
from server.edge.tus.handler import TusHandler, mark_response
from server.edge.webhooks import WebhookHandler
from server.storage.bucket import BucketStorage
from server.wiring.front import Front


def application(parts: Parts) -> web.Application:
    """Every address that this node answers."""
    app = _everywhere(parts)
    if parts.front is not None:
        _meet_clients(app, parts, parts.front)
    return app


def _everywhere(parts: Parts) -> web.Application:
    """What a node answers whatever its role."""
    app = web.Application(middlewares=[tell_problems, parts.access.gate.middleware])
    app[TRUSTED_PROXIES] = parts.settings.server.trusted_proxies
    app[TALLY] = parts.ground.queue.tally
    app[IN_FLIGHT] = parts.measuring.metrics.requests.in_flight
    app[LOG_CLIENT] = parts.settings.logging.client
    if parts.ground.tracer is not None:
        app[TRACER] = parts.ground.tracer
    app.add_routes(
        [
            web.get("/livez", parts.health.get_livez),
            web.get("/readyz", parts.health.get_readyz),
            web.get("/health", parts.health.get_health),
        ]
    )
    if parts.settings.metrics.enabled and not parts.settings.metrics.port:
        app.add_routes([web.get("/metrics", parts.measuring.metrics.get)])
    return app


def aside(parts: Parts) -> web.Application:
    """What an address of its own answers, to whoever reaches it: who watches, not who uses."""
    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", parts.measuring.metrics.get),
            web.get("/livez", parts.health.get_livez),
            web.get("/readyz", parts.health.get_readyz),
        ]
    )
    return app


def _meet_clients(app: web.Application, parts: Parts, front: Front) -> None:
    """All the rest."""
    settings, ground, access, feed = parts.settings, parts.ground, parts.access, parts.feed
    running = parts.running
    incoming, hosting, told = front.incoming, front.hosting, front.webhooks
    records = parts.history.records if parts.history else None
    journal = parts.history.journal if parts.history else None
    upload = UploadHandler(
        incoming.intake,
        feed,
        settings,
        idempotency=access.idempotency,
        quotas=access.quotas,
        links=access.links,
        callbacks=told.callbacks,
    )
    status = StatusHandler(ground.queue, feed, settings.upload, access.links)
    sign = SignHandler(ground.queue, access.signer, settings, doorman=access.doorman)
    history = HistoryHandler(ground.queue, records, journal)
    delivery = Delivery(ground.storage, settings.storage, hot=hosting.hot, hosting=settings.hosting)
    hot = HotAnswers(hosting.heads, hosting.hot)
    images = ImageHandler(
        hosting.heads,
        delivery,
        access.doorman,
        derive=hosting.derive,
        presets=settings.presets if settings.derived.presets else {},
        presets_only=settings.recipes.presets_only,
        stand_in_s=settings.derived.stand_in_s,
    )
    recipes = RecipeHandler(settings)
    archives = ArchiveHandler(ground.queue, ground.storage, ground.spool, settings)
    tus = TusHandler(
        incoming.tus,
        incoming.intake,
        settings,
        quotas=access.quotas,
        callbacks=told.callbacks,
    )
    removal = RemovalHandler(ground.queue, feed, settings.upload, forget=hosting.forget)
    direct = DirectUploadHandler(
        incoming.presign,
        incoming.intake,
        feed,
        settings,
        signer=access.signer,
        links=access.links,
        quotas=access.quotas,
        callbacks=told.callbacks,
    )
    process = ProcessHandler(
        incoming.intake,
        incoming.ordering,
        incoming.urls,
        feed,
        settings,
        idempotency=access.idempotency,
        links=access.links,
        callbacks=told.callbacks,
    )
    hooks = HookHandler(
        incoming.storage_events,
        settings.hooks,
        stall_timeout_s=settings.upload.stall_timeout_s,
    )
    trace = TraceHandler(ground.queue, ground.notebook)
    page = PageHandler(ground.storage)
    webhooks = WebhookHandler(told.outbox, settings.webhooks, told.secrets)
    networks = NetworkHandler(running.speeds, concurrency=running.networks_at_once)
    offer = OfferHandler(settings, has_bucket=isinstance(ground.storage, BucketStorage))
    app.middlewares.insert(0, hot.middleware)
    app.add_routes(
        [
            web.post("/upload", upload.post, expect_handler=access.gate.expecting(upload.expect)),
            web.post("/process", process.post),
            web.post("/uploads", direct.begin),
            web.put("/uploads/{id}", direct.put, expect_handler=direct.expect),
            web.post("/uploads/{id}/complete", direct.complete),
            web.post("/hooks/storage", hooks.post),
            web.options("/files", tus.serve_all),
            web.post("/files", tus.serve_all),
            web.options("/files/{id}", tus.serve_one),
            web.head("/files/{id}", tus.serve_one),
            web.patch("/files/{id}", tus.serve_one),
            web.delete("/files/{id}", tus.serve_one),
            web.post("/files/{id}", tus.serve_one),  # with X-HTTP-Method-Override
            web.get("/webhooks/secret", webhooks.get_secret),
            web.get("/webhooks/deliveries", webhooks.list_deliveries),
            web.get("/webhooks/deliveries/{id}", webhooks.get_delivery),
            web.post("/webhooks/deliveries/{id}/replay", webhooks.replay),
            web.get("/webhooks/endpoints", webhooks.list_endpoints),
            web.post("/webhooks/endpoints/{name}/enable", webhooks.enable),
            web.post("/webhooks/endpoints/{name}/ping", webhooks.ping),
            web.get("/batch/{id}/zip", archives.get),
            web.post("/zip", archives.post),
            web.get("/status/{id}", status.get_status),
            web.get("/jobs", history.get_jobs),
            web.get("/jobs.csv", history.get_csv),
            web.get("/jobs.ndjson", history.get_ndjson),
            web.get("/job/{id}", status.get_job),
            web.get("/job/{id}/trace", trace.get),
            web.delete("/job/{id}", status.delete_job),
            web.post("/job/{id}/retry", status.retry_job),
            web.get("/image/{id}", images.get),
            web.get("/image/{id}/{variant}", images.get),
            web.post("/image/{id}/sign", sign.post),
            web.delete("/image/{id}", removal.delete_image),
            web.get("/ws", front.sockets.serve),
            web.get("/events/{id}", front.streams.serve, allow_head=False),
            web.get("/schema/recipe", recipes.get_schema),
            web.get("/presets", recipes.get_presets),
            web.get("/ai", networks.get),
            web.get("/config", offer.get),
            web.get("/openapi.json", OpenApiHandler(settings).get),
            web.get("/", page.get_page),
            web.get("/pipeline", page.get_pipeline),
            web.get("/control", page.get_control),
            web.get("/docs", page.get_docs),
            web.get("/web/{path:.+}", page.get_asset),
        ]
    )
    app.on_response_prepare.append(mark_response)
    if access.cors.is_on:
        app.on_response_prepare.append(access.cors.mark)
    if access.quotas.is_on:
        app.on_response_prepare.append(access.quotas.mark)
