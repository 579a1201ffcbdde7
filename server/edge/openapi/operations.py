"""/schema/recipe, /presets, /openapi.json; /livez, /readyz, /health of health.py."""

from server.edge.openapi.health import HEALTH
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
                        "models": listed("Each network that works.", {"type": "object"}),
                        "broken": listed(
                            "Networks that do not work here.",
                            shape(
                                "One that does not work.",
                                {"name": text("Of the network."), "whyNot": text("Why.")},
                            ),
                        ),
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
    "GET /metrics": operation(
        "Figures for Prometheus",
        about="In its text format; docs/metrics.md has each. They may stand on an address of their"
        " own: `metrics.port`.",
        answers={200: {"description": "As they stand.", "content": {"text/plain": {"schema": {}}}}},
    ),
    "GET /openapi.json": operation(
        "This document", answers={200: answer("OpenAPI 3.1.", _ANY_OBJECT)}
    ),
    **HEALTH,
}
