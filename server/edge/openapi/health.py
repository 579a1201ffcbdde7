"""/metrics, /livez, /readyz, /health."""

from server.edge.openapi.parts import (
    Operation,
    answer,
    flag,
    listed,
    maybe,
    number,
    operation,
    shape,
    text,
    whole,
)

_CHECKS = shape(
    "Each part without which no picture can be taken in, and whether it works.",
    {
        "redis": flag("Redis answers."),
        "feed": flag("Events arrive."),
        "lanes": flag("At least one worker lives; missing on a node without workers."),
        "storage": flag("The disk or bucket takes and gives pictures."),
        "disk": flag("The data folder can be written and has room."),
        "journal": flag("What has ended is written down in time; missing where nothing is."),
        "accepting": flag("It is not about to stop."),
    },
    optional=["lanes", "journal"],
)
_STATUS = text("ok; degraded; or unavailable.", enum=["ok", "degraded", "unavailable"])
_TROUBLES = {
    name: {"type": "object", "description": about, "additionalProperties": {"type": "string"}}
    for name, about in {
        "reasons": "What is wrong with each part that does not work.",
        "degraded": "Of parts that keep no picture from being taken in: what is wrong, what to do.",
    }.items()
}
_READINESS = shape(
    "Readiness.", {"status": _STATUS, "checks": _CHECKS, **_TROUBLES}, optional=_TROUBLES
)
_SANDBOX = {"type": ["object", "null"], "description": "What it is shut out from."}
_NUMBERS = {"type": "object", "additionalProperties": {"type": "integer"}}
_LANE = shape(
    "One worker process.",
    {
        "name": text("Of the lane."),
        "alive": flag("Whether it can take work."),
        "pid": maybe(whole("Of its process.")),
        "memoryBytes": whole("What it holds."),
        "restarts": {**_NUMBERS, "description": "How often it was replaced, by reason."},
        "sandbox": _SANDBOX,
    },
)
_PART = shape(
    "One part.",
    {
        "state": text("ok; degraded; or down.", enum=["ok", "degraded", "down"]),
        "since": text("When this node first saw it so.", format="date-time"),
        "trouble": maybe(text("What is wrong.")),
        "todo": maybe(text("What to do about it.")),
    },
)
_DETAILS = {
    "parts": {
        "type": "object",
        "description": "Each part by its name; those of `checks`, and tracing.",
        "additionalProperties": _PART,
    },
    "node": text("The name of this node."),
    "role": text("all, edge or worker."),
    "draining": flag("Whether it is about to stop."),
    "startedAt": text("When it started.", format="date-time"),
    "uptimeS": number("Seconds since then."),
    "versions": {
        "type": "object",
        "description": "Of safelight, python, libvips, aiohttp, redis (the server), database.",
        "additionalProperties": {"type": ["string", "null"]},
    },
    "queue": maybe(
        shape(
            "Of all nodes; null while Redis does not answer.",
            {
                "waiting": {**_NUMBERS, "description": "Jobs that wait, by class."},
                "processing": whole("Jobs in work."),
                "lanesOfAllNodes": whole("Workers of all nodes."),
            },
        )
    ),
    "memory": shape(
        "Of this node.",
        {
            "serverBytes": whole("Of the server process."),
            "workerBytes": whole("Of its workers."),
            "budgetBytes": whole("What jobs in work may need."),
            "budgetUsedBytes": whole("What they need."),
        },
    ),
    "disk": shape(
        "Of the data folder.",
        {
            "freeBytes": maybe(whole("There is.")),
            "minFreeBytes": whole("Must stay free; with less, pictures are refused."),
        },
    ),
    "sandbox": _SANDBOX,
    "lanes": listed("Workers.", _LANE),
    "storage": shape("Where pictures lie.", {"kind": text("disk, s3, gcs or azure.")}),
    "records": {
        "type": ["object", "null"],
        "description": "How the history stands; null where it is off.",
    },
    "tracing": {
        "type": ["object", "null"],
        "description": "Spans sent, failed and dropped; null where it is off.",
    },
}

HEALTH: dict[str, Operation] = {
    "GET /metrics": operation(
        "Everything that is counted, for Prometheus",
        about="OpenMetrics where `Accept` asks for it. Not here where it has a port of its own.",
        answers={
            200: {
                "description": "docs/metrics.md explains each.",
                "content": {"application/openmetrics-text": {}, "text/plain": {}},
            }
        },
    ),
    "GET /livez": operation(
        "Does the process answer",
        answers={200: answer("It does.", shape("Life.", {"status": {"const": "ok"}}))},
    ),
    "GET /readyz": operation(
        "Would a picture sent now be worked on",
        answers={200: answer("Yes.", _READINESS), 503: answer("No.", _READINESS)},
    ),
    "GET /health": operation(
        "Every part with its state",
        answers={
            200: answer(
                "As it stands; where there are API keys, all but what /readyz says is for the scope"
                " admin.",
                shape(
                    "Health.",
                    {"status": _STATUS, "checks": _CHECKS, **_TROUBLES, **_DETAILS},
                    optional=_TROUBLES | _DETAILS,
                ),
            )
        },
    ),
}
