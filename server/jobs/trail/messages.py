"""What was said at each hop of a job's way, for who may see the job: real, and without secrets.

Left out are clients' names, paths outside the spool, keys of storage that belong to other jobs, and
what stands in a URL behind its path. Any: what is shown is JSON of any shape.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from pool import Outcome, Task
from server.jobs import names
from server.jobs.job import Job, iso
from server.jobs.trail.notebook import Notes, Posted

_HIDDEN_COLUMNS = ("client", "batch")


def body(job: Job) -> dict[str, Any]:
    """What came."""
    return {"name": job.name, "bytes": job.original_bytes}


def spooled(job: Job) -> dict[str, Any]:
    """What is known of a file that lies in the spool."""
    return {"file": f"spool/incoming/{job.job_id}", "synced": True, "sha256": job.digest}


def header(job: Job) -> dict[str, Any]:
    """What the probe read."""
    return {"format": job.original_format, "width": job.width, "height": job.height}


def recipe(job: Job) -> dict[str, Any]:
    """What was asked for, and what it may take."""
    return {"recipe": _recipe(job), "memoryEstimateBytes": job.cost_bytes}


def original(job: Job) -> dict[str, Any]:
    """Where the picture as it came is kept."""
    if job.job_id in job.original_key:
        return {"key": job.original_key, "bytes": job.original_bytes}
    return {"key": None, "note": "The same bytes were stored before, or they are gone by now."}


def order(job: Job) -> dict[str, Any]:
    """A job that lines up before its picture is there."""
    return {"key": names.job(job.job_id), **source(job), "recipe": _recipe(job)}


def source(job: Job) -> dict[str, Any]:
    """Where a picture was fetched from."""
    if job.source_url is None:
        return {"imageId": job.source_image_id}
    return {"url": _shown(job.source_url)}


def fields(job: Job) -> dict[str, Any]:
    """The job as the script wrote it."""
    return {
        "key": names.job(job.job_id),
        "id": job.job_id,
        "name": job.name,
        "class": job.queue_class,
        "batch": job.batch_id,
        "created": job.created_ms,
        "original_bytes": job.original_bytes,
        "original_format": job.original_format,
        "width": job.width,
        "height": job.height,
        "cost": job.cost_bytes,
        "digest": job.digest,
        "recipe": _recipe(job),
        "came": job.came,
    }


def line(job: Job) -> dict[str, Any]:
    """Where it stood in line."""
    return {"jobId": job.job_id, "ring": names.RING + job.queue_class, "class": job.queue_class}


def lease(job: Job, lane: str) -> dict[str, Any]:
    """How it was taken out of the line."""
    return {
        "stream": names.stream(job.queue_class),
        "group": names.GROUP,
        "entry": job.entry,
        "jobId": job.job_id,
        "token": job.token,
        "startedAt": iso(job.started_ms),
        "lane": lane,
    }


def prepared(job: Job, lane: str) -> dict[str, Any]:
    """The folder in which a worker may write."""
    return {"lane": lane, "folder": f"spool/work/{job.job_id}.{job.token}"}


def task(given: Task | None) -> dict[str, Any] | None:
    """The record that a worker process was handed."""
    if given is None:
        return None
    limits = asdict(given.limits)
    del limits["engines"]
    return {
        "job_id": given.job_id,
        "attempt": given.attempt,
        "source": _below_spool(given.source),
        "workdir": _below_spool(given.workdir),
        "recipe": orjson.loads(given.recipe.canonical()),
        "deadline_s": given.deadline_s,
        "threads": given.threads,
        "assets": sorted(given.assets),
        "limits": limits,
    }


def lap(name: str, job: Job, given: Outcome | None) -> dict[str, Any] | None:
    """What came of a part of the work, where something did."""
    if name.startswith("save "):
        saved = name.removeprefix("save ")
        return next((_variant(one) for one in job.variants if one.name == saved), None)
    if name == "look" and job.look is not None:
        return asdict(job.look)
    if name == "fault" and given is not None and given.fault is not None:
        return asdict(given.fault)
    if name in job.timings_ms:
        return {"stage": name, "measuredMs": round(job.timings_ms[name], 2)}
    return None


def outcome(given: Outcome | None) -> dict[str, Any] | None:
    """The record that a worker process gave back."""
    if given is None:
        return None
    shown = asdict(given)
    for output in shown["outputs"]:
        output["path"] = Path(output["path"]).name
    return shown


def results(job: Job) -> dict[str, Any]:
    """Where the results are kept."""
    return {"keys": [one.key for one in job.variants if job.job_id in one.key]}


def end(job: Job) -> dict[str, Any]:
    """What the last move wrote."""
    return {
        "key": names.job(job.job_id),
        "status": job.status.value,
        "settled": job.settled_ms,
        "cached": job.is_cached,
        "error": job.error_code,
        "timings": job.timings_ms,
        "variants": [_variant(one) for one in job.variants],
        "work": job.work,
    }


def event(notes: Notes) -> dict[str, Any]:
    """What every watcher of the job was told."""
    said = orjson.loads(notes.event or b"null")
    return {"channel": "events", "watchers": notes.watchers, "event": said}


def row(written: dict[str, Any] | None) -> dict[str, Any] | None:
    """The row of the history."""
    if written is None:
        return None
    shown = {name: value for name, value in written.items() if name not in _HIDDEN_COLUMNS}
    outputs = [{name: one[name] for name in one if name != "key"} for one in written["outputs"]]
    return shown | {"outputs": outputs}


def webhook(posted: Posted) -> dict[str, Any]:
    """What was sent to the job's own address, and the answer."""
    said = orjson.loads(posted.body)
    answer = {"status": posted.status, "error": posted.error or None}
    return {"line": f"POST {_shown(posted.url)}", "body": said, "answer": answer}


def _shown(address: str) -> str:
    """Whoever knows what stands behind the path may have a secret in hand."""
    url = urlsplit(address)
    shown = f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
    return shown + ("?…" if url.query else "")


def _variant(one: Any) -> dict[str, Any]:
    shown = asdict(one)
    del shown["key"]  # under which another job's id may stand
    return shown


def _recipe(job: Job) -> Any:
    return orjson.loads(job.recipe or "{}")


def _below_spool(path: str) -> str:
    return "spool/" + path.rpartition("/spool/")[2]
