"""What answers are made of: jobs, batches, variants; and the recipe, from its own model."""

from typing import Any

from pool import Recipe
from server.edge.openapi.parts import Schema, flag, listed, maybe, number, ref, shape, text, whole
from server.jobs.job import JobState
from server.jobs.source import Source
from server.jobs.trail.trace import Part

_STATES = [state.value for state in JobState]
_TIME = {"format": "date-time"}
_SOURCE_IMAGE = maybe(text("The picture whose original it is made from, if it is one."))
_SOURCE = text("By which way the picture came in.", enum=[way.value for way in Source])

VARIANT = shape(
    "One output file.",
    {
        "name": text("As in the recipe; 'default' where it names none."),
        "url": text("Its address."),
        "format": text("jpeg, png, webp, avif, gif or tiff."),
        "width": whole("Pixels."),
        "height": whole("Pixels."),
        "bytes": whole("Size of the file."),
        "frames": whole("More than 1 for an animation."),
        "quality": maybe(whole("The quality that was found, where it was sought.")),
    },
)
PLACEHOLDER = shape(
    "What a page shows before the picture is there.",
    {
        "thumbHash": text("Base64 of https://evanw.github.io/thumbhash/"),
        "dominantColor": text("#rrggbb"),
        "width": whole("Pixels of the result it was made from."),
        "height": whole("Pixels of the result it was made from."),
        "dHash": text("64 bits as 16 hexadecimal digits; pictures that look alike differ in few."),
    },
)
_RESULT: dict[str, Schema] = {
    "url": text("Address of the first variant."),
    "variants": listed("Every output file.", ref("Variant")),
    "placeholder": maybe(ref("Placeholder")),
    "cached": flag("Whether it was there already, made for an earlier picture."),
    "engines": {"type": ["object", "null"], "description": "The networks that took part."},
    "html": text("A <picture> element, where the recipe has `responsive`."),
}
_ORIGINAL = shape(
    "What was sent.",
    {
        "bytes": whole("Size of the file."),
        "format": text("Kind of file, by its content."),
        "width": whole("Pixels, turned upright."),
        "height": whole("Pixels, turned upright."),
    },
)
_ERROR = shape(
    "Why there is no result.",
    {
        "code": text("As in the `type` of a problem."),
        "title": text("The code in words."),
        "detail": text("What was wanted, what came, what to do."),
    },
)
_JOB: dict[str, Schema] = {
    "type": {"const": "job"},
    "jobId": text("Also the image's id."),
    "imageId": text("The same."),
    "batchId": maybe(text("Of the batch it came with.")),
    "revision": whole("Grows with every change; drop what is older than what you have."),
    "name": text("Of the file that was sent."),
    "status": text("Where it stands.", enum=_STATES),
    "stage": maybe(
        text("fetching, decoding, processing, enhancing, upscaling, encoding or storing.")
    ),
    "progress": whole("Percent.", maximum=100),
    "queuePosition": maybe(whole("1 is next.")),
    "etaSeconds": maybe(number("Until it is done, as far as that is known.")),
    "createdAt": maybe(text("When it was accepted.", **_TIME)),
    "startedAt": maybe(text("When a worker took it.", **_TIME)),
    "finishedAt": maybe(text("When it ended.", **_TIME)),
    "attempts": whole("How many workers died on it."),
    "original": _ORIGINAL,
    "private": flag("Whether only its owner, or who has a signed URL, sees it."),
    "error": maybe(_ERROR),
    **_RESULT,
}
_OPTIONAL = set(_RESULT) - {"cached"}
JOB = shape("One picture and what is done with it.", _JOB, optional=_OPTIONAL)
JOB_DETAILS = shape(
    "Everything known of a job.",
    {
        **_JOB,
        "recipe": ref("Recipe"),
        "digest": text("SHA-256 of the original."),
        "source": _SOURCE,
        "queue": text("interactive, bulk, or ai where networks do the work."),
        "memoryEstimateBytes": whole("What it was foretold to take."),
        "timingsMs": {
            "type": "object",
            "description": "Milliseconds by stage.",
            "additionalProperties": {"type": "number"},
        },
        "sourceImageId": _SOURCE_IMAGE,
        "attemptHistory": listed("What came of each attempt.", {"type": "string"}),
        "quarantined": flag("Whether it is kept aside until somebody tries it again."),
        "expiresIn": maybe(whole("Seconds after its end, if it was said.")),
        "requestId": maybe(text("Of the request that brought it: X-Request-Id of that answer.")),
    },
    optional=_OPTIONAL,
)
_RECORDED = ("type", "jobId", "imageId", "batchId", "revision", "name", "attempts", "private")
RECORD = shape(
    "One job that has ended, as the history keeps it.",
    {
        **{name: _JOB[name] for name in _RECORDED},
        "status": text("How it ended.", enum=["completed", "failed", "cancelled"]),
        "client": text("Who brought it."),
        "source": _SOURCE,
        "sourceImageId": _SOURCE_IMAGE,
        "createdAt": maybe(text("When it was accepted.", **_TIME)),
        "startedAt": maybe(text("When a worker took it.", **_TIME)),
        "finishedAt": maybe(text("When it ended.", **_TIME)),
        "expiredAt": maybe(text("When its files went.", **_TIME)),
        "waitedMs": maybe(number("In the queue.")),
        "takenMs": maybe(number("In work.")),
        "timingsMs": {"type": "object", "additionalProperties": {"type": "number"}},
        "attemptHistory": listed("What came of each attempt.", {"type": "string"}),
        "quarantined": flag("Whether it was kept aside."),
        "cached": _RESULT["cached"],
        "original": _ORIGINAL,
        "digest": text("SHA-256 of the original."),
        "recipe": {"type": "object", "description": "As it was asked."},
        "error": maybe(_ERROR),
        "url": maybe(text("Of the first variant, while it is there.")),
        "variants": listed("Every output file.", {"type": "object"}),
        "bytesOut": whole("Of all variants together."),
    },
)
_BATCH: dict[str, Schema] = {
    "type": {"const": "batch"},
    "jobId": text("Begins with batch-."),
    "revision": whole("Grows with every change."),
    "status": text("completed once all of its jobs have ended.", enum=["processing", "completed"]),
    "progress": whole("Percent of its jobs that have ended.", maximum=100),
    "total": whole("Jobs in it."),
    "counts": {
        "type": "object",
        "description": "Jobs in each state.",
        "properties": {state: {"type": "integer"} for state in _STATES},
    },
    "createdAt": maybe(text("When it was accepted.", **_TIME)),
}
BATCH = shape(
    "Many pictures that were sent together.",
    {
        **_BATCH,
        "images": listed("Its jobs, or a part of them.", ref("Job")),
        "next": text("Where the next part is, if there is one."),
    },
    optional=["images", "next"],
)
COMPLETED = shape(
    "The result, as it was there in time.",
    {"status": {"const": "completed"}, "imageId": text("Its id."), "jobId": text("The same.")}
    | _RESULT,
    optional=["html", "engines"],
)
_TAKEN: dict[str, Schema] = {
    "status": {"const": "processing"},
    "jobId": text("What to watch."),
    "message": text("For people."),
}
PROCESSING = shape("Accepted: it will be done.", {**_TAKEN, "imageId": text("The same as jobId.")})
BATCH_TAKEN = shape(
    "Accepted: all of these will be done.",
    {
        **_TAKEN,
        "images": listed(
            "Those that were taken, in the order they came.",
            shape("One of them.", {"imageId": text("Its id."), "name": text("Of its file.")}),
        ),
        "refused": listed(
            "Those that were not.",
            shape(
                "One of them.",
                {
                    "index": whole("Of the URL in imageUrls, from 0 on."),
                    "name": text("Of its file."),
                    "problem": ref("RefusedPicture"),
                },
                optional={"index"},
            ),
        ),
    },
)
REFUSED_PICTURE = shape(
    "Why one picture of several was not taken.",
    {
        "type": text("Stable: what a program decides by."),
        "title": text("The code in words."),
        "status": whole("The status it would have had alone."),
        "detail": text("What was wanted, what came, what to do."),
    },
)

_HOP = shape(
    "One part of the way.",
    {
        "name": text("What happens, such as body, admit, wait, decoding, settle."),
        "part": text("Who is at work.", enum=[part.value for part in Part]),
        "attempt": maybe(whole("Which attempt of the lanes, from 1.")),
        "startMs": number("Since the first hop began."),
        "durationMs": number("Until it ended."),
        "message": {"description": "What was said; null where it is not remembered."},
    },
)
TRACE = shape(
    "The way of one picture.",
    {
        "jobId": text("Of this job."),
        "status": text("Where it stands.", enum=_STATES),
        "startedAt": maybe(text("When the first hop began.", **_TIME)),
        "atMs": number("The same in milliseconds since 1970."),
        "nowMs": number("The server's clock as it answered."),
        "totalMs": number("From the first hop to the last."),
        "attempts": whole("Of the lanes."),
        "cached": _RESULT["cached"],
        "hops": listed("In the order of time.", _HOP),
    },
)

SCHEMAS: dict[str, Schema] = {
    "Batch": BATCH,
    "BatchTaken": BATCH_TAKEN,
    "Completed": COMPLETED,
    "Job": JOB,
    "JobDetails": JOB_DETAILS,
    "Placeholder": PLACEHOLDER,
    "Processing": PROCESSING,
    "Record": RECORD,
    "RefusedPicture": REFUSED_PICTURE,
    "Trace": TRACE,
    "Variant": VARIANT,
}


def recipe_schemas() -> dict[str, Schema]:
    """`Recipe` and a component for the settings of each step, with default, unit and bounds."""
    # Any: a JSON Schema is JSON of any shape.
    whole_recipe: dict[str, Any] = Recipe.model_json_schema(
        by_alias=True, ref_template="#/components/schemas/Recipe{model}"
    )
    inner = whole_recipe.pop("$defs")
    return {"Recipe": whole_recipe} | {f"Recipe{name}": found for name, found in inner.items()}
