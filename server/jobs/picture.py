"""The public picture of a job or a batch: what status, WebSocket and SSE all show, in camelCase."""

from typing import Any

from pool import Look
from server.jobs.job import Batch, Job, JobState, Variant, iso
from server.jobs.links import PUBLIC, Links
from server.jobs.markup import picture_element
from server.refusals import fault_title


def job_picture(job: Job, links: Links = PUBLIC) -> dict[str, Any]:
    """Everything public that changes while a job lives; `links` signs what is private."""
    picture: dict[str, Any] = {
        "type": "job",
        "jobId": job.job_id,
        "imageId": job.job_id,
        "batchId": job.batch_id,
        "revision": job.revision,
        "name": job.name,
        "status": job.status.value,
        "stage": job.stage,
        "progress": job.progress,
        "queuePosition": job.position,
        "etaSeconds": None if job.eta_ms is None else round(job.eta_ms / 1000, 1),
        "createdAt": iso(job.created_ms),
        "startedAt": iso(job.started_ms),
        "finishedAt": iso(job.settled_ms),
        "attempts": job.attempts,
        "original": {
            "bytes": job.original_bytes,
            "format": job.original_format,
            "width": job.width,
            "height": job.height,
        },
        "private": job.private,
        "cached": job.is_cached,
        "error": _error(job),
    }
    if job.status is JobState.COMPLETED:
        picture |= result_picture(job, links)
    return picture


def result_picture(job: Job, links: Links = PUBLIC) -> dict[str, Any]:
    """Where a completed job's variants are, what it looks like before, and how a page shows it."""
    picture: dict[str, Any] = {
        "url": links.image(job),
        "cached": job.is_cached,
        "variants": [
            _variant_picture(variant, links.image(job, variant.name)) for variant in job.variants
        ],
        "placeholder": None if job.look is None else _placeholder(job.look),
    }
    if job.engines:
        picture["engines"] = job.engines
    markup = picture_element(job, links)
    return picture | {"html": markup} if markup else picture


def _placeholder(look: Look) -> dict[str, Any]:
    return {
        "thumbHash": look.thumbhash,
        "dominantColor": look.dominant_colour,
        "width": look.width,
        "height": look.height,
        "dHash": look.dhash,
    }


def job_details(job: Job, recipe: dict[str, Any], links: Links = PUBLIC) -> dict[str, Any]:
    """Everything known of a job, for GET /job/{id}."""
    return job_picture(job, links) | {
        "recipe": recipe,
        "digest": job.digest,
        "source": job.source,
        "sourceImageId": job.source_image_id,
        "queue": job.queue_class,
        "memoryEstimateBytes": job.cost_bytes,
        "timingsMs": job.timings_ms,
        "attemptHistory": list(job.history),
        "quarantined": job.is_quarantined,
        "expiresIn": job.expires_in_s,
        "requestId": job.request_id or None,
    }


def batch_picture(batch: Batch) -> dict[str, Any]:
    """A batch by its counts; its images are listed apart."""
    return {
        "type": "batch",
        "jobId": batch.batch_id,
        "revision": batch.revision,
        "status": "completed" if batch.is_settled else "processing",
        "progress": 100 * batch.settled // max(1, batch.total),
        "total": batch.total,
        "counts": batch.counts,
        "createdAt": iso(batch.created_ms),
    }


def _variant_picture(variant: Variant, url: str) -> dict[str, Any]:
    return {
        "name": variant.name,
        "url": url,
        "format": variant.format,
        "width": variant.width,
        "height": variant.height,
        "bytes": variant.bytes,
        "frames": variant.frames,
        "quality": variant.quality,
    }


def _error(job: Job) -> dict[str, str] | None:
    if job.error_code is None:
        return None
    title = fault_title(job.error_code)
    return {"code": job.error_code, "title": title, "detail": job.error_detail or ""}
