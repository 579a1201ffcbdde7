"""/livez, /readyz, /health, /schema/recipe, /presets, /openapi.json."""

from server.edge.openapi.parts import (
    Operation,
    answer,
    flag,
    listed,
    maybe,
    operation,
    ref,
    shape,
    text,
    whole,
)

_CHECKS = shape(
    "Each part, and whether it works.",
    {
        "redis": flag("Redis answers."),
        "feed": flag("Events arrive."),
        "lanes": flag("At least one worker lives."),
        "storage": flag("The disk or bucket takes and gives pictures."),
        "accepting": flag("It is not about to stop."),
        "journal": flag("What has ended is written down in time."),
    },
)
_STATUS = text("ok, or unavailable.", enum=["ok", "unavailable"])
_LANE = shape(
    "One worker process.",
    {
        "name": text("Of the lane."),
        "alive": flag("Whether it can take work."),
        "pid": maybe(whole("Of its process.")),
        "memoryBytes": whole("What it holds."),
        "restarts": {
            "type": "object",
            "description": "How often it was replaced, by reason.",
            "additionalProperties": {"type": "integer"},
        },
        "sandbox": {"type": ["object", "null"], "description": "What it is shut out from."},
    },
)
_ANY_OBJECT = {"type": "object"}

OPERATIONS: dict[str, Operation] = {
    "GET /schema/recipe": operation(
        "What may stand in options",
        about="JSON Schema; every setting with its default, unit and bounds.",
        answers={200: answer("The schema.", _ANY_OBJECT)},
    ),
    "GET /presets": operation(
        "Recipes with a name",
        answers={
            200: answer(
                "Those of the operator.",
                shape(
                    "Presets.",
                    {
                        "presets": {
                            "type": "object",
                            "description": "Recipes by name.",
                            "additionalProperties": ref("Recipe"),
                        },
                        "presetsOnly": flag("Whether options of your own are refused."),
                    },
                ),
            )
        },
    ),
    "GET /ai": operation(
        "Which networks there are",
        answers={
            200: answer(
                "With the seconds that they take.",
                shape(
                    "Networks.",
                    {
                        "available": flag("Whether there are any."),
                        "whyNot": maybe(text("Why there are none.")),
                        "concurrency": whole("Jobs with networks at a time."),
                        "models": listed("Each network.", {"type": "object"}),
                    },
                ),
            )
        },
    ),
    "GET /config": operation(
        "What a client should know before it sends anything",
        answers={
            200: answer(
                "Limits and names.",
                shape(
                    "What this service offers, and to whom.",
                    {
                        "keyNeeded": flag("Whether there are API keys."),
                        "key": maybe(
                            shape(
                                "The caller's key.",
                                {
                                    "name": text("As in config.toml."),
                                    "scopes": listed("What it may do.", {"type": "string"}),
                                },
                            )
                        ),
                        "directUploads": flag(
                            "Whether POST /uploads leads to a bucket, past this service."
                        ),
                        "maxUploadBytes": whole("Of one picture."),
                        "maxFiles": whole("In one POST /upload."),
                        "maxUrls": whole("In one POST /process of JSON."),
                        "maxWatched": whole("Jobs and batches over one WebSocket."),
                        "maxZipEntries": whole("Pictures in one POST /zip."),
                        "watermarks": listed("Names for watermark.asset.", {"type": "string"}),
                        "fonts": listed("Names for text.font.", {"type": "string"}),
                    },
                ),
            )
        },
        problems=["key_wrong"],
    ),
    "GET /openapi.json": operation(
        "This document", answers={200: answer("OpenAPI 3.1.", _ANY_OBJECT)}
    ),
    "GET /livez": operation(
        "Does the process answer",
        answers={200: answer("It does.", shape("Life.", {"status": {"const": "ok"}}))},
    ),
    "GET /readyz": operation(
        "Would a picture sent now be worked on",
        answers={
            200: answer("Yes.", shape("Readiness.", {"status": _STATUS, "checks": _CHECKS})),
            503: answer("No.", shape("Readiness.", {"status": _STATUS, "checks": _CHECKS})),
        },
    ),
    "GET /health": operation(
        "Every part with its state",
        answers={
            200: answer(
                "As it stands.",
                shape(
                    "Health.",
                    {
                        "status": _STATUS,
                        "checks": _CHECKS,
                        "lanes": listed("Workers.", _LANE),
                        "storage": shape(
                            "Where pictures lie.", {"kind": text("disk, s3, gcs or azure.")}
                        ),
                        "records": {
                            "type": ["object", "null"],
                            "description": "How the history stands; null where it is off.",
                        },
                    },
                    optional=["lanes", "storage", "records"],
                ),
            )
        },
    ),
}
