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
from server.edge.networks import NetworkHandler
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


def application(parts: Parts) -> web.Application:
    """Every address that the server answers."""
    settings = parts.settings
    upload = UploadHandler(
        parts.intake,
        parts.feed,
        settings,
        idempotency=parts.idempotency,
        quotas=parts.quotas,
        links=parts.links,
        callbacks=parts.callbacks,
    )
    status = StatusHandler(parts.queue, parts.feed, settings.upload, parts.links)
    sign = SignHandler(parts.queue, parts.signer, settings, doorman=parts.doorman)
    history = HistoryHandler(parts.queue, parts.records, parts.journal)
    delivery = Delivery(parts.storage, settings.storage, hot=parts.hot, hosting=settings.hosting)
    hot = HotAnswers(parts.heads, parts.hot)
    images = ImageHandler(
        parts.heads,
        delivery,
        parts.doorman,
        derive=parts.derive,
        presets=settings.presets if settings.derived.presets else {},
        presets_only=settings.recipes.presets_only,
        stand_in_s=settings.derived.stand_in_s,
    )
    recipes = RecipeHandler(settings)
    archives = ArchiveHandler(parts.queue, parts.storage, parts.spool, settings)
    tus = TusHandler(
        parts.tus, parts.intake, settings, quotas=parts.quotas, callbacks=parts.callbacks
    )
    removal = RemovalHandler(parts.queue, parts.feed, settings.upload, forget=parts.forget)
    direct = DirectUploadHandler(
        parts.presign,
        parts.intake,
        parts.feed,
        settings,
        signer=parts.signer,
        links=parts.links,
        quotas=parts.quotas,
        callbacks=parts.callbacks,
    )
    process = ProcessHandler(
        parts.intake,
        parts.ordering,
        parts.urls,
        parts.feed,
        settings,
        idempotency=parts.idempotency,
        links=parts.links,
        callbacks=parts.callbacks,
    )
    hooks = HookHandler(
        parts.storage_events,
        settings.hooks,
        stall_timeout_s=settings.upload.stall_timeout_s,
    )
    trace = TraceHandler(parts.queue, parts.notebook)
    page = PageHandler(parts.storage)
    webhooks = WebhookHandler(parts.outbox, settings.webhooks, parts.webhook_secrets)
    networks = NetworkHandler(parts.speeds, concurrency=parts.networks_at_once)
    offer = OfferHandler(settings, has_bucket=isinstance(parts.storage, BucketStorage))
    app = web.Application(middlewares=[hot.middleware, tell_problems, parts.gate.middleware])
    app[TRUSTED_PROXIES] = settings.server.trusted_proxies
    app[TALLY] = parts.queue.tally
    app.add_routes(
        [
            web.post("/upload", upload.post, expect_handler=parts.gate.expecting(upload.expect)),
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
            web.get("/ws", parts.sockets.serve),
            web.get("/events/{id}", parts.streams.serve, allow_head=False),
            web.get("/schema/recipe", recipes.get_schema),
            web.get("/presets", recipes.get_presets),
            web.get("/ai", networks.get),
            web.get("/config", offer.get),
            web.get("/openapi.json", OpenApiHandler().get),
            web.get("/livez", parts.health.get_livez),
            web.get("/readyz", parts.health.get_readyz),
            web.get("/health", parts.health.get_health),
            web.get("/", page.get_page),
            web.get("/pipeline", page.get_pipeline),
            web.get("/control", page.get_control),
            web.get("/docs", page.get_docs),
            web.get("/web/{path:.+}", page.get_asset),
        ]
    )
    app.on_response_prepare.append(mark_response)
    if parts.cors.is_on:
        app.on_response_prepare.append(parts.cors.mark)
    if parts.quotas.is_on:
        app.on_response_prepare.append(parts.quotas.mark)
    return app
