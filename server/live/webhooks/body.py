"""What a webhook says, made of the snapshot that was taken with the move it tells of."""

from collections.abc import Callable
from typing import Any

import orjson

from server.jobs.delivery import Delivery
from server.jobs.job import Batch, Job, is_batch_id, iso
from server.jobs.links import Links
from server.jobs.picture import batch_picture, job_picture

LinksAt = Callable[[float], Links]
"""Makes links that are good from a moment on (seconds since 1970)."""

# What of a job may be long, and can be asked for with GET /status.
_LONG = ("html", "variants", "placeholder")


def body_of(delivery: Delivery, links_at: LinksAt, *, max_bytes: int) -> str:
    """The JSON to send. What is longer than allowed goes without the job's files."""
    data = _data(delivery, links_at(delivery.at_ms / 1000))
    body = _written(delivery, data)
    if len(body) > max_bytes:
        short = {name: value for name, value in data.items() if name not in _LONG}
        body = _written(delivery, short | {"shortened": True})
    return body.decode()


def _data(delivery: Delivery, links: Links) -> dict[str, Any]:
    if not delivery.subject_id:  # it tells of nothing: somebody tries an endpoint
        return {}
    if is_batch_id(delivery.subject_id):
        return batch_picture(Batch.from_json(delivery.snapshot))
    return job_picture(Job.from_json(delivery.snapshot), links)


def _written(delivery: Delivery, data: dict[str, Any]) -> bytes:
    said = {"type": delivery.event, "timestamp": iso(delivery.at_ms), "data": data}
    return orjson.dumps(said)
